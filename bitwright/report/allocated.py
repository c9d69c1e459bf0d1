# SPDX-License-Identifier: Apache-2.0
"""How widths were chosen within a budget: the designs that were made, and what the table proves of others."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import RenderableType

from bitwright.report.show import rows

MANY = 100
"""From so many on a figure is shown as a whole number."""


def candidates(found: Mapping[str, Any]) -> RenderableType:
    """The designs that were made, the best first: what the table said of each, and what it was found to have."""
    least = found["least"]
    order = sorted(found["candidates"], key=lambda each: (not each["within"], each["measured"][least]))
    kinds = dict.fromkeys((least, *found["budget"], "cost"))
    keys = {"label": "design", "within": "within"}
    for kind in kinds:
        keys |= {f"{kind}?": f"{kind} by table", kind: kind}
    return rows(f"least {least} within {limits(found)}", keys, [_row(found, each, list(kinds)) for each in order])


def _row(found: Mapping[str, Any], each: Mapping[str, Any], kinds: list[str]) -> dict[str, str]:
    chosen = each["label"] == found["chosen"]
    cells = {"label": each["label"], "within": "chosen" if chosen else "yes" if each["within"] else "no"}
    for kind in kinds:
        cells |= {f"{kind}?": figure(each["predicted"][kind]), kind: figure(each["measured"][kind])}
    return cells


def certified(found: Mapping[str, Any]) -> Iterator[str]:
    """What the solver proves by the table, and on how many designs the choice rests."""
    certificate, least = found["certificate"], found["least"]
    made = len(found["candidates"])
    yield f"{made} design{'' if made == 1 else 's'} quantised, run and compiled; chosen: {found['chosen']}"
    if "dual_bound" not in certificate:
        yield f"by the table: {certificate['status']}"
        return
    counts = [f"{certificate[name]} {name}" for name in ("variables", "constraints", "branches")]
    proof = ", ".join((certificate["status"], f"gap {100 * certificate['gap']:.2f} %", *counts))
    yield f"by the table no widths within the budget have {least} below {figure(certificate['dual_bound'])} ({proof})"


def limits(found: Mapping[str, Any]) -> str:
    """The budget on one line."""
    return " and ".join(f"{kind} {figure(most)}" for kind, most in found["budget"].items()) or "what the part holds"


def figure(amount: float) -> str:
    """A figure as people read it."""
    return f"{amount:,.0f}" if amount >= MANY or amount == int(amount) else f"{amount:.4g}"
