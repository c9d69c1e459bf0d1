# SPDX-License-Identifier: Apache-2.0
"""One small network, or more, for every kind of layer: odd shapes, odd types, every rounding, every way to join."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
from numpy.random import Generator

from bitwright.ir import host_ops
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph, HostStep
from bitwright.ir.layers import Rounding
from bitwright.ir.types import BIPOLAR, TERNARY, IntType, integer
from tests.ir.graphs import random_graph
from tests.layers.nets import Net

U1, U2, U3, U4, U8, U16 = (integer(bits, signed=False) for bits in (1, 2, 3, 4, 8, 16))
S3, S4, S8 = (integer(bits, signed=True) for bits in (3, 4, 8))
S4N = integer(4, signed=True, narrow=True)
CALIBRATED = IntType(3, 15)
HALF = Fraction(1, 2)


def draw(seed: int, low: int, high: int, *shape: int) -> np.ndarray:
    return np.random.default_rng(seed).integers(low, high + 1, shape)


def bipolar(seed: int, *shape: int) -> np.ndarray:
    return 2 * draw(seed, 0, 1, *shape) - 1


def rng(seed: int) -> Generator:
    return np.random.default_rng(seed)


def dense_signed() -> Graph:
    """Signed codes, narrow weights, a row and a column of zeros."""
    net = Net()
    weights = draw(1, -7, 7, 6, 9)
    weights[2], weights[:, 4] = 0, 0
    net.act(net.dense(net.input("x0", (9,), S8), weights), U4, rng(1))
    return net.graph()


def dense_of_pixels() -> Graph:
    """Over the last axis of an image, accumulators leaving."""
    net = Net()
    net.dense(net.input("x0", (2, 3, 4), U4), draw(2, -8, 7, 5, 4))
    return net.graph()


def dense_bits() -> Graph:
    """Bipolar by bipolar, a sign, then bipolar by ternary, and one output of one input."""
    net = Net()
    hidden = net.sign(net.dense(net.input("x0", (10,), BIPOLAR), bipolar(3, 6, 10)), rng(3))
    last = net.act(net.dense(hidden, draw(4, -1, 1, 1, 6)), S3, rng(4))
    net.dense(last, [[-3]])
    return net.graph()


def odd_widths() -> Graph:
    """15 to 6 to 10 to 4 features: beats that no width divides."""
    net = Net()
    x = net.input("x0", (15,), U3)
    for index, (rows, cols) in enumerate(((6, 15), (10, 6), (4, 10))):
        x = net.act(net.dense(x, draw(5 + index, -4, 3, rows, cols)), U3, rng(5 + index))
    return net.graph()


def conv_of_groups() -> Graph:
    """Two groups, dilation, strides and pads that differ by side, a pad value that is not zero."""
    net = Net()
    options = {"groups": 2, "strides": (2, 1), "dilations": (1, 2), "pads": (1, 0, 2, 1), "pad_value": -3}
    net.act(net.conv(net.input("x0", (5, 6, 4), S4), draw(8, -7, 7, 6, 3, 2, 2), **options), S4N, rng(8))
    return net.graph()


def conv_depthwise() -> Graph:
    """A filter per channel, then a 1 x 1 kernel that only pads."""
    net = Net()
    x = net.conv(net.input("x0", (4, 5, 3), U4), draw(9, -2, 1, 3, 3, 3, 1), groups=3, pads=(1, 1, 1, 1))
    x = net.act(x, U2, rng(9))
    net.conv(x, draw(10, -1, 1, 2, 1, 1, 3), pads=(0, 1, 1, 0), pad_value=3)
    return net.graph()


def conv_of_a_signal() -> Graph:
    """Height 1, a long kernel, a stride beyond its kernel behind it."""
    net = Net()
    x = net.conv(net.input("x0", (1, 17, 2), S4), draw(11, -8, 7, 3, 1, 5, 2), dilations=(1, 2), pads=(0, 4, 0, 0))
    net.conv(net.act(x, U4, rng(11)), draw(12, -3, 3, 2, 1, 2, 3), strides=(1, 4))
    return net.graph()


def conv_of_bits() -> Graph:
    """Bipolar codes padded with zero, which is none of them."""
    net = Net()
    x = net.conv(net.input("x0", (4, 4, 3), BIPOLAR), bipolar(13, 4, 3, 3, 3), pads=(1, 1, 1, 1), pad_value=0)
    net.conv(net.sign(x, rng(13)), bipolar(14, 2, 2, 2, 4))
    return net.graph()


def conv_of_a_calibrated_range() -> Graph:
    """Codes 3..15 padded with 0, windows wholly in the padding among them."""
    net = Net()
    net.conv(net.input("x0", (2, 3, 2), CALIBRATED), draw(15, -5, 5, 3, 2, 2, 2), pads=(3, 0, 0, 2))
    return net.graph()


def conv_that_leaves_out() -> Graph:
    """Strides beyond the kernel: rows and columns that no window reads, at the end too."""
    net = Net()
    net.conv(net.input("x0", (6, 7, 2), U4), draw(16, -4, 3, 3, 2, 1, 2), strides=(4, 3))
    return net.graph()


def max_pools() -> Graph:
    """Signed codes with pads, a dilated window, then bits."""
    net = Net()
    x = net.max_pool(net.input("x0", (5, 6, 3), S4), (3, 2), (2, 1), pads=(1, 0, 2, 1))
    x = net.max_pool(x, (2, 1), (1, 2), dilations=(2, 1))
    net.max_pool(net.sign(x, rng(17)), (1, 2), (1, 1), pads=(0, 1, 0, 0))
    return net.graph()


def sum_pools() -> Graph:
    """A pad value of its own, then the whole image."""
    net = Net()
    x = net.sum_pool(net.input("x0", (5, 4, 3), CALIBRATED), (3, 2), (2, 2), pads=(0, 1, 1, 1), pad_value=-2)
    x = net.act(x, U4, rng(18))
    net.act(net.sum_pool(x, net[x].shape[:2], (1, 1)), U4, rng(19), Rounding.HALF_AWAY)
    return net.graph()


def roundings() -> Graph:
    """Every rounding, with exact ties, falling and constant channels, zero points behind the rounding."""
    net = Net()
    x = net.dense(net.input("x0", (3,), S8), draw(20, -9, 9, 4, 3))
    slopes = [Fraction(1, 6), Fraction(-1, 4), Fraction(3, 7), Fraction(0)]
    offsets = [HALF, Fraction(1, 3), Fraction(0), Fraction(5, 2)]
    counted = (Rounding.SIGN, Rounding.LEVELS)
    made = [
        net.rescale(x, S4, multiplier=slopes, offset=offsets, rounding=rounding, shift=index % 3 - 1)
        for index, rounding in enumerate(rounding for rounding in Rounding if rounding not in counted)
    ]
    made.append(net.rescale(x, BIPOLAR, multiplier=slopes, offset=offsets, rounding="sign"))
    net.output(*made)
    return net.graph()


def signs() -> Graph:
    """Signs that are no bits: two codes apart in a wider type, behind a zero point, and with one side cut off."""
    net = Net()
    x = net.input("x0", (3,), integer(16, signed=True))
    slopes, offsets = [Fraction(1, 3000), Fraction(-1, 500), Fraction(1, 7)], [HALF, Fraction(-3), Fraction(0)]
    made = [
        net.rescale(x, kind, multiplier=slopes, offset=offsets, rounding="sign", low=low, high=1, shift=shift)
        for kind, low, shift in ((S4, -1, 0), (U4, -1, 1), (U4, 0, 0))
    ]
    net.output(*made)
    return net.graph()


def powers_of_two() -> Graph:
    """Shifts, with ties to even and with a zero point that is odd."""
    net = Net()
    x = net.dense(net.input("x0", (4,), U4), draw(21, -8, 7, 3, 4))
    made = [
        net.rescale(x, U4, multiplier=0.125, offset=[0.5, 7, 0.75], rounding=rounding, shift=shift)
        for rounding, shift in ((Rounding.HALF_EVEN, 0), (Rounding.HALF_EVEN, 3), (Rounding.FLOOR, 0))
    ]
    net.output(*made)
    return net.graph()


def averages() -> Graph:
    """An average of six: ties that no line through them rounds to even."""
    net = Net()
    x = net.sum_pool(net.input("x0", (2, 3, 5), U8), (2, 3), (1, 1))
    net.rescale(x, U8, multiplier=Fraction(1, 6))
    return net.graph()


def sixteen_bits() -> Graph:
    """Codes of 16 bits by slopes of 24: the constants behind the products are longer than 64 bits."""
    net = Net()
    x = net.dense(net.input("x0", (16,), U16), draw(50, -127, 127, 3, 16))
    net.act(x, U16, rng(50))
    return net.graph()


def levels() -> Graph:
    """Sorted levels, of each channel and of all, some equal and some out of reach."""
    net = Net()
    x = net.dense(net.input("x0", (4,), S4), draw(22, -4, 3, 3, 4))
    rows = [[Fraction(int(v), 2) for v in np.sort(draw(23 + row, -90, 90, 7))] for row in range(3)]
    rows[1][3] = rows[1][4]
    rows[2] = [Fraction(v) for v in range(-900, 500, 200)]
    made = [net.rescale(x, U3, levels=rows)]
    made.append(net.rescale(x, S3, multiplier=Fraction(-1, 3), shift=-4, levels=rows[:1]))
    net.output(*made)
    return net.graph()


def leaks() -> Graph:
    """A smaller slope below zero, one of each channel and one of all."""
    net = Net()
    x = net.dense(net.input("x0", (3,), S8), draw(26, -9, 9, 3, 3))
    slopes = [Fraction(1, 40), Fraction(-1, 30), Fraction(7, 200)]
    made = [
        net.rescale(x, S4, multiplier=slopes, offset=0.5, slope=0.125, shift=-1),
        net.rescale(x, S4, multiplier=slopes, rounding="half_away", slope=[Fraction(1, 10), 3, 0.25]),
    ]
    net.output(*made)
    return net.graph()


def tables() -> Graph:
    """Sigmoid of signed codes, a hyperbolic tangent of a range that is no power of two, a table of one bit."""
    net = Net()
    x = net.table(net.input("x0", (2, 3), S4), U4, ("affine", "1/3", "0"), "sigmoid", ("affine", "15", "0"))
    x = net.act(net.dense(x, draw(27, -3, 3, 3, 3)), CALIBRATED, rng(27))
    x = net.table(x, S4N, ("affine", "1", "0"), ("affine", "1/4", "-2"), "tanh", ("affine", "-7", "0"))
    x = net.rescale(x, U1, multiplier=Fraction(1, 7), rounding="floor")
    net.table(x, S3, ("affine", "1", "0"), ("affine", "-3", "2"))
    return net.graph()


def sum_of_two() -> Graph:
    """Two operands of unequal scales behind one requantiser, which shortens the factors."""
    net = Net()
    a, b = net.input("x0", (2, 2, 6), S8), net.input("x1", (2, 2, 6), U8)
    x = net.sum(a, b, factors=(10_000_019, 7_654_321))
    net.rescale(x, S8, multiplier=Fraction(1, 25_000_000), offset=Fraction(1, 3))
    return net.graph()


def sums() -> Graph:
    """Three operands with factors of either sign per channel; one tensor twice; bits; a sum that leaves."""
    net = Net()
    a, b, c = net.input("x0", (3, 4), S4), net.input("x1", (3, 4), BIPOLAR), net.input("x2", (3, 4), CALIBRATED)
    first = net.sum(a, b, c, factors=([3, -1, 0, 2], -5, [1, 1, -2, 7]))
    twice = net.sum(a, a, factors=(1, 2))
    net.output(first, net.act(twice, U4, rng(28)), net.sum(b, b, factors=(1, -1)))
    return net.graph()


def products() -> Graph:
    """Two operands with zero points, a square of bits, and an operand that is as wide as a pixel."""
    net = Net()
    a, b = net.input("x0", (2, 3, 4), U8), net.input("x1", (2, 3, 4), S4)
    gate = net.sign(net.dense(b, draw(29, -3, 3, 4, 4)), rng(29))
    made = [net.act(net.multiply(a, b, zeros=(128, -3)), S8, rng(30)), net.multiply(gate, gate, zeros=(0, 0))]
    net.output(*made, net.multiply(a, gate, zeros=(7, 1)))
    return net.graph()


def concats() -> Graph:
    """Odd numbers of channels, types and scales that differ, one tensor twice, bits beside bits, one operand alone."""
    net = Net()
    a, b = net.input("x0", (2, 2, 3), S4), net.input("x1", (2, 2, 5), CALIBRATED)
    both = net.conv(net.concat(a, b, a), draw(31, -3, 3, 2, 2, 1, 11))
    bits = net.concat(net.sign(a, rng(32)), net.sign(b, rng(33)))
    net.output(both, net.dense(bits, bipolar(34, 3, 8)), net.concat(b))
    return net.graph()


def gathers() -> Graph:
    """Transpose, pad, slice, upsample, depth to space and a broadcast, in pixels and in single channels."""
    net = Net()
    x = net.input("x0", (3, 4, 6), S4)
    index = net.places(x)
    padded = np.pad(index, ((1, 0), (0, 2), (0, 0)), constant_values=-1)
    space = index.reshape(3, 4, 2, 3, 1).transpose(0, 2, 1, 3, 4).reshape(6, 12, 1)
    made = [
        net.gather(x, index.transpose(1, 0, 2)),
        net.gather(x, index.transpose(2, 1, 0)),
        net.gather(x, padded, fill=-8),
        net.gather(x, index[::-2, 1:3, 4:]),
        net.gather(x, index.repeat(2, axis=0).repeat(3, axis=1)),
        net.gather(x, space),
        net.gather(net.max_pool(x, (3, 4), (1, 1)), np.broadcast_to(np.arange(6), (2, 3, 6))),
    ]
    net.output(*made)
    return net.graph()


def reshapes() -> Graph:
    """Beats that straddle the new last axis."""
    net = Net()
    x = net.act(net.conv(net.input("x0", (3, 3, 4), U4), draw(35, -4, 3, 6, 2, 2, 4)), U4, rng(35))
    x = net.act(net.dense(net.reshape(x, 24), draw(36, -2, 1, 10, 24)), U3, rng(36))
    net.dense(net.reshape(x, 2, 5), draw(37, -7, 7, 3, 5))
    return net.graph()


def residual() -> Graph:
    """A skip over two convolutions, a strided one over another, and a tensor that is read and leaves."""
    net = Net()
    x = net.act(net.conv(net.input("x0", (6, 5, 2), U4), draw(38, -3, 3, 4, 1, 1, 2)), U4, rng(38))
    y = net.act(net.conv(x, draw(39, -3, 3, 4, 3, 3, 4), pads=(1, 1, 1, 1)), S4, rng(39))
    y = net.act(net.conv(y, draw(40, -3, 3, 4, 3, 3, 4), pads=(1, 1, 1, 1)), S4, rng(40))
    z = net.act(net.sum(x, y, factors=(3, 5)), U4, rng(41))
    left = net.act(net.conv(z, draw(42, -3, 3, 3, 3, 3, 4), strides=(2, 2), pads=(1, 1, 1, 1)), S4, rng(42))
    right = net.act(net.conv(z, draw(43, -3, 3, 3, 1, 1, 4), strides=(2, 2)), S4, rng(43))
    net.output(net.act(net.sum(left, right, factors=(1, 1)), S4, rng(44)), z)
    return net.graph()


def classes() -> Graph:
    """Logits of which two are always equal; the host takes the index of the largest and of the two largest."""
    net = Net()
    rows = draw(46, -2, 2, 5, 3)
    rows[3] = rows[1]
    logits = net.dense(net.input("x0", (3,), S3), rows)
    steps = (
        HostStep(does=host_ops.ArgMax(axis=1, keepdims=0), inputs=(logits.name,), output="best"),
        HostStep(
            does=host_ops.TopK(axis=1, k=2, largest=1, indices=1),
            inputs=(logits.name,),
            output="two",
        ),
    )
    return replace(net.graph(), after=HostGraph((logits.name,), steps, ("best", "two")))


def arg_maxes() -> Graph:
    """Pixels whose channels are often equal, the first or the last of them, of sums that leave too; places as codes."""
    net = Net()
    x = net.input("x0", (3, 2, 7), IntType(-1, 1))
    sums = net.dense(x, draw(47, -1, 1, 12, 7))
    first, last = net.arg_max(x), net.arg_max(sums, last=True)
    bits = net.arg_max(net.sign(sums, rng(48)))
    places_of_places = net.act(net.dense(net.concat(first, last), draw(49, -3, 3, 5, 2)), U4, rng(49))
    net.output(sums, last, bits, net.arg_max(places_of_places), net.arg_max(first))
    return net.graph()


def passed_through() -> Graph:
    """Inputs that leave as they are, one of them read as well."""
    net = Net()
    a, b = net.input("x0", (2, 3), S4), net.input("x1", (5,), TERNARY)
    net.output(a, net.dense(a, draw(45, -3, 3, 2, 3)), b)
    return net.graph()


CASES = {
    make.__name__: make()
    for make in (
        dense_signed, dense_of_pixels, dense_bits, odd_widths, conv_of_groups, conv_depthwise, conv_of_a_signal,
        conv_of_bits, conv_of_a_calibrated_range, conv_that_leaves_out, max_pools, sum_pools, roundings,
        powers_of_two, signs, averages, sixteen_bits, levels, leaks, tables, sum_of_two, sums, products,
        concats, gathers, reshapes, residual, classes, arg_maxes, passed_through,
    )
}  # fmt: skip
CASES |= {f"random_{seed}": random_graph(seed, joins=True) for seed in (101, 102, 103)}
