# SPDX-License-Identifier: Apache-2.0
"""The depths of the C++ streams: no deadlock and no clock lost, in a model of the kernels in time."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np
import pytest

from bitwright.backends.hls import depths
from bitwright.backends.hls.depths import MARGIN, burst, demand, size_streams
from bitwright.compiling import compile_graph
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.kernels.windows import Window
from bitwright.hardware.lanes import fastest
from bitwright.hardware.loops import Loop
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense
from tests.hls import timed
from tests.hls.networks import bottleneck, dense, residual, straight

NETWORKS: list[Callable[[], Graph]] = [dense, straight, residual, bottleneck]


def with_depths(graph: KernelGraph, given: Mapping[str, int]) -> KernelGraph:
    return replace(graph, streams=tuple(replace(s, depth=given.get(s.name, s.depth)) for s in graph.streams))


@pytest.mark.parametrize("target", [1, 2500, 20000], ids=["fast", "middle", "slow"])
@pytest.mark.parametrize("network", NETWORKS)
def test_frames_follow_each_other_as_the_longest_loop_lets_them(network: Callable[[], Graph], target: int) -> None:
    graph = network()
    kernels = size_streams(compile_graph(graph, cycles=max(target, fastest(graph))).kernels)
    assert timed.intervals(kernels) == [max(kernel.iterations for kernel in kernels.kernels)]


@pytest.mark.parametrize("network", [dense, residual])
def test_a_unit_that_skips_zeros_waits_for_no_word(network: Callable[[], Graph]) -> None:
    """One vector enters while the one before is used."""
    graph = network()
    skips = LayerPlan(pe=2, simd=2, zeros="skip-rows")
    plan = Plan({layer.name: skips for layer in graph.layers if isinstance(layer, Dense | Conv)})
    kernels = size_streams(compile_graph(graph, plan=plan).kernels)
    assert timed.intervals(kernels) == [max(kernel.iterations for kernel in kernels.kernels)]


@pytest.mark.parametrize("network", [residual, bottleneck])
def test_the_depths_of_the_rtl_are_not_enough(network: Callable[[], Graph]) -> None:
    """C++ windows read whole rows before they write: words come later than in the RTL."""
    with pytest.raises(AssertionError, match="deadlock of loops"):
        timed.intervals(compile_graph(network(), cycles=2500).kernels)


@pytest.mark.parametrize("network", NETWORKS)
def test_three_frames_tell_what_all_of_them_do(network: Callable[[], Graph], monkeypatch: pytest.MonkeyPatch) -> None:
    kernels = compile_graph(network(), cycles=2500).kernels
    found = size_streams(kernels)
    monkeypatch.setattr(depths, "FIRST", depths.FRAMES)
    assert found == size_streams(kernels)


def test_without_words_that_wait_a_window_makes_the_others_wait() -> None:
    """It reads a row in the first clocks of a row of fields: an even supply is then too slow."""
    kernels = size_streams(compile_graph(straight(), cycles=2500).kernels)
    inputs = [kernel.input for kernel in kernels.kernels if isinstance(kernel, Window)]
    assert timed.intervals(with_depths(kernels, dict.fromkeys(inputs, 2)))[0] > 1.25 * timed.intervals(kernels)[0]


def test_a_loop_that_reads_evenly_demands_nothing_in_advance() -> None:
    even, burst = np.arange(0, 400, 4), np.arange(100)
    assert demand(Loop((even,), np.arange(400), 400), 400) == 1 + MARGIN
    assert demand(Loop((burst,), np.arange(400), 400), 400) == 76 + MARGIN  # 100 words in the time of 25


def test_a_loop_that_writes_evenly_needs_no_room() -> None:
    reads = (np.arange(400),)
    assert burst(Loop(reads, np.arange(0, 400, 4), 400)) == 1 + MARGIN
    assert burst(Loop(reads, np.arange(100), 400)) == 76 + MARGIN


def test_chosen_depths_are_never_less() -> None:
    kernels = compile_graph(residual(), cycles=2500).kernels
    chosen = with_depths(kernels, {stream.name: 999 for stream in kernels.streams})
    assert {stream.depth for stream in size_streams(chosen).streams} == {999}
