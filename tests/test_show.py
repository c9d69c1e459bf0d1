# SPDX-License-Identifier: Apache-2.0
"""What `compile` prints: one line for each layer, the ones that set the interval marked."""

from __future__ import annotations

import io

from rich.console import Console

from bitwright import show
from bitwright.design import compile_graph
from bitwright.ir.graph import Graph
from tests.plan.test_design import network


def printed(graph: Graph, cycles: int) -> list[list[str]]:
    """The words of every line."""
    console = Console(file=io.StringIO(), width=120, markup=False, highlight=False)
    console.print(show.design(compile_graph(graph, cycles=cycles, clock_ns=5.0).report()))
    assert isinstance(console.file, io.StringIO)
    return [line.split() for line in console.file.getvalue().splitlines()]


def test_the_slowest_layer_is_marked_with_its_zeros_and_lanes() -> None:
    lines = printed(network(), 16)
    head = "layer op shape bits zeros PE SIMD style clocks requantiser LUT DSP BRAM FIFO".split()
    assert head in lines
    (slowest,) = (line for line in lines if "slowest" in line)
    assert slowest[:10] == ["fc/1", "dense", "4", "9", "50%", "1", "2", "lut", "16", "slowest"]
    assert any(" ".join(line).startswith("a frame every 16 clocks of 5 ns: 12 500 000 frames") for line in lines)


def test_beats_at_the_boundary_may_be_as_slow() -> None:
    assert "as slow as the beats of input x, output act_out".split() in printed(network(), 1)
    assert not any(line[:2] == ["as", "slow"] for line in printed(network(), 16))
