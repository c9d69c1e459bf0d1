# SPDX-License-Identifier: Apache-2.0
"""Convolutions as products of matrices: each window a row of what it reads."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from bitwright.frontend.build import Net
from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Input, Matrix, Windowed
from bitwright.ir.moves import places
from bitwright.ir.passes.pipeline import Pass
from bitwright.ir.weights import Ints
from bitwright.ir.window import Window


def im2col() -> Pass:
    """Convolutions of one group as a move that unfolds every window, and a product with the matrix of the weights.

    The order of a row is that of a sliding window: down, across, channels (Chellapilla, Puri, Simard: "High performance
    convolutional neural networks for document processing", IWFHR 2006; R161).
    """

    def unfolded(graph: Graph) -> Graph:
        net = Net()
        for layer in (*graph.inputs, *graph.layers):
            _take(net, graph, layer)
        layers = net.graph().layers
        return graph if len(layers) == len(graph.layers) else replace(graph, layers=layers)

    return unfolded


PASSES = {"im2col": im2col}


def patches(window: Window, shape: tuple[int, ...], size: tuple[int, int]) -> Ints:
    """(rows, columns, taps * channels): where in a tensor of `shape` each of `size` windows reads, or -1."""
    rows, columns = (window.taps(axis, size[axis]) for axis in (0, 1))
    inside = [(taps >= 0) & (taps < shape[axis]) for axis, taps in enumerate((rows, columns))]
    at = places(shape)[rows.clip(0, shape[0] - 1)[:, None, :, None], columns.clip(0, shape[1] - 1)[None, :, None, :]]
    is_read = inside[0][:, None, :, None, None] & inside[1][None, :, None, :, None]
    return np.where(is_read, at, -1).reshape(*size, -1)


def _take(net: Net, graph: Graph, layer: Input | AnyLayer) -> None:
    """Add a layer, or what a convolution is."""
    if not isinstance(layer, Matrix) or not isinstance(layer, Windowed) or layer.groups > 1:
        net.add(layer)
        return
    x = graph.source_of(layer)
    index = patches(layer.window, x.shape, (layer.shape[0], layer.shape[1]))
    name = f"{layer.name}_patches"
    while name in graph.by_name:
        name += "_"
    rows = net.gather(x, index, fill=layer.pad_value, scale=1, zero=0, name=name)
    matrix = layer.weights.array.reshape(layer.channels, -1)
    real: dict[str, Any] = {"scale": layer.scale, "zero": layer.zero, "source": layer.source}
    net.dense(rows, matrix, name=layer.name, type=layer.type, **real)
