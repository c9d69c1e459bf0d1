# SPDX-License-Identifier: Apache-2.0
"""Passes that remove what computes nothing; every output keeps its name and each of its bits."""

from __future__ import annotations

from dataclasses import replace

from bitwright.ir.graph import Graph
from bitwright.ir.layers import Layer, Reshape


def drop_dead(graph: Graph) -> Graph:
    """The graph without layers that reach no output; its inputs stay."""
    live = set(graph.outputs)
    for layer in reversed(graph.layers):
        if layer.name in live:
            live.update(layer.inputs)
    return replace(graph, layers=tuple(layer for layer in graph.layers if layer.name in live))


def merge_reshapes(graph: Graph) -> Graph:
    """reshape(reshape(x)) -> reshape(x);  reshape(x) -> x where nothing changes and it is no output. Drops the dead."""
    made: dict[str, Layer] = {layer.name: layer for layer in graph.inputs}
    renamed: dict[str, str] = {}
    for old in graph.layers:
        layer = replace(old, inputs=tuple(renamed.get(name, name) for name in old.inputs))
        if isinstance(layer, Reshape):
            source = made[layer.inputs[0]]
            if isinstance(source, Reshape):
                layer = replace(layer, inputs=source.inputs)
                source = made[source.inputs[0]]
            if _is_identity(layer, source) and layer.name not in graph.outputs:
                renamed[layer.name] = source.name
                continue
        made[layer.name] = layer
    return drop_dead(replace(graph, layers=tuple(made[old.name] for old in graph.layers if old.name in made)))


def _is_identity(layer: Layer, source: Layer) -> bool:
    return (layer.shape, layer.scale, layer.zero) == (source.shape, source.scale, source.zero)
