# SPDX-License-Identifier: Apache-2.0
"""From a graph and its plan to kernels and streams: the one place that decides what hardware a layer becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import gcd, prod
from typing import assert_never

from bitwright.exact.forms import Factors, Form
from bitwright.hardware.clocks.fifos import size_fifos
from bitwright.hardware.clocks.rings import ring_depth
from bitwright.hardware.kernels.base import REGISTER_DEPTH, Kernel, KernelGraph, Stream
from bitwright.hardware.kernels.joins import Fork
from bitwright.hardware.kernels.moves import WidthConverter
from bitwright.hardware.lanes import divisors, entry_lanes, pace
from bitwright.hardware.lowering import matrices, orders, stages, windows
from bitwright.hardware.lowering.variants import skipped_cycles
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.graph import Graph
from bitwright.ir.layers import (
    AnyLayer,
    ArgMax,
    Concat,
    Conv,
    Dense,
    Gather,
    Input,
    Layer,
    MaxPool,
    Multiply,
    PerChannel,
    Requantise,
    Reshape,
    Sum,
    SumPool,
    Table,
)
from bitwright.ir.names import identifiers
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights


def lower(
    graph: Graph, plan: Plan, forms: Mapping[str, Form], sums: Mapping[str, Factors] | None = None
) -> KernelGraph:
    """The kernels of `graph` under `plan`; `forms` holds the proved form of every requantiser and table.

    `sums` holds shorter factors for sums whose requantiser was proved with them.

    BitwrightError names a layer whose plan is not legal. FIFOs are as deep as the plan says, or as computed.
    """
    lowering = Lowering(graph, plan, forms, sums or {})
    for entry in graph.inputs:
        lowering.enter(entry)
    for layer in graph.layers:
        lowering.add(layer)
    return size_fifos(lowering.close(), {name: p.fifo_depth for name, p in plan.layers.items() if p.fifo_depth})


class Lowering:
    """Kernels and streams so far, and for each layer the streams that still wait for a reader."""

    def __init__(self, graph: Graph, plan: Plan, forms: Mapping[str, Form], sums: Mapping[str, Factors]) -> None:
        self.graph, self.plan, self.forms, self.sums = graph, plan, forms, sums
        self.hardware = identifiers([layer.name for layer in (*graph.inputs, *graph.layers)])
        self.kernels: list[Kernel] = []
        self.streams: dict[str, Stream] = {}
        self.waiting: dict[str, list[Stream]] = {}
        self.lanes = {name: (layer.pe, layer.simd) for name, layer in plan.layers.items()}
        self.ring = ring_depth  # how deep a window is
        slowest = pace(graph, self.lanes, skipped_cycles(graph, plan)) if plan.target_cycles else 0
        self.pace = slowest or plan.target_cycles

    def enter(self, layer: Input) -> None:
        """The boundary stream of an input: as wide as its first reader wants it, or as the pace needs it."""
        lanes = entry_lanes(self.graph, layer, self.lanes)
        lanes = self.enough_lanes(prod(layer.shape), lanes, layer.channels)
        name = self.hardware[layer.name]
        self.publish(layer, self.new_stream(layer, name, lanes, layer.type, prod(layer.shape) // lanes))

    def add(self, layer: AnyLayer) -> None:
        """The kernels of one layer."""
        x = [self.waiting[name].pop(0) for name in layer.inputs]
        if not orders.takes(self.graph, self.plan, layer):
            x = [orders.restored(self, layer, operand, index) for index, operand in enumerate(x)]
        match layer:
            case Dense() | Conv():
                made = matrices.matrix(self, layer, x[0])
            case MaxPool() | SumPool():
                made = windows.pool(self, layer, x[0])
            case Reshape():
                made = self._reshaped(layer, x[0])
            case Gather():
                made = stages.reorder(self, layer, x[0], self.graph.by_name[layer.inputs[0]])
            case Sum() | Multiply():
                made = stages.combine(self, layer, x)
            case ArgMax():
                made = stages.arg_max(self, layer, x[0], self.graph.by_name[layer.inputs[0]].channels)
            case Requantise() | Table():
                made = stages.requantise(self, layer, x[0], orders.permuted(self.forms[layer.name], x[0]))
            case Concat():
                made = stages.interleave(self, layer, x, [self.graph.by_name[name] for name in layer.inputs])
            case _:
                assert_never(layer)
        self.publish(layer, made)

    def close(self) -> KernelGraph:
        """Everything lowered so far as a graph; what no layer reads leaves."""
        inputs = tuple(self.hardware[layer.name] for layer in self.graph.inputs)
        leaving = [(self.graph.by_name[name], self.waiting[name].pop(0)) for name in self.graph.outputs]
        outputs = tuple(orders.restored(self, layer, x, index).name for index, (layer, x) in enumerate(leaving))
        return KernelGraph(tuple(self.kernels), tuple(self.streams.values()), inputs, outputs)

    # What the stages use

    def enough_lanes(self, elements: int, least: int, most: int) -> int:
        """The fewest lanes, `least` or another divisor of `most`, at which `elements` per frame keep up with the pace.

        The pace is that of the layers whose lanes are planned, or else of the target; `most` if no number keeps up. A
        plan without a target has no pace: data then has the lanes that it comes with.
        """
        wide_enough = (lanes for lanes in (least, *divisors(most)) if elements <= lanes * self.pace)
        return next(wide_enough, most) if self.pace else least

    def layer_plan(self, layer: Layer) -> LayerPlan:
        """The plan of a layer, or the smallest one."""
        return self.plan.layers.get(layer.name, LayerPlan())

    def new_stream(
        self, layer: Layer, name: str, lanes: int, kind: IntType, beats: int, order: Weights | None = None
    ) -> Stream:
        """A fresh edge that carries the tensor of `layer`, its channels in `order`."""
        real = f"scale {_short(layer.scale)}, zero {_short(layer.zero)}" + (", channels permuted" if order else "")
        made = Stream(
            name=name,
            lanes=lanes,
            type=kind,
            beats=beats,
            depth=REGISTER_DEPTH,
            shape=layer.shape,
            real=real,
            order=order,
        )
        self.streams[name] = made
        return made

    def edge(self, stream: Stream) -> Stream:
        """`stream`, which no kernel writes yet, as an edge of its own with the smallest FIFO."""
        made = replace(stream, depth=REGISTER_DEPTH)
        self.streams[made.name] = made
        return made

    def widen(self, layer: Layer, x: Stream, lanes: int, tag: str = "width") -> Stream:
        """`x` at `lanes` per beat, through a converter if it has another width."""
        if x.lanes == lanes:
            return x
        elements = x.lanes * x.beats
        name = f"{self.hardware[layer.name]}_{tag}"
        made = self.edge(replace(x, name=f"{name}_out", lanes=lanes, beats=elements // lanes))
        self.kernels.append(
            WidthConverter(
                name=name,
                layer=layer.name,
                input=x.name,
                output=made.name,
                cycles=max(x.beats, made.beats),
                in_lanes=x.lanes,
                out_lanes=lanes,
                elements=elements,
                type=x.type,
            )
        )
        return made

    def publish(self, layer: Layer, stream: Stream) -> None:
        """Hand `stream` to the readers of `layer`, through a fork if there are several."""
        count = sum(reader.inputs.count(layer.name) for reader in self._distinct_readers(layer))
        count += self.graph.outputs.count(layer.name)
        if count <= 1:
            self.waiting[layer.name] = [stream]
            return
        name = f"{self.hardware[layer.name]}_fork"
        copies = [self.edge(replace(stream, name=f"{name}_{index}")) for index in range(count)]
        self.kernels.append(
            Fork(
                name=name,
                layer=layer.name,
                input=stream.name,
                output=copies[0].name,
                cycles=stream.beats,
                copies=tuple(copy.name for copy in copies[1:]),
                lanes=stream.lanes,
                beats=stream.beats,
                type=stream.type,
            )
        )
        self.waiting[layer.name] = copies

    def _distinct_readers(self, layer: Layer) -> list[Layer]:
        return list({reader.name: reader for reader in self.graph.readers[layer.name]}.values())

    def _reshaped(self, layer: Layer, x: Stream) -> Stream:
        """No hardware: the beats stay as they are, unless a beat would straddle the new last axis."""
        if layer.channels % x.lanes:
            lanes = self.enough_lanes(prod(layer.shape), gcd(x.lanes, layer.channels), layer.channels)
            x = self.widen(layer, x, lanes)
        made = replace(x, shape=layer.shape, order=orders.joined(x, layer.channels))
        self.streams[x.name] = made
        return made


def _short(values: PerChannel) -> str:
    numbers = [float(value) for value in values]
    if min(numbers) == max(numbers):
        return f"{numbers[0]:.6g}"
    return f"{min(numbers):.6g}..{max(numbers):.6g}"
