# SPDX-License-Identifier: Apache-2.0
"""Small networks whose branches differ in delay: what the depths of the streams between C++ kernels are tested on."""

from __future__ import annotations

import numpy as np

from bitwright.ir.graph import Graph
from bitwright.ir.types import integer
from tests.layers.nets import Net

S8, U4 = integer(8, signed=True), integer(4, signed=False)
SAME = (1, 1, 1, 1)


def deep() -> Graph:
    """A frame in another order and the ring of a pool beside a wire: each holds over 2,000 words of 32 bits."""
    rng, net = np.random.default_rng(3), Net()
    x = net.input("x0", (6, 512, 4), integer(8, signed=False))
    pooled = net.max_pool(x, (5, 1), (1, 1), pads=(2, 0, 2, 0))
    turned = net.gather(pooled, np.arange(6 * 512 * 4).reshape(6, 512, 4)[::-1])
    net.act(net.sum(turned, x, factors=(1, 1)), S8, rng)
    return net.graph()


def dense() -> Graph:
    """Dense layers, each as busy as the others."""
    rng, net = np.random.default_rng(4), Net()
    x = net.input("x0", (32,), U4)
    for _ in range(3):
        x = net.act(net.dense(x, rng.integers(-4, 4, (32, 32))), U4, rng)
    return net.graph()


def straight() -> Graph:
    """Convolutions behind each other, each as busy as the others, then a global pool."""
    rng, net = np.random.default_rng(1), Net()
    x = net.input("x0", (8, 8, 4), U4)
    for _ in range(3):
        x = net.act(net.conv(x, rng.integers(-4, 4, (4, 3, 3, 4)), pads=SAME), U4, rng)
    net.sum_pool(x, (8, 8), (1, 1))
    return net.graph()


def residual() -> Graph:
    """Two convolutions beside a wire."""
    rng, net = np.random.default_rng(2), Net()
    x = net.act(net.conv(net.input("x0", (8, 8, 2), U4), rng.integers(-4, 4, (4, 3, 3, 2)), pads=SAME), U4, rng)
    inner = net.act(net.conv(x, rng.integers(-4, 4, (4, 3, 3, 4)), pads=SAME), U4, rng)
    outer = net.act(net.conv(inner, rng.integers(-4, 4, (4, 3, 3, 4)), pads=SAME), U4, rng)
    net.act(net.sum(outer, x, factors=(3, 5)), S8, rng)
    return net.graph()


def bottleneck() -> Graph:
    """Two convolutions with a stride beside a slow one of single pixels, then a frame in another order beside all."""
    rng, net = np.random.default_rng(3), Net()
    x = net.input("x0", (8, 8, 4), U4)
    inner = net.act(net.conv(x, rng.integers(-4, 4, (8, 3, 3, 4)), pads=SAME, strides=(2, 2)), U4, rng)
    outer = net.act(net.conv(inner, rng.integers(-4, 4, (8, 3, 3, 8)), pads=SAME), U4, rng)
    short = net.act(net.conv(x, rng.integers(-4, 4, (8, 1, 1, 4)), strides=(2, 2)), U4, rng)
    joined = net.act(net.sum(outer, short, factors=(3, 5)), U4, rng)
    turned = net.gather(joined, np.arange(4 * 4 * 8).reshape(4, 4, 8)[::-1])
    net.act(net.sum(joined, turned, factors=(1, 1)), S8, rng)
    return net.graph()
