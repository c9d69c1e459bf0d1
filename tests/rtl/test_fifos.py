# SPDX-License-Identifier: Apache-2.0
"""FIFO depths: no clock is lost with them, and clocks are lost with one word less; in the model and in Verilator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from benchmarks.occupancy import highest_levels, watched
from bitwright.backends.project import Project
from bitwright.backends.verilog.project import generate
from bitwright.compiling import compile_graph
from bitwright.hardware.clocks.fifos import Sizing, sustained, with_depths
from bitwright.hardware.clocks.interval import timing
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.kernels.fifos import fifo_kind
from bitwright.hardware.kernels.windows import ParallelWindow
from bitwright.hardware.lanes import fastest
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.types import integer
from bitwright.ir.weights import Weights
from bitwright.planning.rule import fold
from bitwright.sim import reference
from bitwright.sim.rtl import build
from tests.collection import load, needs_collection
from tests.ir.graphs import random_codes
from tests.needs import needs_rtl
from tests.rtl.graphs import fifo, side_by_side
from tests.rtl.networks import S4, Net
from tests.rtl.test_random import prefixed

FRAMES = 6


def residual() -> Graph:
    """Three convolutions beside nothing at all."""
    net = Net(10)
    x = net.conv(net.input(10, 10, 2), 4)
    return net.graph(net.conv(net.add(net.conv(net.conv(net.conv(x, 4), 4), 4), x), 2, 1))


def lopsided() -> Graph:
    """Two large kernels beside one of a single pixel."""
    net = Net(11)
    x = net.conv(net.input(12, 8, 2), 4, 1)
    return net.graph(net.add(net.conv(net.conv(x, 4, 5), 4, 5), net.conv(x, 4, 1)))


def strided() -> Graph:
    """Both branches halve the image; a dense layer waits for all of it."""
    net = Net(12)
    x = net.conv(net.input(12, 12, 2), 4)
    return net.graph(net.dense(net.add(net.conv(net.conv(x, 8, 3, 2), 8), net.conv(x, 8, 1, 2)), 3))


def three() -> Graph:
    """A concatenation of three branches."""
    net = Net(13)
    x = net.conv(net.input(9, 9, 2), 4)
    return net.graph(net.conv(net.concat(x, net.conv(x, 4), net.conv(net.conv(x, 4, 5), 4)), 2, 1))


def nested() -> Graph:
    """A residual within a residual."""
    net = Net(14)
    x = net.conv(net.input(8, 8, 2), 4)
    inner = net.conv(x, 4)
    return net.graph(net.add(x, net.conv(net.add(inner, net.conv(net.conv(inner, 4), 4)), 4)))


def direct() -> Graph:
    """The input itself is one of the operands."""
    net = Net(15)
    x = net.input(6, 6, 4)
    return net.graph(net.add(net.conv(x, 4), net.codes(x, S4)))


def folded(graph: Graph, slowdown: int) -> Plan:
    """The simple rule's plan, which does not depend on what anything costs."""
    target = slowdown * fastest(graph)
    return Plan(fold(graph, target), target)


NETWORKS = (residual, lopsided, strided, three, nested, direct)
SLOWDOWNS = (1, 3, 9, 40)


SIZINGS: tuple[Sizing, ...] = ("fast", "exact")


def deep(kernels: KernelGraph) -> dict[str, int]:
    """The FIFOs of more than two words."""
    return {stream.name: stream.depth for stream in kernels.streams if stream.depth > 2}


def unhurried(kernels: KernelGraph) -> bool:
    """True if a window lets its last fields out before the next frame: depths count on an even source then."""
    windows = [kernel for kernel in kernels.kernels if isinstance(kernel, ParallelWindow)]
    return any(window.period > window.height * window.width for window in windows)


