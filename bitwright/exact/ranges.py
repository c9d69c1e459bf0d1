# SPDX-License-Identifier: Apache-2.0
"""Which integers can occur: per-channel intervals, propagated from the inputs' types through every layer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple, assert_never

import numpy as np

from bitwright.exact.accumulators import accumulator_range, matrix_range
from bitwright.exact.intervals import Ranges, moved_range, product_range, sum_range, table_range
from bitwright.exact.meaning import affines, evaluate
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
    Requantise,
    Reshape,
    Sum,
    SumPool,
    Table,
)
from bitwright.ir.weights import Ints

__all__ = ["Known", "Ranges", "accumulator_range", "layer_range", "matrix_range", "ranges", "type_range"]


class Known(NamedTuple):
    """The interval that a layer was found to have over those of its inputs."""

    layer: Layer
    inputs: Sequence[Ranges]
    reached: Ranges

    def holds(self, layer: Layer, inputs: Sequence[Ranges]) -> bool:
        """True if `layer` is the layer itself, over the same intervals."""
        pairs = zip(self.inputs, inputs, strict=True)
        return self.layer is layer and all(
            a is b or (np.array_equal(a.lo, b.lo) and np.array_equal(a.hi, b.hi)) for a, b in pairs
        )


def ranges(graph: Graph, known: Mapping[str, Known] | None = None) -> dict[str, Ranges]:
    """The interval of every layer by name, tight where the inputs of a sum are independent.

    What is `known` of a layer that is still the same is not computed again.
    """
    found = {layer.name: type_range(layer) for layer in graph.inputs}
    for layer in graph.layers:
        inputs, before = [found[name] for name in layer.inputs], (known or {}).get(layer.name)
        if before is not None and before.holds(layer, inputs):
            found[layer.name] = before.reached
        else:
            found[layer.name] = layer_range(layer, inputs, [graph.by_name[name] for name in layer.inputs])
    return found


def type_range(layer: Layer) -> Ranges:
    """Every channel over the whole of the layer's type."""
    return Ranges(np.full(layer.channels, layer.type.lo), np.full(layer.channels, layer.type.hi))


def layer_range(layer: Input | AnyLayer, inputs: Sequence[Ranges], sources: Sequence[Layer]) -> Ranges:
    """The interval of `layer` from those of the layers it reads, which are `sources`."""
    match layer:
        case Input():
            return type_range(layer)
        case Dense() | Conv() | SumPool() | Sum() | Multiply():
            return _arithmetic(layer, inputs, sources[0], f"layer '{layer.name}'")
        case Requantise():
            return _requantised(layer, inputs[0])
        case Table():
            return table_range(layer.entries.array, inputs[0], sources[0].type)
        case MaxPool():
            return inputs[0]
        case ArgMax():
            return Ranges(np.array([0]), np.array([sources[0].channels - 1]))
        case Reshape():
            everything = np.arange(np.prod(layer.shape))
            return moved_range(everything, 0, inputs[0], layer.channels)
        case Gather():
            return moved_range(layer.move.index(sources[0].shape), layer.fill, inputs[0], layer.channels)
        case Concat():
            return _joined(inputs)
        case _:
            assert_never(layer)


def _requantised(layer: Requantise, x: Ranges) -> Ranges:
    lines = affines(layer)
    ends = [evaluate(layer, end, lines) for end in (x.lo, x.hi)]
    return Ranges(np.minimum(*ends), np.maximum(*ends))


def _joined(inputs: Sequence[Ranges]) -> Ranges:
    """The channels of all inputs side by side."""
    return Ranges(np.concatenate([x.lo for x in inputs]), np.concatenate([x.hi for x in inputs]))


def _arithmetic(
    layer: Dense | Conv | SumPool | Sum | Multiply, inputs: Sequence[Ranges], source: Layer, where: str
) -> Ranges:
    match layer:
        case Dense():
            return accumulator_range(layer.weights.array, inputs[0], where=where)
        case Conv():
            return _window_range(layer, layer.weights.array, layer.groups, inputs[0], source, where)
        case SumPool():
            ones = np.ones((layer.channels, *layer.window.kernel, 1), dtype=np.int64)
            return _window_range(layer, ones, layer.channels, inputs[0], source, where)
        case Sum():
            return sum_range(layer.factors, inputs, where)
        case Multiply():
            return product_range(layer.zeros, inputs, where)


def _window_range(layer: Conv | SumPool, weights: Ints, groups: int, x: Ranges, source: Layer, where: str) -> Ranges:
    return accumulator_range(
        weights,
        x,
        groups=groups,
        window=layer.window,
        pad_value=layer.pad_value,
        size=(source.shape[0], source.shape[1]),
        where=where,
    )
