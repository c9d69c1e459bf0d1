# SPDX-License-Identifier: Apache-2.0
"""What papers on compression measure of networks, beside accuracy and size."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
BINS = 64


def instability(before: float, after: float) -> float:
    """The share of the accuracy that a step of pruning takes, before anything is trained.

    Bartoldson, Morcos, Barbu, Erlebacher: "The generalization-stability tradeoff in neural network pruning", NeurIPS
    2020; R177.
    """
    if not before > 0:
        raise BitwrightError(f"an accuracy of {before!r} has no shares", where="instability", hint="give one above 0")
    return (before - after) / before


def mask_distance(one: Array, other: Array) -> float:
    """How unlike two masks are: 0 where they keep the same weights, 1 where they have none in common (Jaccard).

    Paganini, Forde: "On iterative neural network pruning, reinitialization, and the similarity of masks", arXiv
    2001.05050; R178.
    """
    if one.shape != other.shape:
        hint = "give the masks of one weight"
        raise BitwrightError(f"masks of {one.shape} and {other.shape}", where="mask-distance", hint=hint)
    kept, either = (one != 0) & (other != 0), (one != 0) | (other != 0)
    return 1 - float(kept.sum()) / float(either.sum()) if either.any() else 0.0


def effective_rank(weight: Array) -> float:
    """How many directions the matrix (outputs, terms) of a weight has: e to the entropy of its singular values.

    Roy, Vetterli: "The effective rank: a measure of effective dimensionality", EUSIPCO 2007. Ranks that Suzuki, Abe,
    Nishimura: "Compression based bound for non-compressed network", ICLR 2020; R182, bounds the error by.
    """
    found = np.linalg.svd(weight.reshape(len(weight), -1).astype(np.float64), compute_uv=False)
    shares = found[found > 0] / max(float(found.sum()), np.finfo(np.float64).tiny)
    return float(np.exp(-(shares * np.log(shares)).sum())) if len(shares) else 0.0


def calibration_drift(calibrated: Sequence[float] | Array, met: Sequence[float] | Array) -> float:
    """The divergence (nats) of what a tensor has where it is used from what it had in calibration, by histograms.

    Bouvier, Hudelot, Chastagnol, Very, Tami: "Domain-invariant representations: a look on compression and weights",
    ICLR 2020 submission; R184. One is added to each bin, so that what was never met is far and not infinitely so.
    """
    ours, theirs = (np.asarray(values, np.float64).ravel() for values in (calibrated, met))
    if not (ours.size and theirs.size and np.isfinite(ours).all() and np.isfinite(theirs).all()):
        raise BitwrightError(
            "values that are none, or not finite", where="calibration-drift", hint="give samples of a tensor"
        )
    edges = np.histogram_bin_edges(np.concatenate([ours, theirs]), BINS)
    p, q = ((np.histogram(values, edges)[0] + 1.0) / (values.size + BINS) for values in (theirs, ours))
    return float((p * np.log(p / q)).sum())


MEASURES: Mapping[str, Callable[..., float]] = {
    "instability": instability,
    "mask-distance": mask_distance,
    "effective-rank": effective_rank,
    "calibration-drift": calibration_drift,
}
"""By name."""
