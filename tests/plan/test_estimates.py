# SPDX-License-Identifier: Apache-2.0
"""Five fixed designs take at most what they take today: nothing else fails where only area or clocks are lost.

A better plan or module lowers these numbers, and then the bounds go down with them. Coefficients that are fitted again
may move them a little either way. A bound that goes up needs its reason.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

import bitwright as bw
from bitwright.ir.graph import Graph
from bitwright.ir.weights import Ints
from tests.collection import load, needs_collection


def weights(*shape: int, reach: int = 7) -> Ints:
    return np.random.default_rng(0).integers(-reach, reach + 1, shape)


def residual() -> Graph:
    """The sum of a convolution and of what it reads, by float32 scales: short factors, and a shift behind them."""
    net = bw.Net("residual")
    x = net.input("x", (8, 8, 4), "s8", scale=float(np.float32(0.031)))
    y = net.conv(x, weights(4, 3, 3, 4), pads=(1, 1, 1, 1), weight_scale=float(np.float32(0.017)))
    y = net.requantise(y, "s8", scale=float(np.float32(0.043)))
    y = net.requantise(net.sum(x, y), "s8", scale=float(np.float32(0.058)))
    net.output(net.conv(y, weights(4, 1, 1, 4)))
    return net.graph()


def turned() -> Graph:
    """A transposed image: its pixels change places, the eight channels of each stay together."""
    net = bw.Net("turned")
    x = net.input("x", (6, 6, 8), "u4", scale=0.25)
    y = net.requantise(net.conv(x, weights(8, 1, 1, 8)), "u4", scale=8)
    y = net.gather(y, net.places(y).transpose(1, 0, 2))
    net.output(net.conv(y, weights(4, 3, 3, 8)))
    return net.graph()


def separable() -> Graph:
    """A depthwise convolution, one of single pixels, an average of the image, and a dense layer."""
    net = bw.Net("separable")
    x = net.input("x", (8, 8, 8), "u8", scale=1 / 256)
    y = net.conv(x, weights(8, 3, 3, 1), groups=8, pads=(1, 1, 1, 1), weight_scale=0.125)
    y = net.requantise(y, "u8", scale=0.02)
    y = net.requantise(net.conv(y, weights(16, 1, 1, 8)), "u8", scale=0.3)
    y = net.requantise(net.sum_pool(y, (8, 8)), "u8", scale=20)
    net.output(net.dense(net.reshape(y), weights(10, 16)))
    return net.graph()


def branches() -> Graph:
    """Two convolutions side by side, the largest of each window, and the place of the largest sum."""
    net = bw.Net("branches")
    x = net.input("x", (8, 8, 2), "s4", scale=0.5)
    parts = [net.conv(x, weights(4, 1, 1, 2)), net.conv(x, weights(4, 3, 3, 2), pads=(1, 1, 1, 1))]
    y = net.concat(*(net.requantise(part, "u4", scale=4) for part in parts))
    y = net.reshape(net.max_pool(y, (2, 2)))
    net.output(net.arg_max(net.dense(y, weights(10, 128, reach=1))))
    return net.graph()


def perceptron() -> Graph:
    """Weights that fill block RAMs, and a table."""
    net = bw.Net("perceptron")
    x = net.input("x", (64,), "u8", scale=1 / 256)
    y = net.requantise(net.dense(x, weights(64, 64, reach=127), weight_scale=1 / 128), "s8", scale=0.1)
    y = net.table(y, "u8", "sigmoid", scale=1 / 255)
    net.output(net.dense(y, weights(10, 64, reach=127)))
    return net.graph()


@pytest.mark.parametrize(
    ("graph", "cycles", "latency", "most"),
    [
        (residual, 1024, 1108, {"lut": 1462, "ff": 1044, "dsp": 3, "bram": 0}),
        (turned, 144, 371, {"lut": 2489, "ff": 1596, "dsp": 0, "bram": 1}),
        (separable, 1024, 2243, {"lut": 2402, "ff": 1812, "dsp": 3, "bram": 1}),
        (branches, 256, 481, {"lut": 1814, "ff": 1367, "dsp": 0, "bram": 0}),
        (perceptron, 512, 797, {"lut": 755, "ff": 668, "dsp": 7, "bram": 2}),
    ],
)
def test_a_design_takes_no_more_than_it_did(
    graph: Callable[[], Graph], cycles: int, latency: int, most: Mapping[str, int]
) -> None:
    report = bw.compile(graph(), cycles=cycles).report()
    used = {kind: sum(layer[kind] for layer in report["layers"]) for kind in most}
    assert {kind: count for kind, count in used.items() if count > most[kind]} == {}
    assert report["interval_cycles"] <= cycles and report["latency_cycles"] <= latency


@needs_collection
def test_resnet_8_takes_no_more_than_it_did() -> None:
    report = bw.compile(load("tflite/ic_resnet8_int8")).report()
    used = {kind: sum(layer[kind] for layer in report["layers"]) for kind in ("lut", "ff", "dsp", "bram")}
    most = {"lut": 57086, "ff": 36068, "dsp": 731, "bram": 29}
    assert {kind: count for kind, count in used.items() if count > most[kind]} == {}
