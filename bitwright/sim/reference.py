# SPDX-License-Identifier: Apache-2.0
"""The reference: what every layer computes, in 64-bit integers. What it gives, every engine must give.

It is written to be read. Sums wrap modulo 2**64 on their way and end in the layer's type, which 64 bits hold, so they
are exact in any order. A requantiser counts the steps that its input has reached; `exact.steps` proves where they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from math import prod
from typing import assert_never

import numpy as np

from bitwright.exact.ranges import Ranges, ranges
from bitwright.exact.requantise import Codes, codes
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
from bitwright.ir.weights import Ints
from bitwright.sim.windows import windows

IN_FLIGHT = 1 << 22
"""Integers that are held at once, so that memory does not grow with the samples."""


def run(graph: Graph, codes: Sequence[Ints]) -> list[Ints]:
    """The integers of `graph.outputs` for integers of `graph.inputs`; samples on axis 0, channels last, int64."""
    size = max(1, IN_FLIGHT // sum(_held(layer) for layer in (*graph.inputs, *graph.layers)))
    starts = range(0, max(len(codes[0]), 1), size)
    parts = [_samples(graph, [array[start : start + size] for array in codes]) for start in starts]
    return [np.concatenate(part) for part in zip(*parts, strict=True)]


def _samples(graph: Graph, codes: Sequence[Ints]) -> list[Ints]:
    values = {layer.name: array.astype(np.int64) for layer, array in zip(graph.inputs, codes, strict=True)}
    for layer in graph.layers:
        values[layer.name] = compute(graph, layer, *(values[name] for name in layer.inputs))
    return [values[name] for name in graph.outputs]


def _held(layer: Layer) -> int:
    """Integers that a layer holds for one sample, about: what it gives, once for each place of its kernel."""
    return prod(layer.shape) * (layer.window.size if isinstance(layer, Windowed) else 1)


def compute(graph: Graph, layer: AnyLayer, x: Ints, *more: Ints) -> Ints:
    """What a layer of `graph` gives for what it reads, `x` first; samples on axis 0."""
    match layer:
        case Dense() | Conv() | SumPool() | Sum() | Multiply():
            return _sums(layer, (x, *more))
        case Requantise():
            return requantisers(graph)[layer.name].apply(x).astype(np.int64)
        case Table():
            return layer.entries.array[x - graph.source_of(layer).type.lo]
        case MaxPool():
            return np.asarray(windows(x, layer, np.iinfo(np.int64).min).max(axis=(3, 4)))
        case ArgMax():
            return _arg_max(layer, x)
        case Reshape():
            return x.reshape(len(x), *layer.shape)
        case Concat():
            return np.concatenate((x, *more), axis=-1)
        case Gather():
            return _gather(layer, x)
        case _:
            assert_never(layer)


def _sums(layer: Dense | Conv | SumPool | Sum | Multiply, x: Sequence[Ints]) -> Ints:
    match layer:
        case Dense():
            return np.asarray(np.einsum("...k,rk->...r", x[0], layer.weights.array))
        case Conv():
            return _convolution(layer, x[0])
        case SumPool():
            return np.asarray(windows(x[0], layer, layer.pad_value).sum(axis=(3, 4)))
        case Sum():
            return np.asarray(sum(np.array(factor) * v for factor, v in zip(layer.factors, x, strict=True)))
        case Multiply():
            return np.asarray((x[0] - layer.zeros[0]) * (x[1] - layer.zeros[1]))
        case _:
            assert_never(layer)


def _convolution(layer: Conv, images: Ints) -> Ints:
    """For each row of weights the sum of its products with the receptive field, in the channels of the row's group."""
    fields = windows(images, layer, layer.pad_value)
    rows, *kernel, inner = layer.weights.array.shape
    places, groups, taps = fields.shape[:3], layer.groups, prod(kernel)
    weights = layer.weights.array.reshape(groups, rows // groups, taps * inner)
    by_group = np.moveaxis(fields.reshape(*places, taps, groups, inner), 4, 3).reshape(*places, groups, taps * inner)
    return np.asarray(np.einsum("...gk,grk->...gr", by_group, weights)).reshape(*places, rows)


def _arg_max(layer: ArgMax, x: Ints) -> Ints:
    """The channel of the largest integer; of several the first, or with `last` the last."""
    if layer.last:
        return np.asarray(x.shape[-1] - 1 - x[..., ::-1].argmax(axis=-1, keepdims=True))
    return np.asarray(x.argmax(axis=-1, keepdims=True))


def _gather(layer: Gather, x: Ints) -> Ints:
    """Elements of the flattened sample in another order, `fill` where the index is -1."""
    flat, index = x.reshape(len(x), prod(x.shape[1:])), layer.move.index(x.shape[1:])
    return np.where(index < 0, layer.fill, flat[:, index.clip(0)])


@lru_cache(maxsize=8)
def requantisers(graph: Graph) -> Mapping[str, Codes]:
    """The codes of every requantiser over the integers that can reach it."""
    return {layer.name: codes(layer, x.lo, x.hi) for layer, x in _reading(graph)}


def _reading(graph: Graph) -> list[tuple[Requantise, Ranges]]:
    """Every requantiser with what can reach it."""
    reached = ranges(graph)
    return [(layer, reached[layer.inputs[0]]) for layer in graph.layers if isinstance(layer, Requantise)]
