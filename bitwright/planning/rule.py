# SPDX-License-Identifier: Apache-2.0
"""Folding by a simple rule: the fewest multipliers per layer whose clocks fit the target."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

from bitwright.hardware.arithmetic import slices
from bitwright.hardware.kernels.base import Memory
from bitwright.hardware.lanes import (
    Lanes,
    Planned,
    bound,
    check_reachable,
    choices,
    cycles_at,
    kernels_per_channel,
)
from bitwright.hardware.plan import LayerPlan
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Matrix

BLOCK_RAM_BITS = 8192
"""Weights beyond this many bits, and deep enough to be worth it, go to block RAM."""


def fold(graph: Graph, target: int) -> dict[str, LayerPlan]:
    """For every matrix layer and pool the cheapest folding of at most `target` clocks per frame.

    Cheapest is the smallest PE x SIMD, then the fewest DSP slices, then the fewest accumulators. What only moves data
    is then made as fast as the multipliers, where it can be. BitwrightError names a layer that cannot reach the target.
    """
    check_reachable(graph, target)
    planned = [layer for layer in graph.layers if isinstance(layer, Planned)]
    lanes = _keeping_up(graph, planned, {layer.name: _cheapest(graph, layer, target) for layer in planned})
    return {layer.name: _plan(layer, *lanes[layer.name]) for layer in planned}


def _keeping_up(graph: Graph, planned: Sequence[Planned], lanes: dict[str, Lanes]) -> dict[str, Lanes]:
    """`lanes` with more of them where data would move more slowly than the multipliers of the network multiply."""
    if not any(isinstance(layer, Matrix) for layer in planned):
        return lanes
    while True:
        reached = bound(graph, lanes)
        slow = [layer for layer in planned if cycles_at(graph, layer, lanes[layer.name]) > reached]
        faster = lanes | {layer.name: _cheapest(graph, layer, reached) for layer in slow}
        if faster == lanes:
            return lanes
        lanes = faster


def _cheapest(graph: Graph, layer: Planned, target: int) -> Lanes:
    """The smallest PE x SIMD within `target` clocks, then the fewest DSP slices, then the smallest PE.

    The fastest if none is within the target.
    """
    legal = choices(layer, graph.source_of(layer).shape)
    fitting = [lanes for lanes in legal if cycles_at(graph, layer, lanes) <= target]
    if fitting:
        return min(fitting, key=lambda lanes: (prod(lanes), _slices(graph, layer, lanes), lanes[0]))
    return min(legal, key=lambda lanes: (cycles_at(graph, layer, lanes), prod(lanes), lanes[0]))


def _slices(graph: Graph, layer: Planned, lanes: Lanes) -> int:
    """DSP slices of a layer's products; rows share them, so more PE and less SIMD take fewer."""
    source = graph.source_of(layer)
    if not isinstance(layer, Matrix) or kernels_per_channel(layer, source.channels):
        return 0
    return slices(layer.weights.type, source.type, *lanes)


def _plan(layer: Planned, pe: int, simd: int) -> LayerPlan:
    return LayerPlan(pe=pe, simd=simd, memory=_memory(layer, pe, simd))


def _memory(layer: Planned, pe: int, simd: int) -> Memory:
    """Block RAM for many weights in more than 64 words."""
    if not isinstance(layer, Matrix):
        return "lut"
    size = layer.weights.array.size
    return "block" if size * layer.weights.type.bits > BLOCK_RAM_BITS and size // (pe * simd) > 64 else "lut"
