# SPDX-License-Identifier: Apache-2.0
"""What was trained with free scales and its integers: the audit explains every difference, for each quantiser."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bitwright as bw
from bitwright.compress import trainable
from tests.compress.nets import graph, node, normal
from tests.compress.random_nets import Draw
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch import ACTIVATIONS, QUANTISERS  # noqa: E402
from tests.compress.torch.test_trainable import Array, moved, outputs, spelt  # noqa: E402

pytestmark = needs_package("torch")
NODES = [
    node("Conv", "x a p", "h", pads=[1, 1, 1, 1]),
    node("Relu", "h", "r"),
    node("Conv", "r b", "g", group=4, pads=[1, 1, 1, 1]),
    node("Add", "g r", "s"),
    node("MaxPool", "s", "m", kernel_shape=[2, 2], strides=[2, 2]),
    node("Conv", "m c q", "k"),
    node("Clip", "k low high", "t"),
    node("Flatten", "t", "f"),
    node("Gemm", "f d u", "v", transB=1),
    node("LeakyRelu", "v", "w", alpha=0.125),
    node("Gemm", "w e", "y"),
]
MODEL = graph(
    NODES,
    {
        **{"a": normal(4, 2, 3, 3), "p": normal(4), "b": normal(4, 1, 3, 3), "c": normal(6, 4, 2, 2), "q": normal(6)},
        **{"low": np.float32(0), "high": np.float32(6), "d": normal(5, 6), "u": normal(5), "e": normal(5, 3)},
    },
    sample=[2, 4, 4],
)
X = normal(40, 2, 4, 4, seed=1)
CHECKS = [(name, list(ACTIVATIONS)[k % len(ACTIVATIONS)]) for k, name in enumerate(QUANTISERS)]


def explained(module: Any, x: Array) -> None:
    report = bw.verify(bw.load(module.state().onnx()), x, outputs(module, x), engines=("reference",))
    assert bw.api.passed(report), report


@pytest.mark.parametrize("weights, activations", CHECKS)
def test_of_free_scales_nothing_is_unexplained(weights: str, activations: str) -> None:
    config = {"Gemm_y": {"weights": 5, "activations": 6}} if weights != "residual" else None
    module = trainable(
        MODEL, weights=spelt(weights, 3), activations=spelt(activations, 3), calibration=X, config=config
    )
    explained(moved(module, 2), X)


@pytest.mark.parametrize("seed", range(6))
def test_of_random_networks_of_free_scales_nothing_is_unexplained(seed: int) -> None:
    draw, bits = Draw(seed), 2 + seed
    model, x = draw.model(), draw.samples()
    explained(moved(trainable(model, weights=bits, activations=9 - bits, calibration=x), seed), x)
