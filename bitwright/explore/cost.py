# SPDX-License-Identifier: Apache-2.0
"""What a point would cost in hardware: the estimates of the design that `bitwright compile` makes of its graph."""

from __future__ import annotations

from bitwright.compiling import compile_graph
from bitwright.hardware.area.resources import Resources
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Matrix
from bitwright.planning.form_cost import KAPPA, RHO


def estimate(graph: Graph) -> Resources:
    """What the design without a target takes, as its report says."""
    return compile_graph(graph).total


def area(used: Resources) -> int:
    """All of it in LUTs, at the rates by which requantisers are chosen too: 100 for a DSP, 200 for a block RAM."""
    return round(used.lut + KAPPA * used.dsp + RHO * used.bram)


def weight_memory(graph: Graph) -> int:
    """Bits of all weights, each layer's at the narrowest width that holds its integers."""
    matrix = (layer for layer in graph.layers if isinstance(layer, Matrix))
    return sum(layer.weights.array.size * layer.weights.type.bits for layer in matrix)
