# SPDX-License-Identifier: Apache-2.0
"""Masks that are drawn while a network trains: each unit has a chance to be gone, which its rank makes grow or fall."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.prune.granularity import Grain
from bitwright.compress.prune.rule import Rule

Array = NDArray[Any]
MOST = 0.25
"""What is added to the chance of the unit of the smallest score."""
MIDDLE = 0.25
"""The part of it that is added at the centre of symmetry."""


def grow(grain: Grain, ranks: Array, chances: Array, share: float) -> Array:
    """Units are gone by chance, which grows below the share that goes by their mean rank so far, and falls above it.

    Wang, Zhang, Wang, Hu: "Structured probabilistic pruning for convolutional neural network acceleration", BMVC 2018,
    arXiv 1709.06994; R082. Masks are drawn at each step; what is certain to be gone stays so. The times are those of
    the schedule, and with the last one the largest chances go.
    """
    return np.where(chances >= 1, 1.0, np.clip(chances + added(ranks, share), 0, 1))


def added(ranks: Array, share: float) -> Array:
    """`MOST` at rank 0, nothing at the share, falling; exponential up to a centre, around which it is symmetric."""
    slope = (np.log(2) - np.log(MIDDLE)) / max(share, 1e-9)
    centre = -np.log(MIDDLE) / slope
    before, behind = (
        np.exp(-slope * np.minimum(ranks, centre)),
        np.exp(-slope * (2 * centre - np.maximum(ranks, centre))),
    )
    return np.asarray(MOST * np.where(ranks <= centre, before, 2 * MIDDLE - behind))


def ranked(scores: Array) -> Array:
    """The rank of each score in its set, in parts of the set: 0 is the smallest."""
    return np.asarray(scores.argsort(axis=1, kind="stable").argsort(axis=1) / scores.shape[1])


RULES = {"probabilistic": Rule(grow, dense=True, drawn=True)}
