# SPDX-License-Identifier: Apache-2.0
"""Products with constants made once for all outputs: what is left of a matrix is shifts, signs and sums."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bitwright.frontend.build import Net
from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Input, Matrix, Windowed
from bitwright.ir.passes.pipeline import Pass
from bitwright.ir.weights import Ints, Weights


def amortise() -> Pass:
    """Layers of constant weights in two: each input times each odd factor that it meets, and shifted sums of these.

    A product is made once, whatever outputs and places of a window take it, and zeros take none (Hah, Liew, Ong: "Low
    precision constant parameter CNN on FPGA", 2019, arXiv 1901.04969; R159). Layers that save nothing stay, those
    of several groups, and windows that pad with another number than 0.
    """

    def split(graph: Graph) -> Graph:
        net = Net()
        for layer in (*graph.inputs, *graph.layers):
            _take(net, graph, layer)
        layers = net.graph().layers
        return graph if len(layers) == len(graph.layers) else replace(graph, layers=layers)

    return split


PASSES = {"amortise": amortise}


def adders(weights: Ints) -> int:
    """Additions and subtractions of a product with constant weights (outputs, ...), whose shifts are wires.

    A factor takes as many as it has digits that are not zero where 7 is 8 - 1; an output one less than all of its.
    """
    sizes = np.abs(weights.reshape(len(weights), -1))
    digits = np.bitwise_count(sizes ^ 3 * sizes).sum(axis=1, dtype=np.int64)
    return int((digits - 1).clip(min=0).sum())


def factored(weights: Ints) -> tuple[Ints, Ints]:
    """The odd factors (products, inputs) and the signed powers of two (outputs, ..., products) that make weights."""
    sizes = np.abs(weights)
    power = np.where(sizes, sizes & -sizes, 1)
    odd = sizes // power
    pairs = sorted({(int(i), int(odd[*at, i])) for *at, i in np.argwhere(weights)})
    factors = np.zeros((len(pairs), weights.shape[-1]), np.int64)
    sums = np.zeros((*weights.shape[:-1], len(pairs)), np.int64)
    for product, (i, factor) in enumerate(pairs):
        factors[product, i] = factor
        sums[..., product] = np.where(odd[..., i] == factor, power[..., i] * np.sign(weights[..., i]), 0)
    return factors, sums


def _take(net: Net, graph: Graph, layer: Input | AnyLayer) -> None:
    """Add a layer, or what it is with its products made before."""
    if not isinstance(layer, Matrix) or (isinstance(layer, Windowed) and not _can(layer.groups, layer.pad_value)):
        net.add(layer)
        return
    factors, sums = factored(layer.weights.array)
    if adders(factors) + adders(sums) >= adders(layer.weights.array):
        net.add(layer)
        return
    name = f"{layer.name}_products"
    while name in graph.by_name:
        name += "_"
    products = net.dense(graph.source_of(layer), factors, scale=1, zero=0, name=name)
    net.add(replace(layer, inputs=(products.name,), weights=Weights(sums)))


def _can(groups: int, pad: int) -> bool:
    return groups == 1 and pad == 0