def less(kernels: KernelGraph, name: str, *, of: int) -> KernelGraph:
    """One FIFO with (of - 1) words of each `of`."""
    return with_depths(kernels, {name: kernels.stream(name).depth * (of - 1) // of})


def one_less(kernels: KernelGraph, name: str) -> KernelGraph:
    return with_depths(kernels, {name: kernels.stream(name).depth - 1})


@pytest.mark.slow
@pytest.mark.parametrize("made", NETWORKS)
@pytest.mark.parametrize("slowdown", SLOWDOWNS)
def test_depths_lose_no_clock_and_where_branches_meet_none_is_too_deep(
    made: Callable[[], Graph], slowdown: int
) -> None:
    """Not by a word, or behind windows that let their last fields out alone by less than half of what is needed."""
    graph = made()
    kernels = compile_graph(graph, plan=folded(graph, slowdown)).kernels
    found = timing(kernels)
    assert found is not None and found.interval == kernels.interval
    meeting = {name for kernel in kernels.kernels if len(kernel.inputs) > 1 for name in kernel.inputs}
    for name in deep(kernels).keys() & meeting:
        assert not sustained(less(kernels, name, of=3) if unhurried(kernels) else one_less(kernels, name)), name


@pytest.mark.parametrize("made", NETWORKS)
def test_fast_depths_lose_no_clock_either(made: Callable[[], Graph]) -> None:
    graph = made()
    fast, exact = (compile_graph(graph, plan=folded(graph, 3), fifos=how).kernels for how in SIZINGS)
    found = timing(fast)
    assert found is not None and found.interval == exact.interval
    assert sum(deep(fast).values()) >= sum(deep(exact).values())


def test_fast_depths_are_not_the_exact_ones() -> None:
    graphs = [made() for made in NETWORKS]
    made = [[deep(compile_graph(g, plan=folded(g, 3), fifos=how).kernels) for g in graphs] for how in SIZINGS]
    assert made[0] != made[1]


@needs_rtl
@pytest.mark.parametrize(
    "networks", [(residual, three, nested), pytest.param((lopsided, strided, direct), marks=pytest.mark.long)]
)
def test_verilator_counts_the_clocks_of_the_model_at_these_depths_and_below(
    networks: tuple[Callable[[], Graph], ...],
) -> None:
    """Three networks, then again with one word less in a FIFO: those take longer, by as much as the model says."""
    drawn: dict[str, tuple[Graph, KernelGraph]] = {}
    for made in networks:
        graph = made()
        kernels = compile_graph(graph, plan=folded(graph, 9)).kernels
        drawn[f"{made.__name__}_"] = graph, kernels
        for name in list(deep(kernels))[:1] if made is not lopsided else []:
            drawn[f"{made.__name__}_less_"] = graph, one_less(kernels, name)
    together = side_by_side([prefixed(kernels, prefix) for prefix, (_, kernels) in drawn.items()])
    codes = {prefix: random_codes(graph, 1, FRAMES) for prefix, (graph, _) in drawn.items()}
    inputs = [array for arrays in codes.values() for array in arrays]
    wanted = [array for prefix, (graph, _) in drawn.items() for array in reference.run(graph, codes[prefix])]
    project = Project(
        name="fifos", version="0.1.0", model="fifos.onnx", digest="0", graph=Graph((), (), ()), kernels=together,
        clock_ns=5.0, part="xc7z020clg400-1", inputs=tuple(map(Weights, inputs)), outputs=tuple(map(Weights, wanted)),
    )  # fmt: skip
    model = build(watched(generate(project)))
    result = model.run(inputs)
    for name, want, got in zip(together.outputs, wanted, result.outputs, strict=True):
        np.testing.assert_array_equal(got, want, err_msg=name)
    clocks = dict(zip(together.outputs, result.port_cycles, strict=True))
    found = {prefix: clocks[prefix + kernels.outputs[0]] for prefix, (_, kernels) in drawn.items()}
    assert found == {prefix: timing(kernels) for prefix, (_, kernels) in drawn.items()}
    for prefix, (_, kernels) in drawn.items():
        assert (found[prefix][0] > kernels.interval) == prefix.endswith("_less_"), prefix
    levels = highest_levels(model, together)
    if residual in networks:
        depth = drawn["residual_"][1].stream("act1_fork_1").depth
        assert depth > 64  # in block RAM, which takes no word while it is full: one place stays free for the next
        assert levels["residual_act1_fork_1"] == depth - 1
    assert all(0 < levels[name] <= together.stream(name).depth for name in levels)


@needs_rtl
@pytest.mark.parametrize(("first", "second"), [(8, 18), (18, 36)])
def test_the_last_fields_of_a_window_do_not_wait_for_the_next_frame(first: int, second: int) -> None:
    """A window that shows whole fields, behind a unit that gives its pixels slowly and all through the frame."""
    net = Net(16)
    x = net.conv(net.input(8, 8, 4), 8, 1)
    graph = net.graph(net.add(net.conv(net.conv(x, 8), 8), net.conv(x, 8, 1)))
    lanes = dict(zip([layer.name for layer in graph.layers if layer.op == "conv"], (4, first, second, 1), strict=True))
    design = compile_graph(graph, plan=Plan({name: LayerPlan(simd=simd) for name, simd in lanes.items()}))
    found = timing(design.kernels)
    assert found is not None and found.interval == design.kernels.interval
    assert build(design.files("verilog")).run(random_codes(graph, 1, FRAMES)).port_cycles == (tuple(found),)


def test_a_depth_of_the_plan_that_loses_clocks_is_refused() -> None:
    graph = nested()
    plan = folded(graph, 9)
    name = [layer.name for layer in graph.layers if layer.op == "sum"][-1]
    for depth in (100, 44):
        kernels = compile_graph(graph, plan=Plan({**plan.layers, name: LayerPlan(fifo_depth=depth)})).kernels
        assert kernels.stream("act1_fork_1").depth == depth
    with pytest.raises(BitwrightError) as error:
        compile_graph(graph, plan=Plan({**plan.layers, name: LayerPlan(fifo_depth=43)}))
    assert str(error.value) == (
        f"plan: layer '{name}': with these FIFO depths a frame takes more than 576 clocks, or never ends\n"
        "  hint: 0 is the computed depth: 44"
    )


@pytest.mark.parametrize(
    ("depth", "bits", "kind"),
    [
        (0, 8, "wire"), (1, 8, "register"), (2, 8, "register"), (3, 8, "shift"), (16, 300, "shift"),
        (17, 8, "distributed"), (64, 300, "distributed"), (65, 63, "distributed"), (65, 64, "block"),
        (4096, 1, "distributed"), (4097, 1, "block"),
    ],
)  # fmt: skip
def test_the_memory_of_a_fifo(depth: int, bits: int, kind: str) -> None:
    (stream,) = fifo("x", depth, integer(1, signed=False), lanes=bits).streams
    assert fifo_kind(stream) == kind


@needs_collection
def test_a_fifo_in_block_memory_takes_a_clock_more() -> None:
    """Windows of 72 bits wait in more than 64 words: one word more than with the latency of a register."""
    kernels = compile_graph(load("dory/resblock")).kernels
    assert sustained(kernels) and not sustained(with_depths(kernels, {"conv_24_window_out": 194}))
    assert fifo_kind(kernels.stream("conv_24_window_out")) == "block"
