# SPDX-License-Identifier: Apache-2.0
"""What says how sparse a network is when, over the time of a training, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from bitwright.compress.family import Family


class Schedule(Protocol):
    """The share of the weights that is removed at a time."""

    @property
    def times(self) -> tuple[float, ...]:
        """When masks are renewed, rising, each from 0 to 1."""

    def __call__(self, time: float) -> float:
        """The sparsity at a time; it never falls."""


SCHEDULES: Family[Callable[[float], Schedule]] = Family("bitwright.compress.prune", "SCHEDULES")
"""The schedules by their name in a recipe: from the final sparsity to the schedule; other fields have defaults."""
