# SPDX-License-Identifier: Apache-2.0
"""Which channels stay: those of the highest scores, as many as a target allows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.groups import Group

Array = NDArray[np.float64]
Kept = list[NDArray[np.bool_]]


@dataclass(frozen=True, eq=False)
class Ranked:
    """The channels of a network's groups by their levels: those below a bar go, but for one of each of the `spans`.

    As many of a group stay as a multiple of `multiple` holds. A level of infinity never goes.
    """

    groups: Sequence[Group]
    levels: Sequence[Array]
    spans: Sequence[NDArray[np.int64]]
    multiple: int = 1

    @property
    def bars(self) -> Array:
        """The bars that differ, from one that all pass to one that none does."""
        held = np.unique(np.concatenate(self.levels))
        return np.append(held[np.isfinite(held)], np.inf)

    def kept(self, bar: float) -> Kept:
        """The channels that stay: of those that a bar would take, the best where a span or a multiple asks for more."""
        flat = np.concatenate(self.levels)
        stays = flat >= bar
        for span in self.spans:
            if not stays[span].any():
                stays[span[np.argmax(flat[span])]] = True
        found = [stays[group.first : group.first + group.size].copy() for group in self.groups]
        for group, held, levels in zip(self.groups, found, self.levels, strict=True):
            missing = min(-held.sum() % self.multiple, group.size - held.sum())
            order = np.argsort(-levels, kind="stable")
            held[order[~held[order]][:missing]] = True
        return found

    def most(self, allows: Callable[[Kept], bool]) -> Kept | None:
        """The most that a target allows, found by halving; None where even the least is too much."""
        bars = self.bars
        low, high = 0, len(bars)
        while low < high:
            middle = (low + high) // 2
            if allows(self.kept(bars[middle])):
                high = middle
            else:
                low = middle + 1
        return self.kept(bars[low]) if low < len(bars) else None


def alike(scores: Array) -> Array:
    """Levels by which every group loses an equal share: the place of each channel among those of its group."""
    places = np.empty(len(scores))
    places[np.argsort(scores, kind="stable")] = (np.arange(len(scores)) + 1) / len(scores)
    return places
