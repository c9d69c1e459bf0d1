# SPDX-License-Identifier: Apache-2.0
"""`bw.Net` with random requantisers, and networks side by side."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.random import Generator

import bitwright as bw
from bitwright.frontend.growing import Operand
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Input, Layer, Rounding
from bitwright.ir.types import IntType
from bitwright.ir.verify import verify


class Net(bw.Net):
    """A network under construction that draws the constants of its requantisers."""

    def act(self, x: Operand, kind: IntType, rng: Generator, rounding: Rounding = Rounding.HALF_EVEN) -> Layer:
        """A requantiser per channel with random slopes and offsets that spread the values of `x` over `kind`."""
        bound = self.reached(x)
        spread = np.maximum(bound.hi - bound.lo, 1).tolist()
        slopes = [Fraction(float(np.float32(rng.uniform(0.6, 1.4) * kind.count))) / width for width in spread]
        middle = Fraction(kind.lo + kind.hi, 2)
        centres = [Fraction(a + b, 2) for a, b in zip(bound.lo.tolist(), bound.hi.tolist(), strict=True)]
        offsets = [middle - m * c + Fraction(int(rng.integers(-4, 5)), 4) for m, c in zip(slopes, centres, strict=True)]
        return self.rescale(x, kind, multiplier=slopes, offset=offsets, rounding=rounding)

    def sign(self, x: Operand, rng: Generator) -> Layer:
        offset = [Fraction(int(v), 2) for v in rng.integers(-9, 10, self[x].channels)]
        return self.rescale(x, "bipolar", offset=offset, rounding="sign")


def side_by_side(graphs: Mapping[str, Graph]) -> Graph:
    """One graph that holds all of `graphs`, unconnected; the layers of each are called NAME/LAYER."""
    inputs: list[Input] = []
    layers: list[Layer] = []
    outputs: list[str] = []
    for name, graph in graphs.items():
        renamed = [
            replace(layer, name=f"{name}/{layer.name}", inputs=tuple(f"{name}/{x}" for x in layer.inputs))
            for layer in (*graph.inputs, *graph.layers)
        ]
        inputs += [layer for layer in renamed if isinstance(layer, Input)]
        layers += [layer for layer in renamed if not isinstance(layer, Input)]
        outputs += [f"{name}/{x}" for x in graph.outputs]
    return verify(Graph(tuple(inputs), tuple(layers), tuple(outputs)))
