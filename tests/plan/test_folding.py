# SPDX-License-Identifier: Apache-2.0
"""Folding: the cheapest legal parallelism that meets the target, and the error where none does."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import Any

import numpy as np
import pytest

from bitwright.compiling import compile_graph
from bitwright.frontend.build import Net
from bitwright.hardware.arithmetic import slices
from bitwright.hardware.kernels.adder import Adder
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.joins import Multiplier
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.kernels.windows import ParallelWindow
from bitwright.hardware.lanes import bound, choices, divisors, fastest, gather_lanes, layer_cycles, least_cycles
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Gather, Layer, MaxPool, Reshape, SumPool
from bitwright.ir.moves import Move, Pad, Repeat, Shape, Slice, Spread, Take, ToSpace, Transpose
from bitwright.ir.per_channel import ONES, ZEROS
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights
from bitwright.planning.rule import fold
from tests.ir.graphs import random_graph


def dense(outputs: int, inputs: int, reach: int = 3) -> Graph:
    net = Net()
    weights = np.random.default_rng(0).integers(-reach, reach + 1, (outputs, inputs))
    net.dense(net.input("x", (inputs,), "u2"), weights, name="fc")
    return net.graph()


@pytest.mark.parametrize("number", [1, 2, 12, 49, 97, 360])
def test_divisors(number: int) -> None:
    assert divisors(number) == [d for d in range(1, number + 1) if number % d == 0]


def shared(layer: Layer, source: Layer, pe: int, simd: int) -> int:
    """DSP slices of a matrix layer; a depthwise convolution takes none."""
    if not isinstance(layer, Dense | Conv) or (isinstance(layer, Conv) and layer.groups == source.channels > 1):
        return 0
    return slices(layer.weights.type, source.type, pe, simd)


def test_rows_that_share_a_slice_are_folded_together() -> None:
    """8-bit products: two rows of eight columns take half the slices of one row of sixteen."""
    net = Net()
    entry = net.input("x", (16,), "u8")
    layer = net.dense(entry, np.random.default_rng(0).integers(-128, 128, (16, 16)), name="fc")
    for target, lanes, count in (
        (256, (1, 1), 1),
        (128, (2, 1), 1),
        (64, (2, 2), 2),
        (16, (2, 8), 8),
        (1, (16, 16), 128),
    ):
        plan = fold(net.graph(), target)["fc"]
        assert (plan.pe, plan.simd) == lanes
        assert slices(layer.weights.type, entry.type, *lanes) == count


@pytest.mark.parametrize("seed", range(30))
def test_the_cheapest_parallelism_that_meets_the_target(seed: int) -> None:
    graph = random_graph(seed)
    best = fastest(graph)
    for target in (best, best + 1, 3 * best, 100_000):
        plans = fold(graph, target)
        for layer in graph.layers:
            if not isinstance(layer, Dense | Conv | MaxPool | SumPool):
                assert layer.name not in plans
                continue
            source, chosen = graph.by_name[layer.inputs[0]], plans[layer.name]
            costs = {
                (pe * simd, shared(layer, source, pe, simd), pe): layer_cycles(layer, source.shape, pe, simd)
                for pe, simd in choices(layer, source.shape)
            }
            # for the target, or, where its data would move more slowly than others multiply, for what those reach
            reached = bound(graph, {name: (plan.pe, plan.simd) for name, plan in plans.items()})
            none = (0, 0, 0)
            cheapest = {min([c for c, cycles in costs.items() if cycles <= t] or [none]) for t in (target, reached)}
            taken = (chosen.pe * chosen.simd, shared(layer, source, chosen.pe, chosen.simd), chosen.pe)
            assert taken in cheapest
            assert costs[taken] <= target


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_a_compiled_chain_meets_its_target(seed: int) -> None:
    graph = random_graph(seed)
    for target in (fastest(graph), 2 * fastest(graph), 5000):
        assert compile_graph(graph, cycles=target).kernels.interval <= target


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_data_moves_as_fast_as_the_multipliers(seed: int) -> None:
    """Where a legal folding lets it, the interval is what the products take, or the beats at the network's inputs."""
    graph = random_graph(seed, joins=True)
    for target in (fastest(graph), 2 * fastest(graph), 5000):
        plans = fold(graph, target)
        lanes = {name: (plan.pe, plan.simd) for name, plan in plans.items()}
        multiplied = [layer for layer in graph.layers if isinstance(layer, Dense | Conv)]
        least = max(least_cycles(graph, layer) for layer in graph.layers)
        kernels = compile_graph(graph, plan=Plan(plans, target)).kernels
        if multiplied and not one_lane(graph):
            assert kernels.interval <= max(bound(graph, lanes), least), target


