# SPDX-License-Identifier: Apache-2.0
"""Layers as shifted sums of layers of narrow products: the integers stay, whatever the widths and the padding."""

from __future__ import annotations

from fractions import Fraction
from itertools import product

import numpy as np
import pytest

import bitwright as bw
from bitwright.exact.tabulate import tabulate
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Matrix, Rounding
from bitwright.ir.types import BIPOLAR, IntType, integer
from bitwright.ir.verify import verify
from bitwright.ir.weights import Weights
from bitwright.rewriting.bitplanes import bitplanes
from bitwright.rewriting.digits import bit_function, digits, fits, weight_planes
from bitwright.sim import reference
from tests.ir.graphs import random_codes, random_graph

KINDS = [integer(bits, signed=signed) for bits, signed in product(range(1, 9), (False, True))]


def codes_of(kind: IntType) -> np.ndarray:
    """Every number of a type."""
    return np.arange(kind.lo, kind.hi + 1)


def network(w: IntType, a: IntType, seed: int = 0) -> Graph:
    """A convolution with a zero point in its padding, a dense layer that reads the same, and one behind."""
    rng = np.random.default_rng(seed)
    net = bw.Net()
    x = net.input("x", (3, 4, 2), a, scale=0.5, zero=a.hi)
    y = net.requantise(net.conv(x, weights_of(w, rng, 3, 3, 3, 2), pads=(1, 0, 1, 1)), "s4", scale=2)
    net.output(net.dense(x, weights_of(w, rng, 2, 2)))
    net.output(net.dense(net.reshape(y), weights_of(w, rng, 2, y.shape[0] * y.shape[1] * 3)))
    return net.graph()


def weights_of(kind: IntType, rng: np.random.Generator, *shape: int) -> np.ndarray:
    """Weights of a type, its ends among them."""
    weights = rng.integers(kind.lo, kind.hi + 1, shape)
    weights.flat[:2] = kind.lo, kind.hi
    return weights


