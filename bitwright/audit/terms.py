# SPDX-License-Identifier: Apache-2.0
"""The sums that a graph's integers are, term by term: what float32 rounds while it adds them up."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Gather, Join, Layer, Limited, Passing, Pool, Reshape, Sum
from bitwright.ir.weights import Ints
from bitwright.sim.windows import windows

Array = NDArray[Any]
Values = Mapping[str, Ints]
"""The integers of every layer; samples on axis 0, channels last."""


@dataclass(frozen=True, eq=False)
class Terms:
    """A layer's integers as sums, in its own unit: the sums, those of the magnitudes, those of the squares.

    float64, samples on axis 0; `count` bounds how many terms a sum has.
    """

    value: Array
    size: Array
    energy: Array
    count: int

    def moved(self, move: Callable[[Array], Array]) -> Terms:
        """The same terms elsewhere."""
        return Terms(move(self.value), move(self.size), move(self.energy), self.count)


def coded(graph: Graph) -> set[str]:
    """The layers that hold codes: those of a quantiser or an input, perhaps moved or pooled, or places."""
    found: set[str] = set()
    for layer in graph.by_name.values():
        moves = isinstance(layer, Passing) and found.issuperset(layer.inputs)
        if moves or isinstance(layer, Limited):
            found.add(layer.name)
    return found


def terms(graph: Graph, name: str, values: Values) -> Terms:
    """The terms of the layer `name` for the integers `values`."""
    codes, layers = coded(graph), list(graph.by_name.values())
    needed = {name}
    for layer in reversed(layers):
        if layer.name in needed - codes:
            needed.update(layer.inputs)
    known: dict[str, Terms] = {}
    for layer in layers:
        if layer.name in needed & codes:
            known[layer.name] = _single(values[layer.name], np.array([float(zero) for zero in layer.zero.values]))
        elif layer.name in needed:
            known[layer.name] = _sums(graph, layer, values, known)
    return known[name]


def _joined(parts: Sequence[Terms]) -> Terms:
    """The channels of all parts side by side."""
    joined = [np.concatenate(arrays, axis=-1) for arrays in zip(*map(_arrays, parts), strict=True)]
    return Terms(joined[0], joined[1], joined[2], max(part.count for part in parts))


def _sums(graph: Graph, layer: Layer, values: Values, known: Mapping[str, Terms]) -> Terms:
    """The terms of a layer from those of its inputs."""
    parts = [known[source] for source in layer.inputs]
    match layer:
        case Dense() | Conv():
            return _product(graph, layer, values, parts[0])
        case Sum():
            return _sum(layer, parts)
        case Gather() | Reshape():
            return parts[0].moved(lambda x: moved(layer, x))
    if isinstance(layer, Pool):
        return _pooled(layer, parts[0])
    if isinstance(layer, Passing):
        return _joined(parts)
    if isinstance(layer, Join):  # not linear in what it reads: its integers are one term each
        return _single(values[layer.name], np.zeros(1))
    raise AssertionError(f"{layer.op} holds no sums")


def moved(layer: Gather | Reshape, x: Array, fill: float = 0) -> Array:
    """Real numbers where the layer puts them."""
    if isinstance(layer, Reshape):
        return x.reshape(len(x), *layer.shape)
    index = layer.move.index(x.shape[1:])
    return np.where(index < 0, fill, x.reshape(len(x), -1)[:, np.maximum(index, 0)])


def _single(codes: Array, zero: Array) -> Terms:
    value = codes - zero
    return Terms(value, np.abs(value), value * value, 1)


def _arrays(part: Terms) -> tuple[Array, Array, Array]:
    return part.value, part.size, part.energy


def _product(graph: Graph, layer: Dense | Conv, values: Values, x: Terms) -> Terms:
    source = layer.inputs[0]
    weights = layer.weights.array.astype(np.float64)
    if source in coded(graph):
        x = _single(values[source], np.array(input_zero(layer, graph.by_name[source])))
    count = weights[0].size * x.count
    value, size = _linear(layer, x.value, weights), _linear(layer, x.size, np.abs(weights))
    return Terms(value, size, _linear(layer, x.energy, weights * weights), count)


def input_zero(layer: Dense | Conv, source: Layer) -> float:
    """The integer that means zero to a matrix layer: the accumulator's zero is that, times the sum of the weights."""
    sums = layer.weights.array.reshape(len(layer.weights.array), -1).sum(axis=1)
    zeros = np.array([float(zero) for zero in layer.zero.values]) * np.ones(len(sums))
    used = np.flatnonzero(sums)
    return float(zeros[used[0]] / sums[used[0]]) if used.size else float(source.zero.of(0))


def _linear(layer: Dense | Conv, x: Array, weights: Array) -> Array:
    """The layer's sums of products in float64, around zero."""
    if isinstance(layer, Dense):
        return np.asarray(x @ weights.T)
    fields = windows(x, layer, 0)
    rows, inner = len(weights) // layer.groups, weights.shape[-1]
    parts = []
    for group in range(layer.groups):
        matrix = weights[group * rows : (group + 1) * rows].reshape(rows, -1).T
        columns = fields[..., group * inner : (group + 1) * inner]
        parts.append(columns.reshape(*columns.shape[:3], -1) @ matrix)
    return np.concatenate(parts, axis=-1)


def _pooled(layer: Pool, x: Terms) -> Terms:
    """Of a window the sum, or the largest, which bounds those of the sum that wins; padding never does."""
    if not layer.sums:
        return x.moved(lambda each: np.asarray(windows(each, layer, -np.inf).max(axis=(3, 4))))
    pooled = x.moved(lambda each: np.asarray(windows(each, layer, 0).sum(axis=(3, 4))))
    return Terms(pooled.value, pooled.size, pooled.energy, layer.window.size)


def _sum(layer: Sum, parts: list[Terms]) -> Terms:
    factors = [np.array(factor, dtype=np.float64) for factor in layer.factors]
    pairs = list(zip(factors, parts, strict=True))
    return Terms(
        np.add.reduce([f * part.value for f, part in pairs]),
        np.add.reduce([np.abs(f) * part.size for f, part in pairs]),
        np.add.reduce([f * f * part.energy for f, part in pairs]),
        sum(part.count for part in parts),
    )
