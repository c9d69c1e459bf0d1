# SPDX-License-Identifier: Apache-2.0
"""What a design can be better in: a name, a unit, and whether more or less of it is better; and limits of such."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite

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

    def within(self, value: float, limit: float) -> bool:
        """True if a figure keeps a limit: the most of it, or the least where more is better."""
        return self.loss(value) <= self.loss(limit)


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
        Objective("share", "the share of what the part has least enough of", "%"),
        Objective("cycles", "clocks between two frames", "clocks"),
        Objective("latency", "clocks from the first beat of a frame to its last answer", "clocks"),
        Objective("latency_us", "the same in microseconds", "us"),
        Objective("weight_bits", "bits of all weights", "bits"),
        Objective("bops", "products times the bits of both factors", "bits"),
        Objective("ebops", "the same, of each weight only the bits from its first to its last one that is set", "bits"),
        Objective("energy", "a proxy of the energy of a frame: multiplying, adding and reading weights at 45 nm", "nJ"),
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


def budget_of(given: Iterable[str]) -> dict[str, float]:
    """Limits by the names of objectives, from texts such as `lut=9000`; BitwrightError says what is none."""
    found: dict[str, float] = {}
    for text in given:
        said, sign, amount = text.partition("=")
        name, limit = said.strip(), _number(amount)
        if not sign or not name or limit is None:
            raise BitwrightError(f"'{text}' limits nothing", where="budget", hint="for example lut=9000")
        if name in found:
            raise BitwrightError(f"{name} is limited twice", where="budget", hint="give it once")
        found[name] = limit
    return found


def check_limit(name: str, limit: float) -> None:
    """BitwrightError if nothing can be limited so."""
    if not isfinite(limit) or (limit < 0 and name in OBJECTIVES):
        raise BitwrightError(f"a budget of {limit:g} {name}", where="budget", hint="give a number, 0 or more")


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None
