# SPDX-License-Identifier: Apache-2.0
"""Seeded random networks under random plans, with layers of real sizes: what the resource model is fitted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import numpy as np
from numpy.random import Generator

from bitwright.compiling import compile_graph
from bitwright.design import Design
from bitwright.hardware.arithmetic import legal_styles
from bitwright.hardware.lanes import choices
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.hardware.schedule import Zeros
from bitwright.ir.graph import Graph
from bitwright.ir.layers import ArgMax, Conv, Dense, Gather, Input, Layer, MaxPool, Requantise, Reshape, Rounding, Sum
from bitwright.ir.source import Source
from bitwright.ir.types import BIPOLAR, IntType, integer
from bitwright.ir.verify import verify
from bitwright.ir.weights import Ints, Weights

Prune = Callable[[Ints], Ints]

ONE, ZERO = (Fraction(1),), (Fraction(0),)
MOST_PRODUCTS = 18
"""Multipliers of the largest unit that is drawn, so that one synthesis takes seconds."""


def design(seed: int) -> Design:
    """A convolution or two, a depthwise one, a pool, a sum of two branches and a dense layer, folded at random."""
    rng = np.random.default_rng(seed)
    net = _Net(rng)
    for _ in range(2):
        net.conv(3 if rng.random() < 0.6 else 1)
        net.requantise()
    if rng.random() < 0.6:
        net.conv(3, depthwise=True)
        net.requantise()
    if rng.random() < 0.5:
        net.residual()
    if rng.random() < 0.5:
        net.pool()
    if rng.random() < 0.3:
        net.turn()
    net.dense()
    net.requantise()
    graph = verify(net.graph())
    return compile_graph(graph, plan=_plan(rng, graph))


def sparse_design(seed: int) -> Design:
    """A convolution that skips zeros, then a dense layer of 2 of 4 weights or that skips too, and the best place."""
    rng = np.random.default_rng(seed)
    net = _Net(rng)
    net.conv(3 if rng.random() < 0.5 else 1, prune=_scattered(rng))
    first = net.layers[-1].name
    net.requantise()
    select = rng.random() < 0.5
    net.dense(prune=_two_of_four if select else _scattered(rng))
    second = net.layers[-1].name
    if rng.random() < 0.5:
        net.requantise()
    net.argmax()
    graph = verify(net.graph())
    plans = {
        first: _sparse_plan(rng, graph, first, ("skip-blocks", "skip-rows")[rng.integers(2)]),
        second: _sparse_plan(rng, graph, second, "select" if select else "skip-rows"),
    }
    return compile_graph(graph, plan=Plan(plans))


def _scattered(rng: Generator) -> Prune:
    """Half to nine tenths of the weights become zero."""
    share = float(rng.uniform(0.5, 0.9))
    return lambda array: np.where(rng.random(array.shape) < share, 0, array)


def _two_of_four(array: Ints) -> Ints:
    """The first two of each four neighbours become zero, or the last two, in turn."""
    place = np.arange(array.shape[-1])
    turn = np.arange(array.shape[0])[:, None] % 2 * 2
    return np.where((place - turn) % 4 < 2, 0, array)


def _sparse_plan(rng: Generator, graph: Graph, name: str, zeros: Zeros) -> LayerPlan:
    """Legal lanes of few multipliers, whole kernel positions at a time."""
    layer = graph.by_name[name]
    assert isinstance(layer, Conv | Dense)
    source = graph.by_name[layer.inputs[0]]
    legal = [
        (pe, simd)
        for pe, simd in choices(layer, source.shape)
        if pe * simd <= MOST_PRODUCTS and source.channels % simd == 0 and (zeros != "select" or simd % 4 == 0)
    ]
    if not legal:
        return LayerPlan()
    pe, simd = legal[rng.integers(len(legal))]
    styles = [style for style in legal_styles(layer.weights.type, source.type) if style != "xnor"]
    return LayerPlan(
        pe=pe,
        simd=simd,
        zeros=zeros,
        memory="block" if rng.random() < 0.4 else "lut",
        style=styles[rng.integers(len(styles))],
    )


def _plan(rng: Generator, graph: Graph) -> Plan:
    """Any legal lanes of at most `MOST_PRODUCTS` multipliers, any memory, any style that the types allow."""
    plans = {}
    for layer in graph.layers:
        if not isinstance(layer, Conv | Dense | MaxPool):
            continue
        source = graph.by_name[layer.inputs[0]]
        legal = [pair for pair in choices(layer, source.shape) if prod(pair) <= MOST_PRODUCTS]
        pe, simd = legal[rng.integers(len(legal))]
        plan = LayerPlan(pe=pe, simd=simd)
        if not isinstance(layer, MaxPool):
            plan = replace(plan, memory="block" if rng.random() < 0.4 else "lut")
            depthwise = isinstance(layer, Conv) and layer.groups > 1
            styles = legal_styles(layer.weights.type, source.type)
            plan = plan if depthwise else replace(plan, style=styles[rng.integers(len(styles))])
        plans[layer.name] = plan
    return Plan(plans)


class _Net:
    """Layers so far; each method adds one to the end of the chain."""

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        size = (int(rng.integers(5, 17)), int(rng.integers(5, 17)), int(rng.choice([1, 3, 4, 8, 16])))
        self.entry = Input(name="x", inputs=(), shape=size, type=self.codes(), scale=ONE, zero=ZERO)
        self.layers: list[Layer] = [self.entry]

    def graph(self) -> Graph:
        return Graph(
            (self.entry,), tuple(self.layers[1:]), (self.layers[-1].name,), source=Source("random.onnx", "0" * 64)
        )

    def codes(self) -> IntType:
        """Bipolar now and then, else 2 to 8 bits."""
        if self.rng.random() < 0.15:
            return BIPOLAR
        return integer(int(self.rng.integers(2, 9)), signed=bool(self.rng.random() < 0.4))

    def weights(self, *shape: int, prune: Prune | None = None) -> Weights:
        """Bipolar, ternary, or 2 to 8 bits; pruned ones ternary or wider."""
        if prune:
            reach = (1 << int(self.rng.integers(1, 8))) - 1
            return Weights(prune(self.rng.integers(-reach, reach + 1, shape)))
        pick, bits = self.rng.random(), int(self.rng.integers(2, 9))
        if pick < 0.15:
            return Weights(np.where(self.rng.random(shape) < 0.5, -1, 1))
        reach = 1 if pick < 0.3 else (1 << bits - 1) - 1
        return Weights(self.rng.integers(-reach, reach + 1, shape))

    def common(self, kind: str, shape: tuple[int, ...], type_: IntType) -> dict[str, Any]:
        name = f"{kind}{len(self.layers)}"
        return {
            "name": name,
            "inputs": (self.layers[-1].name,),
            "shape": shape,
            "type": type_,
            "scale": ONE,
            "zero": ZERO,
        }

    def reach(self, weights: Weights, pad: int = 0) -> IntType:
        """Every accumulator that can occur."""
        x = self.layers[-1].type
        rows = weights.array.reshape(len(weights.array), -1)
        ends = np.stack([rows * value for value in (x.lo, x.hi, pad)])
        return IntType(int(ends.min(axis=0).sum(axis=1).min()), int(ends.max(axis=0).sum(axis=1).max()))

    def conv(self, size: int, *, depthwise: bool = False, prune: Prune | None = None) -> None:
        """A convolution of `size` x `size`, same padding."""
        height, width, channels = self.layers[-1].shape
        outputs = channels if depthwise else int(self.rng.choice([4, 8, 12, 16, 24]))
        groups = channels if depthwise else 1
        weights = self.weights(outputs, size, size, channels // groups, prune=prune)
        pad = min(max(0, self.layers[-1].type.lo), self.layers[-1].type.hi)
        pad = self.layers[-1].type.hi if self.layers[-1].type.is_bipolar else pad
        around = (size // 2,) * 4
        made = Conv(
            **self.common("conv", (height, width, outputs), self.reach(weights, pad)),
            weights=weights, strides=(1, 1), dilations=(1, 1), pads=around, groups=groups, pad_value=pad,
        )  # fmt: skip
        self.layers.append(made)

    def requantise(self) -> None:
        """Codes that spread over the reach: a rounding to even, half up, or a sign."""
        x = self.layers[-1]
        kind = self.codes()
        sign = kind.is_bipolar
        low, high = kind.lo, kind.hi
        steps = [
            Fraction(int(self.rng.integers(1 << 15, 1 << 16)), 1 << 15)
            * Fraction(high - low + 1, x.type.hi - x.type.lo + 1)
            for _ in range(x.channels)
        ]
        middle = Fraction(low + high, 2)
        offsets = [middle - step * Fraction(x.type.lo + x.type.hi, 2) for step in steps]
        rounding = Rounding.SIGN if sign else (Rounding.HALF_EVEN, Rounding.HALF_UP)[self.rng.integers(2)]
        made = Requantise(
            **self.common("quant", x.shape, kind),
            multiplier=tuple(steps), offset=tuple(offsets), rounding=rounding, low=(low,), high=(high,),
        )  # fmt: skip
        self.layers.append(made)

    def residual(self) -> None:
        """A convolution beside the tail, and their sum in codes."""
        before = self.layers[-1]
        weights = self.weights(before.channels, 3, 3, before.channels)
        pad = before.type.lo if before.type.is_bipolar else 0
        branch = Conv(
            **self.common("conv", before.shape, self.reach(weights, pad)),
            weights=weights, strides=(1, 1), dilations=(1, 1), pads=(1, 1, 1, 1), groups=1, pad_value=pad,
        )  # fmt: skip
        self.layers.append(branch)
        self.requantise()
        other = self.layers[-1].type
        factors = (Fraction(int(self.rng.integers(1, 6))), Fraction(int(self.rng.integers(1, 6))))
        low = before.type.lo * int(factors[0]) + other.lo * int(factors[1])
        high = before.type.hi * int(factors[0]) + other.hi * int(factors[1])
        made = self.common("sum", before.shape, IntType(low, high))
        made["inputs"] = (before.name, self.layers[-1].name)
        self.layers.append(Sum(**made, factors=tuple((int(factor),) for factor in factors)))
        self.requantise()

    def pool(self) -> None:
        """A maximum of 2 x 2."""
        height, width, channels = self.layers[-1].shape
        made = MaxPool(
            **self.common("pool", (height // 2, width // 2, channels), self.layers[-1].type),
            kernel=(2, 2), strides=(2, 2), dilations=(1, 1), pads=(0, 0, 0, 0),
        )  # fmt: skip
        self.layers.append(made)

    def turn(self) -> None:
        """Rows and columns exchanged."""
        height, width, channels = shape = self.layers[-1].shape
        index = np.arange(prod(shape)).reshape(shape).transpose(1, 0, 2)
        kind = self.layers[-1].type
        self.layers.append(
            Gather(**self.common("turn", (width, height, channels), kind), indices=Weights(index), fill=kind.lo)
        )

    def argmax(self) -> None:
        """The place of the largest channel."""
        x = self.layers[-1]
        self.layers.append(ArgMax(**self.common("argmax", (*x.shape[:-1], 1), IntType(0, x.channels - 1))))

    def dense(self, prune: Prune | None = None) -> None:
        """A matrix over the flat image."""
        shape = (prod(self.layers[-1].shape),)
        self.layers.append(Reshape(**self.common("flat", shape, self.layers[-1].type)))
        weights = self.weights(int(self.rng.choice([4, 8, 10, 16])), *shape, prune=prune)
        self.layers.append(Dense(**self.common("dense", (len(weights.array),), self.reach(weights)), weights=weights))
