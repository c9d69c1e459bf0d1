# SPDX-License-Identifier: Apache-2.0
"""What the script of a sweep's page draws: every figure once, as JSON."""

from __future__ import annotations

from collections.abc import Sequence
from math import isfinite
from typing import Any

from bitwright.explore.explored import Curve, Explored
from bitwright.explore.objectives import Objective
from bitwright.explore.record import Record
from bitwright.explore.words import SHARES, label, title

DRAWN = 4000
"""The designs beside the front that are drawn; of more, some are left out, evenly."""
Json = dict[str, Any]


def drawn(explored: Explored) -> Json:
    """The data of the page's script."""
    front = {each.design.key for each in explored.front}
    step = max(1, -(-len(explored.records) // DRAWN))
    shown = [one for at, one in enumerate(explored.records) if at % step == 0 or one.design.key in front]
    return {
        "measures": [_measure(each) for each in explored.measures],
        "budget": dict(explored.budget),
        "float": explored.reference.value if explored.reference else None,
        "sensed": explored.sensitivity.reference,
        "axes": [axis.name for axis in explored.space.axes],
        "designs": [_design(explored, each, each.design.key in front) for each in shown],
        "history": _steps(explored.worth),
        "curves": [_curve(each) for each in explored.sensitivity.curves],
    }


def _measure(each: Objective) -> Json:
    said = {"name": each.name, "title": title(each), "of": each.of}
    return {**said, "more": each.more_is_better, "share": each.name in SHARES}


def _curve(each: Curve) -> Json:
    values, scores = [value for value, _ in each.points], [score for _, score in each.points]
    return {"axis": each.axis, "values": values, "scores": scores}


def _design(explored: Explored, record: Record, on_front: bool) -> Json:
    picked = {each.key for each in explored.picked}
    key, score = record.design.key, record.score
    return {
        "key": key,
        "label": label(explored.space, record.design),
        "uniform": explored.is_uniform(record.design),
        "figures": [_finite(record.figures[each.name]) for each in explored.measures],
        "low": _finite(score.low),
        "high": _finite(score.high),
        "samples": score.samples,
        "whole": score.complete,
        "within": explored.is_within(record),
        "compiled": record.compiled,
        "front": on_front,
        "picked": key in picked,
        "proved": key in explored.proved,
        "values": [value for _, value in record.design.choices],
    }


def _steps(worth: Sequence[float]) -> list[tuple[int, float]]:
    """The places where a history changes, and its end."""
    kept = [(at, each) for at, each in enumerate(worth, 1) if at == 1 or each != worth[at - 2] or at == len(worth)]
    return [(at, round(each, 6)) for at, each in kept]


def _finite(value: float) -> float | None:
    """JSON has no other numbers."""
    return value if isfinite(value) else None
