# SPDX-License-Identifier: Apache-2.0
"""Seeded random networks under random plans, with layers of real sizes: what the resource model is fitted to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import prod

import numpy as np
from numpy.random import Generator

import bitwright as bw
from bitwright.compiling import compile_graph
from bitwright.design import Design
from bitwright.hardware.arithmetic import legal_styles
from bitwright.hardware.lanes import choices
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.hardware.schedule import Zeros
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Layer, MaxPool
from bitwright.ir.types import BIPOLAR, IntType, integer
from bitwright.ir.weights import Ints

Prune = Callable[[Ints], Ints]

MOST_PRODUCTS = 18
"""Multipliers of the largest unit that is drawn, so that one synthesis takes seconds."""


def design(seed: int) -> Design:
    """A convolution or two, a depthwise one, a pool, a sum of two branches and a dense layer, folded at random."""
    rng = np.random.default_rng(seed)
    chain = _Chain(rng)
    for _ in range(2):
        chain.conv(3 if rng.random() < 0.6 else 1)
        chain.requantise()
    if rng.random() < 0.6:
        chain.conv(3, depthwise=True)
        chain.requantise()
    if rng.random() < 0.5:
        chain.residual()
    if rng.random() < 0.5:
        chain.pool()
    if rng.random() < 0.3:
        chain.turn()
    chain.dense()
    chain.requantise()
    graph = chain.net.graph()
    return compile_graph(graph, plan=_plan(rng, graph))


def sparse_design(seed: int) -> Design:
    """A convolution that skips zeros, then a dense layer of 2 of 4 weights or that skips too, and the best place."""
    rng = np.random.default_rng(seed)
    chain = _Chain(rng)
    chain.conv(3 if rng.random() < 0.5 else 1, prune=_scattered(rng))
    first = chain.tail.name
    chain.requantise()
    select = rng.random() < 0.5
    chain.dense(prune=_two_of_four if select else _scattered(rng))
    second = chain.tail.name
    if rng.random() < 0.5:
        chain.requantise()
    chain.argmax()
    graph = chain.net.graph()
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


class _Chain:
    """Layers so far; each method adds one to the end of the chain."""

    def __init__(self, rng: Generator) -> None:
        self.rng = rng
        self.net = bw.Net("random.onnx")
        size = (int(rng.integers(5, 17)), int(rng.integers(5, 17)), int(rng.choice([1, 3, 4, 8, 16])))
        self.tail: Layer = self.net.input("x", size, self.codes())

    def codes(self) -> IntType:
        """Bipolar now and then, else 2 to 8 bits."""
        if self.rng.random() < 0.15:
            return BIPOLAR
        return integer(int(self.rng.integers(2, 9)), signed=bool(self.rng.random() < 0.4))

    def weights(self, *shape: int, prune: Prune | None = None) -> Ints:
        """Bipolar, ternary, or 2 to 8 bits; pruned ones ternary or wider."""
        if prune:
            reach = (1 << int(self.rng.integers(1, 8))) - 1
            return prune(self.rng.integers(-reach, reach + 1, shape))
        pick, bits = self.rng.random(), int(self.rng.integers(2, 9))
        if pick < 0.15:
            return np.where(self.rng.random(shape) < 0.5, -1, 1)
        reach = 1 if pick < 0.3 else (1 << bits - 1) - 1
        return self.rng.integers(-reach, reach + 1, shape)

    def reach(self, weights: Ints, pad: int = 0) -> IntType:
        """Every accumulator that the type of the tail allows."""
        x = self.tail.type
        rows = weights.reshape(len(weights), -1)
        ends = np.stack([rows * value for value in (x.lo, x.hi, pad)])
        return IntType(int(ends.min(axis=0).sum(axis=1).min()), int(ends.max(axis=0).sum(axis=1).max()))

    def conv(self, size: int, *, depthwise: bool = False, prune: Prune | None = None) -> None:
        """A convolution of `size` x `size`, same padding."""
        kind, channels = self.tail.type, self.tail.channels
        outputs = channels if depthwise else int(self.rng.choice([4, 8, 12, 16, 24]))
        groups = channels if depthwise else 1
        weights = self.weights(outputs, size, size, channels // groups, prune=prune)
        self.same(weights, kind.hi if kind.is_bipolar else min(max(0, kind.lo), kind.hi), groups)

    def same(self, weights: Ints, pad: int, groups: int = 1) -> None:
        """A convolution that keeps the size of the image."""
        around = (weights.shape[1] // 2,) * 4
        kind = self.reach(weights, pad)
        self.tail = self.net.conv(self.tail, weights, pads=around, groups=groups, pad_value=pad, type=kind)

    def requantise(self) -> None:
        """Codes that spread over the reach: a rounding to even, half up, or a sign."""
        x, kind = self.tail, self.codes()
        steps = [
            Fraction(int(self.rng.integers(1 << 15, 1 << 16)), 1 << 15)
            * Fraction(kind.hi - kind.lo + 1, x.type.hi - x.type.lo + 1)
            for _ in range(x.channels)
        ]
        offsets = [Fraction(kind.lo + kind.hi, 2) - step * Fraction(x.type.lo + x.type.hi, 2) for step in steps]
        rounding = "sign" if kind.is_bipolar else ("half_even", "half_up")[self.rng.integers(2)]
        self.tail = self.net.rescale(x, kind, multiplier=steps, offset=offsets, rounding=rounding)

    def residual(self) -> None:
        """A convolution beside the tail, and their sum in codes."""
        before = self.tail
        weights = self.weights(before.channels, 3, 3, before.channels)
        self.same(weights, before.type.lo if before.type.is_bipolar else 0)
        self.requantise()
        other = self.tail.type
        first, second = int(self.rng.integers(1, 6)), int(self.rng.integers(1, 6))
        kind = IntType(
            before.type.lo * first + other.lo * second,
            before.type.hi * first + other.hi * second,
        )
        self.tail = self.net.sum(before, self.tail, factors=(first, second), type=kind)
        self.requantise()

    def pool(self) -> None:
        """A maximum of 2 x 2."""
        self.tail = self.net.max_pool(self.tail, (2, 2))

    def turn(self) -> None:
        """Rows and columns exchanged."""
        index = self.net.places(self.tail).transpose(1, 0, 2)
        self.tail = self.net.gather(self.tail, index, fill=self.tail.type.lo)

    def argmax(self) -> None:
        """The place of the largest channel."""
        self.tail = self.net.arg_max(self.tail)

    def dense(self, prune: Prune | None = None) -> None:
        """A matrix over the flat image."""
        self.tail = self.net.reshape(self.tail)
        weights = self.weights(int(self.rng.choice([4, 8, 10, 16])), self.tail.channels, prune=prune)
        self.tail = self.net.dense(self.tail, weights, type=self.reach(weights))
