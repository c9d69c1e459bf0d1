# SPDX-License-Identifier: Apache-2.0
"""A search in three stages, each by its own agent: what else there is, then zeros, then bits."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace

from bitwright.compress.allocate import Ledger, Term
from bitwright.explore.axes import COSTS
from bitwright.explore.record import Outcome
from bitwright.explore.space import Design, Space
from bitwright.explore.strategies.afford import Afford, by_chance
from bitwright.explore.strategies.amc import Amc
from bitwright.explore.strategies.archive import Archive, Places
from bitwright.explore.strategies.haq import Haq
from bitwright.explore.strategies.reinforce import Reinforce
from bitwright.explore.strategies.reward import Worth
from bitwright.explore.strategies.strategy import Factory, Problem, Strategy

ZEROS, BITS = ("sparsity",), ("weights", "activations")
AGENTS: Sequence[tuple[Callable[[str], bool], Factory]] = (
    (lambda option: option not in (*ZEROS, *BITS), Reinforce),
    (lambda option: option in ZEROS, Amc),
    (lambda option: option in BITS, Haq),
)
"""The options of each stage, and its agent."""


class Pipeline:
    """Search, prune, quantise: an agent for how a network is made, AMC for its zeros, then HAQ for its bits.

    Each has the same share of the evaluations, with the axes of the stages before at the best that was found, and
    those behind at their dearest (Cai, Lin, Lin, Liu, Wang, Wang, Zhu, Han: "AutoML for architecting efficient and
    specialized neural networks", IEEE Micro 40, 2020; R133).
    """

    def __init__(self, problem: Problem) -> None:
        self._archive = Archive(problem)
        self._worth = Worth(self._archive, 0.0, -1.0)
        self._known: dict[Design, Outcome] = {}
        self._best = tuple(len(axis.values) - 1 if axis.option in COSTS else 0 for axis in problem.space.axes)
        options = [axis.option for axis in problem.space.axes]
        columns = [[at for at, option in enumerate(options) if of(option)] for of, _ in AGENTS]
        self._waiting = [(own, agent) for own, (_, agent) in zip(columns, AGENTS, strict=True) if own]
        self._columns: Sequence[int] = ()
        self._agent: Strategy | None = None
        self._asked: Sequence[Design] = ()

    def ask(self) -> Sequence[Design]:
        """What the agent of the stage asks for; what is known already it is told at once."""
        while self._archive.left > 0:
            self._asked = () if self._agent is None else self._agent.ask()
            if self._asked:
                if fresh := self._archive.propose(map(self._whole, self._asked)):
                    return fresh
                self._tell()
            elif self._waiting:
                self._next()
            else:
                return self._archive.propose(by_chance(self._archive, Afford(self._archive)))
        return []

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """What the agent hears, of its own axes."""
        self._archive.learn(outcomes)
        self._known |= {each.design: each for each in outcomes}
        self._tell()

    def _tell(self) -> None:
        space = self._archive.space
        if self._agent is not None and self._asked:
            pairs = [(own, self._known.get(space.design(self._whole(own)))) for own in self._asked]
            self._agent.tell([replace(found, design=own) for own, found in pairs if found is not None])

    def _next(self) -> None:
        """The next stage, from the best that is known."""
        found = list(self._known.values())
        if found:
            worths = self._worth(found)
            self._best = self._archive.space.places(found[int(worths.argmax())].design)
        problem, share = self._archive.problem, self._archive.left // len(self._waiting)
        self._columns, agent = self._waiting.pop(0)
        axes = tuple(problem.space.axes[column] for column in self._columns)
        others = {
            axis.name: place for axis, place in zip(problem.space.axes, self._best, strict=True) if axis not in axes
        }
        ledger = None if problem.ledger is None else _with(problem.ledger, others)
        again = bool(found)  # the best of the stage before is known, and costs nothing
        self._agent = agent(replace(problem, space=Space(axes), evaluations=max(share, 1) + again, ledger=ledger))

    def _whole(self, own: Design) -> Places:
        """A design of all axes: the agent's, and the others as they are."""
        found = list(self._best)
        part = Space(tuple(self._archive.space.axes[column] for column in self._columns))
        for column, place in zip(self._columns, part.places(own), strict=True):
            found[column] = place
        return tuple(found)


def _with(ledger: Ledger, others: Mapping[str, int]) -> Ledger:
    """A table whose other names have one width each, and are gone from it."""
    weights, tensors = ({n: w for n, w in part.items() if n not in others} for part in ledger.parts)
    return Ledger(weights, tensors, tuple(_rows(ledger.terms, others)))


def _rows(terms: Sequence[Term], others: Mapping[str, int]) -> Iterator[Term]:
    for term in terms:
        own = [at for at, name in enumerate(term.names) if name not in others]
        rows = {
            tuple(key[at] for at in own): amounts
            for key, amounts in term.amounts.items()
            if all(others.get(name, place) == place for name, place in zip(term.names, key, strict=True))
        }
        yield Term(tuple(term.names[at] for at in own), rows)


STRATEGIES = {"pipeline": Pipeline}
BY_TABLE = {"pipeline": True}
