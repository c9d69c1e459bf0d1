# SPDX-License-Identifier: Apache-2.0
"""The Pareto front of a cost and a score."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

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