def same(graph: Graph, made: Graph, seed: int = 0, samples: int = 4) -> None:
    """Check that two graphs make the same integers, in outputs of the same names and types."""
    codes = random_codes(graph, seed, samples)
    for ours, theirs in zip(reference.run(verify(made), codes), reference.run(graph, codes), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert made.outputs == graph.outputs
    assert all(made.by_name[name].type == graph.by_name[name].type for name in graph.outputs)


@pytest.mark.rows("R158")
@pytest.mark.parametrize("w", KINDS, ids=str)
def test_bits_of_any_width_make_the_same_integers(w: IntType) -> None:
    """P = sum of s_i s_j 2^(i+j) popcount(L_i & R_j), s = -1 for sign bits; work grows as the product of the widths."""
    narrow(w, KINDS[KINDS.index(w) % 4 :: 4])


@pytest.mark.long
@pytest.mark.rows("R158")
@pytest.mark.parametrize("w", KINDS, ids=str)
def test_bits_of_all_widths_make_the_same_integers(w: IntType) -> None:
    narrow(w, KINDS)


def narrow(w: IntType, inputs: list[IntType]) -> None:
    """Check planes of bits of weights of a type with inputs of each of these."""
    for seed, a in enumerate(inputs):
        graph = network(w, a, seed)
        made = bitplanes()(graph)
        same(graph, made, seed, 2)
        for layer in graph.layers:
            if isinstance(layer, Matrix) and graph.source_of(layer).type == a:
                parts = [part for part in made.layers if part.name.startswith(f"{layer.name}_w")]
                assert len(parts) == (w.bits * a.bits if max(w.bits, a.bits) > 1 else 0)
        for layer in made.layers:
            if isinstance(layer, Matrix):
                assert layer.weights.type.bits == made.source_of(layer).type.bits == 1


@pytest.mark.rows("R165")
@pytest.mark.parametrize(("w", "a"), list(product((2, 4, 8), repeat=2)))
def test_bricks_of_two_bits_make_up_every_product(w: int, a: int) -> None:
    """All pairs of numbers: w * a / 4 bricks of two bits each, 16 for the widest, those at the top signed."""
    for signs in product((False, True), repeat=2):
        kinds = [integer(bits, signed=signed) for bits, signed in zip((w, a), signs, strict=True)]
        left, right = (digits(kind, 2) for kind in kinds)
        assert len(left) * len(right) == w * a // 4
        x, y = (codes_of(kind) for kind in kinds)
        total = sum(
            (p.factor * q.factor) * np.multiply.outer(p.of(x), q.of(y)) for p in left for q in right
        )  # fmt: skip
        np.testing.assert_array_equal(total, np.multiply.outer(x, y))
        assert all(digit.type.covers(IntType(int(d.min()), int(d.max()))) for digit in left for d in [digit.of(x)])
    graph = network(integer(w, signed=True), integer(a, signed=False), w + a)
    same(graph, bitplanes(2, 2)(graph))


@pytest.mark.parametrize("kind", [*KINDS, IntType(-3, 6), IntType(5, 90), IntType(-200, -17), BIPOLAR], ids=str)
def test_a_bit_is_the_function_that_its_table_says(kind: IntType) -> None:
    for bit in range(max(2, kind.bits)):
        coding = {"rounding": Rounding.FLOOR, "low": 0, "high": 1, "shift": 0}
        made = tabulate(bit_function(bit, kind), kind, scale=Fraction(1), zero=Fraction(0), **coding)  # type: ignore[arg-type]
        np.testing.assert_array_equal(made.array, codes_of(kind) >> bit & 1)


def test_odd_weights_are_sums_of_signs() -> None:
    """What several binary bases of powers of two make: as many planes of signs, for XNOR, and one fewer than bits."""
    bases = np.where(np.random.default_rng(3).random((3, 5, 7)) < 0.5, -1, 1)
    weights = Weights(np.tensordot((1, 2, 4), bases, 1))
    planes = weight_planes(weights, 1)
    assert weights.type.bits == 4 and [factor for factor, _ in planes] == [1, 2, 4]
    for (_, plane), basis in zip(planes, bases, strict=True):
        np.testing.assert_array_equal(plane.array, basis)
    net = bw.Net()
    net.output(net.dense(net.input("x", (7,), "bipolar"), weights.array))
    made = bitplanes()(net.graph())
    same(net.graph(), made)
    assert all(layer.weights.type.is_bipolar for layer in made.layers if isinstance(layer, Matrix))


@pytest.mark.parametrize("seed", range(10))
def test_networks_of_every_kind_make_the_same_integers(seed: int) -> None:
    graph = random_graph(seed, joins=seed % 2 == 0, bits=8)
    for w, a in ((1, 1), (2, 2), (1, 16), (8, 1), (3, 2)):
        made = bitplanes(w, a)(graph)
        same(graph, made, seed)
        for layer in made.layers:
            if isinstance(layer, Matrix):
                assert fits(layer.weights.type, w) and fits(made.source_of(layer).type, a)


def test_layers_share_the_digits_of_what_they_read() -> None:
    graph = network(integer(3, signed=True), integer(2, signed=False))
    names = [layer.name for layer in bitplanes()(graph).layers if layer.op == "table"]
    assert [name for name in names if name.startswith("x_")] == ["x_bit0", "x_bit1"]


def test_scales_of_channels_are_left_behind() -> None:
    net = bw.Net()
    x = net.input("x", (3,), "s3", scale=[1, Fraction(1, 3), 2], zero=[0, 1, 0])
    net.output(net.dense(x, [[1, -2, 3]], scale=1, zero=0, type=IntType(-60, 60)))
    made = bitplanes()(net.graph())
    same(net.graph(), made)
    assert [layer.op for layer in made.layers][:2] == ["requantise", "table"]


def test_narrow_layers_stay() -> None:
    graph = network(integer(2, signed=True), integer(2, signed=False))
    assert bitplanes(2, 4)(graph) is graph


def test_what_cannot_be_split_is_named() -> None:
    net = bw.Net()
    net.output(net.dense(net.input("x", (2,), "s20"), [[3, 5]], name="wide"))
    with pytest.raises(bw.BitwrightError) as error:
        bitplanes()(net.graph())
    assert str(error.value) == (
        "layer 'wide': reads s20, and digits of integers of more than 12 bits are not looked up\n"
        "  hint: requantise what it reads to 12 bits"
    )
    with pytest.raises(bw.BitwrightError, match="pass bitplanes: a is 0\n  hint: a digit has at least 1 bit"):
        bitplanes(1, 0)
    same(net.graph(), bitplanes(1, 20)(net.graph()))
