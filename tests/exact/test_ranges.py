# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

import itertools

import numpy as np
import pytest

from bitwright.exact.ranges import Ranges, accumulator_range, matrix_range, ranges
from bitwright.frontend.build import Net
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import (
    Rounding,
    Table,
)
from bitwright.ir.per_channel import ONES, ZEROS
from bitwright.ir.types import IntType, integer
from bitwright.ir.weights import Weights
from bitwright.ir.window import Window

REAL = {"scale": ONES, "zero": ZEROS}
S32 = integer(32, signed=True)


def interval(lo, hi) -> Ranges:
    return Ranges(np.array(lo), np.array(hi))


def pairs(found: Ranges) -> list[tuple[int, int]]:
    return list(zip(found.lo.tolist(), found.hi.tolist(), strict=True))


def test_a_dense_accumulator_attains_both_ends():
    rng = np.random.default_rng(1)
    for _ in range(40):
        weights = rng.integers(-4, 5, (3, 4))
        lo = rng.integers(-3, 3, 4)
        x = interval(lo, lo + rng.integers(0, 4, 4))
        grid = np.array(list(itertools.product(*(range(a, b + 1) for a, b in pairs(x)))))
        sums = grid @ weights.T
        assert pairs(accumulator_range(weights, x)) == list(zip(sums.min(axis=0), sums.max(axis=0), strict=True))


