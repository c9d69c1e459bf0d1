# SPDX-License-Identifier: Apache-2.0
"""Passes that remove what computes nothing; every output keeps its name and each of its bits."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Input, Layer, Requantise, Reshape, Rounding
from bitwright.ir.per_channel import ONES, ZEROS, spread, width


def drop_dead(graph: Graph) -> Graph:
    """The graph without layers that reach no output; its inputs stay."""
    live = set(graph.outputs)
    for layer in reversed(graph.layers):
        if layer.name in live:
            live.update(layer.inputs)
    kept = tuple(layer for layer in graph.layers if layer.name in live)
    return graph if len(kept) == len(graph.layers) else replace(graph, layers=kept)


def merge_reshapes(graph: Graph) -> Graph:
    """reshape(reshape(x)) -> reshape(x);  reshape(x) -> x where nothing changes and it is no output. Drops the dead."""
    made: dict[str, Input | AnyLayer] = {layer.name: layer for layer in graph.inputs}
    layers: list[AnyLayer] = []
    renamed: dict[str, str] = {}
    for old in graph.layers:
        inputs = tuple(renamed.get(name, name) for name in old.inputs)
        layer = old if inputs == old.inputs else replace(old, inputs=inputs)
        if isinstance(layer, Reshape):
            source = made[layer.inputs[0]]
            if isinstance(source, Reshape):
                layer = replace(layer, inputs=source.inputs)
                source = made[source.inputs[0]]
            if _is_identity(layer, source) and layer.name not in graph.outputs:
                renamed[layer.name] = source.name
                continue
        made[layer.name] = layer
        layers.append(layer)
    return drop_dead(_with(graph, layers))


def _is_identity(layer: Layer, source: Layer) -> bool:
    return (layer.shape, layer.scale, layer.zero) == (source.shape, source.scale, source.zero)


def merge_clips(graph: Graph) -> Graph:
    """clip(R(v)) -> R(v) with the narrower limits, where a requantiser's codes go into one clip of integers only."""
    readers = graph.readers
    merged: dict[str, AnyLayer] = {}
    for layer in graph.layers:
        if not isinstance(layer, Requantise) or not _is_clip(layer):
            continue
        source = merged.get(layer.inputs[0], graph.source_of(layer))
        alone = len(readers[source.name]) == 1 and source.name not in graph.outputs
        if isinstance(source, Requantise) and alone and source.rounding is not Rounding.SIGN:
            merged[source.name] = _narrowed(source, layer)
    layers = [merged.get(layer.name, layer) for layer in graph.layers]
    return merge_reshapes(_with(graph, [_as_wire(layer, merged) for layer in layers]))


def _with(graph: Graph, layers: Sequence[AnyLayer]) -> Graph:
    """`graph` with `layers`; itself, where they are its own."""
    same = len(layers) == len(graph.layers) and all(a is b for a, b in zip(layers, graph.layers, strict=True))
    return graph if same else replace(graph, layers=tuple(layers))


def _is_clip(layer: Requantise) -> bool:
    """True if the layer passes integers on between its limits."""
    plain = layer.multiplier == ONES and layer.offset == ZEROS
    return plain and layer.rounding is Rounding.FLOOR and layer.shift == 0


def _narrowed(source: Requantise, clip: Requantise) -> Requantise:
    limits = (source.low, source.high, clip.low, clip.high)
    low, high, floor, ceiling = (spread(row, width(*limits)) for row in limits)
    lows = tuple(min(max(a, f - source.shift), c - source.shift) for a, f, c in zip(low, floor, ceiling, strict=True))
    highs = tuple(min(max(a, f - source.shift), c - source.shift) for a, f, c in zip(high, floor, ceiling, strict=True))
    return replace(source, low=lows, high=highs, type=clip.type, scale=clip.scale, zero=clip.zero)


def _as_wire(layer: AnyLayer, merged: dict[str, AnyLayer]) -> AnyLayer:
    """A clip whose source took its limits over, as a reshape that changes nothing."""
    if isinstance(layer, Requantise) and layer.inputs[0] in merged and _is_clip(layer):
        return Reshape(
            name=layer.name,
            inputs=layer.inputs,
            shape=layer.shape,
            type=layer.type,
            scale=layer.scale,
            zero=layer.zero,
            source=layer.source,
        )
    return layer
