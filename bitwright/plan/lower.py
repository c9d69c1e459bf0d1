# SPDX-License-Identifier: Apache-2.0
"""From a graph and its plan to kernels and streams: the one place that decides what hardware a layer becomes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from math import prod

from bitwright.exact.forms import Form, Lookup
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Input, Layer, MaxPool, PerChannel, Requantise, Reshape, Table
from bitwright.ir.names import identifiers
from bitwright.ir.types import IntType
from bitwright.plan.folding import matrix_lanes
from bitwright.plan.kernels import (
    Kernel,
    KernelGraph,
    MatrixVector,
    MaxReduce,
    Requantiser,
    Stream,
    WidthConverter,
    Window,
    weight_words,
)
from bitwright.plan.plan import LayerPlan, Plan

REGISTER_DEPTH = 2
"""FIFO depth of an edge that needs no slack: one elastic register."""


def lower(graph: Graph, plan: Plan, forms: Mapping[str, Form]) -> KernelGraph:
    """The kernels of `graph` under `plan`; `forms` holds the proved form of every requantiser and table.

    BitwrightError names a layer whose plan is not legal, or a branch (not in hardware yet).
    """
    _check_chain(graph)
    chain = _Chain(graph, plan, forms)
    for layer in graph.layers:
        chain.add(layer)
    return chain.close()


def _check_chain(graph: Graph) -> None:
    for name, readers in graph.readers.items():
        if len(readers) + graph.outputs.count(name) != 1:
            raise BitwrightError(
                f"is read {len(readers) + graph.outputs.count(name)} times; hardware is built for chains so far",
                where=f"layer '{name}'",
                hint="use the reference engine for this network",
            )
    if len(graph.inputs) != 1 or len(graph.outputs) != 1:
        raise BitwrightError(
            f"has {len(graph.inputs)} inputs and {len(graph.outputs)} outputs; hardware takes one of each so far",
            where="graph",
            hint="use the reference engine for this network",
        )


class _Chain:
    """Kernels and streams so far; `tail` is the stream that the next kernel reads."""

    def __init__(self, graph: Graph, plan: Plan, forms: Mapping[str, Form]) -> None:
        self.graph, self.plan, self.forms = graph, plan, forms
        self.hardware = identifiers([layer.name for layer in (*graph.inputs, *graph.layers)])
        self.kernels: list[Kernel] = []
        self.streams: list[Stream] = []
        self.tail = self._first(graph.inputs[0])
        self.head = self.tail.name

    def close(self) -> KernelGraph:
        self.streams.append(self.tail)
        return KernelGraph(tuple(self.kernels), tuple(self.streams), (self.head,), (self.tail.name,))

    def add(self, layer: Layer) -> None:
        match layer:
            case Dense():
                self._matrix(layer, self._plan(layer), groups=1, vectors=prod(layer.shape[:-1]))
            case Conv():
                self._convolution(layer)
            case MaxPool():
                self._pool(layer)
            case Requantise() | Table():
                self._requantise(layer)
            case Reshape():
                self._reshape(layer)
            case _:
                raise AssertionError(f"no kernel for {layer.op}")

    def _plan(self, layer: Layer) -> LayerPlan:
        return self.plan.layers.get(layer.name, LayerPlan())

    def _first(self, layer: Input) -> Stream:
        """The boundary stream: as wide as its first reader with a width of its own wants it."""
        lanes, at = 1, layer.name
        while self.graph.readers[at]:
            reader = self.graph.readers[at][0]
            if isinstance(reader, Dense | Conv | MaxPool):
                lanes = self._plan(reader).simd
                break
            at = reader.name
        lanes = lanes if layer.channels % lanes == 0 else 1
        return self._stream(layer, self.hardware[layer.name], lanes, layer.type, prod(layer.shape) // lanes)

    def _stream(self, layer: Layer, name: str, lanes: int, kind: IntType, beats: int) -> Stream:
        real = f"scale {_short(layer.scale)}, zero {_short(layer.zero)}"
        return Stream(
            name=name, lanes=lanes, type=kind, beats=beats, depth=REGISTER_DEPTH, shape=layer.shape, real=real
        )

    def _push(self, kernel: Kernel, output: Stream) -> None:
        self.kernels.append(kernel)
        self.streams.append(self.tail)
        self.tail = output

    def _need(self, layer: Layer, depth: int) -> None:
        """Give the edge in front of the next kernel room for `depth` beats, or for what the plan says."""
        chosen = self._plan(layer).fifo_depth or max(depth, REGISTER_DEPTH)
        self.tail = replace(self.tail, depth=chosen)

    def _widen(self, layer: Layer, lanes: int) -> None:
        """Convert the tail to `lanes` per beat if it has another width."""
        before = self.tail
        if before.lanes == lanes:
            return
        elements = before.lanes * before.beats
        name = f"{self.hardware[layer.name]}_width"
        output = replace(before, name=f"{name}_out", lanes=lanes, beats=elements // lanes, depth=REGISTER_DEPTH)
        kernel = WidthConverter(
            name=name,
            layer=layer.name,
            input=before.name,
            output=output.name,
            cycles=max(before.beats, output.beats),
            in_lanes=before.lanes,
            out_lanes=lanes,
            elements=elements,
            type=before.type,
        )
        self._push(kernel, output)

    def _matrix(self, layer: Dense | Conv, plan: LayerPlan, *, groups: int, vectors: int) -> None:
        """A matrix-vector unit behind a stream that already brings its columns in order."""
        name = self.hardware[layer.name]
        in_channels = self.graph.by_name[layer.inputs[0]].channels
        rows, lanes = matrix_lanes(layer, in_channels)
        if rows % plan.pe or lanes % plan.simd:
            raise BitwrightError(
                f"PE {plan.pe} must divide {rows} rows and SIMD {plan.simd} must divide {lanes} columns",
                where=f"plan: layer '{layer.name}'",
                hint="choose divisors",
            )
        self._widen(layer, plan.simd)
        matrix = layer.weights.array.reshape(layer.channels, -1)
        cols = matrix.shape[1]
        row_fold, col_fold = rows // plan.pe, cols // plan.simd
        fed_by_window = bool(self.kernels) and isinstance(self.kernels[-1], Window)
        self._need(layer, col_fold if row_fold > 1 and self.kernels and not fed_by_window else REGISTER_DEPTH)
        kernel = MatrixVector(
            name=name,
            layer=layer.name,
            input=self.tail.name,
            output=f"{name}_acc",
            cycles=vectors * groups * row_fold * col_fold,
            vectors=vectors,
            groups=groups,
            rows=rows,
            cols=cols,
            pe=plan.pe,
            simd=plan.simd,
            weights=weight_words(matrix, groups, plan.pe, plan.simd),
            weight_type=layer.weights.type,
            x_type=self.tail.type,
            acc_type=layer.type,
            memory=plan.memory,
        )
        self._push(kernel, self._stream(layer, kernel.output, plan.pe, layer.type, vectors * groups * row_fold))

    def _convolution(self, layer: Conv) -> None:
        plan = self._plan(layer)
        in_channels = self.graph.by_name[layer.inputs[0]].channels
        if in_channels // layer.groups % plan.simd:
            raise BitwrightError(
                f"SIMD {plan.simd} must divide the {in_channels // layer.groups} input channels of a group",
                where=f"plan: layer '{layer.name}'",
                hint="choose a divisor",
            )
        self._widen(layer, plan.simd)
        if layer.kernel != (1, 1) or layer.strides != (1, 1) or any(layer.pads):
            inner = in_channels // layer.groups // plan.simd
            self._window(layer, layer.groups, inner, plan.simd, layer.pad_value)
        self._matrix(layer, plan, groups=layer.groups, vectors=layer.shape[0] * layer.shape[1])

    def _window(self, layer: Conv | MaxPool, blocks: int, inner: int, lanes: int, pad_value: int) -> None:
        name = f"{self.hardware[layer.name]}_window"
        height, width, _ = self.graph.by_name[layer.inputs[0]].shape
        rows = (layer.kernel[0] - 1) * layer.dilations[0] + 1 + layer.strides[0]
        self._need(layer, REGISTER_DEPTH)
        kernel = Window(
            name=name,
            layer=layer.name,
            input=self.tail.name,
            output=f"{name}_out",
            cycles=0,
            height=height,
            width=width,
            blocks=blocks,
            inner=inner,
            kernel=layer.kernel,
            strides=layer.strides,
            dilations=layer.dilations,
            pads=layer.pads,
            out_height=layer.shape[0],
            out_width=layer.shape[1],
            pad_value=pad_value,
            lanes=lanes,
            type=self.tail.type,
            depth=rows * width * blocks * inner,
        )
        kernel = replace(kernel, cycles=max(kernel.in_beats, kernel.out_beats))
        field = (*layer.shape[:2], *layer.kernel, blocks * inner * lanes)
        output = replace(
            self.tail, name=kernel.output, beats=kernel.out_beats, shape=field, depth=REGISTER_DEPTH, lanes=lanes
        )
        self._push(kernel, output)

    def _pool(self, layer: MaxPool) -> None:
        plan = self._plan(layer)
        if layer.channels % plan.simd:
            raise BitwrightError(
                f"SIMD {plan.simd} must divide {layer.channels} channels",
                where=f"plan: layer '{layer.name}'",
                hint="choose a divisor",
            )
        self._widen(layer, plan.simd)
        folds = layer.channels // plan.simd
        self._window(layer, folds, 1, plan.simd, layer.type.lo)
        name = self.hardware[layer.name]
        kernel = MaxReduce(
            name=name,
            layer=layer.name,
            input=self.tail.name,
            output=f"{name}_out",
            cycles=self.tail.beats,
            fold=prod(layer.kernel),
            groups=prod(layer.shape) // plan.simd,
            lanes=plan.simd,
            type=layer.type,
        )
        self._push(kernel, self._stream(layer, kernel.output, plan.simd, layer.type, kernel.groups))

    def _requantise(self, layer: Requantise | Table) -> None:
        name, lanes = self.hardware[layer.name], self.tail.lanes
        form = self.forms[layer.name]
        if isinstance(layer, Table) and not isinstance(form, Lookup):
            raise AssertionError(f"{layer.name}: a table takes a lookup")
        self._need(layer, REGISTER_DEPTH)
        kernel = Requantiser(
            name=name,
            layer=layer.name,
            input=self.tail.name,
            output=f"{name}_out",
            cycles=self.tail.beats,
            form=form,
            lanes=lanes,
            folds=layer.channels // lanes,
            beats=self.tail.beats,
            x_type=self.tail.type,
            y_type=layer.type,
        )
        self._push(kernel, self._stream(layer, kernel.output, lanes, layer.type, self.tail.beats))

    def _reshape(self, layer: Reshape) -> None:
        """No hardware: the beats stay as they are, unless a beat would straddle the new last axis."""
        if layer.channels % self.tail.lanes:
            common = next(d for d in range(self.tail.lanes, 0, -1) if layer.channels % d == 0 == self.tail.lanes % d)
            self._widen(layer, common)
        self.tail = replace(self.tail, shape=layer.shape)


def _short(values: PerChannel) -> str:
    numbers = [float(value) for value in values]
    if min(numbers) == max(numbers):
        return f"{numbers[0]:.6g}"
    return f"{min(numbers):.6g}..{max(numbers):.6g}"
