# SPDX-License-Identifier: Apache-2.0
"""Designs for many limits of each resource, by the profile of the network alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain, zip_longest

import numpy as np

from bitwright.compress.allocate.error import ERRORS
from bitwright.explore.additive import Additive
from bitwright.explore.record import Outcome
from bitwright.explore.space import Design
from bitwright.explore.strategies.afford import BATCH, Afford, by_chance
from bitwright.explore.strategies.archive import Archive, Ints, Places
from bitwright.explore.strategies.strategy import Problem

TINY, DEAR = 1e-12, 1e12
"""The least saving; what a step is priced at that saves less."""


class Profile:
    """From the widest design down, for each resource that the table has: a step of the axis that saves it cheapest.

    A step is cheapest that adds least to the error by the table for what it saves. Every limit of a resource is so
    kept by the first design on the way that does; the ways are evaluated from their ends to their middles, and then
    designs by chance. ReForm profiles a device so, prunes to the limits of each resource by ADMM, and switches
    between what it made; here each design is a bitstream (Xu, Yu, Liu, Chen: "ReForm: static and dynamic
    resource-aware DNN reconfiguration framework for mobile device", DAC 2019; R136).
    """

    def __init__(self, problem: Problem) -> None:
        self._archive = Archive(problem)
        ways = [] if problem.ledger is None else list(_ways(Additive(problem.space, problem.ledger), self._archive))
        ranks = zip_longest(*map(_spread, ways))
        self._afford = Afford(self._archive)
        self._planned = [places for rank in ranks for places in rank if places and self._is_kept(places)]

    def ask(self) -> Sequence[Design]:
        """The next designs of the ways, then by chance."""
        archive = self._archive
        new = [places for places in dict.fromkeys(self._planned) if archive.is_new(places)][:BATCH]
        return archive.propose(new or by_chance(archive, self._afford)) if archive.left > 0 else []

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """What became of them, which changes no plan."""

    def _is_kept(self, places: Places) -> bool:
        """Whether the table has it within the budget."""
        return bool(self._afford.fits(np.array([places]), self._afford.limits)[0])


def _ways(model: Additive, archive: Archive) -> Iterator[Sequence[Places]]:
    """The way down for each resource."""
    top = np.array([len(axis.values) - 1 for axis in archive.space.axes])
    for kind in model.kinds:
        if kind not in ERRORS:
            yield [tuple(map(int, places)) for places in _way(model, kind, top)]


def _way(model: Additive, kind: str, at: Ints) -> Iterator[Ints]:
    """Step by step; where none saves anything, the one that loses least."""
    yield at
    while at.any():
        steps = (at - np.eye(len(at), dtype=np.int64))[at > 0]
        said = model.figures(np.concatenate([at[None], steps]))
        saved, lost = said[kind][0] - said[kind][1:], np.zeros(len(steps))
        if model.error:
            lost = said[model.error][1:] - said[model.error][0]
        prices = np.where(saved > TINY, np.maximum(lost, TINY) / np.maximum(saved, TINY), DEAR + lost)
        at = steps[int(prices.argmin())]
        yield at


def _spread(way: Sequence[Places]) -> list[Places]:
    """Both ends, the middle, the quarters, and so on."""
    parts = [2**power for power in range(len(way).bit_length() + 1)]
    rows = chain.from_iterable(np.linspace(0, len(way) - 1, part + 1).round().astype(int) for part in parts)
    return [way[row] for row in dict.fromkeys(map(int, rows))]


STRATEGIES = {"profile": Profile}
BY_TABLE = {"profile": True}
