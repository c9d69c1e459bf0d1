# SPDX-License-Identifier: Apache-2.0
"""Products of wide integers as shifted sums of products of narrow ones: planes of bits, or digits of a few."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product
from typing import Any, NamedTuple

import numpy as np

from bitwright.frontend.build import Net
from bitwright.ir.errors import BitwrightError
from bitwright.ir.functions import Affine
from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Layer, Matrix, Rounding, Windowed
from bitwright.ir.passes.pipeline import Pass
from bitwright.ir.per_channel import ZEROS, width
from bitwright.ir.types import IntType, integer
from bitwright.ir.verify import WIDEST
from bitwright.ir.weights import Weights
from bitwright.rewriting.digits import Digit, bit_function, digits, fits, weight_planes

MOST = 12
"""Bits of an integer whose bits are still looked up in tables."""


class Plane(NamedTuple):
    """A layer that holds a digit of another, what the digit counts, and that of what a window pads with."""

    layer: Layer
    factor: int
    pad: int


def bitplanes(w: int = 1, a: int = 1) -> Pass:
    """Layers with weights as shifted sums of layers of `w`-bit weights and `a`-bit inputs that make the same integers.

    With 1 and 1 these are planes of bits, and their products conjunctions, or XNOR where both are signs (Umuroglu,
    Rasnayake, Själander: "BISMO: A Scalable Bit-Serial Matrix Multiplication Overlay for Reconfigurable Computing",
    FPL 2018; R158). With 2 and 2 they are bricks that make up a multiplier (Sharma, Park, Suda et al.: "Bit Fusion:
    Bit-Level Dynamically Composable Architecture for Accelerating Deep Neural Networks", ISCA 2018; R165).
    """
    for name, bits in (("w", w), ("a", a)):
        if bits < 1:
            raise BitwrightError(f"{name} is {bits}", where="pass bitplanes", hint="a digit has at least 1 bit")

    def planes(graph: Graph) -> Graph:
        split = _Split(graph, w, a)
        for layer in graph.layers:
            split.take(layer)
        layers = split.net.graph().layers
        return graph if len(layers) == len(graph.layers) else replace(graph, layers=layers)

    return planes


PASSES = {"bitplanes": bitplanes}


class _Split:
    """A graph written anew, layers with weights as sums; those that read the same integers share their digits."""

    def __init__(self, graph: Graph, w: int, a: int) -> None:
        self.net = Net()
        self._graph, self._w, self._a = graph, w, a
        self._taken = set(graph.by_name)
        self._found: dict[tuple[str, Digit | None], Layer] = {}
        for entry in graph.inputs:
            self.net.add(entry)

    def take(self, layer: AnyLayer) -> None:
        """Add a layer: as it is, or the digits that nobody has made yet, their products, and the sum by its name."""
        if not isinstance(layer, Matrix):
            self.net.add(layer)
            return
        x = self._graph.source_of(layer)
        pad = layer.pad_value if isinstance(layer, Windowed) and layer.window.is_padded else x.type.lo
        kind = x.type if pad in x.type else x.type | IntType(pad, pad)
        if fits(kind, self._a) and fits(layer.weights.type, self._w):
            self.net.add(layer)
            return
        planes = [Plane(x, 1, pad)] if fits(kind, self._a) else self._planes(layer, x, kind, pad)
        pairs = list(product(enumerate(planes), enumerate(weight_planes(layer.weights, self._w))))
        products = [self._product(layer, plane, weights, f"w{i}a{j}") for (j, plane), (i, (_, weights)) in pairs]
        self._sum(layer, products, [plane.factor * factor for (_, plane), (_, (factor, _)) in pairs])

    def _planes(self, layer: Layer, x: Layer, kind: IntType, pad: int) -> list[Plane]:
        """The digits of what `layer` reads."""
        if x.type.bits > MOST:
            raise BitwrightError(
                f"reads {x.type}, and digits of integers of more than {MOST} bits are not looked up",
                where=f"layer '{layer.name}'",
                hint=f"requantise what it reads to {MOST} bits",
            )
        found = digits(kind, self._a)
        return [Plane(self._digit(x, digit), digit.factor, int(digit.of(np.array(pad)))) for digit in found]

    def _digit(self, x: Layer, digit: Digit) -> Layer:
        """The layer that holds a digit of `x`: a bit is looked up, more are a sum of bits."""
        key = (x.name, digit if digit.bits > 1 else digit._replace(signed=False))
        if key not in self._found:
            self._found[key] = self._bit(x, digit.first) if digit.bits == 1 else self._joined(x, digit)
        return self._found[key]

    def _bit(self, x: Layer, bit: int) -> Layer:
        """A table, whose function starts at real values: codes of several scales lose theirs first."""
        name = self._free(f"{x.name}_bit{bit}")
        if width(x.scale, x.zero) > 1:
            x = self._plain(x)
        function = (Affine(1 / x.scale.of(0), x.zero.of(0)), *bit_function(bit, x.type))
        return self.net.table(x, integer(1, signed=False), *function, rounding=Rounding.FLOOR, scale=1, name=name)

    def _joined(self, x: Layer, digit: Digit) -> Layer:
        bits = [self._digit(x, Digit(digit.first + place, 1, signed=False)) for place in range(digit.bits)]
        factors = [1 << place for place in range(digit.bits)]
        factors[-1] *= -1 if digit.signed else 1
        return self.net.sum(*bits, factors=factors, name=self._free(f"{x.name}_digit{digit.first}"))

    def _plain(self, x: Layer) -> Layer:
        """The integers of `x` as numbers of their own."""
        key = (x.name, None)
        if key not in self._found:
            self._found[key] = self._clip(x, x.type, name=self._free(f"{x.name}_codes"))
        return self._found[key]

    def _product(self, layer: Matrix, plane: Plane, weights: Weights, which: str) -> Layer:
        """A layer of products of one digit of the weights with one of the inputs."""
        name = self._free(f"{layer.name}_{which}")
        made = replace(layer, name=name, inputs=(plane.layer.name,), weights=weights, type=WIDEST)
        if isinstance(made, Windowed) and made.window.is_padded:
            made = replace(made, pad_value=plane.pad)
        return self.net.derive(made, lambda: (ZEROS, ZEROS), {"scale": 1, "zero": 0})

    def _sum(self, layer: Matrix, products: Sequence[Layer], factors: Sequence[int]) -> None:
        """`layer`, as the sum of what its products count.

        The sum of what each can reach is more than all can together. Where that matters to those that read it, a clip
        that changes nothing says so.
        """
        real: dict[str, Any] = {"scale": layer.scale, "zero": layer.zero, "source": layer.source}
        readers = self._graph.readers[layer.name]
        if layer.name not in self._graph.outputs and all(reader.op == "requantise" for reader in readers):
            self.net.sum(*products, factors=factors, name=layer.name, **real)
            return
        made = self.net.sum(*products, factors=factors, name=self._free(f"{layer.name}_sum"), **real)
        self._clip(made, layer.type, name=layer.name, **real)

    def _clip(self, x: Layer, kind: IntType, **said: Any) -> Layer:
        """Integers of `kind`, as they are."""
        rounding = Rounding.SIGN if kind.is_bipolar else Rounding.FLOOR
        return self.net.rescale(x, kind, rounding=rounding, **{"scale": 1} | said)

    def _free(self, name: str) -> str:
        """A name that nobody has."""
        while name in self._taken:
            name += "_"
        self._taken.add(name)
        return name
