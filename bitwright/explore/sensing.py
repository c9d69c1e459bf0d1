# SPDX-License-Identifier: Apache-2.0
"""What each value of each axis does to the answers: designs that differ from the best one in one axis, or in two.

    sensed = sense(maker, scoring)
    sensed.error           # kl or noise, against the float network
    sensed.effects         # of each axis and value: the error of the design, and its score

Designs are made as the search will make them, with its rounding, and run on the first of the samples that it scores on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from bitwright.compress import FloatNet
from bitwright.compress.allocate import Ledger, Term
from bitwright.compress.allocate.costs import Offered, bit_operations, ways_to, weight_bits
from bitwright.compress.allocate.error import Judge, judge
from bitwright.explore.additive import tied
from bitwright.explore.axes import COSTS, OF_TARGET
from bitwright.explore.evaluate import MEMORY
from bitwright.explore.making import Maker
from bitwright.explore.prices import Prices
from bitwright.explore.score import Scoring
from bitwright.explore.space import Axis, Design, Value
from bitwright.explore.zeroed import of_zeros
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.stages import begins
from bitwright.sim.prefixes import Prefixes, Running

Array = NDArray[Any]
SAMPLES = 512
"""Samples that designs are run on, at most."""
Progress = Callable[[int, int], None]


@dataclass(frozen=True, slots=True)
class Effect:
    """The best design with other values of some axes: its error, and its score; neither, where it cannot be made."""

    values: Mapping[str, Value]
    error: float | None
    score: float | None


@dataclass(frozen=True, kw_only=True)
class Sensed:
    """The best design, of the value of each axis that errs least, and those that differ from it.

    `error` is a key of `ERRORS`, `metric` that of scores; `float_score` is the float network's own, on the same
    samples. `effects` are of one axis each, `pairs` of two neighbours.
    """

    error: str
    metric: str
    samples: int
    float_score: float
    best: Effect
    effects: tuple[Effect, ...]
    pairs: tuple[Effect, ...] = ()


def sense(
    maker: Maker, scoring: Scoring, *, pairs: Sequence[int] = (), progress: Progress = lambda done, total: None
) -> Sensed:
    """Every value of every axis that answers depend on, by itself; neighbours both at each of the bits `pairs`."""
    begins("measuring sensitivities")
    sensing = _Sensing(_untrained(maker), scoring, progress)
    sensing.total = 1 + sum(len(axis.values) - 1 for axis in sensing.axes) + len(sensing.neighbours) * len(pairs)
    best = sensing.effect({})
    return Sensed(
        error=sensing.judge.kind,
        metric=scoring.metric.name,
        samples=sensing.samples,
        float_score=sensing.of_float(),
        best=best,
        effects=tuple(sensing.effects()),
        pairs=tuple(sensing.effect({one: bits, other: bits}) for one, other in sensing.neighbours for bits in pairs),
    )


def ledger_of(maker: Maker, prices: Prices, sensed: Sensed) -> Ledger:
    """The table of a space by axes and places: prices for the target of the best design, and errors."""
    axes = {axis.name: axis for axis in maker.space.axes}
    made = _untrained(maker).glimpsed(maker.space.design(best_places(maker)))
    table = prices.table(made.target)
    offered = {name: table.ledger.widths.get(name, (bits,)) for name, bits in made.widths.items()}
    acts = made.state.acts
    weights, tensors = ({n: bits for n, bits in offered.items() if (n in acts) == of} for of in (False, True))
    worked = _worked(maker.calibration.net, made.state.graph(), offered)
    widths = Ledger(weights, tensors, (*table.ledger.terms, *worked))
    found = tied(maker.space, widths)
    zeros = of_zeros(maker.space, widths, table.changes)
    others = {name: tuple(range(len(axes[name].values))) for name in _by_axis(sensed) if name not in found.widths}
    return Ledger({**found.weights, **others}, found.tensors, (*found.terms, *zeros, *_errors(sensed, axes)))


def _untrained(maker: Maker) -> Maker:
    """The same without training: for each value of each axis it would take as long as the search."""
    return replace(maker, tuning=None)


def best_places(maker: Maker) -> tuple[int, ...]:
    """The design that errs least: of what has an order the last value, else the first, which is the default."""
    return tuple(len(axis.values) - 1 if axis.option in COSTS else 0 for axis in maker.space.axes)


@dataclass
class _Sensing:
    """What makes designs, runs them and judges them."""

    maker: Maker
    scoring: Scoring
    progress: Progress
    total: int = 0
    done: int = 0
    samples: int = field(init=False)
    judge: Judge = field(init=False)

    def __post_init__(self) -> None:
        self.samples = min(SAMPLES, self.scoring.samples)
        self._some = slice(0, self.samples)
        arrays = tuple(array[self._some] for array in self.scoring.arrays)
        self.judge = judge(self.maker.calibration.net, arrays)
        self._prefixes = Prefixes(arrays, MEMORY)
        self._best = self.maker.space.design(best_places(self.maker))

    @property
    def axes(self) -> list[Axis]:
        """Those that answers depend on."""
        return [axis for axis in self.maker.space.axes if axis.option not in OF_TARGET]

    @property
    def neighbours(self) -> list[tuple[str, str]]:
        """Axes of one weight or of one tensor each, one after the other in the network."""
        own = [axis.name for axis in self.axes if axis.option == "weights" and len(axis.names) == 1]
        return list(pairwise(own))

    def effects(self) -> Iterator[Effect]:
        """Of every axis and every other value than the best design's."""
        for axis in self.axes:
            for value in axis.values:
                if value != self._best[axis.name]:
                    yield self.effect({axis.name: value})

    def effect(self, values: Mapping[str, Value]) -> Effect:
        """That of some values."""
        self.done += 1
        self.progress(self.done, self.total)
        design = Design(tuple((name, values.get(name, value)) for name, value in self._best.choices))
        try:
            graph = self.maker.glimpsed(design).state.graph()
        except BitwrightError:
            return Effect(values, None, None)
        outputs = Running(self._prefixes, graph).outputs(self._some)
        return Effect(values, self.judge(outputs), self._score(outputs))

    def of_float(self) -> float:
        """The score of the float network."""
        return self._score(self.judge.wanted)

    def _score(self, outputs: Sequence[Array]) -> float:
        return self.scoring.score(self.scoring.rows(outputs, self._some)).value


def _worked(net: FloatNet, graph: Graph, offered: Offered) -> Iterator[Term]:
    """What widths come to without hardware."""
    yield from weight_bits(net, offered)
    yield from bit_operations(graph, ways_to(graph, net, offered), offered)


def _errors(sensed: Sensed, axes: Mapping[str, Axis]) -> Iterator[Term]:
    """What each place brings beside the best design; what cannot be made errs most of all."""
    base = sensed.best.error
    assert base is not None, "the best design can be made"
    worst = max((effect.error for effect in sensed.effects if effect.error is not None), default=base)
    yield Term((), {(): {sensed.error: base}})
    for name, rows in _by_axis(sensed).items():
        errors = [rows.get(value, base) for value in axes[name].values]
        brought = [max((worst if error is None else error) - base, 0.0) for error in errors]
        yield Term((name,), {(place,): {sensed.error: each} for place, each in enumerate(brought)})


def _by_axis(sensed: Sensed) -> dict[str, dict[Value, float | None]]:
    found: dict[str, dict[Value, float | None]] = {}
    for effect in sensed.effects:
        for name, value in effect.values.items():
            found.setdefault(name, {})[value] = effect.error
    return found
