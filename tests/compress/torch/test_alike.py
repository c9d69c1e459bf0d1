# SPDX-License-Identifier: Apache-2.0
"""Filters that were made alike go with little lost."""

from __future__ import annotations

import numpy as np
import pytest

from bitwright.compress import fit, float_net, outputs_of, shrunk, trainable
from tests.compress.nets import graph, node, normal
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch.alike import likened  # noqa: E402

pytestmark = needs_package("torch")
X = normal(128, 6, seed=1)
Y = (X[:, 0] > 0).astype(np.int64) + (X[:, 1] > 0)


@pytest.mark.rows("R064")
def test_pairs_become_multiples_and_one_of_each_goes() -> None:
    nodes = [node("Gemm", "x a", "h", transB=1), node("Relu", "h", "r"), node("Gemm", "r b", "y", transB=1)]
    net = float_net(graph(nodes, {"a": normal(8, 6), "b": normal(3, 8, seed=2)}, sample=[6]))
    module = trainable(net)
    fit(module, (X, Y), epochs=150, lr=1e-2, aids=[likened(module, 30.0)])
    made = module.float_net()
    rows = made.constants["a"] / np.linalg.norm(made.constants["a"], axis=1, keepdims=True)
    near = rows @ rows.T - 2 * np.eye(8)
    before = net.constants["a"] / np.linalg.norm(net.constants["a"], axis=1, keepdims=True)
    assert np.sort((before @ before.T - 2 * np.eye(8)).max(axis=1))[-1] < 0.95
    assert (near.max(axis=1) > 0.99).sum() >= 4
    small = shrunk(made, X, criterion="correlation", macs=0.88)
    assert small.constants["a"].shape == (7, 6)
    whole, left = outputs_of(made, [X])[0], outputs_of(small, [X])[0]
    assert np.linalg.norm(left - whole) < 1e-2 * np.linalg.norm(whole)
