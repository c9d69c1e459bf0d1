# SPDX-License-Identifier: Apache-2.0
"""Random networks under random plans, many in one design: the reference's integers in the plan's clocks."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bitwright.backends.project import Project
from bitwright.backends.verilog.project import generate
from bitwright.hardware.clocks.interval import latency
from bitwright.hardware.kernels.base import Kernel, KernelGraph
from bitwright.hardware.kernels.joins import Fork, Join
from bitwright.ir.graph import Graph
from bitwright.ir.weights import Weights
from bitwright.sim import reference
from bitwright.sim.rtl import build
from tests.ir.graphs import random_codes
from tests.needs import needs_rtl
from tests.plan.test_lower import lowered
from tests.rtl.graphs import side_by_side

FRAMES = 5


def prefixed(graph: KernelGraph, prefix: str) -> KernelGraph:
    """The same kernels and streams with `prefix` before every name."""

    def names(values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(prefix + value for value in values)

    def renamed(kernel: Kernel) -> Kernel:
        own = {"name": prefix + kernel.name, "input": prefix + kernel.input, "output": prefix + kernel.output}
        match kernel:
            case Fork():
                return replace(kernel, **own, copies=names(kernel.copies))
            case Join():
                return replace(kernel, **own, others=names(kernel.others))
            case _:
                return replace(kernel, **own)

    streams = tuple(replace(stream, name=prefix + stream.name) for stream in graph.streams)
    return KernelGraph(tuple(map(renamed, graph.kernels)), streams, names(graph.inputs), names(graph.outputs))


@needs_rtl
@pytest.mark.parametrize("seeds", [range(100, 105), pytest.param(range(105, 112), marks=pytest.mark.long)])
def test_random_networks(seeds: range) -> None:
    drawn = {f"n{seed}{'j' if joins else ''}_": lowered(seed, joins) for seed in seeds for joins in (False, True)}
    kernels = side_by_side([prefixed(graph, prefix) for prefix, (_, graph) in drawn.items()])
    inputs = [codes for graph, _ in drawn.values() for codes in random_codes(graph, 1, FRAMES)]
    wanted = [out for graph, _ in drawn.values() for out in reference.run(graph, random_codes(graph, 1, FRAMES))]
    project = Project(
        name="random", version="0.1.0", model="random.onnx", digest="0", graph=Graph((), (), ()), kernels=kernels,
        clock_ns=5.0, part="xc7z020clg400-1", inputs=tuple(map(Weights, inputs)), outputs=tuple(map(Weights, wanted)),
    )  # fmt: skip
    model = build(generate(project))
    for seed in (0, 1):
        found = model.run(inputs, seed=seed)
        for name, want, got in zip(kernels.outputs, wanted, found.outputs, strict=True):
            np.testing.assert_array_equal(got, want, err_msg=name)
    clocks = dict(zip(kernels.outputs, model.run(inputs).port_cycles, strict=True))
    for prefix, (_, graph) in drawn.items():
        ends = [clocks[prefix + name] for name in graph.outputs]
        assert max(interval for interval, _ in ends) == graph.interval, prefix
        assert max(first for _, first in ends) == latency(graph), prefix
