# SPDX-License-Identifier: Apache-2.0
"""A graph of the shape of MobileNet v1 at 224 x 224, with random weights: a large problem for the solver of plans."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

import bitwright as bw
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Layer
from bitwright.ir.types import IntType, integer

CHANNELS = ((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))
"""Output channels and stride of its blocks, each a depthwise and a pointwise convolution."""


def mobilenet(bits: int = 4) -> Graph:
    """The graph, with weights and activations of `bits` bits."""
    rng, code, net = np.random.default_rng(0), integer(bits, signed=False), bw.Net()

    def random(*shape: int) -> np.ndarray:
        return rng.integers(-(1 << bits - 1), 1 << bits - 1, shape)

    def bound(weights: np.ndarray, x: Layer) -> IntType:
        most = int(np.abs(weights).reshape(len(weights), -1).sum(axis=1).max()) * x.type.hi
        return IntType(-most, most)

    def requantised(x: Layer) -> Layer:
        return net.rescale(x, code, multiplier=Fraction(1, x.type.hi // 8))

    def convolution(x: Layer, channels: int, kernel: int, stride: int, groups: int) -> Layer:
        size, pad = -(-x.shape[0] // stride), kernel // 2
        first = (size - 1) * stride + kernel - x.shape[0] - pad
        weights = random(channels, kernel, kernel, x.channels // groups)
        window = {"strides": (stride, stride), "pads": (first, first, pad, pad), "groups": groups}
        return requantised(net.conv(x, weights, type=bound(weights, x), **window))

    x = convolution(net.input("x", (224, 224, 3), "u8"), 32, 3, 2, 1)
    for channels, stride in CHANNELS:
        x = convolution(x, x.channels, 3, stride, x.channels)
        x = convolution(x, channels, 1, 1, 1)
    x = net.reshape(requantised(net.sum_pool(x, (7, 7), type=IntType(0, 49 * code.hi), name="pool")))
    weights = random(1000, 1024)
    net.dense(x, weights, type=bound(weights, x), name="fc")
    return net.graph()
