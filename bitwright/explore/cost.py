# SPDX-License-Identifier: Apache-2.0
"""What a point would cost in hardware: the estimates of `hardware/area/` for the default plan of its graph."""

from __future__ import annotations

from collections.abc import Iterator

from bitwright.exact.cost import KAPPA, RHO
from bitwright.exact.forms import Form, Lookup
from bitwright.exact.ranges import ranges
from bitwright.exact.requantise import forms
from bitwright.hardware.area.resources import Resources, fifo_resources, resources
from bitwright.hardware.lanes import fastest
from bitwright.hardware.lowering.lower import lower
from bitwright.hardware.plan import Plan
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Requantise, Table
from bitwright.planning.rule import fold

INTERVAL = 10_000
"""Clocks per frame of the default plan, unless even the fastest legal plan needs more."""


def estimate(graph: Graph) -> Resources:
    """Resources of the cheapest design of at most `INTERVAL` clocks per frame.

    It is the sum over the layers that `bitwright compile` reports without a target, proved requantisers included.
    """
    plan = Plan(fold(graph, max(INTERVAL, fastest(graph))))
    kernels = lower(graph, plan, dict(_cheapest_forms(graph)))
    edges = (kernels.stream(name) for kernel in kernels.kernels for name in kernel.inputs)
    total = sum((resources(kernel, contents=True) for kernel in kernels.kernels), Resources())
    return sum((fifo_resources(edge) for edge in edges), total)


def area(used: Resources) -> int:
    """All of it in LUTs, at the rates by which requantisers are chosen too: 100 for a DSP, 200 for a block RAM."""
    return round(used.lut + KAPPA * used.dsp + RHO * used.bram)


def weight_memory(graph: Graph) -> int:
    """Bits of all weights, each layer's at the narrowest width that holds its integers."""
    matrix = (layer for layer in graph.layers if isinstance(layer, Dense | Conv))
    return sum(layer.weights.array.size * layer.weights.type.bits for layer in matrix)


def _cheapest_forms(graph: Graph) -> Iterator[tuple[str, Form]]:
    """(layer, its cheapest proved form) for every layer that has one."""
    reached = ranges(graph)
    for layer in graph.layers:
        match layer:
            case Requantise():
                source = reached[layer.inputs[0]]
                yield layer.name, forms(layer, source.lo, source.hi)[0]
            case Table():
                lo = graph.by_name[layer.inputs[0]].type.lo
                yield layer.name, Lookup(kind="table", lo=lo, entries=layer.entries)
