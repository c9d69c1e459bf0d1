# SPDX-License-Identifier: Apache-2.0
"""Small networks for tests of whole designs, block by block; a block's codes are what the next one reads."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

import bitwright as bw
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Layer
from bitwright.ir.types import IntType, integer

S4, U4, S8 = integer(4, signed=True), integer(4, signed=False), integer(8, signed=True)


class Net:
    """A network of random weights so far; every method appends layers and returns the last of them."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.net = bw.Net("net.onnx")
        self.entries = 0

    def input(self, *shape: int, kind: IntType = S4) -> Layer:
        self.entries += 1
        return self.net.input(f"x{self.entries - 1}" if self.entries > 1 else "x", shape, kind)

    def conv(
        self, x: Layer, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, kind: IntType = S4
    ) -> Layer:
        """A convolution padded to keep the size at stride 1, requantised."""
        weights = self.rng.integers(-4, 5, (outputs, kernel, kernel, x.channels // groups))
        window = {"groups": groups, "strides": (stride, stride), "pads": (kernel // 2,) * 4}
        return self.codes(self.net.conv(x, weights, **window), kind)

    def dense(self, x: Layer, outputs: int, kind: IntType = S4) -> Layer:
        """A dense layer over everything, requantised."""
        if len(x.shape) > 1:
            x = self.net.reshape(x)
        return self.codes(self.net.dense(x, self.rng.integers(-4, 5, (outputs, x.channels))), kind)

    def add(self, *operands: Layer) -> Layer:
        """The sum, requantised."""
        return self.codes(self.net.sum(*operands), S4)

    def concat(self, *operands: Layer) -> Layer:
        return self.net.concat(*operands)

    def codes(self, x: Layer, kind: IntType) -> Layer:
        """`x` requantised so that the middle of its range fills the codes of `kind`."""
        slope = Fraction(4 * (kind.hi - kind.lo + 1), x.type.hi - x.type.lo + 1)
        return self.net.rescale(x, kind, multiplier=slope)

    def graph(self, *outputs: Layer) -> Graph:
        self.net.output(*outputs)
        return self.net.graph()
