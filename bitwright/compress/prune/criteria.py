# SPDX-License-Identifier: Apache-2.0
"""The criteria by their name: each gives the units of a layer a score, and those of the smallest are removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from bitwright.compress.prune.curvature import obd, obs
from bitwright.compress.prune.evidence import Array, Evidence
from bitwright.compress.prune.granularity import Grain
from bitwright.compress.prune.slopes import by_fisher, by_taylor, snip
from bitwright.compress.prune.weights import by_magnitude


@dataclass(frozen=True, slots=True)
class Criterion:
    """A score for each unit, (sets, units), and what it is made of: weights, what layers read, or the loss."""

    score: Callable[[Evidence, Grain], Array]
    needs: Literal["weights", "inputs", "loss"]


CRITERIA: Mapping[str, Criterion] = {
    "magnitude": Criterion(by_magnitude, "weights"),
    "obs": Criterion(obs, "inputs"),
    "obd": Criterion(obd, "loss"),
    "fisher": Criterion(by_fisher, "loss"),
    "taylor": Criterion(by_taylor, "loss"),
    "snip": Criterion(snip, "loss"),
}
"""By their name on the command line."""
