# SPDX-License-Identifier: Apache-2.0
"""Small integer networks, written layer by layer; every accumulator's type is the exact range of its values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import ArrayLike

from bitwright.exact.ranges import Ranges, layer_range, ranges
from bitwright.ir.graph import Graph
from bitwright.ir.layers import (
    ArgMax,
    Concat,
    Conv,
    Dense,
    Gather,
    Input,
    Layer,
    MaxPool,
    Multiply,
    Requantise,
    Reshape,
    Rounding,
    Sum,
    SumPool,
    Table,
    window_shape,
)
from bitwright.ir.types import BIPOLAR, IntType
from bitwright.ir.verify import WIDEST, verify
from bitwright.ir.weights import Weights
from tests.ir.functions import tabulated

REAL: dict[str, Any] = {"scale": (Fraction(1),), "zero": (Fraction(0),)}


class Net:
    """A network under construction; every method returns the name of the layer that it adds."""

    def __init__(self) -> None:
        self.inputs: list[Input] = []
        self.layers: list[Layer] = []

    def graph(self, *outputs: str) -> Graph:
        """The network; what the last layer makes leaves it unless `outputs` are named."""
        return verify(Graph(tuple(self.inputs), tuple(self.layers), outputs or (self.layers[-1].name,)))

    def input(self, shape: tuple[int, ...], kind: IntType) -> str:
        self.inputs.append(Input(name=f"x{len(self.inputs)}", inputs=(), shape=shape, type=kind, **REAL))
        return self.inputs[-1].name

    def dense(self, x: str, weights: ArrayLike) -> str:
        array = Weights(np.array(weights))
        return self._sum_of(Dense(**self._head("dense", x, (*self[x].shape[:-1], len(array.array))), weights=array))

    def conv(self, x: str, weights: ArrayLike, **window: Any) -> str:
        """`window`: strides, dilations, pads, groups, pad_value."""
        array = Weights(np.array(weights))
        return self._windowed(Conv(**self._head("conv", x, self[x].shape), weights=array, **window), len(array.array))

    def max_pool(self, x: str, kernel: tuple[int, int], strides: tuple[int, int], **window: Any) -> str:
        head = self._head("maxpool", x, self[x].shape, self[x].type)
        pool = MaxPool(**head, kernel=kernel, strides=strides, **window)
        return self._add(replace(pool, shape=(*window_shape(pool, *self[x].shape[:2]), self[x].channels)))

    def sum_pool(self, x: str, kernel: tuple[int, int], strides: tuple[int, int], **window: Any) -> str:
        pool = SumPool(**self._head("sumpool", x, self[x].shape), kernel=kernel, strides=strides, **window)
        return self._windowed(pool, self[x].channels)

    def sum(self, operands: Sequence[str], factors: Sequence[Sequence[int]]) -> str:
        layer = Sum(**self._joined("sum", operands, self[operands[0]].shape), factors=tuple(map(tuple, factors)))
        return self._sum_of(layer)

    def multiply(self, a: str, b: str, zeros: tuple[int, int]) -> str:
        return self._sum_of(Multiply(**self._joined("multiply", (a, b), self[a].shape), zeros=zeros))

    def concat(self, *operands: str) -> str:
        channels = sum(self[x].channels for x in operands)
        kinds = [self[x].type for x in operands]
        hull = IntType(min(kind.lo for kind in kinds), max(kind.hi for kind in kinds))
        head = self._joined("concat", operands, (*self[operands[0]].shape[:-1], channels))
        return self._add(Concat(**head | {"type": kinds[0] if len(set(kinds)) == 1 else hull}))

    def gather(self, x: str, indices: ArrayLike, fill: int = 0) -> str:
        array = np.array(indices)
        return self._add(
            Gather(**self._head("gather", x, array.shape, self[x].type), indices=Weights(array), fill=fill)
        )

    def arg_max(self, x: str, last: int = 0) -> str:
        head = self._head("argmax", x, (*self[x].shape[:-1], 1), IntType(0, self[x].channels - 1))
        return self._add(ArgMax(**head, last=last))

    def reshape(self, x: str, *shape: int) -> str:
        return self._add(Reshape(**self._head("reshape", x, shape, self[x].type)))

    def requantise(
        self,
        x: str,
        kind: IntType,
        rounding: Rounding,
        multiplier: Sequence[Fraction],
        offset: Sequence[Fraction] = (Fraction(0),),
        *,
        shift: int = 0,
        levels: Sequence[Sequence[Fraction]] = (),
        slope: Sequence[Fraction] = (),
    ) -> str:
        return self._add(
            Requantise(
                **self._head("act", x, self[x].shape, kind),
                multiplier=tuple(multiplier),
                offset=tuple(offset),
                rounding=rounding,
                low=(kind.lo - shift,),
                high=(kind.hi - shift,),
                shift=shift,
                levels=tuple(map(tuple, levels)),
                slope=tuple(slope),
            )
        )

    def act(self, x: str, kind: IntType, rng: Generator, rounding: Rounding = Rounding.HALF_EVEN) -> str:
        """A requantiser per channel with random slopes and offsets that spread the values of `x` over `kind`."""
        bound = self._ranges()[x]
        spread = np.maximum(bound.hi - bound.lo, 1).tolist()
        slopes = [Fraction(float(np.float32(rng.uniform(0.6, 1.4) * kind.count))) / width for width in spread]
        middle = Fraction(kind.lo + kind.hi, 2)
        centres = [Fraction(a + b, 2) for a, b in zip(bound.lo.tolist(), bound.hi.tolist(), strict=True)]
        offsets = [middle - m * c + Fraction(int(rng.integers(-4, 5)), 4) for m, c in zip(slopes, centres, strict=True)]
        return self.requantise(x, kind, rounding, slopes, offsets)

    def sign(self, x: str, rng: Generator) -> str:
        channels = self[x].channels
        offset = [Fraction(int(v), 2) for v in rng.integers(-9, 10, channels)]
        return self.requantise(x, BIPOLAR, Rounding.SIGN, [Fraction(1)], offset)

    def table(self, x: str, kind: IntType, function: tuple[tuple[str, ...], ...], scale: Fraction) -> str:
        """`function` of scale * code, rounded half to even into `kind`."""
        source = self[x].type
        values = [tabulated(function, Rounding.HALF_EVEN, scale * q) for q in range(source.lo, source.hi + 1)]
        return self._add(
            Table(
                **self._head("table", x, self[x].shape, kind),
                entries=Weights(np.clip(values, kind.lo, kind.hi)),
                function=(("affine", str(scale), "0"), *function),
                rounding=Rounding.HALF_EVEN,
                low=kind.lo,
                high=kind.hi,
            )
        )

    def __getitem__(self, name: str) -> Layer:
        return next(layer for layer in (*self.inputs, *self.layers) if layer.name == name)

    def _head(self, op: str, x: str, shape: tuple[int, ...], kind: IntType = WIDEST) -> dict[str, Any]:
        name = f"{op}{len(self.layers)}"
        return {"name": name, "inputs": (x,), "shape": shape, "type": kind, **REAL}

    def _joined(self, op: str, operands: Sequence[str], shape: tuple[int, ...]) -> dict[str, Any]:
        return self._head(op, operands[0], shape) | {"inputs": tuple(operands)}

    def _windowed(self, layer: Conv | SumPool, channels: int) -> str:
        rows, columns = window_shape(layer, *self[layer.inputs[0]].shape[:2])
        return self._sum_of(replace(layer, shape=(rows, columns, channels)))

    def _sum_of(self, layer: Layer) -> str:
        """`layer` with the narrowest type."""
        known = self._ranges()
        found = layer_range(layer, [known[x] for x in layer.inputs], [self[x] for x in layer.inputs])
        return self._add(replace(layer, type=IntType(int(found.lo.min()), int(found.hi.max()))))

    def _add(self, layer: Layer) -> str:
        self.layers.append(layer)
        return layer.name

    def _ranges(self) -> dict[str, Ranges]:
        return ranges(Graph(tuple(self.inputs), tuple(self.layers), ()))


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


def places(shape: tuple[int, ...]) -> np.ndarray:
    """The index of every element of a tensor of `shape`, in that shape."""
    return np.arange(prod(shape)).reshape(shape)
