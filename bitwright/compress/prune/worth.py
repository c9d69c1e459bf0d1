# SPDX-License-Identifier: Apache-2.0
"""What channels are worth, by criteria: those of the smallest scores go."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.family import Family
from bitwright.compress.groups import Group
from bitwright.compress.prune.choose import alike
from bitwright.compress.prune.facts import Facts

Array = NDArray[Any]
Score = Callable[[Facts, Group], Array]
"""A number for each channel of a group, the larger the more it is missed."""


@dataclass(frozen=True, slots=True)
class Worth:
    """Scores of channels, and what compares them between groups: `alike`, where every group loses an equal share."""

    score: Score
    level: Callable[[Array], Array] = alike


def compared(scores: Array) -> Array:
    """Scores that are compared as they are, whatever their group."""
    return np.asarray(scores)


CHANNELS: Family[Worth] = Family("bitwright.compress.prune", "CHANNELS")
"""The criteria by which channels go, by name."""
