# SPDX-License-Identifier: Apache-2.0
"""Plans of networks, real and random: in time, no dearer than the simple rule's, lowered to the cost that was said."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

import bitwright
from bitwright.exact.ranges import ranges
from bitwright.hardware.area.resources import fifo_resources, resources
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.lanes import fastest, slowest
from bitwright.hardware.lowering.emit import Contents
from bitwright.hardware.lowering.lower import kernels_of
from bitwright.hardware.plan import Plan
from bitwright.ir.graph import Graph
from bitwright.planning.candidates import Candidates, candidates
from bitwright.planning.decide import decide
from bitwright.planning.price import KINDS, Cost, amounts, scale_of, total
from bitwright.planning.rule import fold
from bitwright.planning.solver import Solution, solve
from bitwright.planning.variants import MOST
from tests.ir.graphs import random_graph

MODELS = Path(__file__).parents[3] / "shared/models"
SCALE = scale_of(None)
NETWORKS = [
    "brevitas/dw_res_qonnx",
    "brevitas/prune_unstruct70_qonnx",
    "hls4ml_examples/tiny_unet_chlast",
    "qonnx_zoo/TFC_1W1A",
    "qonnx_zoo/TFC_2W2A",
    "qonnx_zoo/kwsmlp_w3a3",
    "tflite/ic_resnet8_int8",
    "tflite/kws_dscnn_int8",
]


def lowered(graph: Graph, plan: Plan, offered: Candidates) -> KernelGraph:
    """The kernels of a plan with the forms that it names, or the cheapest; FIFOs and rings as the model counts them."""
    return kernels_of(graph, decide(graph, plan, offered), Contents.SHAPES)


def modelled(made: KernelGraph) -> Cost:
    """What the kernels take, with the FIFOs in front of them."""
    edges = (made.stream(name) for kernel in made.kernels for name in kernel.inputs)
    costs: Iterable[Cost] = [amounts(resources(kernel)) for kernel in made.kernels]
    return total([*costs, *(amounts(fifo_resources(edge)) for edge in edges)])


def worth(cost: Cost) -> float:
    return sum(1000 * used / limit for used, limit in zip(cost, amounts(SCALE.budget), strict=True) if limit)


def skips(found: Solution) -> bool:
    return any(layer.zeros in MOST for layer in found.plan.layers.values())


def expect_good_plans(graph: Graph) -> None:
    """At three targets: in time, what is lowered costs what was said, and the simple rule is no cheaper."""
    offered = candidates(graph, Plan(), ranges(graph))
    low, high = fastest(graph), slowest(graph)
    for target in (high, round((low * high) ** 0.5), 2 * low):
        found = solve(graph, target, offered, SCALE)
        best = found.certificate["objective"]
        assert found.interval <= target and found.certificate["gap"] == 0
        made = lowered(graph, found.plan, offered)
        assert made.interval == found.interval
        cost = modelled(made)
        assert tuple(found.used.get(kind, 0) for kind in KINDS) == cost or (skips(found) and worth(cost) <= best)
        simple = lowered(graph, Plan(fold(graph, target), target), offered)
        assert best <= worth(modelled(simple)) * (1 + 1e-6)


@pytest.mark.slow
@pytest.mark.skipif(not MODELS.is_dir(), reason=f"{MODELS} is absent")
@pytest.mark.parametrize("network", NETWORKS)
def test_plans_of_a_network(network: str) -> None:
    expect_good_plans(bitwright.load(MODELS / network / "model.onnx"))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(150, 174))
def test_plans_of_a_random_network(seed: int) -> None:
    """Among them are images padded before their window, grouped and depthwise convolutions, joins and gathers."""
    expect_good_plans(random_graph(seed, joins=seed % 2 == 1))
