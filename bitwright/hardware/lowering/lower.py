# SPDX-License-Identifier: Apache-2.0
"""From a graph and what was decided of its layers to kernels and streams; nothing is decided here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from math import prod

from bitwright.hardware.choice import Choices, Entering, Folded, LayerChoice, Pooled, Wired
from bitwright.hardware.clocks.fifos import Sized, Sizing, size_fifos
from bitwright.hardware.kernels.base import REGISTER_DEPTH, Kernel, KernelGraph, Stream
from bitwright.hardware.kernels.joins import Fork
from bitwright.hardware.lowering import matrices, orders, stages, windows
from bitwright.hardware.lowering.emit import Contents, Emit, Made
from bitwright.hardware.needs import check_needs
from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Layer, Matrix, Pool
from bitwright.ir.names import identifiers


def lower(graph: Graph, choices: Choices, depths: Mapping[str, int], sizing: Sizing | Sized = "exact") -> KernelGraph:
    """The kernels of `graph` as `choices` has each of its layers and inputs.

    BitwrightError names a layer whose choice is not legal. The FIFO in front of a layer is as deep as `depths` says, or
    as computed; or all are as `sizing` makes them, where that is a function.
    """
    bare = check_needs(kernels_of(graph, choices, Contents.REAL))
    return sizing(bare) if callable(sizing) else size_fifos(bare, depths, sizing)


def kernels_of(graph: Graph, choices: Choices, contents: Contents) -> KernelGraph:
    """The kernels of `graph` with the smallest FIFO at each edge."""
    names = identifiers([layer.name for layer in (*graph.inputs, *graph.layers)])
    kernels: list[Kernel] = []
    streams: dict[str, Stream] = {}
    waiting: dict[str, list[Stream]] = {}

    def publish(layer: Layer, made: Made) -> None:
        forked = fork(layer, names[layer.name], made.leaves, readings(graph, layer))
        waiting[layer.name] = list(forked.streams)
        kernels.extend((*made.kernels, *forked.kernels))
        streams.update({stream.name: stream for stream in (*made.streams, *forked.streams)})

    for entry in graph.inputs:
        choice = choices[entry.name]
        assert isinstance(choice, Entering), f"input '{entry.name}' is decided as {type(choice).__name__}"
        emit = Emit(entry, names[entry.name], contents)
        x = emit.stream(emit.name, choice.lanes, entry.type, prod(entry.shape) // choice.lanes)
        publish(entry, emit.made(x))
    for layer in graph.layers:
        reads = [waiting[name].pop(0) for name in layer.inputs]
        publish(layer, lower_layer(layer, names[layer.name], reads, choices[layer.name], contents))
    outputs = []
    for index, name in enumerate(graph.outputs):
        emit = Emit(graph.by_name[name], names[name], contents)
        outputs.append(orders.restored(emit, waiting[name].pop(0), index).name)
        kernels += emit.kernels
        streams |= emit.streams
    inputs = tuple(names[entry.name] for entry in graph.inputs)
    return KernelGraph(tuple(kernels), tuple(streams.values()), inputs, tuple(outputs))


def lower_layer(layer: AnyLayer, name: str, reads: Sequence[Stream], choice: LayerChoice, contents: Contents) -> Made:
    """The kernels of one layer, called `name` in hardware, that reads these streams, as `choice` has it."""
    emit = Emit(layer, name, contents)
    x = list(reads)
    if not orders.takes(layer, x[0].shape[-1], choice):
        x = [orders.restored(emit, operand, index) for index, operand in enumerate(x)]
    return emit.made(_leaves(emit, layer, x, choice))


def _leaves(emit: Emit, layer: AnyLayer, x: list[Stream], choice: LayerChoice) -> Stream:
    """The stream that leaves the layer, everything in front of it emitted."""
    if isinstance(layer, Matrix) and isinstance(choice, Folded):
        return matrices.matrix(emit, layer, x[0], choice)
    if isinstance(layer, Pool) and isinstance(choice, Pooled):
        return windows.pool(emit, layer, x[0], choice)
    if isinstance(choice, Wired):
        return stages.wired(emit, layer, x, choice)
    raise AssertionError(f"layer '{layer.name}' ({layer.op}) is decided as {type(choice).__name__}")


def readings(graph: Graph, layer: Layer) -> int:
    """How often the tensor of `layer` is read, or leaves."""
    readers = {reader.name: reader for reader in graph.readers[layer.name]}
    return sum(r.inputs.count(layer.name) for r in readers.values()) + graph.outputs.count(layer.name)


def fork(layer: Layer, name: str, stream: Stream, count: int) -> Made:
    """`stream` for `count` readers, through a fork if there are several: one stream for each."""
    if count <= 1:
        return Made((), (stream,), stream)
    name = f"{name}_fork"
    copies = [replace(stream, name=f"{name}_{index}", depth=REGISTER_DEPTH) for index in range(count)]
    kernel = Fork(
        name=name,
        layer=layer.name,
        input=stream.name,
        output=copies[0].name,
        copies=tuple(copy.name for copy in copies[1:]),
        lanes=stream.lanes,
        beats=stream.beats,
        type=stream.type,
    )
    return Made((kernel,), tuple(copies), copies[0])
