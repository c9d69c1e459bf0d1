# SPDX-License-Identifier: Apache-2.0
"""Seeded random graphs that are valid: small, but with every layer kind, rounding and odd type."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from math import prod
from typing import Any

import mpmath
import numpy as np
from numpy.random import Generator

import bitwright as bw
from bitwright.ir import host_ops
from bitwright.ir.functions import Affine, function_of
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph, HostStep
from bitwright.ir.layers import (
    Layer,
    Rounding,
    Table,
)
from bitwright.ir.per_channel import ZEROS, PerChannel
from bitwright.ir.source import Source
from bitwright.ir.types import BIPOLAR, TERNARY, IntType, integer
from bitwright.ir.weights import Ints, Weights
from tests.ir.functions import tabulated

WIDEST_DENSE_ROW = 40


def random_graph(seed: int, *, blocks: int = 3, bits: int = 6, joins: bool = False) -> Graph:
    """A verified graph of up to `blocks` matrix layers, each with what may follow it; codes of at most `bits` bits.

    It is a chain, unless `joins` adds sums, products and concatenations of two branches, gathers and sum-pools, and
    where 5 divides the seed the place of the largest channel.
    """
    rng = np.random.default_rng(seed)
    image = rng.random() < 0.6
    shape = _ints(rng, (3, 8), (3, 8), (1, 5)) if image else _ints(rng, (1, 12))
    kind = random_type(rng, bits)
    net = bw.Net()
    x: Layer = net.input("x", shape, kind, scale=random_scale(rng), zero=random_zero(rng))
    for _ in range(int(rng.integers(1, blocks + 1))):
        x = random_matrix(rng, net, x)
        if rng.random() < 0.9:
            x = _extend(rng, net, random_requantise(rng, net, x, bits))
        if joins and rng.random() < 0.8:
            x = _join(rng, net, x, bits)
    if joins and seed % 5 == 0:
        x = net.arg_max(x, last=bool(seed % 2), **_said("argmax"))
    before, after = _host(rng, "x", x.name)
    return replace(net.graph(), before=before, after=after, source=Source(f"model-{seed}.onnx", f"{seed:064x}"))


def random_codes(graph: Graph, seed: int, samples: int) -> list[Ints]:
    """Integers of every input's type, samples on axis 0; the first two samples hold the lowest and highest codes."""
    rng = np.random.default_rng(seed)
    return [_codes(rng, layer, samples) for layer in graph.inputs]


def random_type(rng: Generator, bits: int) -> IntType:
    """Bipolar, ternary, unsigned, signed, narrow, or a calibrated range that may exclude zero."""
    width = int(rng.integers(2, bits + 1))
    low = int(rng.integers(-(1 << width), 1 << width))
    kinds = [
        BIPOLAR,
        TERNARY,
        integer(1, signed=False),
        integer(width, signed=False),
        integer(width, signed=True),
        integer(width, signed=True, narrow=True),
        IntType(low, low + int(rng.integers(0, 1 << width))),
    ]
    return kinds[rng.integers(len(kinds))]


def random_scale(rng: Generator) -> Fraction:
    """A power of two, a small rational, or the exact value of a float32."""
    choices: list[Callable[[], Fraction]] = [
        lambda: Fraction(2) ** int(rng.integers(-8, 3)),
        lambda: Fraction(int(rng.integers(1, 20)), int(rng.integers(1, 20))),
        lambda: Fraction(float(np.float32(rng.uniform(0.001, 2)))),
    ]
    return choices[rng.integers(3)]()


def random_zero(rng: Generator) -> PerChannel:
    """Mostly zero, sometimes a small integer or a half."""
    return PerChannel.made(Fraction(int(rng.integers(-6, 7)), 2) if rng.random() < 0.3 else 0)


def random_weights(rng: Generator, shape: tuple[int, ...]) -> Ints:
    """Weights of 1 to 6 bits, some pruned, some bipolar, some with a row of zeros."""
    reach = int(rng.choice([1, 1, 3, 7, 31]))
    values = rng.integers(-reach, reach + 1, shape)
    if rng.random() < 0.25:
        values = np.where(rng.random(shape) < 0.5, -1, 1)
    elif rng.random() < 0.4:
        values = values * (rng.random(shape) < 0.4)
    if rng.random() < 0.1:
        values[0] = 0
    return values


