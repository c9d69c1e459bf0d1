# SPDX-License-Identifier: Apache-2.0
"""The benchmark of plans: FINN's rule as FINN applies it, and the solver never dearer."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from bitwright.ir.types import integer
from tests.layers.nets import Net

ROOT = Path(__file__).parents[1]
MODELS = ROOT.parent / "shared/models"


@pytest.fixture
def plans(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    import plans

    return plans


def test_the_rule_raises_simd_then_pe_until_the_clocks_are_below_the_target(plans: ModuleType) -> None:
    """256 x 256 weights of 3 bits: twelve are 36 bits, so SIMD is 8; PE 16 would hit 512 clocks, and 32 are taken."""
    net = Net()
    net.dense(net.input("x0", (256,), integer(3, signed=False)), np.resize(np.arange(-4, 4), (256, 256)))
    graph = net.graph()
    (name,) = (layer.name for layer in graph.layers)
    assert [plans.finn(graph, target)[name] for target in (65537, 65536, 513, 512, 1)] == [
        (1, 1), (1, 2), (16, 8), (32, 8), (256, 8),
    ]  # fmt: skip


def test_the_rule_gives_depthwise_convolutions_and_pools_pe_only(plans: ModuleType) -> None:
    net = Net()
    x = net.conv(net.input("x0", (4, 4, 8), integer(4, signed=False)), np.ones((8, 2, 2, 1), int), groups=8)
    net.max_pool(x, (3, 3), (1, 1))
    graph = net.graph()
    assert list(plans.finn(graph, 72).values()) == [(8, 1), (2, 2)]


@pytest.mark.slow
@pytest.mark.skipif(not MODELS.is_dir(), reason=f"{MODELS} is absent")
@pytest.mark.parametrize("network", ["brevitas/dw_res_qonnx", "qonnx_zoo/kwsmlp_w3a3"])
def test_the_solver_is_never_dearer_than_the_rule(plans: ModuleType, network: str) -> None:
    graph = plans.load(MODELS / network)
    for target in plans.NETWORKS[network]:
        row = plans.compare(network, graph, target)
        assert row.passed and row.solver.interval <= row.interval and row.at_target.interval <= target
        dearer = replace(row, rule=row.cost * 0.99)
        assert not dearer.passed
