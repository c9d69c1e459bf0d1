# SPDX-License-Identifier: Apache-2.0
"""What a sweep found, as its report tells it: a value that is built from a folder and needs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property

from bitwright.explore.hypervolume import history
from bitwright.explore.objectives import OBJECTIVES, Objective, objective
from bitwright.explore.pareto import front_of
from bitwright.explore.record import Failure, Outcome, Record, Score
from bitwright.explore.space import Axis, Design, Space, Value

VERSION = 1
"""Of an `Explored`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Curve:
    """How the score falls with one axis while all others stand at their best: its values and the scores there.

    None where there can be no such design.
    """

    axis: str
    points: tuple[tuple[Value, float | None], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Curves:
    """Those of all axes, the samples that they are on, and the score of the float network on these."""

    curves: tuple[Curve, ...] = ()
    samples: int = 0
    reference: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """A design that was written, by its key: what it scored once on the test data, and what `compile` says of it."""

    key: str
    test: Score | None = None
    figures: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Proven:
    """The design that errs least of all that the table says to be within a budget, by its key.

    What it `takes` of the cost and how much it `errs` are the table's too; `gap` is how far the solver was from a bound
    of what can be, as a share.
    """

    key: str
    cost: str
    budget: float
    takes: float
    error: str
    errs: float
    gap: float
    proved: bool


@dataclass(frozen=True, kw_only=True)
class Explored:
    """A sweep: the outcomes in the order in which they were asked for, and what is known beside them.

    `layers` has the figures of each layer by design and layer; `reference` is the score of the float network on the
    same samples.
    """

    model: str
    folder: str
    how: str
    space: Space
    objectives: tuple[Objective, ...]
    outcomes: tuple[Outcome, ...]
    budget: Mapping[str, float] = field(default_factory=dict)
    reference: Score | None = None
    layers: Mapping[str, Mapping[str, Mapping[str, float]]] = field(default_factory=dict)
    proofs: tuple[Proven, ...] = ()
    picked: tuple[Picked, ...] = ()
    sensitivity: Curves = Curves()
    version: int = VERSION

    @cached_property
    def records(self) -> tuple[Record, ...]:
        """The designs that have figures."""
        return tuple(each for each in self.outcomes if isinstance(each, Record))

    @cached_property
    def failures(self) -> tuple[Failure, ...]:
        """The designs that have none."""
        return tuple(each for each in self.outcomes if isinstance(each, Failure))

    @cached_property
    def front(self) -> tuple[Record, ...]:
        """The records within the budget that no other one dominates, in order of the second objective."""
        return tuple(front_of((each for each in self.records if self.is_within(each)), self.objectives))

    @cached_property
    def measures(self) -> tuple[Objective, ...]:
        """The objectives, and whatever else is known of every record and differs between them."""
        asked = {each.name for each in self.objectives}
        more = (each for each in OBJECTIVES.values() if each.name not in asked)
        return (*self.objectives, *(each for each in more if self._tells(each.name)))

    def _tells(self, name: str) -> bool:
        return all(name in each.figures for each in self.records) and len({e.figures[name] for e in self.records}) > 1

    @cached_property
    def worth(self) -> tuple[float, ...]:
        """What the front was worth after each of the records."""
        return tuple(history(self.records, self.objectives))

    @cached_property
    def proved(self) -> frozenset[str]:
        """The keys of designs that no other one beats where prices and errors add up."""
        return frozenset(each.key for each in self.proofs if each.proved)

    @property
    def score(self) -> Objective:
        """What a score is of."""
        return self.objectives[0]

    @property
    def cost(self) -> Objective:
        """What a score is shown over: the second objective, or what else there is."""
        return self.measures[min(1, len(self.measures) - 1)]

    def lost(self, record: Record) -> float:
        """The score, so that less is better."""
        return self.score.loss(record.score.value)

    def costs(self, record: Record) -> float:
        """The cost, so that less is better."""
        return self.cost.loss(record.figures[self.cost.name])

    def is_within(self, record: Record) -> bool:
        """True if no figure is over its limit."""
        limits = ((self.measure(name), limit) for name, limit in self.budget.items())
        return all(each.within(record.figures[each.name], limit) for each, limit in limits)

    def measure(self, name: str) -> Objective:
        """The objective of a name: of a metric of one's own only the sweep knows it."""
        return next((each for each in self.objectives if each.name == name), None) or objective(name)

    def is_uniform(self, design: Design) -> bool:
        """True if the axes of each option have the same value, or the last that they have."""
        places: dict[str, list[tuple[Axis, int]]] = {}
        for axis, place in zip(self.space.axes, self.space.places(design), strict=True):
            places.setdefault(axis.option, []).append((axis, place))
        return all(
            place == min(max(at for _, at in same), len(axis.values) - 1)
            for same in places.values()
            for axis, place in same
        )
