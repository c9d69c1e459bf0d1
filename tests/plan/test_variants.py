# SPDX-License-Identifier: Apache-2.0
"""Zeros in plans: what is counted is what is lowered, and a sparse network meets its target with fewer lanes."""

from __future__ import annotations

import numpy as np
import pytest

from bitwright.compiling import compile_graph
from bitwright.exact.ranges import ranges
from bitwright.hardware.kernels.select import SelectMatrixVector
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.lanes import choices, fastest
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.hardware.schedule import Zeros
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense
from bitwright.ir.types import integer
from bitwright.ir.weights import Ints
from bitwright.planning.candidates import candidates
from bitwright.planning.price import scale_of
from bitwright.planning.solver import solve
from bitwright.planning.variants import MOST, ends_of_order, skipped_cycles, variants
from tests.layers.nets import Net

U4 = integer(4, signed=False)


def pruned(rng: np.random.Generator, rows: int, cols: int, block: int, share: float) -> Ints:
    """Weights of which `share` are zero, in runs of `block`; the others are not."""
    weights = rng.integers(1, 4, (rows, cols)) * rng.choice([-1, 1], (rows, cols))
    return np.asarray(weights * np.repeat(rng.random((rows, cols // block)) >= share, block, axis=1))


def layers(*matrices: Ints) -> Graph:
    """Dense layers of these weights in a row, each but the last requantised."""
    rng, net = np.random.default_rng(0), Net()
    x = net.input("x0", (matrices[0].shape[1],), U4)
    for matrix in matrices[:-1]:
        x = net.act(net.dense(x, matrix), U4, rng)
    net.dense(x, matrices[-1])
    return net.graph()


def image() -> Graph:
    """A pruned 3 x 3 convolution of 4 channels and a dense layer of its pixels."""
    rng, net = np.random.default_rng(5), Net()
    conv = net.conv(net.input("x0", (5, 5, 4), U4), pruned(rng, 8, 36, 2, 0.7).reshape(8, 3, 3, 4))
    net.dense(net.act(conv, U4, rng), pruned(rng, 4, 8, 1, 0.5))
    return net.graph()


GRAPHS = {
    "rows": layers(pruned(np.random.default_rng(1), 8, 16, 1, 0.8), pruned(np.random.default_rng(2), 4, 8, 1, 0.6)),
    "blocks": layers(pruned(np.random.default_rng(3), 16, 32, 4, 0.8), pruned(np.random.default_rng(4), 4, 16, 2, 0.7)),
    "image": image(),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", GRAPHS)
def test_a_variant_counts_what_is_lowered(name: str) -> None:
    graph, seen = GRAPHS[name], set()
    for layer in graph.layers:
        if not isinstance(layer, Dense | Conv):
            continue
        shape, movable = graph.by_name[layer.inputs[0]].shape, ends_of_order(graph, layer.name) is not None
        for pe, simd in choices(layer, shape):
            offered = [one for one in variants(layer, shape[-1], pe, simd) if movable or not one.moved]
            for zeros in {variant.zeros for variant in offered}:
                plan = Plan({layer.name: LayerPlan(pe=pe, simd=simd, zeros=zeros)})
                (unit,) = (k for k in compile_graph(graph, plan=plan).kernels.kernels if k.name == layer.name)
                best = min((one for one in offered if one.zeros == zeros), key=lambda one: one.words)
                seen.add((zeros, best.moved))
                match unit:
                    case SparseMatrixVector():
                        assert unit.words == best.words
                        assert skipped_cycles(graph, plan)[layer.name] >= unit.cycles
                    case SelectMatrixVector():
                        assert best.kept is not None and (unit.kept, unit.group) == (best.kept.n, best.kept.m)
                    case _:
                        assert zeros == "multiply"
    assert {zeros for zeros, _ in seen} >= {"multiply", *MOST} and any(moved for _, moved in seen)


@pytest.mark.parametrize("name", GRAPHS)
def test_a_sparse_network_is_as_fast_as_the_solver_says(name: str) -> None:
    graph, used = GRAPHS[name], set()
    for target in (fastest(graph) * factor for factor in (1, 2, 4, 8, 16)):
        found = solve(graph, target, candidates(graph, Plan(), ranges(graph)), scale_of(None))
        design = compile_graph(graph, plan=Plan.from_json(found.plan.to_json(), where="plan.json"))
        assert design.kernels.interval == found.interval <= target
        used |= {plan.zeros for plan in found.plan.layers.values()}
    assert used & MOST.keys()


def test_a_target_is_met_with_fewer_multipliers_where_zeros_are_skipped() -> None:
    matrix = pruned(np.random.default_rng(0), 64, 128, 8, 0.9)
    sparse, full = (compile_graph(layers(m), cycles=256).plan for m in (matrix, np.where(matrix == 0, 1, matrix)))
    ((plan,), (other,)) = sparse.layers.values(), full.layers.values()
    assert other.zeros == "multiply" and other.pe * other.simd == 64 * 128 // 256
    assert plan.zeros in MOST and plan.pe * plan.simd <= 64 * 128 // 256 // 4


def test_an_order_ends_at_matrices_and_nowhere_else() -> None:
    names = [layer.name for layer in GRAPHS["rows"].layers]
    assert ends_of_order(GRAPHS["rows"], names[0]) == [names[-1]]
    assert ends_of_order(GRAPHS["rows"], names[-1]) is None, "it leaves the network"


def test_no_clocks_are_counted_for_what_cannot_be_lowered() -> None:
    graph = GRAPHS["rows"]
    wrong: list[tuple[int, Zeros]] = [(3, "skip-rows"), (2, "multiply"), (2, "select")]
    for pe, zeros in wrong:
        assert skipped_cycles(graph, Plan({graph.layers[0].name: LayerPlan(pe=pe, simd=2, zeros=zeros)})) == {}
