# SPDX-License-Identifier: Apache-2.0
"""Small networks for tests of whole designs, written layer by layer; a layer's codes are what the next one reads."""

from __future__ import annotations

from fractions import Fraction
from math import prod
from typing import Any

import numpy as np

from bitwright.ir.graph import Graph
from bitwright.ir.layers import Concat, Conv, Dense, Input, Layer, MaxPool, Requantise, Reshape, Rounding, Sum
from bitwright.ir.source import Source
from bitwright.ir.types import IntType, integer
from bitwright.ir.verify import verify
from bitwright.ir.weights import Weights
from tests.ir.graphs import accumulator_type

S4, U4, S8 = integer(4, signed=True), integer(4, signed=False), integer(8, signed=True)
ONE, ZERO = (Fraction(1),), (Fraction(0),)


class Net:
    """A network so far; every method appends layers and returns the last of them."""

    def __init__(self, seed: int = 0) -> None:
        self.rng = np.random.default_rng(seed)
        self.inputs: list[Input] = []
        self.layers: list[Layer] = []

    def input(self, *shape: int, kind: IntType = S4) -> Layer:
        name = f"x{len(self.inputs)}" if self.inputs else "x"
        self.inputs.append(Input(name=name, inputs=(), shape=shape, type=kind, scale=ONE, zero=ZERO))
        return self.inputs[-1]

    def conv(
        self, x: Layer, outputs: int, kernel: int = 3, stride: int = 1, groups: int = 1, kind: IntType = S4
    ) -> Layer:
        """A convolution padded to keep the size at stride 1, requantised."""
        pad, (height, width, channels) = kernel // 2, x.shape
        weights = Weights(self.rng.integers(-4, 5, (outputs, kernel, kernel, channels // groups)))
        size = tuple((side + 2 * pad - kernel) // stride + 1 for side in (height, width))
        head = self._head("conv", x, shape=(*size, outputs), type=accumulator_type(weights, x.type, 0))
        made = Conv(**head, weights=weights, groups=groups, strides=(stride, stride), pads=(pad,) * 4)
        return self.codes(self._add(made), kind)

    def dense(self, x: Layer, outputs: int, kind: IntType = S4) -> Layer:
        """A dense layer over everything, requantised."""
        if len(x.shape) > 1:
            x = self._add(Reshape(**self._head("flat", x, shape=(prod(x.shape),), type=x.type)))
        weights = Weights(self.rng.integers(-4, 5, (outputs, x.channels)))
        head = self._head("dense", x, shape=(outputs,), type=accumulator_type(weights, x.type, 0))
        return self.codes(self._add(Dense(**head, weights=weights)), kind)

    def pool(self, x: Layer, size: int = 2) -> Layer:
        """The maximum of squares of `size`."""
        shape = (x.shape[0] // size, x.shape[1] // size, x.channels)
        head = self._head("pool", x, shape=shape, type=x.type)
        return self._add(MaxPool(**head, kernel=(size, size), strides=(size, size)))

    def add(self, *operands: Layer) -> Layer:
        """The sum, requantised."""
        kinds = [x.type for x in operands]
        kind = IntType(sum(k.lo for k in kinds), sum(k.hi for k in kinds))
        head = self._head("add", *operands, shape=operands[0].shape, type=kind)
        return self.codes(self._add(Sum(**head, factors=((1,),) * len(operands))), S4)

    def concat(self, *operands: Layer) -> Layer:
        channels = sum(x.channels for x in operands)
        head = self._head("cat", *operands, shape=(*operands[0].shape[:-1], channels), type=operands[0].type)
        return self._add(Concat(**head))

    def codes(self, x: Layer, kind: IntType) -> Layer:
        """`x` requantised so that the middle of its range fills the codes of `kind`."""
        slope = Fraction(4 * (kind.hi - kind.lo + 1), x.type.hi - x.type.lo + 1)
        head = self._head("q", x, shape=x.shape, type=kind)
        return self._add(
            Requantise(
                **head, multiplier=(slope,), offset=ZERO, rounding=Rounding.HALF_EVEN, low=(kind.lo,), high=(kind.hi,)
            )
        )

    def graph(self, *outputs: Layer) -> Graph:
        names = tuple(layer.name for layer in outputs)
        return verify(Graph(tuple(self.inputs), tuple(self.layers), names, source=Source("net.onnx", "0" * 64)))

    def _head(self, stem: str, *operands: Layer, shape: tuple[int, ...], type: IntType) -> dict[str, Any]:
        name = f"{stem}{len(self.layers)}"
        names = tuple(x.name for x in operands)
        return {"name": name, "inputs": names, "shape": shape, "type": type, "scale": ONE, "zero": ZERO}

    def _add(self, layer: Layer) -> Layer:
        self.layers.append(layer)
        return layer
