# SPDX-License-Identifier: Apache-2.0
"""What each layer of a network may become within a target: the lanes it takes and gives, its plan, what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields, replace
from itertools import product
from math import prod
from typing import assert_never

from bitwright.exact.forms import Form
from bitwright.hardware.area.resources import Resources, fifo_resources, resources
from bitwright.hardware.cells import Family
from bitwright.hardware.kernels.base import Kernel, Stream
from bitwright.hardware.lanes import Lanes, Planned, entering_cycles, entry_lanes, in_lanes, least_cycles, too_slow
from bitwright.hardware.lanes import choices as legal_lanes
from bitwright.hardware.lowering.lower import Lowering
from bitwright.hardware.lowering.variants import ends_of_order
from bitwright.hardware.lowering.windows import windowed
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Dense, Input, Join, Layer, Move, Pointwise
from bitwright.planning.candidates import Candidates
from bitwright.planning.devices import Budget
from bitwright.planning.units import kept_lines, units

KINDS: tuple[str, ...] = tuple(
    name for name in ("lut", "ff", "dsp", "bram") if name in {entry.name for entry in fields(Resources)}
)
"""The resources that estimates know."""
MOST_TUPLES = 20_000
"""Combinations of operand widths at a join that are looked at."""

Cost = tuple[int, ...]
"""How much of each of `KINDS`."""
NOTHING: Cost = (0,) * len(KINDS)


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


def total(costs: Iterable[Cost]) -> Cost:
    """The sum of `costs`."""
    return tuple(map(sum, zip(NOTHING, *costs, strict=True)))


def amounts(held: Resources | Budget) -> Cost:
    """The resources of `held` in the order of `KINDS`."""
    return tuple(getattr(held, name) for name in KINDS)


def taken(kernels: Iterable[Kernel], read: Iterable[Stream], cells: Family) -> Cost:
    """What kernels and the FIFOs of the streams that they read take on a family of parts."""
    costs = [amounts(resources(kernel, family=cells)) for kernel in kernels]
    return total([*costs, *(amounts(fifo_resources(stream, family=cells)) for stream in read)])


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


class Survey:
    """The choices of a graph, layer by layer, each evaluated on the kernels that it would become.

    Layers without lanes of their own are lowered one at a time, at `pace`, for every width that may reach them.
    `given` are the lanes of layers that have no choice of them.
    """

    def __init__(
        self,
        graph: Graph,
        target: int,
        pace: int,
        offered: Candidates,
        given: Mapping[str, Lanes] | None = None,
        cells: Family = "xc7",
    ) -> None:
        self.cells = cells
        self.graph, self.target, self.pace, self.forms, self.given = graph, target, pace, offered.forms, given or {}
        self.low = Lowering(graph, Plan({}, target), {}, offered.sums)
        self.low.pace, self.low.ring = pace, kept_lines
        self.published: dict[str, dict[int, list[Stream]]] = {}

    def nodes(self) -> dict[str, Node]:
        """Every input and layer with its choices; BitwrightError names the first layer that cannot meet the target."""
        found: dict[str, Node] = {}
        for layer in (*self.graph.inputs, *self.graph.layers):
            self.published[layer.name] = {}
            if isinstance(layer, Input):
                node = Node(layer, tuple(self._entry(layer)))
            elif isinstance(layer, Planned):
                node = self._planned(layer)
            elif isinstance(layer, Join | Pointwise | Move):
                node = Node(layer, undominated(self._wired(layer)))
            else:
                assert_never(layer)
            kept = tuple(choice for choice in node.choices if choice.cycles <= self.target)
            if not kept:
                raise too_slow(layer, min(choice.cycles for choice in node.choices), self.target)
            given = {choice.gives for choice in kept}
            self.published[layer.name] = {n: made for n, made in self.published[layer.name].items() if n in given}
            found[layer.name] = replace(node, choices=kept)
        return found

    def _entry(self, entry: Input) -> Iterator[Choice]:
        elements, leader = prod(entry.shape), first_planned(self.graph, entry)
        lanes = {self.low.enough_lanes(elements, 1, entry.channels)}
        if leader is not None:
            lanes = {entry_width(self.graph, entry, leader, pair) for pair in self._lanes(leader)}
        for count in sorted(lanes):
            name = self.low.hardware[entry.name]
            stream = self.low.new_stream(entry, name, count, entry.type, elements // count)
            yield Choice((), count, None, elements // count, self._fork(entry, stream))

    def _lanes(self, layer: Planned) -> list[Lanes]:
        lanes = self.given.get(layer.name)
        return [lanes] if lanes else legal_lanes(layer, self.graph.by_name[layer.inputs[0]].shape)

    def _fork(self, layer: Layer, stream: Stream) -> Cost:
        """Note the streams that the readers of `layer` get; the cost of the fork between them."""
        self.low.kernels = []
        self.low.publish(layer, stream)
        self.published[layer.name][stream.lanes] = self.low.waiting[layer.name]
        return taken(self.low.kernels, [stream] if self.low.kernels else [], self.cells)

    def _planned(self, layer: Planned) -> Node:
        """Every legal pair of lanes within the target, with each memory and style."""
        shape, limit = self.graph.by_name[layer.inputs[0]].shape, min(self.target, self.pace)
        pairs = [lanes for lanes in self._lanes(layer) if entering_cycles(layer, shape, *lanes) <= limit]
        forks = {}
        for pe in sorted({pe for pe, _ in pairs}):
            name, beats = f"{self.low.hardware[layer.name]}_acc", prod(layer.shape) // pe
            forks[pe] = self._fork(layer, self.low.new_stream(layer, name, pe, layer.type, beats))
        offered = {lanes: streams[0] for lanes, streams in self.published[layer.inputs[0]].items()}
        x, windows, made = next(iter(offered.values())), {}, []
        for pe, simd in sorted(pairs, key=lambda lanes: lanes[1]):
            wants = in_lanes(layer, shape[-1], pe, simd)
            if (wants, simd) not in windows:
                windows[wants, simd] = self._window(layer, x, wants, simd)
            for choice in _unit_choices(layer, windows[wants, simd], (pe, simd), shape, limit, self.cells):
                made.append(replace(choice, takes=(wants,), cost=total([forks[pe], choice.cost])))
        if ends_of_order(self.graph, layer.name) is None:
            made = [choice for choice in made if not choice.moves]
        if not made:
            raise too_slow(layer, least_cycles(self.graph, layer), limit)
        wanted = sorted({choice.takes[0] for choice in made})
        widths = {(n, want): self._converter(layer, came, want) for n, came in offered.items() for want in wanted}
        return Node(layer, undominated(made), widths)

    def _window(self, layer: Planned, x: Stream, wants: int, simd: int) -> tuple[Stream, Cost]:
        """What the unit behind the window of `layer` reads when `wants` lanes come; the cost up to there."""
        read = x = replace(x, lanes=wants, beats=x.lanes * x.beats // wants)
        self.low.kernels, self.low.streams = [], {x.name: x}
        if not isinstance(layer, Dense):
            read = windowed(self.low, layer, x, simd)
        return read, total([self._lowered_cost(), taken([], [read], self.cells)])

    def _lowered_cost(self) -> Cost:
        """What the kernels that were lowered last take, with the FIFOs in front of them."""
        low = self.low
        return taken(low.kernels, (low.streams[name] for kernel in low.kernels for name in kernel.inputs), self.cells)

    def _converter(self, layer: Layer, x: Stream, lanes: int) -> Cost:
        if x.lanes == lanes:
            return NOTHING
        self.low.kernels = []
        self.low.widen(layer, x, lanes)
        return taken(self.low.kernels, [x], self.cells)

    def _wired(self, layer: AnyLayer) -> Iterator[Choice]:
        """A choice for each combination of widths that may come, and each proved form of a requantiser."""
        offers = [self.published[name] for name in layer.inputs]
        if prod(map(len, offers)) > MOST_TUPLES:
            raise TooManyWidths(layer.name)
        for takes in product(*offers):
            for form in self.forms.get(layer.name, (None,)):
                yield self._lowered(layer, takes, form)

    def _lowered(self, layer: AnyLayer, takes: tuple[int, ...], form: Form | None) -> Choice:
        """What `lower` makes of one layer for operands of these widths."""
        low = self.low
        low.kernels, low.streams = [], {}
        low.waiting = {name: list(self.published[name][n]) for name, n in zip(layer.inputs, takes, strict=True)}
        low.streams = {x.name: x for streams in low.waiting.values() for x in streams}
        if form is not None:
            low.forms = {layer.name: form}
        low.add(layer)
        streams = low.waiting[layer.name]
        self.published[layer.name][streams[0].lanes] = streams
        cycles = max((kernel.cycles for kernel in low.kernels), default=0)
        plan = LayerPlan(form=form.kind) if form is not None and len(self.forms[layer.name]) > 1 else None
        return Choice(takes, streams[0].lanes, plan, cycles, self._lowered_cost())


def _unit_choices(
    layer: Planned, read: tuple[Stream, Cost], lanes: Lanes, shape: tuple[int, ...], most: int, cells: Family
) -> Iterator[Choice]:
    """The choices of one pair of lanes within `most` clocks, which read a stream that costs something."""
    stream, common = read
    entering = entering_cycles(layer, shape, *lanes)
    for unit in units(layer, stream, shape[-1], *lanes, most):
        cycles, cost = max(entering, unit.kernel.cycles), total([common, taken([unit.kernel], [], cells)])
        settled = unit.plan.zeros != "multiply" and lanes[1] > 1
        yield Choice((stream.lanes,), lanes[0], unit.plan, cycles, cost, unit.moved, settled)
