# SPDX-License-Identifier: Apache-2.0
"""What changes the masks of a network that trains, by name."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from bitwright.compress.family import Family
from bitwright.compress.prune.granularity import Grain

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Rule:
    """From the scores of units (sets, units), what is left of them and the share that goes to what is left then.

    With `dense` weights that are gone are trained on, as if they were there, so that they can come back. With `drawn`
    the scores are mean ranks, from 0 on, and instead of what is left there are the chances of units to be gone, by
    which a mask is drawn at each step.
    """

    renew: Callable[[Grain, Array, Array, float], Array]
    dense: bool
    drawn: bool = False


RULES: Family[Rule] = Family("bitwright.compress.prune", "RULES")
"""The rules by their name."""