def convolve(image, weights, pads, pad_value, strides, dilations, groups):
    """Plain loops over every output: (rows * columns, outputs)."""
    top, left, bottom, right = pads
    padded = np.pad(image, ((top, bottom), (left, right), (0, 0)), constant_values=pad_value)
    outputs, kh, kw, depth = weights.shape
    height, width = padded.shape[0] - (kh - 1) * dilations[0], padded.shape[1] - (kw - 1) * dilations[1]
    result = []
    for y, x in itertools.product(range(0, height, strides[0]), range(0, width, strides[1])):
        window = padded[y : y + (kh - 1) * dilations[0] + 1 : dilations[0]]
        window = window[:, x : x + (kw - 1) * dilations[1] + 1 : dilations[1]]
        group = [o // (outputs // groups) for o in range(outputs)]
        result.append([(window[:, :, g * depth : (g + 1) * depth] * weights[o]).sum() for o, g in enumerate(group)])
    return np.array(result)


@pytest.mark.parametrize(
    ("size", "kernel", "pads", "pad_value", "strides", "dilations", "groups"),
    [
        ((2, 2), (2, 2), (0, 0, 0, 0), 0, (1, 1), (1, 1), 1),
        ((2, 2), (2, 2), (1, 0, 0, 1), 0, (1, 1), (1, 1), 1),
        ((2, 2), (3, 3), (1, 1, 1, 1), -2, (1, 1), (1, 1), 2),
        ((1, 3), (1, 2), (0, 2, 0, 0), 7, (1, 2), (1, 2), 2),
        ((2, 2), (2, 2), (2, 2, 2, 2), 5, (2, 2), (1, 1), 1),
        ((2, 2), (2, 1), (0, 0, 2, 0), 1, (3, 1), (1, 1), 1),
    ],
)
def test_a_padded_convolution_attains_both_ends(size, kernel, pads, pad_value, strides, dilations, groups):
    """All images over inputs of 3..4 and 0..1: the pad value is outside, at an end, or inside."""
    rng = np.random.default_rng(2)
    weights = rng.integers(-3, 4, (2, *kernel, 2 // groups))
    x = interval([3, 0], [4, 1])
    corners = itertools.product((0, 1), repeat=size[0] * size[1] * 2)
    images = (np.array(bits).reshape(*size, 2) + np.array([3, 0]) for bits in corners)
    sums = np.concatenate([convolve(image, weights, pads, pad_value, strides, dilations, groups) for image in images])
    found = accumulator_range(
        weights,
        x,
        groups=groups,
        window=Window(kernel, strides, dilations, pads),
        pad_value=pad_value,
        size=size,
    )
    assert pairs(found) == list(zip(sums.min(axis=0), sums.max(axis=0), strict=True))


def test_padding_outside_the_range_widens_the_accumulator():
    """Inputs 3..15 without a 0: the interval of the full window misses the border's partial sums."""
    weights = np.ones((1, 1, 3, 1), dtype=np.int64)
    x = interval([3], [15])
    assert pairs(accumulator_range(weights, x, size=(1, 9), window=Window((1, 3)))) == [(9, 45)]
    assert pairs(accumulator_range(weights, x, size=(1, 9), window=Window((1, 3), pads=(0, 1, 0, 1)))) == [(6, 45)]


def test_accumulators_beyond_int64_are_found_in_integers_and_refused():
    weights = np.array([[1 << 30, -(1 << 30)]])
    wide = accumulator_range(weights, interval([0, 0], [1 << 31, 1 << 31]))
    assert pairs(wide) == [(-(1 << 61), 1 << 61)]
    with pytest.raises(BitwrightError) as error:
        accumulator_range(weights, interval([0, 0], [1 << 32, 1]), where="layer 'fc'")
    assert str(error.value) == (
        "layer 'fc': its integers reach 4.61e+18 and need more than 63 bits\n"
        "  hint: quantise weights or inputs to fewer bits, or summands to scales that are nearer to each other"
    )


def test_matrix_range_of_stacked_matrices():
    matrix = np.array([[[1, -2]], [[-3, 0]]])
    found = matrix_range(matrix, np.array([[0, 0], [-1, 5]]), np.array([[1, 3], [2, 9]]))
    assert found.lo.tolist() == [[-6], [-6]]
    assert found.hi.tolist() == [[1], [3]]


def test_sums_products_pools_and_moves_by_enumeration():
    """Every integer of two small inputs through each layer that joins, sums or moves them."""
    rng = np.random.default_rng(5)
    for _ in range(20):
        net, inputs = Net(), []
        for name in "ab":
            low = int(rng.integers(-3, 3))
            inputs.append(net.input(name, (1, 2, 1), IntType(low, low + int(rng.integers(0, 3)))))
        factors = ((int(rng.integers(-3, 4)),), (int(rng.integers(-3, 4)),))
        zeros = (int(rng.integers(-2, 3)), int(rng.integers(-2, 3)))
        pads, pad_value = (0, int(rng.integers(0, 2)), 0, int(rng.integers(0, 2))), int(rng.integers(-9, 9))
        fill, stated = int(rng.integers(-9, 9)), {"type": S32, **REAL}
        net.sum("a", "b", factors=factors, name="sum", **stated)
        net.multiply("a", "b", zeros=zeros, name="product", **stated)
        net.concat("a", "b", name="concat", **stated)
        net.sum_pool("a", (1, 2), (1, 1), pads=pads, pad_value=pad_value, name="pool", **stated)
        net.gather("a", [[1, -1], [0, 0]], fill=fill, name="moved", **stated)
        values = {name: [] for name in ("sum", "product", "concat", "pool", "moved")}
        net.output(*values)
        spans = [range(layer.type.lo, layer.type.hi + 1) for layer in inputs for _ in range(2)]
        for a0, a1, b0, b1 in itertools.product(*spans):
            a, b = np.array([[a0], [a1]]), np.array([[b0], [b1]])
            padded = [pad_value] * pads[1] + [a0, a1] + [pad_value] * pads[3]
            values["sum"].append(factors[0][0] * a + factors[1][0] * b)
            values["product"].append((a - zeros[0]) * (b - zeros[1]))
            values["concat"].append(np.hstack((a, b)))
            values["pool"].append(np.array([[x + y] for x, y in itertools.pairwise(padded)]))
            values["moved"].append(np.array([[a1, fill], [a0, a0]]))
        found = ranges(net.graph())
        for name, seen in values.items():
            rows = np.concatenate(seen)
            assert pairs(found[name]) == list(zip(rows.min(axis=0), rows.max(axis=0), strict=True)), name


def test_a_product_beyond_int64_is_refused():
    net = Net()
    x = net.input("x", (1,), integer(40, signed=True))
    with pytest.raises(BitwrightError) as error:
        net.multiply(x, x, name="square")
    assert str(error.value) == (
        "layer 'square': its integers reach 3.02e+23 and need more than 63 bits\n"
        "  hint: quantise weights or inputs to fewer bits, or summands to scales that are nearer to each other"
    )


def test_ranges_follow_the_graph_channel_by_channel():
    net = Net()
    weights = [[[[1], [0]], [[0], [-1]]], [[[0], [0]], [[0], [0]]]]
    conv = net.conv(net.input("x", (2, 2, 1), "u4"), weights, name="conv", type=S32)
    half = {"multiplier": -0.5, "offset": 3, "rounding": "floor", "low": 0, "high": 7, "shift": -1}
    pool = net.max_pool(net.rescale(conv, S32, name="half", **half), (1, 1), name="pool")
    net.dense(net.reshape(pool, name="flat"), [[1, 10]], name="dense", type=S32)
    found = ranges(net.graph())
    assert pairs(found["x"]) == [(0, 15)]
    assert pairs(found["conv"]) == [(-15, 15), (0, 0)]
    assert pairs(found["half"]) == [(-1, 6), (2, 2)]
    assert pairs(found["pool"]) == pairs(found["flat"]) == pairs(found["half"])
    assert pairs(found["dense"]) == [(19, 26)]
    assert found["dense"].type == IntType(19, 26)


def reshaped(old, new, lo):
    net = Net()
    codes = net.rescale(net.input("x", old, S32), S32, multiplier=0, offset=lo, low=-99, high=99)
    net.reshape(codes, *new, name="flat")
    return pairs(ranges(net.graph())["flat"])


def test_reshape_keeps_what_it_knows_of_channels():
    assert reshaped((2, 3), (6,), [1, 2, 3]) == [(1, 1), (2, 2), (3, 3)] * 2
    assert reshaped((2, 6), (4, 3), [1, 2, 3, 4, 5, 6]) == [(1, 4), (2, 5), (3, 6)]
    assert reshaped((2, 3), (3, 2), [1, 2, 3]) == [(1, 3), (1, 3)]
    assert reshaped((1, 3), (3, 1), [1, 2, 3]) == [(1, 3)]


def test_a_place_is_that_of_any_channel():
    net = Net()
    net.arg_max(net.input("x", (2, 5), IntType(-1, 1)), name="place", type=S32)
    found = ranges(net.graph())
    assert pairs(found["place"]) == [(0, 4)]


def table(source, shape, entries):
    """A table of any entries, of no function."""
    fields = {"function": (), "rounding": Rounding.FLOOR, "low": 0, "high": 99, **REAL}
    return Table(name="t", inputs=(source,), shape=shape, type=S32, entries=Weights(np.array(entries)), **fields)


def test_a_table_is_read_only_at_the_codes_that_occur():
    net = Net()
    net.rescale(net.input("x", (2,), "s3"), "s3", rounding="floor", low=(-4, 0), high=(1, 2), name="clip")
    net.add(table("clip", (2,), [50, 1, 2, 3, 9, 5, 4, 60]))
    found = ranges(net.graph())
    assert pairs(found["t"]) == [(1, 50), (4, 9)]


def test_a_table_of_bipolar_codes_has_no_middle():
    net = Net()
    net.add(table(net.input("x", (1,), "bipolar").name, (1,), [3, 99, 4]))
    assert pairs(ranges(net.graph())["t"]) == [(3, 4)]
