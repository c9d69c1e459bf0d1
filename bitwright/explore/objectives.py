# SPDX-License-Identifier: Apache-2.0
"""What a design can be better in: a name, a unit, and whether more or less of it is better."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches

from bitwright.ir.errors import BitwrightError


@dataclass(frozen=True, slots=True)
class Objective:
    """A figure of designs, by the name that records have it by; `of` says what it is."""

    name: str
    of: str
    unit: str = ""
    more_is_better: bool = False

    def loss(self, value: float) -> float:
        """The figure so that less is better."""
        return -value if self.more_is_better else value


ACCURACY = Objective("accuracy", "the share of samples whose highest score is at their label", "", True)
OBJECTIVES: dict[str, Objective] = {
    each.name: each
    for each in (
        ACCURACY,
        Objective("lut", "look-up tables"),
        Objective("ff", "flip-flops"),
        Objective("dsp", "multipliers"),
        Objective("bram", "block RAMs of 18 kbit"),
        Objective("uram", "UltraRAMs"),
        Objective("cost", "the sum of the shares of the part", "%"),
        Objective("cycles", "clocks between two frames", "clocks"),
        Objective("weight_bits", "bits of all weights", "bits"),
        Objective("bops", "products times the bits of both factors", "bits"),
    )
}
"""What can be asked for, by name."""


def objective(name: str) -> Objective:
    """The objective of a name; BitwrightError with the nearest one."""
    if name not in OBJECTIVES:
        near = get_close_matches(name, OBJECTIVES, 1)
        meant = f"did you mean '{near[0]}'? " if near else ""
        hint = f"{meant}there are {', '.join(OBJECTIVES)}"
        raise BitwrightError(f"no objective '{name}'", where="explore", hint=hint)
    return OBJECTIVES[name]
