# SPDX-License-Identifier: Apache-2.0
"""A design evaluated: made, priced by the table, run on samples until it is ruled out or all are seen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cached_property
from itertools import pairwise
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bitwright.compress import FloatNet
from bitwright.compress.encode import Encoder
from bitwright.compress.fixed import NAMES
from bitwright.explore.making import Made, Maker
from bitwright.explore.objectives import Objective
from bitwright.explore.racing import best_left, rivals_of, stages
from bitwright.explore.record import Record, Score, Task
from bitwright.explore.score import Scoring
from bitwright.explore.space import Design, Space
from bitwright.explore.written import Written
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Matrix
from bitwright.sim.prefixes import Prefixes, Running

Array = NDArray[Any]
MODEL = NAMES[0]
"""The file of a design's network."""
MEMORY = 1 << 28
"""Bytes of integers that a process keeps for designs to come."""
PIECE = 1024
"""Samples that are run at once, at most."""


class Prices(Protocol):
    """What is known of prices."""

    def figures(self, made: Made) -> dict[str, float]:
        """What a design takes, by the names of objectives: by the table."""

    def compiled(self, made: Made, graph: Graph) -> dict[str, float]:
        """The same, the design compiled."""


@dataclass(frozen=True)
class Evaluation:
    """What makes a record of a task; `objectives` are what records are compared by.

    What networks are and make of the samples is kept, about `memory` bytes of each, for others that begin alike.
    """

    maker: Maker
    prices: Prices
    scoring: Scoring
    objectives: tuple[Objective, ...]
    memory: int = MEMORY

    def __call__(self, task: Task) -> Record:
        """The record of a design; BitwrightError names the design if there can be none."""
        try:
            made = self.maker.made(task.design) if task.final else self.maker.glimpsed(task.design)
            graph = made.state.filed() if task.final else self._encoder.graph(made.state)
            figures = self.prices.compiled(made, graph) if task.final else self.prices.figures(made)
            score = self.scored(graph, self._marks(task, figures))
        except BitwrightError as error:
            raise BitwrightError(
                error.what, where=f"design {task.design.key}: {error.where}", hint=error.hint
            ) from error
        return Record(
            design=task.design,
            figures={self.scoring.metric.name: score.value, **figures},
            score=score,
            compiled=task.final,
        )

    @property
    def origin(self) -> FloatNet:
        """What all designs begin at."""
        return self.maker.calibration.net

    @property
    def space(self) -> Space:
        """The designs that there are."""
        return self.maker.space

    def seen(self, design: Design, final: bool = True) -> tuple[Graph, dict[str, float]]:
        """The network of a design and what it takes, as a search sees it or as it is looked at closely."""
        if not final:
            made = self.maker.glimpsed(design)
            return made.state.graph(), self.prices.figures(made)
        made = self.maker.made(design)
        graph = made.state.filed()
        return graph, self.prices.compiled(made, graph)

    def graph(self, design: Design) -> Graph:
        """The network of a design."""
        return self.maker.made(design).state.graph()

    def written(self, design: Design) -> Written:
        """The network of a design as a file, and its target."""
        made = self.maker.made(design)
        return Written(made.state.filed(), made.target, MODEL, made.state.onnx(), made.state.net.file)

    def scored(self, graph: Graph, marks: tuple[float, ...] = ()) -> Score:
        """The score of a network on all samples, or on as many as show that it does not reach one of `marks`."""
        running = Running(self._prefixes, graph)
        loss, total = self.scoring.metric.objective.loss, self.scoring.samples
        mark = min(map(loss, marks), default=None)
        rows: list[Array] = []
        for start, end in pairwise((0, *stages(total))):
            rows += self._rows(running, start, end)
            if mark is not None and loss(best_left(np.concatenate(rows), total, self.scoring.metric)) > mark:
                break
        return self.scoring.score(np.concatenate(rows))

    def _rows(self, running: Running, start: int, end: int) -> Iterator[Array]:
        """What the metric makes of samples, some at a time; the same at a time for every network, which shares them."""
        for first, last in pairwise([*range(start, end, PIECE), end]):
            some = slice(first, last)
            yield self.scoring.rows(running.outputs(some), some)

    def _marks(self, task: Task, figures: Mapping[str, float]) -> tuple[float, ...]:
        """What the design must reach to be worth more samples: the scores of rivals that are no dearer in anything."""
        others = [each for each in self.objectives if each.name != self.scoring.metric.name]
        return tuple(rival.score.value for rival in rivals_of(figures, task.rivals, others)) if not task.final else ()

    @cached_property
    def _encoder(self) -> Encoder:
        return Encoder(self.maker.calibration.net, self.memory)

    @cached_property
    def _prefixes(self) -> Prefixes:
        return Prefixes(self.scoring.arrays, self.memory)

    def __getstate__(self) -> dict[str, Any]:
        """The fields alone: another process keeps what its own designs make."""
        return {entry.name: getattr(self, entry.name) for entry in fields(self)}


def weight_memory(graph: Graph) -> int:
    """Bits of all weights, each layer's at the narrowest width that holds its integers."""
    matrix = (layer for layer in graph.layers if isinstance(layer, Matrix))
    return sum(layer.weights.array.size * layer.weights.type.bits for layer in matrix)
