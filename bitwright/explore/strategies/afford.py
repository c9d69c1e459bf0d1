# SPDX-License-Identifier: Apache-2.0
"""What designs cost by the table, before they are measured: how agents keep to a budget in all that they propose."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain

import numpy as np
from numpy.typing import NDArray

from bitwright.explore.additive import Additive
from bitwright.explore.strategies.archive import Archive, Floats, Ints, Places

Limits = Mapping[str, float]
"""The most of figures that the table knows."""
BATCH = 8
"""Designs that are asked for at once."""
TRIES = 8
"""Attempts for each of them to propose what is new."""


class Afford:
    """The table of a problem as agents read it; without a table everything can be had."""

    def __init__(self, archive: Archive) -> None:
        self._archive, problem = archive, archive.problem
        self._model = None if problem.ledger is None else Additive(archive.space, problem.ledger)
        known = () if self._model is None else self._model.kinds
        self.tops = np.array([len(axis.values) - 1 for axis in archive.space.axes])
        self._ends = self._figures(np.stack([np.zeros_like(self.tops), self.tops]))
        self.limits: Limits = {
            name: most for name, most in problem.budget.items() if name in known and self._ends[name][0] <= most
        }
        """Of the budget what the cheapest design keeps by the table."""
        costs = [each.name for each in problem.objectives[1:] if each.name in known and np.ptp(self._ends[each.name])]
        self.cost = next(iter([*costs, *self.limits]), "")
        """The figure that is saved first, if the table has any that axes change."""
        self.is_free = bool(costs)
        """Whether less of that figure is better, whatever its limit is."""

    def drawn(self) -> Limits:
        """The limits of an episode: the budget, and where a cost shall be small as well one of it, drawn by chance."""
        if not self.is_free:
            return self.limits
        low, high = (max(float(each), 1e-9) for each in self._ends[self.cost])
        high = max(min(high, self.limits.get(self.cost, high)), low)
        return {**self.limits, self.cost: float(np.exp(self._archive.rng.uniform(np.log(low), np.log(high))))}

    def fits(self, rows: Ints, limits: Limits) -> NDArray[np.bool_]:
        """Which designs are within limits."""
        found = np.ones(len(rows), bool)
        said = self._figures(rows) if limits else {}
        for name, most in limits.items():
            found &= said[name] <= most
        return found

    def places(self, before: Places, limits: Limits) -> Ints:
        """The places that the next axis can have, so that the limits are kept if all after it are at their lowest.

        The lowest is always one of them, where that was so of the axis before.
        """
        column = len(before)
        rows = np.zeros((int(self.tops[column]) + 1, len(self.tops)), np.int64)
        rows[:, :column], rows[:, column] = before, np.arange(len(rows))
        kept = self.fits(rows, limits)
        kept[0] = True
        return np.flatnonzero(kept)

    def lowered(self, places: Places, limits: Limits) -> Places:
        """The design with its axes a step lower in turn, round after round, until it is within limits (HAQ)."""
        found, column = np.array(places), 0
        while found.any() and not self.fits(found[None], limits)[0]:
            found[column] = max(found[column] - 1, 0)
            column = (column + 1) % len(found)
        return tuple(map(int, found))

    def spans(self, kind: str) -> Floats:
        """How much of a figure each axis is about, as a share: from its lowest to its highest place, others highest."""
        rows = np.tile(self.tops, (len(self.tops), 1))
        np.fill_diagonal(rows, 0)
        said = self._figures(np.concatenate([self.tops[None], rows]))
        if kind not in said:
            return np.zeros(len(self.tops))
        found = np.abs(said[kind][0] - said[kind][1:])
        return np.asarray(found / max(float(found.sum()), 1e-12))

    @property
    def error(self) -> str:
        """The figure that is an error, if the table has one."""
        return "" if self._model is None else self._model.error

    def share(self, limits: Limits) -> float:
        """Where a limit of the cost is between the cheapest and the dearest design, 0 to 1."""
        if self.cost not in limits:
            return 1.0
        low, high = self._ends[self.cost]
        return float(np.clip((limits[self.cost] - low) / max(high - low, 1e-12), 0.0, 1.0))

    def _figures(self, rows: Ints) -> dict[str, Floats]:
        return {} if self._model is None else self._model.figures(rows)


def fresh(archive: Archive, afford: Afford, made: Callable[[int], Places]) -> list[Places]:
    """Some designs that are new: those made, by the number of the attempt, and by chance where they repeat."""
    return _new(archive, chain(map(made, range(TRIES * BATCH)), _drawn(archive, afford)))


def by_chance(archive: Archive, afford: Afford) -> list[Places]:
    """Some designs that are new, drawn by chance and lowered to the budget."""
    return _new(archive, _drawn(archive, afford))


def _drawn(archive: Archive, afford: Afford) -> Iterator[Places]:
    return (afford.lowered(each, afford.limits) for each in archive.draw(TRIES * BATCH))


def _new(archive: Archive, wanted: Iterable[Places]) -> list[Places]:
    """As many as are asked for at once."""
    found: dict[Places, None] = {}
    for places in wanted:
        if archive.is_new(places):
            found[places] = None
        if len(found) == BATCH:
            break
    return list(found)
