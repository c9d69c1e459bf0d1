# SPDX-License-Identifier: Apache-2.0
"""Designs of one network of integers, which differ in what they are compiled for: each is compiled, its score is one.

folding = Folding(fixed("net.tflite"), space, Target(clock_ns=5), scoring, objectives)
folding(Task(design))          # its record, by `compile`
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from bitwright.compress.fixed import Fixed
from bitwright.design import Design as Compiled
from bitwright.explore.axes import OF_TARGET, aimed, check_axes, pairs_of
from bitwright.explore.layered import REST, SHOWN, Figures
from bitwright.explore.objectives import Objective
from bitwright.explore.possible import check_score, hint_for
from bitwright.explore.prices import CYCLES, Aim, aim_of, of_design
from bitwright.explore.pricing import compiled, named
from bitwright.explore.record import Record, Score, Task
from bitwright.explore.score import Scoring
from bitwright.explore.space import Design, Space
from bitwright.explore.work import worked_as
from bitwright.explore.written import Written
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.planning.target import Target

Priced = tuple[dict[str, float], Figures]
"""What a design takes as a whole, and layer by layer."""


@dataclass(frozen=True)
class Folding:
    """What makes a record of a task: how good the integers of `net` are is found once, each target is compiled.

    BitwrightError if the space has axes that say more than the target.
    """

    net: Fixed
    space: Space
    target: Target
    scoring: Scoring
    objectives: tuple[Objective, ...]
    _known: dict[Aim, Priced] = field(default_factory=dict, repr=False, compare=False)

    def __post_init__(self) -> None:
        for axis in self.space.axes:
            if axis.option not in OF_TARGET:
                what = f"says the {axis.option} of a network whose integers stay what they are"
                hint = f"leave it out: {', '.join(OF_TARGET)} are searched"
                raise BitwrightError(what, where=f"{self.net.file}: axis '{axis.name}'", hint=hint)
        check_axes(self.space, lambda axis: frozenset())

    @property
    def origin(self) -> Fixed:
        """What all designs begin at."""
        return self.net

    @cached_property
    def score(self) -> Score:
        """That of the network, and so of every design."""
        return self.scoring.float_score(self.net)

    def __call__(self, task: Task) -> Record:
        """The record of a design, by `compile` and on all samples; BitwrightError names it if there can be none."""
        with named(f"design {task.design.key}"):
            figures, _ = self._priced(task.design)
        score = {self.scoring.metric.name: self.score.value}
        return Record(design=task.design, figures=score | figures, score=self.score, compiled=True)

    def seen(self, design: Design, final: bool = True) -> tuple[Graph, dict[str, float]]:
        """The network of a design, and what it takes."""
        return self.net.graph, self._priced(design)[0]

    def graph(self, design: Design) -> Graph:
        """The network, whatever the design."""
        return self.net.graph

    def written(self, design: Design) -> Written:
        """The network as a file, and the target of a design."""
        return Written(self.net.graph, self.targeted(design), self.net.name, self.net.content, self.net.file)

    def layers(self, design: Design) -> Figures:
        """The figures of each layer."""
        return self._priced(design)[1]

    def targeted(self, design: Design) -> Target:
        """What a design is compiled for."""
        return aimed(self.target, pairs_of(self.space, design))

    def check_possible(self, budget: Mapping[str, float]) -> None:
        """BitwrightError names a limit that no design of the space keeps, and the nearest that one can."""
        check_score(self.scoring.metric, budget)
        limits = {name: limit for name, limit in budget.items() if name != self.scoring.metric.name}
        least = self._least(limits) if limits else {}
        for name, found in least.items():
            if found > limits[name]:
                what = f"no design of the space comes down to {name} {limits[name]:g}, the least is {found:g}"
                raise BitwrightError(what, where="budget", hint=hint_for(name))

    def _least(self, limits: Mapping[str, float]) -> dict[str, float]:
        """The least of each figure that no design so far keeps within its limit; none as soon as all are kept."""
        least: dict[str, float] = {}
        for figures in self._all():
            least = {name: min(least.get(name, figures[name]), figures[name]) for name in limits}
            if all(least[name] <= limit for name, limit in limits.items()):
                return {}
        return least

    def _all(self) -> Iterator[dict[str, float]]:
        """The figures of all designs that can be made, from the slowest on."""
        for places in sorted(map(self.space.places, self.space.designs())):
            try:
                yield self._priced(self.space.design(places))[0]
            except BitwrightError:
                continue

    def _priced(self, design: Design) -> Priced:
        target = self.targeted(design)
        if aim_of(target) not in self._known:
            made = compiled(self.net.graph, target)
            self._known[aim_of(target)] = of_design(made, target) | worked_as(self.net.graph), _layers(made)
        return self._known[aim_of(target)]


def _layers(made: Compiled) -> Figures:
    """What each layer takes; what serves none is that of all else."""
    taken = {**made.price.layers, REST: made.price.boundary}
    found: Figures = {}
    for layer, resources in taken.items():
        found[layer] = {name: float(getattr(resources, name)) for name in SHOWN if name != CYCLES}
    for kernel in made.kernels.kernels:
        figures = found.setdefault(kernel.layer, {})
        figures[CYCLES] = max(figures.get(CYCLES, 0.0), float(kernel.cycles))
    return found
