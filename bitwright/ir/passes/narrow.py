# SPDX-License-Identifier: Apache-2.0
"""Layers with fewer channels: their constants, and the types that the sums then have."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Protocol, TypeGuard, TypeVar, assert_never

import numpy as np

from bitwright.ir.graph import Graph
from bitwright.ir.layers import (
    AnyLayer,
    Conv,
    Dense,
    Gather,
    Join,
    Layer,
    Matrix,
    Move,
    Passing,
    Pointwise,
    Pool,
    Requantise,
    Sum,
    Sums,
    Table,
)
from bitwright.ir.moves import as_move
from bitwright.ir.per_channel import ONES, PerChannel, squeeze, take
from bitwright.ir.source import Removed
from bitwright.ir.types import IntType, hull
from bitwright.ir.weights import Ints, Weights

T = TypeVar("T")


class Interval(Protocol):
    """The integers lo[c]..hi[c] that can occur in each channel c."""

    @property
    def lo(self) -> Ints:
        """The least."""

    @property
    def hi(self) -> Ints:
        """The greatest."""


def is_whole(layer: Layer) -> TypeGuard[Matrix]:
    """True if every output of a matrix layer reads every input channel."""
    return isinstance(layer, Dense) or (isinstance(layer, Conv) and layer.groups == 1)


def narrow(graph: Graph, kept: Mapping[str, Ints], constants: Mapping[str, Ints]) -> Graph:
    """`graph` with the channels `kept` of each layer; types stay.

    What a removed channel contributed to the sums of a matrix layer is its weights times its integer in `constants`: it
    moves to the offsets of the requantisers that read the sums.
    """
    moved: dict[str, Ints] = {}
    layers = []
    for layer in graph.layers:
        if is_whole(layer):
            moved[layer.name] = _contributed(layer, kept[layer.inputs[0]], constants[layer.inputs[0]])
            layer = replace(layer, zero=_added(layer.zero, -ONES, moved[layer.name]))
        elif isinstance(layer, Requantise) and layer.inputs[0] in moved:
            layer = replace(layer, offset=_added(layer.offset, layer.multiplier, moved[layer.inputs[0]]))
        layers.append(_narrowed(graph, layer, kept))
    source = replace(graph.source, removed=_removed(graph, kept))
    return replace(graph, layers=tuple(layers), source=source)


def retyped(graph: Graph, reached: Mapping[str, Interval]) -> Graph:
    """`graph` with the narrowest types of what no quantiser limits; codes keep theirs."""
    kinds = {layer.name: layer.type for layer in graph.inputs}
    layers = []
    for layer in graph.layers:
        layers.append(_retyped(graph, layer, [kinds[name] for name in layer.inputs], reached[layer.name]))
        kinds[layer.name] = layers[-1].type
    return replace(graph, layers=tuple(layers))


def _retyped(graph: Graph, layer: AnyLayer, kinds: list[IntType], bounds: Interval) -> AnyLayer:
    """`layer` for inputs of the types `kinds`, and for what it can hold."""
    if isinstance(layer, Sums):
        return replace(layer, type=IntType(int(bounds.lo.min()), int(bounds.hi.max())))
    match layer:
        case Gather():
            inside = layer.fill in kinds[0] or layer.move.index(graph.source_of(layer).shape).min() >= 0
            kind = kinds[0] if inside else kinds[0] | IntType(layer.fill, layer.fill)
            return replace(layer, type=kind)
        case Table():
            first = kinds[0].lo - graph.source_of(layer).type.lo
            entries = layer.entries.array[first : first + kinds[0].hi - kinds[0].lo + 1]
            return replace(layer, entries=Weights(entries))
    if isinstance(layer, Passing):
        return replace(layer, type=hull(kinds))
    if isinstance(layer, Pointwise):
        return layer
    assert_never(layer)


def _contributed(layer: Dense | Conv, kept: Ints, constants: Ints) -> Ints:
    """For each output the sum of weights times constants over the input channels that are not kept."""
    weights = layer.weights.array
    lost = np.delete(np.arange(weights.shape[-1]), kept)
    return np.asarray(weights.reshape(len(weights), -1, weights.shape[-1]).sum(axis=1)[:, lost] @ constants[lost])


def _added(values: PerChannel, factors: PerChannel, moved: Ints) -> PerChannel:
    """The values of each channel plus factors * moved; as they are where nothing moved."""
    return values + factors * PerChannel.made(moved.tolist()) if moved.any() else values


def _narrowed(graph: Graph, layer: AnyLayer, kept: Mapping[str, Ints]) -> AnyLayer:
    """`layer` with the channels that its inputs and itself keep."""
    channels = kept[layer.name]
    common: dict[str, Any] = {
        "shape": (*layer.shape[:-1], len(channels)),
        "scale": _taken(layer.scale, channels),
        "zero": _taken(layer.zero, channels),
    }
    match layer:
        case Dense() | Conv():
            return _narrowed_matrix(layer, kept, common)
        case Requantise():
            for name in ("multiplier", "offset", "slope"):
                common[name] = _taken(getattr(layer, name), channels)
            for name in ("low", "high", "levels"):
                common[name] = _taken_row(getattr(layer, name), channels)
            return replace(layer, **common)
        case Sum():
            return replace(layer, **common, factors=tuple(_taken_row(row, channels) for row in layer.factors))
        case Gather():
            moved = graph.source_of(layer)
            index = _places(moved, kept[moved.name], layer.move.index(moved.shape)[..., channels])
            return replace(layer, **common, move=as_move(index, (*moved.shape[:-1], len(kept[moved.name]))))
    if isinstance(layer, Pool | Join | Pointwise | Move):
        return replace(layer, **common)
    assert_never(layer)


def _narrowed_matrix(layer: Matrix, kept: Mapping[str, Ints], common: dict[str, Any]) -> Matrix:
    channels = kept[layer.name]
    weights = layer.weights.array[channels]
    if is_whole(layer):
        return replace(layer, **common, weights=Weights(weights[..., kept[layer.inputs[0]]]))
    assert isinstance(layer, Conv)
    groups = len(channels) * layer.groups // layer.channels
    return replace(layer, **common, weights=Weights(weights), groups=groups)


def _places(source: Layer, kept: Ints, index: Ints) -> Ints:
    """Where the elements `index` of `source` are once it has only the channels `kept`."""
    places = np.full(source.shape, -1)
    places[..., kept] = np.arange(places[..., kept].size).reshape(places[..., kept].shape)
    return np.where(index < 0, -1, places.reshape(-1)[index])


def _taken(values: PerChannel, channels: Ints) -> PerChannel:
    """The values of `channels`, one if they are all equal; one for the whole tensor stays."""
    return values.take(channels.tolist()).squeezed()


def _taken_row(values: tuple[T, ...], channels: Ints) -> tuple[T, ...]:
    """`_taken` of limits, levels and factors."""
    return squeeze(take(values, channels.tolist()))


def _removed(graph: Graph, kept: Mapping[str, Ints]) -> tuple[Removed, ...]:
    """What left so far, one entry for each matrix layer that has fewer channels than its source."""
    before = {entry.layer: entry.before for entry in graph.source.removed}
    found = [
        Removed(layer.name, before.get(layer.name, layer.channels), len(kept[layer.name]))
        for layer in graph.layers
        if isinstance(layer, Dense | Conv)
    ]
    return tuple(entry for entry in found if entry.after < entry.before)