def random_matrix(rng: Generator, net: bw.Net, x: Layer) -> Layer:
    """A convolution of an image, or a dense layer over the last axis."""
    if len(x.shape) == 3 and rng.random() < 0.85:
        return _random_conv(rng, net, x)
    weights = random_weights(rng, (int(rng.integers(1, 8)), x.channels))
    scale = _per_channel(rng, len(weights), lambda: random_scale(rng))
    kind = accumulator_type(weights, x.type, 0)
    return net.dense(x, weights, scale=scale, type=kind, **_said(f"dense{len(net)}"))


def accumulator_type(weights: Ints, x: IntType, pad: int) -> IntType:
    """A range that holds every accumulator, padded positions included."""
    products = np.stack([weights * value for value in (x.lo, x.hi, pad)]).reshape(3, len(weights), -1)
    return IntType(int(products.min(axis=0).sum(axis=1).min()), int(products.max(axis=0).sum(axis=1).max()))


def random_requantise(rng: Generator, net: bw.Net, x: Layer, bits: int, name: str = "") -> Layer:
    """Any rounding; slopes that spread the input's range over the codes, of both signs, some zero."""
    rounding = Rounding.HALF_EVEN if rng.random() < 0.3 else list(Rounding)[rng.integers(len(Rounding))]
    levels: tuple[tuple[Fraction, ...], ...] = ()
    kind, shift = random_type(rng, bits), int(rng.integers(-3, 4)) if rng.random() < 0.3 else 0
    kind = integer(3, signed=False) if kind.is_bipolar else kind
    low, high = kind.lo - shift, kind.hi - shift
    if rounding is Rounding.SIGN:
        kind, shift, low, high = BIPOLAR, 0, -1, 1
    slope = Fraction(high - low + 1, x.type.hi - x.type.lo + 1)
    if rounding is Rounding.LEVELS:
        low, high, shift = 0, kind.hi - kind.lo, kind.lo
        rows = 1 if rng.random() < 0.3 else x.channels
        levels = tuple(_random_levels(rng, x.type, high) for _ in range(rows))
        slope = Fraction(1)
    multiplier = _per_channel(rng, x.channels, lambda: _random_slope(rng, slope))
    middle = Fraction(low + high, 2) if rounding is not Rounding.LEVELS else Fraction(0)
    centre = (x.type.lo + x.type.hi) // 2
    offset = _per_channel(rng, x.channels, lambda: middle - multiplier.of(0) * centre + _random_offset(rng))
    return net.rescale(
        x,
        kind,
        multiplier=multiplier,
        offset=offset,
        rounding=rounding,
        scale=random_scale(rng),
        low=_limits(rng, low, x.channels),
        high=_limits(rng, high, x.channels),
        shift=shift,
        levels=levels,
        **_named(name or f"quant{len(net)}"),
    )


def random_table(rng: Generator, net: bw.Net, x: Layer) -> Layer:
    """A tabulated function of the code; the input's scale and zero must be one for all channels."""
    rounding = [Rounding.HALF_EVEN, Rounding.FLOOR, Rounding.HALF_AWAY][rng.integers(3)]
    low, high, shift = int(rng.integers(-8, 1)), int(rng.integers(1, 9)), int(rng.integers(-2, 3))
    shapes = [
        function_of("sigmoid"),
        function_of("tanh"),
        function_of(("leaky_relu", "1/8")),
        function_of(("clip", "-1/2", ""), ("clip", "", "3")),
        function_of(("affine", "-3/7", "1/3"), "tanh"),
    ]
    function = (*shapes[rng.integers(len(shapes))], Affine(random_scale(rng) * 5, Fraction(0)))
    codes = range(x.type.lo, x.type.hi + 1)
    entries = [
        min(max(tabulated(function, rounding, x.scale.of(0) * (code - x.zero.of(0))), low), high) + shift
        for code in codes
    ]
    return net.add(
        Table(
            **_named(f"table{len(net)}"),
            inputs=(x.name,),
            shape=x.shape,
            type=IntType(low + shift, high + shift),
            scale=PerChannel.made(random_scale(rng)),
            zero=ZEROS,
            entries=Weights(np.array(entries)),
            function=function,
            rounding=rounding,
            low=low,
            high=high,
            shift=shift,
        )
    )


