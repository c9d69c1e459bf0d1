# SPDX-License-Identifier: Apache-2.0
"""The reference engine: the integers that every other engine must give, in NumPy.

Matrix products run in floating point only where that is exact: when every partial sum is an integer of at most 24 bits
(float32) or 53 bits (float64), in any order of summation; otherwise in int64. Requantisers count their proved steps.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from math import prod
from typing import Any, assert_never

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bitwright.exact.ranges import Ranges, ranges
from bitwright.exact.steps import steps
from bitwright.ir.graph import Graph
from bitwright.ir.layers import (
    AnyLayer,
    ArgMax,
    Concat,
    Conv,
    Dense,
    Gather,
    Layer,
    MaxPool,
    Multiply,
    Requantise,
    Reshape,
    Sum,
    SumPool,
    Table,
    Windowed,
)
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints
from bitwright.sim.joins import gather, join

Array = NDArray[Any]
Operation = Callable[..., Array]
CHUNK = 1 << 22
"""Elements of the largest tensor that are in flight at once."""


@dataclass(frozen=True, eq=False)
class Prepared:
    """One operation per layer of a graph, its constants laid out for speed."""

    graph: Graph
    operations: dict[str, Operation]


def run(graph: Graph, codes: Sequence[Ints]) -> list[Ints]:
    """The integers of `graph.outputs` for integers of `graph.inputs`; samples on axis 0, channels last, int64."""
    prepared = _prepare(graph)
    count = len(codes[0])
    largest = max(_footprint(layer, graph) for layer in (*graph.inputs, *graph.layers))
    size = max(1, CHUNK // largest)
    parts = [_chunk(prepared, [c[start : start + size] for c in codes]) for start in range(0, max(count, 1), size)]
    return [np.concatenate([part[i] for part in parts]).astype(np.int64) for i in range(len(graph.outputs))]


def operations(graph: Graph) -> Mapping[str, Operation]:
    """What each layer computes, by its name: arrays of integers in, samples on axis 0, an array out."""
    return _prepare(graph).operations


def _chunk(prepared: Prepared, codes: Sequence[Ints]) -> list[Array]:
    graph = prepared.graph
    values: dict[str, Array] = {
        entry.name: array.astype(_storage(entry.type)) for entry, array in zip(graph.inputs, codes, strict=True)
    }
    last_reader = {name: layer.name for layer in graph.layers for name in layer.inputs}
    for layer in graph.layers:
        values[layer.name] = prepared.operations[layer.name](*(values[name] for name in layer.inputs))
        for name in set(layer.inputs):
            if last_reader[name] == layer.name and name not in graph.outputs:
                del values[name]
    return [values[name] for name in graph.outputs]


@lru_cache(maxsize=8)
def _prepare(graph: Graph) -> Prepared:
    reached = ranges(graph)
    return Prepared(graph, {layer.name: _operation(layer, graph, reached) for layer in graph.layers})


def _operation(layer: AnyLayer, graph: Graph, reached: dict[str, Ranges]) -> Operation:
    source = graph.by_name[layer.inputs[0]]
    match layer:
        case Dense():
            return _product(layer.weights.array.T, reached[source.name].lo, reached[source.name].hi)
        case Conv():
            return _convolution(layer, reached[source.name])
        case MaxPool():
            return _max_pool(layer)
        case ArgMax():
            return _arg_max(layer, source.channels)
        case Requantise() | Table():
            return _coded(layer, source, reached[source.name])
        case Reshape():
            return lambda x: x.reshape(len(x), *layer.shape)
        case SumPool():
            return lambda x: windows(x.astype(np.int64), layer, layer.pad_value).sum(axis=(3, 4))
        case Sum() | Multiply() | Concat():
            return join(layer)
        case Gather():
            return gather(layer)
        case _:
            assert_never(layer)


def _coded(layer: Requantise | Table, source: Layer, x: Ranges) -> Operation:
    kind = _storage(layer.type)
    if isinstance(layer, Table):
        entries = layer.entries.array.astype(kind)
        return lambda x: entries[x.astype(np.int64) - source.type.lo]
    table = steps(layer, x.lo, x.hi)
    return lambda x: table.apply(x).astype(kind, copy=False)


def _product(matrix: Ints, lo: Ints, hi: Ints) -> Operation:
    """The product x @ matrix, exact for x in [lo, hi] per row of `matrix`."""
    kind = _exact_kind(matrix, lo, hi)
    weights = matrix.astype(kind)
    if kind is np.int64:
        return lambda x: np.asarray(x.astype(np.int64) @ weights)
    return lambda x: np.asarray(x.astype(kind, copy=False) @ weights)


def _exact_kind(matrix: Ints, lo: Ints, hi: Ints) -> type[Any]:
    """The cheapest arithmetic in which every partial sum of a product is exact (`docs/exactness.md`, ranges).

    The bound is itself summed in float64, which is exact below 2**53 and may round down to 2**53 from above.
    """
    ends = [matrix.astype(np.float64) * bound[:, None] for bound in (lo, hi)]
    up, down = np.maximum(np.maximum(*ends), 0).sum(axis=0), np.minimum(np.minimum(*ends), 0).sum(axis=0)
    bound = max(float(up.max(initial=0)), float(-down.min(initial=0)))
    return np.float32 if bound <= 1 << 24 else np.float64 if bound < 1 << 53 else np.int64


def _convolution(layer: Conv, x: Ranges) -> Operation:
    out, kh, kw, inner = layer.weights.array.shape
    rows = out // layer.groups
    products = []
    for group in range(layer.groups):
        channels = slice(group * inner, (group + 1) * inner)
        lo = np.tile(np.minimum(x.lo[channels], layer.pad_value), kh * kw)
        hi = np.tile(np.maximum(x.hi[channels], layer.pad_value), kh * kw)
        matrix = layer.weights.array[group * rows : (group + 1) * rows].reshape(rows, -1).T
        products.append((channels, _product(matrix, lo, hi)))

    def apply(images: Array) -> Array:
        fields = windows(images, layer, layer.pad_value)  # (n, h, w, kh, kw, channels)
        shape = fields.shape[:3]
        parts = [product(fields[..., c].reshape(prod(shape), kh * kw * inner)) for c, product in products]
        return np.concatenate(parts, axis=-1).reshape(*shape, out)

    return apply


def _max_pool(layer: MaxPool) -> Operation:
    def apply(images: Array) -> Array:
        lowest = np.iinfo(images.dtype).min if images.dtype.kind == "i" else -np.inf
        return np.asarray(windows(images, layer, lowest).max(axis=(3, 4)))

    return apply


def _arg_max(layer: ArgMax, channels: int) -> Operation:
    if layer.last:
        return lambda x: np.asarray(channels - 1 - x[..., ::-1].argmax(axis=-1, keepdims=True))
    return lambda x: np.asarray(x.argmax(axis=-1, keepdims=True))


def windows(images: Array, layer: Windowed, pad: float) -> Array:
    """Receptive fields (n, out h, out w, kernel h, kernel w, channels) of images (n, h, w, channels)."""
    top, left, bottom, right = layer.pads
    if any(layer.pads):
        kind = images.dtype
        if kind.kind == "i":
            kind = np.result_type(kind, np.min_scalar_type(min(pad, -pad - 1)))
        images = np.pad(images.astype(kind), ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=pad)
    (kh, kw), (dh, dw), (sh, sw) = layer.kernel, layer.dilations, layer.strides
    fields = sliding_window_view(images, ((kh - 1) * dh + 1, (kw - 1) * dw + 1), axis=(1, 2))
    fields = fields[:, ::sh, ::sw, :, ::dh, ::dw]
    return fields.transpose(0, 1, 2, 4, 5, 3)


def _storage(kind: IntType) -> type[Any]:
    """The smallest signed NumPy integer that holds a type (and one value less, for padding a pool)."""
    for dtype in (np.int8, np.int16, np.int32):
        info = np.iinfo(dtype)
        if info.min < kind.lo and kind.hi <= info.max:
            return dtype
    return np.int64


def _footprint(layer: Layer, graph: Graph) -> int:
    """Elements that a layer holds for one sample, receptive fields included."""
    size = prod(layer.shape)
    if isinstance(layer, Windowed):
        channels = graph.by_name[layer.inputs[0]].channels
        return max(size, layer.shape[0] * layer.shape[1] * prod(layer.kernel) * channels)
    return size
