# SPDX-License-Identifier: Apache-2.0
"""More weights than shall go are set to zero, and those come back that are missed most in the outputs."""

from __future__ import annotations

import numpy as np

from bitwright.compress.prune.criteria import Criterion
from bitwright.compress.prune.evidence import Array, Evidence
from bitwright.compress.prune.granularity import Grain

BACK = 0.25
"""Of the units that stay, how many come back."""


def magnitude_restored(evidence: Evidence, grain: Grain) -> Array:
    """The magnitude; of those that stay a quarter comes back from below, those that take most off the outputs' error.

    With data the weights that stay are then those of least squares, layer by layer; `order: energy` of the step `prune`
    begins where most energy goes (Yang, Chen, Sze: "Designing energy-efficient convolutional neural networks using
    energy-aware pruning", CVPR 2017, arXiv 1611.05128; R103). Needs data.
    """
    return grain.pooled(np.abs(evidence.weight))


def restoring(evidence: Evidence, grain: Grain, scores: Array, share: float) -> Array:
    """The units that stay of a share that goes: the largest, and those below them that are missed most."""
    units = scores.shape[1]
    back = round(BACK * (units - round(share * units)))
    kept = grain.smallest(scores, min(share + back / units, 1.0))
    return grain.smallest(np.where(kept, np.inf, gains(evidence, grain, kept)), share)


def gains(evidence: Evidence, grain: Grain, kept: Array) -> Array:
    """How much the squared error of a layer's outputs falls when a unit comes back by itself, as it was."""
    squares, view = evidence.problem.squares, evidence.view
    weight = squares.weight
    left = weight * view.rows(grain.mask(kept, evidence.weight.shape))
    missing = squares.aim - left @ squares.hessian
    taken = 2 * weight * missing - weight**2 * np.einsum("gkk->gk", squares.hessian)[:, None]
    return grain.pooled(view.array(taken))


CRITERIA = {"restored": Criterion(magnitude_restored, "inputs", restoring)}