def _extend(rng: Generator, net: bw.Net, x: Layer) -> Layer:
    if len(x.shape) == 3 and rng.random() < 0.4:
        x = _random_pool(rng, net, x)
    if rng.random() < 0.25 and x.scale.is_single and x.zero.is_single:
        x = random_table(rng, net, x)
    if rng.random() < 0.2 and prod(x.shape) <= WIDEST_DENSE_ROW:
        x = net.reshape(x, scale=random_scale(rng), **_said(f"flat{len(net)}"))
    return x


def _join(rng: Generator, net: bw.Net, x: Layer, bits: int) -> Layer:
    """A layer that reads two requantisations of the last layer, or one that moves or sums its elements; requantised."""
    kind = ["sum", "multiply", "concat", "gather", "sumpool"][rng.integers(5)]
    if kind == "gather":
        x = _random_gather(rng, net, x)
    elif kind == "sumpool" and len(x.shape) == 3:
        x = _random_sum_pool(rng, net, x)
    elif kind != "sumpool":
        index = len(net)
        pair = [random_requantise(rng, net, x, bits, f"{side}{index}") for side in ("left", "right")]
        x = _random_pair(rng, net, kind, pair, f"{kind}{index}")
    return random_requantise(rng, net, x, bits)


def _random_pair(rng: Generator, net: bw.Net, kind: str, pair: list[Layer], name: str) -> Layer:
    a, b = pair
    head: dict[str, Any] = {"name": name, "scale": random_scale(rng), "zero": 0}
    if kind == "concat":
        both = IntType(min(a.type.lo, b.type.lo), max(a.type.hi, b.type.hi))
        return net.concat(a, b, type=a.type if a.type == b.type else both, **head)
    if kind == "multiply":
        zeros = (int(rng.integers(-2, 3)), int(rng.integers(-2, 3)))
        factors = [IntType(x.type.lo - zero, x.type.hi - zero) for x, zero in zip(pair, zeros, strict=True)]
        return net.multiply(a, b, zeros=zeros, type=factors[0] * factors[1], **head)
    rows = [[int(f) for f in rng.integers(-4, 5, a.channels if rng.random() < 0.5 else 1)] for _ in pair]
    reach = sum(4 * max(abs(x.type.lo), abs(x.type.hi)) for x in pair)
    return net.sum(a, b, factors=rows, type=IntType(-reach, reach), **head)


def _random_gather(rng: Generator, net: bw.Net, x: Layer) -> Layer:
    indices = rng.integers(-1, prod(x.shape), (*x.shape[:-1], int(rng.integers(1, x.channels + 2))))
    head = _said(f"gather{len(net)}") | {"type": x.type, "scale": random_scale(rng)}
    return net.gather(x, indices, fill=x.type.lo, **head)


def _random_sum_pool(rng: Generator, net: bw.Net, x: Layer) -> Layer:
    kernel = _ints(rng, *((1, min(3, side) + 1) for side in x.shape[:2]))
    pads = _ints(rng, (0, 2), (0, 2), (0, 2), (0, 2))
    pad, count = int(rng.integers(-2, 3)), prod(kernel)
    kind = IntType(count * min(x.type.lo, pad), count * max(x.type.hi, pad))
    head = _said(f"sumpool{len(net)}") | {"type": kind, "scale": random_scale(rng)}
    return net.sum_pool(x, kernel, _ints(rng, (1, 3), (1, 3)), pads=pads, pad_value=pad, **head)


