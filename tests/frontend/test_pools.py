# SPDX-License-Identifier: Apache-2.0
"""MaxPool on integers and before its quantiser, with every attribute."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from bitwright.ir.layers import MaxPool
from tests.frontend.nets import QONNX, Net, agree, grid, only, ops


def chip(net: Net) -> str:
    return net.quant(net.x, 0.25, bits=10.0)


def convolution(net: Net, seed: int = 0) -> str:
    """Real values with a scale per channel and a bias, that only a quantiser makes integers."""
    kernel = net.quant(net.const(grid(3, 2, 2, 2, span=3, seed=seed)), np.reshape([0.5, 0.25, 1.0], (3, 1, 1, 1)))
    return net.add("Conv", chip(net), kernel, net.const([0.3, -1.0, 2.0]))


POOLS: list[dict[str, Any]] = [
    {"kernel_shape": [2, 2], "strides": [2, 2]},
    {"kernel_shape": [3, 2], "strides": [1, 2], "pads": [1, 0, 2, 1]},
    {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
    {"kernel_shape": [3, 3], "strides": [2, 2], "ceil_mode": 1, "pads": [0, 1, 0, 1]},
    {"kernel_shape": [2, 2], "dilations": [2, 3]},
    {"kernel_shape": [3, 3], "strides": [2, 2], "auto_pad": "SAME_UPPER"},
    {"kernel_shape": [3, 3]},
]


@pytest.mark.parametrize("attributes", POOLS, ids=str)
def test_pools_of_codes(attributes: dict[str, Any]) -> None:
    net = Net(2, 7, 6)
    net.add("MaxPool", net.quant(chip(net), 0.5, bits=6.0), **attributes)
    graph = agree(net, grid(8, 2, 7, 6, span=20))
    assert ops(graph) == ["requantise", "maxpool"]


@pytest.mark.parametrize("attributes", POOLS, ids=str)
def test_pools_before_the_quantiser_move_behind_it(attributes: dict[str, Any]) -> None:
    net = Net(2, 8, 7)
    y = net.add("MaxPool", net.add("Relu", convolution(net)), **attributes)
    net.quant(y, 0.7, bits=5.0, signed=0)
    graph = agree(net, grid(8, 2, 8, 7, span=4))
    assert ops(graph) == ["conv", "requantise", "maxpool"]


def test_the_pool_of_a_signal() -> None:
    net = Net(3, 9)
    pooled = net.add("MaxPool", net.quant(chip(net), 0.5, bits=6.0), kernel_shape=[3], strides=[2], ceil_mode=1)
    net.add("Flatten", pooled)
    assert only(agree(net, grid(8, 3, 9)), MaxPool).window.kernel == (1, 3)


@pytest.mark.parametrize("gamma", [[1.0, 2.0, 0.5], [-1.0, 0.0, -2.0]])
def test_batch_normalisation_before_the_pool(gamma: list[float]) -> None:
    net = Net(2, 6, 6)
    constants = (net.const(v) for v in (gamma, [0.1, -0.2, 0.3], [0.5, 0.0, -1.0], [1.5, 0.3, 2.0]))
    y = net.add("BatchNormalization", convolution(net), *constants)
    y = net.add("MaxPool", y, kernel_shape=[2, 2], strides=[2, 2])
    net.add("BipolarQuant", y, net.const(1.0), domain=QONNX)
    assert ops(agree(net, grid(8, 2, 6, 6, span=4))) == ["conv", "requantise", "maxpool"]


def test_a_rising_affine_behind_the_pool_joins_the_quantiser() -> None:
    net = Net(2, 6, 6)
    y = net.add("MaxPool", convolution(net), kernel_shape=[2, 2])
    y = net.add("Relu", net.add("Add", net.add("Mul", y, net.const(1.5)), net.const([[[0.5]], [[-1.0]], [[0.25]]])))
    net.quant(y, 0.7, bits=5.0)
    agree(net, grid(8, 2, 6, 6, span=4))


def test_a_function_before_and_behind_the_pool() -> None:
    for order in (["Sigmoid", "MaxPool"], ["MaxPool", "Sigmoid"]):
        net = Net(2, 6, 6)
        y = net.add("Relu", chip(net))
        for op in order:
            y = net.add(op, y, **({"kernel_shape": [2, 2]} if op == "MaxPool" else {}))
        net.quant(y, 1 / 64, bits=6.0)
        agree(net, grid(8, 2, 6, 6))


def test_thresholds_behind_the_pool() -> None:
    net = Net(2, 6, 6)
    y = net.add("MaxPool", convolution(net), kernel_shape=[3, 3], strides=[2, 2])
    net.add("MultiThreshold", y, net.const([[-2.0, 0.0, 1.5, 4.0]]), domain=QONNX)
    assert ops(agree(net, grid(8, 2, 6, 6, span=4))) == ["conv", "requantise", "maxpool"]


def test_codes_that_fall_with_their_value_are_pooled_behind_the_next_quantiser() -> None:
    net = Net(2, 6, 6)
    y = net.add("MaxPool", net.add("Mul", chip(net), net.const(-1.0)), kernel_shape=[2, 2])
    net.quant(y, 0.5, bits=6.0)
    assert ops(agree(net, grid(8, 2, 6, 6, span=8))) == ["requantise", "maxpool"]


def test_two_pools_in_a_row() -> None:
    net = Net(2, 9, 9)
    y = net.add("MaxPool", net.quant(chip(net), 0.5, bits=6.0), kernel_shape=[2, 2])
    net.add("MaxPool", y, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1])
    assert ops(agree(net, grid(8, 2, 9, 9))) == ["requantise", "maxpool", "maxpool"]


def test_the_shape_behind_a_pool_that_waits() -> None:
    net = Net(2, 7, 7)
    y = net.add("MaxPool", convolution(net), kernel_shape=[2, 2], strides=[2, 2])
    shape = net.add("Shape", y)
    quantised = net.quant(y, 0.7, bits=5.0)
    rows = net.add("Gather", shape, net.const([0, 1], np.int64))
    net.add("Reshape", quantised, net.add("Concat", rows, net.const([-1], np.int64), axis=0))
    agree(net, grid(8, 2, 7, 7, span=4))
