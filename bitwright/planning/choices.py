# SPDX-License-Identifier: Apache-2.0
"""What each layer of a network may become within a target: the lanes it takes and gives, its plan, what it costs."""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from math import prod
from typing import assert_never

from bitwright.exact.forms import Form
from bitwright.hardware.cells import Family
from bitwright.hardware.choice import Wired
from bitwright.hardware.kernels.base import Stream
from bitwright.hardware.lanes import (
    Lanes,
    Planned,
    enough_lanes,
    entering_cycles,
    entry_lanes,
    in_lanes,
    least_cycles,
    too_slow,
)
from bitwright.hardware.lanes import choices as legal_lanes
from bitwright.hardware.lowering.emit import Contents, Emit, stream_of
from bitwright.hardware.lowering.lower import fork, lower_layer, readings
from bitwright.hardware.lowering.windows import padded_type
from bitwright.hardware.plan import LayerPlan
from bitwright.ir.graph import Graph
from bitwright.ir.kept import Kept
from bitwright.ir.layers import AnyLayer, Conv, Input, Join, Layer, Move, Pointwise
from bitwright.planning.candidates import Candidates
from bitwright.planning.decide import leaves_alone
from bitwright.planning.kept import Bare, ways
from bitwright.planning.price import NOTHING, Cost, guess, total
from bitwright.planning.units import units
from bitwright.planning.variants import ends_of_order

MOST_TUPLES = 20_000
"""Combinations of operand widths at a join that are looked at."""


@dataclass(frozen=True, slots=True)
class Choice:
    """One way to make a layer: lanes of each operand and of the result, its plan if it has one, clocks, and cost.

    `moves`: its readers must take channels in another order; `settled`: it needs those of its operand in their own.
    """

    takes: tuple[int, ...]
    gives: int
    plan: LayerPlan | None
    cycles: int
    cost: Cost
    moves: bool = False
    settled: bool = False


@dataclass(frozen=True, slots=True)
class Node:
    """A layer, or an input of the network, with its choices.

    A layer with lanes of its own takes any width through a converter: `converters` has, for (lanes that come, lanes
    that it wants), what that costs. Other layers take what comes; their `converters` are None.
    """

    layer: Layer
    choices: tuple[Choice, ...]
    converters: Mapping[tuple[int, int], Cost] | None = None


TOO_MANY = "joins too many streams for the solver"


class TooManyWidths(Exception):
    """A join of so many operands that their widths are not all looked at; its argument is the layer's name."""


def first_planned(graph: Graph, entry: Input) -> Planned | None:
    """The layer whose lanes an input takes: the first with lanes of its own behind it, by first readers."""
    layer: Layer = entry
    while graph.readers[layer.name]:
        layer = graph.readers[layer.name][0]
        if isinstance(layer, Planned):
            return layer
    return None


def entry_width(graph: Graph, entry: Input, leader: Planned, lanes: Lanes) -> int:
    """Elements in a beat of `entry` when `leader` has these lanes."""
    return entry_lanes(graph, entry, {leader.name: lanes})


def undominated(choices: Iterable[Choice]) -> tuple[Choice, ...]:
    """`choices` without those that another one of the same lanes undercuts, or equals, in everything."""
    kept: dict[tuple[object, ...], list[Choice]] = {}
    for choice in choices:
        rivals = kept.setdefault((choice.takes, choice.gives), [])
        if not any(_covers(other, choice) for other in rivals):
            rivals[:] = [other for other in rivals if not _covers(choice, other)] + [choice]
    return tuple(choice for rivals in kept.values() for choice in rivals)


def _covers(one: Choice, other: Choice) -> bool:
    no_stricter = one.moves <= other.moves and one.settled <= other.settled
    return no_stricter and one.cycles <= other.cycles and all(a <= b for a, b in zip(one.cost, other.cost, strict=True))


