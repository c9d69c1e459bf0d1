# SPDX-License-Identifier: Apache-2.0
"""How much a front is worth: the volume of what it dominates, up to a point of reference."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from bitwright.explore.objectives import Objective
from bitwright.explore.pareto import dominates, losses
from bitwright.explore.record import Record

Floats = NDArray[np.float64]
Losses = tuple[float, ...]
BEYOND = 1.1
"""Where the box of a history ends, of the best figure, 0, and the worst, 1."""


def hypervolume(points: Iterable[Sequence[float]], reference: Sequence[float]) -> float:
    """The volume between points, less being better, and what is worse than all that counts: `reference`.

    Exact, by slices along the last coordinate (Zitzler, Thiele: "Multiobjective evolutionary algorithms: a comparative
    case study and the strength Pareto approach", IEEE Transactions on Evolutionary Computation 3(4), 1999).
    """
    inside = {tuple(map(float, each)) for each in points if all(a < b for a, b in zip(each, reference, strict=True))}
    return _volume(sorted(inside, key=lambda each: each[::-1]), tuple(map(float, reference)))


def _volume(points: Sequence[Losses], reference: Losses) -> float:
    """Of points in order of the last coordinate, all inside."""
    if not points:
        return 0.0
    if len(reference) == 1:
        return reference[0] - min(each[0] for each in points)
    if len(reference) == 2:
        return _area(points, reference)
    total, below = 0.0, list[Losses]()
    ends = [each[-1] for each in points[1:]] + [reference[-1]]
    for point, end in zip(points, ends, strict=True):
        below = _joined(below, point[:-1])
        if end > point[-1]:
            ordered = sorted(below, key=lambda each: each[::-1])
            total += (end - point[-1]) * _volume(ordered, reference[:-1])
    return total


def _joined(front: list[Losses], point: Losses) -> list[Losses]:
    """A front with one more point, if nothing in it is as good."""
    if point in front or any(dominates(other, point) for other in front):
        return front
    return [other for other in front if not dominates(point, other)] + [point]


def _area(points: Sequence[Losses], reference: Losses) -> float:
    total, edge = 0.0, reference[0]
    for across, up in points:
        if across < edge:
            total += (edge - across) * (reference[1] - up)
            edge = across
    return total


def history(records: Sequence[Record], objectives: Sequence[Objective]) -> list[float]:
    """What the front was worth after each record, in order: 0 to 1, of the box from best to worst, and beyond.

    A tenth of the way beyond: on the worst itself, as where all have the same, a design would be worth nothing.
    """
    if not records:
        return []
    at = np.array([losses(each, objectives) for each in records])
    low, span = at.min(axis=0), np.ptp(at, axis=0)
    scaled = (at - low) / np.where(span > 0, span, 1.0)
    front, found, worth = list[Losses](), list[float](), 0.0
    for point in map(tuple, scaled.tolist()):
        if point not in front and not any(dominates(other, point) for other in front):
            front = [other for other in front if not dominates(point, other)] + [point]
            worth = hypervolume(front, (BEYOND,) * len(objectives)) / BEYOND ** len(objectives)
        found.append(worth)
    return found