def _random_conv(rng: Generator, net: bw.Net, x: Layer) -> Layer:
    groups = int(rng.choice([g for g in range(1, x.channels + 1) if x.channels % g == 0]))
    outputs = groups * int(rng.integers(1, 4))
    height, width = (int(rng.integers(1, min(3, side) + 1)) for side in x.shape[:2])
    weights = random_weights(rng, (outputs, height, width, x.channels // groups))
    pads = _ints(rng, (0, 2), (0, 2), (0, 2), (0, 2)) if rng.random() < 0.5 else (0, 0, 0, 0)
    pad = int(rng.choice([x.type.lo, x.type.hi, 0]))
    head = _said(f"conv{len(net)}") | {"type": accumulator_type(weights, x.type, pad)}
    head["scale"] = _per_channel(rng, outputs, lambda: random_scale(rng))
    strides = _ints(rng, (1, 3), (1, 3))
    dilations = _ints(rng, (1, 3), (1, 3)) if rng.random() < 0.3 else (1, 1)
    if not _fits(x, (height, width), dilations, pads):
        dilations = (1, 1)
    window = {"strides": strides, "dilations": dilations, "pads": pads}
    return net.conv(x, weights, groups=groups, pad_value=pad, **window, **head)


def _random_pool(rng: Generator, net: bw.Net, x: Layer) -> Layer:
    """A pool of `x`, or `x` itself where the window that was drawn does not fit."""
    kernel = _ints(rng, (1, 3), (1, 3))
    top, left, bottom, right = (int(rng.integers(0, side)) for side in (*kernel, *kernel))
    strides, pads = _ints(rng, (1, 3), (1, 3)), (top, left, bottom, right)
    if not _fits(x, kernel, (1, 1), pads):
        return x
    return net.max_pool(x, kernel, strides, pads=pads, scale=x.scale, **_said(f"pool{len(net)}"))


def _fits(x: Layer, kernel: tuple[int, int], dilations: tuple[int, int], pads: tuple[int, ...]) -> bool:
    """True if the window has a place in the padded image."""
    room = (x.shape[0] + pads[0] + pads[2], x.shape[1] + pads[1] + pads[3])
    return all(side > (k - 1) * d for side, k, d in zip(room, kernel, dilations, strict=True))


def _random_slope(rng: Generator, typical: Fraction) -> Fraction:
    kind = rng.random()
    if kind < 0.05:
        return Fraction(0)
    sign = -1 if kind < 0.2 else 1
    if kind < 0.5:
        exponent = round(float(mpmath.log(mpmath.mpf(typical.numerator) / typical.denominator, 2)))
        return sign * Fraction(2) ** exponent
    if kind < 0.65:
        return sign * Fraction(1, round(1 / typical) or 1)
    if kind < 0.75:
        return sign * Fraction(int(rng.integers(1, 8)), int(rng.integers(1, 8))) * typical
    return sign * Fraction(float(np.float32(float(typical) * rng.uniform(0.3, 1.5))))


def _random_offset(rng: Generator) -> Fraction:
    if rng.random() < 0.5:
        return Fraction(int(rng.integers(-4, 5)), 2)
    return Fraction(float(np.float32(rng.uniform(-2, 2))))


def _random_levels(rng: Generator, kind: IntType, count: int) -> tuple[Fraction, ...]:
    values = [Fraction(int(rng.integers(2 * kind.lo - 3, 2 * kind.hi + 4)), 2) for _ in range(count)]
    return tuple(sorted(values))


def _named(name: str) -> dict[str, Any]:
    return {"name": name, "source": (f"/{name}",)}


def _said(name: str) -> dict[str, Any]:
    return {**_named(name), "zero": 0}


def _per_channel(rng: Generator, channels: int, make: Callable[[], Fraction]) -> PerChannel:
    return PerChannel.made(make() for _ in range(channels if rng.random() < 0.6 else 1))


def _limits(rng: Generator, limit: int, channels: int) -> tuple[int, ...]:
    return (limit,) * (channels if rng.random() < 0.3 else 1)


def _ints(rng: Generator, *ranges: tuple[int, int]) -> tuple:
    return tuple(int(rng.integers(low, high)) for low, high in ranges)


def _codes(rng: Generator, layer: Layer, samples: int) -> Ints:
    kind = layer.type
    codes = kind.lo + kind.step * rng.integers(0, kind.count, (samples, *layer.shape))
    codes[0], codes[min(1, samples - 1)] = kind.lo, kind.hi
    return codes.astype(np.int64)


def _host(rng: Generator, first: str, last: str) -> tuple[HostGraph, HostGraph]:
    if rng.random() < 0.5:
        return HostGraph(), HostGraph()
    numbers = (rng.random(), 0.0, 0.0, -8.0, 7.0)
    scale, before, after, low, high = (host_ops.Constant(np.array(v, dtype=np.float32)) for v in numbers)
    does = host_ops.Quantise(scale=scale, before=before, after=after, low=low, high=high, rounding=Rounding.HALF_EVEN)
    quantise = HostStep(
        does=does,
        inputs=("in 0",),
        output=first,
        node="Quant;0",
        op_type="Quant",
        reason="its input is real",
    )
    softmax = HostStep(does=host_ops.Softmax(-1), inputs=(last,), output="out", side="output")
    return HostGraph(("in 0",), (quantise,), (first,)), HostGraph((last,), (softmax,), ("out",))
