# SPDX-License-Identifier: Apache-2.0
"""How the figures of a sweep are said, in a terminal and on a page."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from bitwright.explore.objectives import Objective
from bitwright.explore.record import Score
from bitwright.explore.space import Design, Space, Value

SHARES = ("accuracy", "top5", "agreement")
"""The objectives that are shares of samples, and are said in percent."""
TITLES = {
    "lut": "LUT",
    "ff": "FF",
    "dsp": "DSP",
    "bram": "BRAM18",
    "uram": "URAM",
    "latency_us": "latency in us",
    "bops": "BOPs",
    "ebops": "EBOPs",
    "energy": "energy in nJ",
}


def title(objective: Objective) -> str:
    """An objective's name, at the head of a column."""
    return TITLES.get(objective.name, objective.name.replace("_", " "))


def designs(count: int) -> str:
    """How many there are."""
    return "1 design" if count == 1 else f"{count:,} designs"


def figure(objective: Objective, value: float) -> str:
    """A value: counts whole, shares in percent, all else to four digits."""
    if objective.name in SHARES:
        return f"{100 * value:.2f} %"
    unit = f" {objective.unit}" if objective.unit in ("%", "dB") else ""
    return f"{value:,.0f}{unit}" if value == round(value) or abs(value) >= 1e4 else f"{value:,.4g}{unit}"


def interval(objective: Objective, score: Score) -> str:
    """Between what the score lies, and on how many samples that is known where not all were seen."""
    seen = "" if score.complete else f", {score.samples:,} samples"
    if objective.name in SHARES:
        return f"{100 * score.low:.1f} to {100 * score.high:.1f}{seen}"
    return f"{score.low:,.4g} to {score.high:,.4g}{seen}"


def label(space: Space, design: Design) -> str:
    """The choices of a design in a few words: `weights 2-5, activations 4, rounding nearest`."""
    values: dict[str, list[Value]] = {}
    for axis, (_, value) in zip(space.axes, design.choices, strict=True):
        values.setdefault(axis.option, []).append(value)
    return ", ".join(f"{option.replace('_', ' ')} {_span(chosen)}" for option, chosen in values.items())


def _span(values: Sequence[Value]) -> str:
    if all(type(value) in (int, float) for value in values):
        low, high = min(values, key=float), max(values, key=float)
        return f"{low}" if low == high else f"{low}-{high}"
    return "/".join(dict.fromkeys(str(value) for value in values))


def command(folder: str, key: str) -> str:
    """What writes a design out."""
    return f"bitwright explore {shlex.quote(folder)} --pick {shlex.quote(key)} -o OUT"
