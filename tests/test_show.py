# SPDX-License-Identifier: Apache-2.0
"""What `compile` prints: one line for each layer, the ones that set the interval marked."""

from __future__ import annotations

import io
from dataclasses import replace

import numpy as np
from rich.console import Console

from bitwright.compiling import compile_graph
from bitwright.design import Design
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.graph import Graph
from bitwright.ir.types import integer
from bitwright.planning.rule import fold
from bitwright.report import show
from tests.layers.nets import Net
from tests.plan.test_design import network

U4 = integer(4, signed=False)


def text(design: Design) -> list[str]:
    """Every line."""
    console = Console(file=io.StringIO(), width=120, markup=False, highlight=False)
    console.print(show.design(design.record))
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue().splitlines()


def printed(graph: Graph, cycles: int) -> list[list[str]]:
    """The words of every line, for the plan of the simple rule."""
    plan = Plan(fold(graph, cycles), cycles)
    return [line.split() for line in text(compile_graph(graph, plan=plan, clock_ns=5.0))]


def test_the_slowest_layer_is_marked_with_its_zeros_and_lanes() -> None:
    lines = printed(network(), 16)
    head = "layer op shape bits zeros PE SIMD style clocks form LUT FF DSP BRAM FIFO".split()
    assert head in lines
    (slowest,) = (line for line in lines if "*16" in line)
    assert slowest[:9] == ["fc/1", "dense", "4", "9", "50%", "1", "2", "lut", "*16"]
    assert "* the slowest layers: they set the interval".split() in lines
    assert any(" ".join(line).startswith("a frame every 16 clocks of 5 ns: 12 500 000 frames") for line in lines)


def test_beats_at_the_boundary_may_be_as_slow() -> None:
    assert "as slow as the beats of input x, output act_out".split() in printed(network(), 1)
    assert not any(line[:2] == ["as", "slow"] for line in printed(network(), 16))


def test_what_is_proved_of_a_plan_is_said() -> None:
    solved, given = compile_graph(network(), cycles=16, part="xc7z010"), compile_graph(network(), plan=Plan())
    line = "no plan of at most 16 clocks is cheaper in the model; within the budget of xc7z010, costs in its shares"
    assert line in text(solved) and not any("cheaper" in line for line in text(given))
    bounded = replace(solved, planned=replace(solved.planned, gap=0.0125))
    line = "a plan of at most 16 clocks is cheaper by 1.25% at most; within the budget of xc7z010, costs in its shares"
    assert line in text(bounded)
    line = "no plan of at most 10 000 clocks is cheaper in the model; no part was named: no budget, costs in shares of"
    assert any(found.startswith(line) for found in text(compile_graph(network())))


def test_zeros_that_are_used_are_named_with_what_they_save() -> None:
    """Rows of four and eight weights that are not zero, two after two of them: three quarters of the clocks."""
    weights = np.ones((4, 8), np.int64)
    weights[:2, 4:] = 0
    net = Net()
    net.dense(net.input("x0", (8,), U4), weights)
    skips, multiplies = (
        text(compile_graph(net.graph(), plan=Plan({"dense0": plan})))
        for plan in (LayerPlan(pe=2, simd=2, zeros="skip-rows"), LayerPlan(pe=2, simd=2))
    )
    assert "dense0: skip-rows, 75% of the clocks of a unit that multiplies zeros" in skips
    assert not any("of a unit that multiplies zeros" in line for line in multiplies)
