# SPDX-License-Identifier: Apache-2.0
"""The criteria by their name: each gives the units of a layer a score, and those of the smallest are removed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from bitwright.compress.family import Family
from bitwright.compress.prune.evidence import Array, Evidence
from bitwright.compress.prune.granularity import Grain


def largest(evidence: Evidence, grain: Grain, scores: Array, share: float) -> Array:
    """Those of the largest scores stay."""
    return grain.smallest(scores, share)


@dataclass(frozen=True, slots=True)
class Criterion:
    """A score for each unit, (sets, units), and what it is made of: weights, what layers read, or the loss.

    `stays` says which units do when a share of them goes.
    """

    score: Callable[[Evidence, Grain], Array]
    needs: Literal["weights", "inputs", "loss"]
    stays: Callable[[Evidence, Grain, Array, float], Array] = largest


CRITERIA: Family[Criterion] = Family("bitwright.compress.prune", "CRITERIA")
"""By their name on the command line."""
