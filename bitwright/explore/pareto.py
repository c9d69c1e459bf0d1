# SPDX-License-Identifier: Apache-2.0
"""The Pareto front of a cost and a score."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

from bitwright.explore.objectives import Objective
from bitwright.explore.record import Record

T = TypeVar("T")


def pareto_front(items: Sequence[T], *, cost: Callable[[T], float], score: Callable[[T], float]) -> list[T]:
    """The items that no other one beats, in order of rising cost.

    One item beats another if it costs no more and scores no less, and is better in one of the two; of items that are
    equal in both the first stands for all.
    """
    front: list[T] = []
    for item in sorted(items, key=lambda item: (cost(item), -score(item))):
        if not front or score(item) > score(front[-1]):
            front.append(item)
    return front


def losses(record: Record, objectives: Sequence[Objective]) -> tuple[float, ...]:
    """The figures that are compared, less being better in each."""
    return tuple(each.loss(record.figures[each.name]) for each in objectives)


def dominates(ours: Sequence[float], theirs: Sequence[float]) -> bool:
    """True if losses are nowhere more, and somewhere less."""
    return tuple(ours) != tuple(theirs) and all(a <= b for a, b in zip(ours, theirs, strict=True))


def front_of(records: Iterable[Record], objectives: Sequence[Objective]) -> list[Record]:
    """The records that no other one dominates, in order of the second figure; the first of those that are equal.

    In the order of their losses what dominates a record stands before it, and something of the front does.
    """
    first: dict[tuple[float, ...], Record] = {}
    for record in records:
        first.setdefault(losses(record, objectives), record)
    front: list[tuple[float, ...]] = []
    for at in sorted(first):
        if not any(dominates(other, at) for other in front):
            front.append(at)
    return [first[at] for at in sorted(front, key=lambda at: at[1:] + at[:1])]
