# SPDX-License-Identifier: Apache-2.0
"""What was pruned stays so, whatever quantises it."""

from __future__ import annotations

import sys

import numpy as np
import onnx
import pytest

import bitwright as bw
from bitwright.compress import ROUNDINGS, TRANSFORMS, calibrate, float_net, quantised
from bitwright.compress.transforms import transformed
from tests.compress.nets import graph, node, normal


def sparse(*shape: int, seed: int) -> np.ndarray:
    """Weights of which most are zero, in one output all of them."""
    weight = normal(*shape, seed=seed) * (np.random.default_rng(seed).random(shape) < 0.4)
    weight[1] = 0
    return np.asarray(weight, dtype=np.float32)


def mixed() -> onnx.ModelProto:
    """A convolution with batch normalisation, a depthwise one, another and a dense layer, all of them pruned."""
    scale = {name: np.abs(normal(6, seed=seed)) + np.float32(0.1) for seed, name in enumerate(("gamma", "var"))}
    weights = {
        "w0": sparse(6, 2, 3, 3, seed=0), "beta": normal(6, seed=1), "mean": normal(6, seed=2), **scale,
        "w1": sparse(6, 1, 3, 3, seed=3), "b1": normal(6, seed=4),
        "w2": sparse(8, 6, 1, 1, seed=5), "b2": normal(8, seed=6), "w3": sparse(32, 5, seed=7),
    }  # fmt: skip
    nodes = [
        node("Conv", "x w0", "a", pads=[1, 1, 1, 1]),
        node("BatchNormalization", "a gamma beta mean var", "b"),
        node("Relu", "b", "c"),
        node("Conv", "c w1 b1", "d", group=6),
        node("Relu", "d", "e"),
        node("Conv", "e w2 b2", "f"),
        node("Relu", "f", "g"),
        node("Flatten", "g", "h"),
        node("MatMul", "h w3", "y"),
    ]
    return graph(nodes, weights, sample=(2, 4, 4))


@pytest.mark.parametrize("transforms", [(), *((name,) for name in TRANSFORMS), tuple(TRANSFORMS)])
@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_zeros_stay_zero(rounding: str, transforms: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys.modules["bitwright.compress.round.adaround"], "STEPS", 10)
    net = transformed(float_net(mixed()), transforms)
    calibration = calibrate(mixed(), [normal(24, 2, 4, 4)])
    for exact in ("audit", "po2"):
        state = quantised(calibration, weights=3, rounding=rounding, transforms=transforms, exact=exact)
        assert state.net.constants.keys() >= {layer.weight for layer in net.layers}
        for layer in net.layers:
            zero = net.constants[layer.weight] == 0
            (coded,) = state.weights[layer.weight]
            assert zero.mean() > 0.5 and not coded.codes[zero].any() and coded.codes.any()
    x = normal(8, 2, 4, 4, seed=9)
    np.testing.assert_array_equal(bw.run(state.graph(), x), bw.run(bw.load(state.onnx()), x))
