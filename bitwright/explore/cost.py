# SPDX-License-Identifier: Apache-2.0
"""A first estimate of a design's LUTs from its widths and folding; constants are chosen, not fitted.

For a matrix layer with PE x SIMD multipliers, W-bit weights, A-bit inputs and a C-bit accumulator:

    PE * SIMD * W * A              multipliers: one LUT per pair of bits
    PE * (SIMD - 1) * (W + A)      adder tree
    PE * C                         accumulator
    weights * W / 64               weight memory: a 6-input LUT holds 64 bits
    (kh - 1) * width * inputs * A / 64     line buffer of a convolution

Pools, requantisers, FIFOs and control are left out: they are alike in all points of a sweep over bits.
"""

from __future__ import annotations

from math import ceil

from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense
from bitwright.plan.folding import fastest, fold

INTERVAL = 10_000
"""Clocks per frame of the default plan, unless even the fastest legal plan needs more."""


def lut_estimate(graph: Graph, interval: int = INTERVAL) -> int:
    """LUTs of the matrix layers when the graph is folded for `interval` clocks per frame."""
    plan = fold(graph, max(interval, fastest(graph)))
    matrix = (layer for layer in graph.layers if isinstance(layer, Dense | Conv))
    return sum(_layer(graph, layer, plan[layer.name].pe, plan[layer.name].simd) for layer in matrix)


def weight_memory(graph: Graph) -> int:
    """Bits of all weights, each layer's at the narrowest width that holds its integers."""
    matrix = (layer for layer in graph.layers if isinstance(layer, Dense | Conv))
    return sum(layer.weights.array.size * layer.weights.type.bits for layer in matrix)


def _layer(graph: Graph, layer: Dense | Conv, pe: int, simd: int) -> int:
    source = graph.by_name[layer.inputs[0]]
    weight, activation = layer.weights.type.bits, source.type.bits
    compute = pe * (simd * weight * activation + (simd - 1) * (weight + activation) + layer.type.bits)
    stored = layer.weights.array.size * weight
    if isinstance(layer, Conv):
        stored += (layer.kernel[0] - 1) * source.shape[1] * source.shape[2] * activation
    return compute + ceil(stored / 64)