def one_lane(graph: Graph) -> bool:
    """True if a reshape leaves fewer channels than its tensor had: then its beats have fewer lanes."""
    return any(
        isinstance(layer, Reshape) and layer.channels % graph.by_name[layer.inputs[0]].channels
        for layer in graph.layers
    )


def test_a_target_that_a_folding_hits_exactly() -> None:
    graph = dense(6, 8)
    for target, lanes in ((48, (1, 1)), (24, (1, 2)), (16, (3, 1)), (12, (1, 4)), (8, (3, 2)), (1, (6, 8))):
        plans = fold(graph, target)
        plan = plans["fc"]
        assert (plan.pe, plan.simd) == lanes
        assert compile_graph(graph, plan=Plan(plans, target)).kernels.interval == max(target, 8 // plan.simd)


def test_lanes_never_straddle_a_group() -> None:
    net = Net()
    entry = net.input("x", (4, 4, 6), "u2")
    layer = net.conv(entry, np.ones((4, 1, 1, 3), dtype=np.int64), groups=2)
    assert choices(layer, entry.shape) == [(1, 1), (1, 3), (2, 1), (2, 3)]


@pytest.mark.parametrize(
    ("outputs", "legal"),
    [(6, [1, 2, 3, 6]), (12, [1, 2, 4, 6, 12]), (36, [1, 2, 3, 6, 12, 18, 36])],
)
def test_a_depthwise_layer_has_channels_in_parallel(outputs: int, legal: list[int]) -> None:
    """Some kernels of one channel, or all kernels of several; one kernel position at a time, or all nine."""
    net = Net()
    entry = net.input("x", (4, 4, 6), "u2")
    layer = net.conv(entry, np.ones((outputs, 3, 3, 1), dtype=np.int64), groups=6, name="c")
    assert choices(layer, entry.shape) == [(pe, simd) for pe in legal for simd in (1, 9)]
    assert [layer_cycles(layer, entry.shape, pe, 1) for pe in legal] == [layer.macs // pe for pe in legal]
    for pe in legal:
        kernels = compile_graph(net.graph(), plan=Plan({"c": LayerPlan(pe=pe)})).kernels
        (unit,) = (kernel for kernel in kernels.kernels if isinstance(kernel, Depthwise | MatrixVector))
        assert isinstance(unit, Depthwise) == (pe >= outputs // 6)
        assert (unit.pe, unit.simd, kernels.interval) == (pe, 1, layer.macs // pe)


@pytest.mark.parametrize(
    ("fields", "lanes"),
    [
        ({"pads": (1, 1, 1, 1)}, [1, 2, 4, 9, 18, 36]),
        ({"strides": (2, 2)}, [1, 2, 4, 9, 18, 36]),
        ({"groups": 2, "pads": (1, 1, 1, 1)}, [1, 2, 9, 18]),
        ({"pads": (2, 2, 2, 2)}, [1, 2, 4]),  # a row of windows is longer than a row of pixels
        ({"pads": (3, 0, 0, 0)}, [1, 2, 4]),  # the first window is wholly in the padding
        ({"dilations": (1, 3), "pads": (0, 1, 0, 1)}, [1, 2, 4]),  # its taps reach over a row
    ],
)
def test_all_positions_of_a_kernel_at_once(fields: dict[str, Any], lanes: list[int]) -> None:
    """SIMD are channels of one position, or all nine of some channels where the windows come in order."""
    net = Net()
    entry = net.input("x", (6, 6, 4), "u2")
    weights = np.arange(2 * 9 * 4 // fields.get("groups", 1)).reshape(2, 3, 3, -1)
    layer = net.conv(entry, weights, name="c", **fields)
    assert sorted({simd for _, simd in choices(layer, entry.shape)}) == lanes
    for simd in lanes:
        kernels = compile_graph(net.graph(), plan=Plan({"c": LayerPlan(simd=simd)})).kernels
        shown = [kernel for kernel in kernels.kernels if isinstance(kernel, ParallelWindow)]
        assert bool(shown) == (simd >= 9)
        assert kernels.interval == layer_cycles(layer, entry.shape, 1, simd)


def test_the_beats_that_enter_bound_a_layer() -> None:
    """A strided convolution that reads more beats than it multiplies."""
    net = Net()
    entry = net.input("x", (8, 8, 2), "u2")
    layer = net.conv(entry, [[[[1, 1]]]], strides=(4, 4))
    assert layer_cycles(layer, entry.shape, 1, 1) == prod(entry.shape)
    assert fastest(net.graph()) == 64


def test_one_clock_less_than_a_layer_needs() -> None:
    """An image of 8 x 8 pixels enters one pixel a clock at best."""
    net = Net()
    net.max_pool(net.input("x", (8, 8, 2), "u2"), (2, 2), name="pool")
    graph = net.graph()
    assert fastest(graph) == 64 and fold(graph, 64)["pool"].simd == 2
    with pytest.raises(BitwrightError) as error:
        fold(graph, 63)
    assert str(error.value) == (
        "layer 'pool': needs at least 64 clocks per frame, 63 were asked for\n  hint: ask for --cycles 64 or more"
    )


@pytest.mark.parametrize(
    ("outputs", "inputs", "target", "memory"),
    [
        (64, 64, 4096, "block"),  # 3 bits x 4096 = 12288 bits in 4096 words
        (64, 42, 2688, "lut"),  # 8064 bits
        (64, 64, 64, "lut"),  # 64 words
        (64, 64, 128, "block"),
    ],
)
def test_many_and_deep_weights_go_to_block_ram(outputs: int, inputs: int, target: int, memory: str) -> None:
    assert fold(dense(outputs, inputs), target)["fc"].memory == memory


def in_order(*indices: int) -> list[list[list[int]]]:
    """One row of pixels of four elements."""
    return [[list(indices[at : at + 4]) for at in range(0, len(indices), 4)]]


@pytest.mark.parametrize(
    ("indices", "lanes"),
    [
        (in_order(4, 5, 6, 7, 0, 1, 2, 3), 4),  # whole pixels
        (in_order(4, 5, 6, 7, -1, -1, -1, -1), 4),  # and padding
        (in_order(2, 3, 0, 1, 6, 7, 4, 5), 2),  # halves of pixels
        (in_order(1, 2, 3, 4, 5, 6, 7, 0), 1),  # pairs, but from an odd place on
        (in_order(0, 1, 3, 2, 4, 5, 6, 7), 1),
        (in_order(0, 1, -1, 3, 4, 5, 6, 7), 1),
        ([[[0, 1], [2, 3], [6, 7]]], 2),  # pixels of fewer channels than are read
        ([[[0, 1, 2], [3, 4, 5]]], 1),  # no number of lanes divides both
    ],
)
def test_what_a_move_keeps_together_is_as_many_lanes(indices: list[list[list[int]]], lanes: int) -> None:
    net = Net()
    layer = net.gather(net.input("x", (1, 2, 4), "u4"), indices)
    net.output(layer)
    graph = net.graph()
    assert gather_lanes(layer, graph.inputs[0].shape) == lanes
    assert least_cycles(graph, layer) == max(8, np.size(indices)) // lanes


@pytest.mark.parametrize(
    ("shape", "move", "lanes"),
    [
        ((2, 3, 4), Transpose((1, 0, 2)), 4),
        ((2, 3, 4), Transpose((2, 0, 1)), 1),
        ((1, 6, 1), Transpose((2, 0, 1)), 1),
        ((5, 3, 12), Slice((4, 0, 0), (-2, 1, 1), (2, 3, 8)), 4),
        ((2, 3, 12), Slice((0, 0, 6), (1, 1, 1), (2, 3, 4)), 2),
        ((2, 3, 12), Slice((0, 0, 3), (1, 1, 1), (2, 3, 4)), 1),
        ((2, 3, 12), Slice((0, 0, 0), (1, 1, 2), (2, 3, 6)), 1),
        ((2, 3, 12), Slice((0, 0, 11), (1, 1, -1), (2, 3, 12)), 1),
        ((2, 3, 12), Slice((0, 0, 4), (1, 1, 2), (2, 3, 1)), 1),
        ((2, 3, 8), Pad(((1, 0), (0, 2), (0, 0))), 8),
        ((2, 3, 8), Pad(((1, 0), (0, 2), (4, 12))), 4),
        ((2, 3, 8), Pad(((0, 0), (0, 0), (3, 5))), 1),
        ((2, 3, 8), Repeat((2, 3, 1)), 8),
        ((2, 3, 8), Repeat((1, 1, 2)), 1),
        ((2, 3, 8), Spread((2, 3)), 8),
        ((2, 3, 16), ToSpace((2, 2), 1, (4, 6)), 4),
        ((2, 3, 16), ToSpace((2, 2), 2, (3, 5)), 2),
        ((2, 3, 12), ToSpace((1, 1), 3, (2, 2)), 12),
    ],
)
def test_a_known_move_keeps_together_what_its_places_do(shape: Shape, move: Move, lanes: int) -> None:
    real: dict[str, Any] = {"type": IntType(0, 15), "scale": ONES, "zero": ZEROS}
    head = {"name": "y", "inputs": ("x",), "shape": move.makes(shape) or (), **real}
    assert gather_lanes(Gather(**head, move=move), shape) == lanes
    assert gather_lanes(Gather(**head, move=Take(Weights(move.index(shape)))), shape) == lanes


def lanes_of(kind: str, *, bits: int = 8, factors: Sequence[int | Sequence[int]] = (1, 1)) -> int:
    """Lanes of what reads two convolutions, eight of whose rows come together every eighth clock."""
    net = Net()
    x = net.input("x", (4, 4, 8), "u8")
    weights = np.random.default_rng(0).integers(-127, 128, (2, 8, 1, 1, 8))
    one, other = (net.conv(x, each, name=f"conv{place}") for place, each in enumerate(weights))
    if kind == "sum":
        made: Layer = net.sum(one, other, factors=factors, name="y")
    elif kind == "product":
        made = net.multiply(one, other, name="y")
    else:
        made = net.requantise(one, f"u{bits}", scale=2.0 ** (18 - bits) * 0.77, name="y")
        net.output(other)
    net.output(made)
    plans = {f"conv{place}": LayerPlan(pe=8, simd=1) for place in range(2)}
    plans |= {"y": LayerPlan(form=kind)} if kind in ("mas", "thresholds") else {}
    design = compile_graph(net.graph(), plan=Plan(plans, target_cycles=128))
    (unit,) = (kernel for kernel in design.kernels.kernels if kernel.name == "y")
    assert isinstance(unit, Adder | Multiplier | Requantiser) and unit.cycles <= 128
    return unit.lanes


def test_what_takes_slices_or_searches_long_has_the_lanes_of_the_pace() -> None:
    """A lane of anything else takes no more than its place in the converter that would make it narrow."""
    assert lanes_of("mas") == lanes_of("thresholds", bits=3) == lanes_of("product") == 1
    assert lanes_of("sum", factors=(3, 5)) == lanes_of("sum", factors=(1, 5)) == 1
    assert lanes_of("sum", factors=([1, 4] * 4, 1)) == 1
    assert lanes_of("thresholds", bits=2) == lanes_of("sum") == lanes_of("sum", factors=(4, -1)) == 8
