# SPDX-License-Identifier: Apache-2.0
"""The criteria by their name: each gives the units of a layer a score, and those of the smallest are removed."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from bitwright.compress.prune.curvature import obs
from bitwright.compress.prune.evidence import Array, Evidence
from bitwright.compress.prune.granularity import Grain
from bitwright.compress.prune.weights import by_magnitude

Criterion = Callable[[Evidence, Grain], Array]
"""A score for each unit, (sets, units)."""

CRITERIA: Mapping[str, Criterion] = {"magnitude": by_magnitude, "obs": obs}
"""By their name on the command line."""