LAYERS = 1 << 12
"""Layers whose choices are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """All that the choices of a layer with lanes of its own depend on.

    `forks` has, by the rows at a time, what hands the result to its readers; `moves`: they may be in another order.
    """

    bare: Bare
    lanes: tuple[Lanes, ...]
    forks: tuple[tuple[int, Cost], ...]
    most: int
    pace: int
    moves: bool
    cells: Family
    ultra: bool

    @property
    def key(self) -> Hashable:
        """The same, without weights that it would hold."""
        return self.bare.said, self.lanes, self.forks, self.most, self.pace, self.moves, self.cells, self.ultra

    def read(self, lanes: Lanes) -> Stream:
        """What the layer reads at these lanes."""
        x = self.bare.x
        wants = in_lanes(self.bare.layer, x.shape[-1], *lanes)
        return replace(x, lanes=wants, beats=x.beats // wants)


CHOICES: Kept[tuple[Choice, ...]] = Kept(LAYERS)


def planned_choices(asked: Asked) -> tuple[Choice, ...]:
    """The choices at every pair of lanes, each memory and style, that nothing undercuts."""
    fronts: dict[Lanes, tuple[Cost, ...]] = {}
    forks, made = dict(asked.forks), list[Choice]()
    for lanes in sorted(asked.lanes, key=lambda lanes: lanes[1]):
        for choice in _units(asked, lanes, fronts):
            if asked.moves or not choice.moves:
                made.append(replace(choice, cost=total([forks[lanes[0]], choice.cost])))
    return undominated(made)


def _units(asked: Asked, lanes: Lanes, fronts: dict[Lanes, tuple[Cost, ...]]) -> Iterator[Choice]:
    """The choices of one pair of lanes; `fronts` has the costs of windows met so far."""
    layer, x, cells = asked.bare.layer, asked.read(lanes), asked.cells
    channels, entering = x.shape[-1], entering_cycles(layer, x.shape, *lanes)
    alone = isinstance(layer, Conv) and leaves_alone(layer, x.shape, lanes, asked.pace)
    for found in units(layer, padded_type(layer, x.type), channels, lanes, asked.most, alone=alone):
        front = x.lanes, lanes[1]
        if front not in fronts:
            fronts[front] = asked.bare.before(x, found.choice, cells, asked.ultra)
        clocks, behind = asked.bare.unit(x, found.choice, cells)
        settled = found.plan.zeros != "multiply" and lanes[1] > 1
        for cost in fronts[front]:
            taken = total([cost, behind])
            yield Choice((x.lanes,), lanes[0], found.plan, max(entering, clocks), taken, found.moved, settled)


class Survey:
    """The choices of a graph, layer by layer, each evaluated on the kernels that it would become.

    Layers without lanes of their own are lowered one at a time, at `pace`, for every width that may reach them.
    `given` are the lanes of layers that have no choice of them. With `ultra` a choice is there with its buffers in
    UltraRAM too: which memories are there in the end, `planning.ultra` says of the whole design.
    """

    def __init__(
        self,
        graph: Graph,
        target: int,
        pace: int,
        offered: Candidates,
        given: Mapping[str, Lanes] | None = None,
        cells: Family = "xc7",
        *,
        ultra: bool = False,
    ) -> None:
        self.cells, self.ultra = cells, ultra
        self.graph, self.target, self.pace, self.given = graph, target, pace, given or {}
        self.offered = offered
        self.published: dict[str, dict[int, tuple[Stream, ...]]] = {}

    def nodes(self) -> dict[str, Node]:
        """Every input and layer with its choices; BitwrightError names the first layer that cannot meet the target."""
        found: dict[str, Node] = {}
        for layer in (*self.graph.inputs, *self.graph.layers):
            self.published[layer.name] = {}
            node = self._node(layer)
            kept = tuple(choice for choice in node.choices if choice.cycles <= self.target)
            if not kept:
                raise too_slow(layer, min(choice.cycles for choice in node.choices), self.target)
            given = {choice.gives for choice in kept}
            self.published[layer.name] = {n: made for n, made in self.published[layer.name].items() if n in given}
            found[layer.name] = replace(node, choices=kept)
        return found

    def _entry(self, entry: Input) -> Iterator[Choice]:
        elements, leader = prod(entry.shape), first_planned(self.graph, entry)
        lanes = {enough_lanes(elements, 1, entry.channels, self.pace)}
        if leader is not None:
            lanes = {entry_width(self.graph, entry, leader, pair) for pair in self._lanes(leader)}
        for count in sorted(lanes):
            stream = stream_of(entry, entry.name, count, entry.type, elements // count)
            yield Choice((), count, None, elements // count, self._fork(entry, stream))

    def _lanes(self, layer: Planned) -> list[Lanes]:
        lanes = self.given.get(layer.name)
        return [lanes] if lanes else legal_lanes(layer, self.graph.source_of(layer).shape)

    def _fork(self, layer: Layer, stream: Stream) -> Cost:
        """Note the streams that the readers of `layer` get; the cost of the fork between them."""
        made = fork(layer, layer.name, stream, readings(self.graph, layer))
        self.published[layer.name][stream.lanes] = made.streams
        return guess(made.kernels, [stream] if made.kernels else [], self.cells)

    def _node(self, layer: Input | AnyLayer) -> Node:
        if isinstance(layer, Input):
            return Node(layer, tuple(self._entry(layer)))
        if isinstance(layer, Planned):
            return self._planned(layer)
        if isinstance(layer, Join | Pointwise | Move):
            return Node(layer, undominated(self._wired(layer)))
        assert_never(layer)

    def _planned(self, layer: Planned) -> Node:
        """Every legal pair of lanes within the target, with each memory and style."""
        shape, limit = self.graph.source_of(layer).shape, min(self.target, self.pace)
        pairs = [lanes for lanes in self._lanes(layer) if entering_cycles(layer, shape, *lanes) <= limit]
        forks = self._forks(layer, {pe for pe, _ in pairs})
        offered = self._offered(layer)
        asked = Asked(
            bare=Bare.of(layer, next(iter(offered.values()))),
            lanes=tuple(pairs),
            forks=tuple(forks.items()),
            most=limit,
            pace=self.pace,
            moves=ends_of_order(self.graph, layer.name) is not None,
            cells=self.cells,
            ultra=self.ultra,
        )
        made = CHOICES.get(asked.key, partial(planned_choices, asked))
        if not made:
            raise too_slow(layer, least_cycles(self.graph, layer), limit)
        return Node(layer, made, self._widths(layer, offered, made))

    def _offered(self, layer: Planned) -> dict[int, Stream]:
        """The stream that `layer` reads, by the lanes in which it can come."""
        return {lanes: streams[0] for lanes, streams in self.published[layer.inputs[0]].items()}

    def _forks(self, layer: Planned, pes: set[int]) -> dict[int, Cost]:
        """What hands the result of so many rows at a time to its readers."""
        forks = {}
        for pe in sorted(pes):
            stream = stream_of(layer, f"{layer.name}_acc", pe, layer.type, prod(layer.shape) // pe)
            forks[pe] = self._fork(layer, stream)
        return forks

    def _widths(
        self, layer: Planned, offered: Mapping[int, Stream], made: Sequence[Choice]
    ) -> dict[tuple[int, int], Cost]:
        """What turns each width that is offered into each that a choice takes."""
        wanted = sorted({choice.takes[0] for choice in made})
        return {(n, want): self._converter(layer, came, want) for n, came in offered.items() for want in wanted}

    def _converter(self, layer: Layer, x: Stream, lanes: int) -> Cost:
        if x.lanes == lanes:
            return NOTHING
        emit = Emit(layer, layer.name, Contents.SHAPES)
        emit.widen(x, lanes)
        return guess(emit.kernels, [x], self.cells)

    def _wired(self, layer: AnyLayer) -> Iterator[Choice]:
        """A choice for each combination of widths that may come, and each proved form of a requantiser."""
        offers = [self.published[name] for name in layer.inputs]
        if prod(map(len, offers)) > MOST_TUPLES:
            raise TooManyWidths(layer.name)
        for takes in product(*offers):
            for form in self.offered.forms.get(layer.name, (None,)):
                yield from self._lowered(layer, takes, form)

    def _lowered(self, layer: AnyLayer, takes: tuple[int, ...], form: Form | None) -> Iterator[Choice]:
        """What lowering makes of one layer for operands of these widths."""
        places = [layer.inputs[:i].count(name) for i, name in enumerate(layer.inputs)]
        reads = [self.published[name][n][i] for name, n, i in zip(layer.inputs, takes, places, strict=True)]
        wired = Wired(form=form, factors=self.offered.sums.get(layer.name), pace=self.pace)
        made = lower_layer(layer, layer.name, reads, wired, Contents.SHAPES)
        forked = fork(layer, layer.name, made.leaves, readings(self.graph, layer))
        self.published[layer.name][made.leaves.lanes] = forked.streams
        kernels = (*made.kernels, *forked.kernels)
        streams = {stream.name: stream for stream in (*reads, *made.streams, *forked.streams)}
        cycles = max((kernel.cycles for kernel in kernels), default=0)
        plan = LayerPlan(form=form.kind) if form is not None and len(self.offered.forms[layer.name]) > 1 else None
        read = [streams[name] for kernel in kernels for name in kernel.inputs]
        for cost in ways(kernels, read, self.cells, ultra=self.ultra):
            yield Choice(takes, made.leaves.lanes, plan, cycles, cost)
