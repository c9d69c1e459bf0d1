# SPDX-License-Identifier: Apache-2.0
"""Folding: the cheapest legal parallelism that meets the target, and the error where none does."""

from __future__ import annotations

from fractions import Fraction
from math import prod

import numpy as np
import pytest

from bitwright.design import compile_graph
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Input, MaxPool, Reshape, SumPool
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights
from bitwright.plan.folding import bound, choices, divisors, fastest, fold, layer_cycles, least_cycles
from bitwright.plan.kernels import Depthwise, MatrixVector
from bitwright.plan.plan import LayerPlan, Plan
from tests.ir.graphs import random_graph

HEAD = {"scale": (Fraction(1),), "zero": (Fraction(0),)}


def dense(outputs: int, inputs: int, reach: int = 3) -> Graph:
    rng = np.random.default_rng(0)
    entry = Input(name="x", inputs=(), shape=(inputs,), type=IntType(0, 3), **HEAD)
    weights = Weights(rng.integers(-reach, reach + 1, (outputs, inputs)))
    bound = IntType(-(1 << 20), 1 << 20)
    layer = Dense(name="fc", inputs=("x",), shape=(outputs,), type=bound, weights=weights, **HEAD)
    return Graph((entry,), (layer,), ("fc",))


@pytest.mark.parametrize("number", [1, 2, 12, 49, 97, 360])
def test_divisors(number: int) -> None:
    assert divisors(number) == [d for d in range(1, number + 1) if number % d == 0]


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
            shape = graph.by_name[layer.inputs[0]].shape
            pair = (plans[layer.name].pe, plans[layer.name].simd)
            if isinstance(layer, MaxPool | SumPool) or layer.macs // prod(pair) < layer_cycles(layer, shape, *pair):
                continue  # bound by the beats that enter: `test_data_moves_as_fast_as_the_multipliers`
            costs = {
                (pe * simd, pe): layer_cycles(layer, shape, pe, simd)
                for pe in range(1, layer.channels + 1)
                for simd in range(1, shape[-1] + 1)
                if (pe, simd) in choices(layer, shape)
            }
            chosen = plans[layer.name]
            assert (chosen.pe * chosen.simd, chosen.pe) == min(c for c, cycles in costs.items() if cycles <= target)


@pytest.mark.parametrize("seed", range(30))
def test_a_compiled_chain_meets_its_target(seed: int) -> None:
    graph = random_graph(seed)
    for target in (fastest(graph), 2 * fastest(graph), 5000):
        assert compile_graph(graph, cycles=target).kernels.interval <= target


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
        plan = fold(graph, target)["fc"]
        assert (plan.pe, plan.simd) == lanes
        assert compile_graph(graph, cycles=target).kernels.interval == max(target, 8 // plan.simd)


def test_lanes_never_straddle_a_group() -> None:
    entry = Input(name="x", inputs=(), shape=(4, 4, 6), type=IntType(0, 3), **HEAD)
    weights = Weights(np.ones((4, 1, 1, 3), dtype=np.int64))
    bound = IntType(-100, 100)
    layer = Conv(name="c", inputs=("x",), shape=(4, 4, 4), type=bound, weights=weights, groups=2, **HEAD)
    assert choices(layer, entry.shape) == [(1, 1), (1, 3), (2, 1), (2, 3)]


@pytest.mark.parametrize(
    ("outputs", "legal"),
    [(6, [1, 2, 3, 6]), (12, [1, 2, 4, 6, 12]), (36, [1, 2, 3, 6, 12, 18, 36])],
)
def test_a_depthwise_layer_has_channels_in_parallel(outputs: int, legal: list[int]) -> None:
    """Some kernels of one channel, or all kernels of several: PE outputs a clock, one kernel position at a time."""
    entry = Input(name="x", inputs=(), shape=(4, 4, 6), type=IntType(0, 3), **HEAD)
    weights = Weights(np.ones((outputs, 3, 3, 1), dtype=np.int64))
    bound = IntType(-100, 100)
    layer = Conv(name="c", inputs=("x",), shape=(2, 2, outputs), type=bound, weights=weights, groups=6, **HEAD)
    assert choices(layer, entry.shape) == [(pe, 1) for pe in legal]
    assert [layer_cycles(layer, entry.shape, pe, 1) for pe in legal] == [layer.macs // pe for pe in legal]
    graph = Graph((entry,), (layer,), ("c",))
    for pe in legal:
        kernels = compile_graph(graph, plan=Plan({"c": LayerPlan(pe=pe)})).kernels
        (unit,) = (kernel for kernel in kernels.kernels if isinstance(kernel, Depthwise | MatrixVector))
        assert isinstance(unit, Depthwise) == (pe >= outputs // 6)
        assert (unit.pe, unit.simd, kernels.interval) == (pe, 1, layer.macs // pe)


def test_the_beats_that_enter_bound_a_layer() -> None:
    """A strided convolution that reads more beats than it multiplies."""
    entry = Input(name="x", inputs=(), shape=(8, 8, 2), type=IntType(0, 3), **HEAD)
    weights = Weights(np.ones((1, 1, 1, 2), dtype=np.int64))
    bound = IntType(-100, 100)
    layer = Conv(name="c", inputs=("x",), shape=(2, 2, 1), type=bound, weights=weights, strides=(4, 4), **HEAD)
    graph = Graph((entry,), (layer,), ("c",))
    assert layer_cycles(layer, entry.shape, 1, 1) == prod(entry.shape)
    assert fastest(graph) == 64


def test_one_clock_less_than_a_layer_needs() -> None:
    """An image of 8 x 8 pixels enters one pixel a clock at best."""
    entry = Input(name="x", inputs=(), shape=(8, 8, 2), type=IntType(0, 3), **HEAD)
    pool = MaxPool(name="pool", inputs=("x",), shape=(4, 4, 2), type=entry.type, kernel=(2, 2), strides=(2, 2), **HEAD)
    graph = Graph((entry,), (pool,), ("pool",))
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
