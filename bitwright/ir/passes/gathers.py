# SPDX-License-Identifier: Apache-2.0
"""Layers that only move integers, made simpler: orders that undo each other vanish, concatenations join channels."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Concat, Gather, Layer, Reshape
from bitwright.ir.moves import as_move
from bitwright.ir.passes.cleanup import merge_reshapes
from bitwright.ir.weights import Ints


class _Origin(NamedTuple):
    """For each element of a tensor which of `roots` it comes from, and from which place of its flattened integers."""

    roots: tuple[Layer, ...]
    root: Ints
    place: Ints


def merge_gathers(graph: Graph) -> Graph:
    """gather(...(x)) -> gather(x);  gather(concat(x, y)) -> concat(gather(x), gather(y)) where it joins channels.

    An order that changes nothing becomes a reshape. What another layer reads, and every output, stays. Drops the dead.
    """
    for old in graph.layers:
        if isinstance(old, Gather):
            made = _simpler(graph, old)
            if made != [old]:
                graph = graph.expand(old.name, *made)
    return merge_reshapes(graph)


def _simpler(graph: Graph, layer: Gather) -> list[AnyLayer]:
    """What `layer` becomes: itself, one layer on the root, or a concatenation of one part for each root."""
    source = _origin(graph, layer.inputs[0])
    index = layer.move.index(graph.source_of(layer).shape)
    if len(source.roots) == 1:
        place = np.where(index < 0, -1, source.place[index])
        return [_moved(layer, layer.name, source.roots[0], place, slice(None))]
    root, place = source.root[index], source.place[index]
    flat = root.reshape(-1, layer.channels)
    if index.min() < 0 or (flat != flat[0]).any():
        return [layer]
    ends = [*(np.flatnonzero(np.diff(flat[0])) + 1).tolist(), layer.channels]
    runs = [slice(start, end) for start, end in zip([0, *ends], ends, strict=False)]
    if len(runs) > len(source.roots):
        return [layer]
    names = [_fresh(graph, f"{layer.name}_part{number}") for number in range(len(runs))]
    parts = [
        _moved(layer, name, source.roots[int(flat[0][run.start])], place[..., run], run)
        for name, run in zip(names, runs, strict=True)
    ]
    concat = Concat(
        name=layer.name,
        inputs=tuple(part.name for part in parts),
        shape=layer.shape,
        type=layer.type,
        scale=layer.scale,
        zero=layer.zero,
        source=layer.source,
    )
    return [*parts, concat]


def _origin(graph: Graph, name: str) -> _Origin:
    """Where the elements of a tensor come from, through layers that nothing else reads."""
    layer = graph.by_name[name]
    alone = len(graph.readers[name]) == 1 and name not in graph.outputs
    match layer:
        case Reshape() if alone:
            return _origin(graph, layer.inputs[0])
        case Gather() if alone and (index := layer.move.index(graph.source_of(layer).shape).reshape(-1)).min() >= 0:
            source = _origin(graph, layer.inputs[0])
            return _Origin(source.roots, source.root[index], source.place[index])
        case Concat() if alone:
            return _joined(graph, layer)
        case _:
            size = int(np.prod(layer.shape))
            return _Origin((layer,), np.zeros(size, dtype=np.int64), np.arange(size))


def _joined(graph: Graph, layer: Concat) -> _Origin:
    found = [_origin(graph, name) for name in layer.inputs]
    before = np.cumsum([0, *(len(origin.roots) for origin in found)])
    rows = layer.shape[:-1]
    numbers = [(o.root + first).reshape(*rows, -1) for o, first in zip(found, before, strict=False)]
    places = [origin.place.reshape(*rows, -1) for origin in found]
    roots = tuple(root for origin in found for root in origin.roots)
    return _Origin(roots, np.concatenate(numbers, axis=-1).reshape(-1), np.concatenate(places, axis=-1).reshape(-1))


def _moved(layer: Gather, name: str, x: Layer, place: Ints, channels: slice) -> Gather | Reshape:
    """`x` in the order of `place`, as some channels of `layer`: a reshape where the order stays."""
    taken = range(layer.channels)[channels]
    scale, zero = layer.scale.take(taken), layer.zero.take(taken)
    if place.size == np.prod(x.shape) and (place.reshape(-1) == np.arange(place.size)).all() and _same(layer, name, x):
        return Reshape(
            name=name, inputs=(x.name,), shape=place.shape, type=x.type, scale=scale, zero=zero, source=layer.source
        )
    return Gather(
        name=name,
        inputs=(x.name,),
        shape=place.shape,
        type=layer.type if name == layer.name else x.type,
        scale=scale,
        zero=zero,
        source=layer.source,
        move=as_move(place, x.shape),
        fill=layer.fill,
    )


def _same(layer: Gather, name: str, x: Layer) -> bool:
    """True if the moved tensor has the type of `x`: a part does, the whole only if the layer had it."""
    return name != layer.name or layer.type == x.type


def _fresh(graph: Graph, name: str) -> str:
    while name in graph.by_name:
        name += "_"
    return name
