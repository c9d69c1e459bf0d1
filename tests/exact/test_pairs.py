# SPDX-License-Identifier: Apache-2.0
"""Two operands behind one requantiser: every code of every pair, against the definition in fractions."""

from fractions import Fraction
from math import gcd, lcm

import numpy as np
import pytest

from bitwright.exact.pairs import pair_forms
from bitwright.exact.ranges import Ranges
from bitwright.exact.rounding import round_exact
from bitwright.ir.layers import Requantise, Rounding, Sum
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel
from bitwright.ir.types import IntType, integer

S8, U8, S4 = integer(8, signed=True), integer(8, signed=False), integer(4, signed=True)


def layers(
    a: Fraction, b: Fraction, offset: Fraction, kind: IntType, shift: int, rounding: Rounding
) -> tuple[Sum, Requantise]:
    """Sum and requantiser of round(a * x + b * y + offset) + shift, clipped to `kind`."""
    unit = Fraction(gcd(a.numerator, b.numerator), lcm(a.denominator, b.denominator))
    common = {"scale": ONES, "zero": ZEROS, "shape": (2,)}
    join = Sum(
        name="add",
        inputs=("x", "y"),
        type=IntType(-(1 << 40), 1 << 40),
        factors=((int(a / unit),), (int(b / unit),)),
        **common,
    )
    requantise = Requantise(
        name="q",
        inputs=("add",),
        type=kind,
        multiplier=PerChannel.made(unit),
        offset=PerChannel.made(offset),
        rounding=rounding,
        low=(kind.lo - shift,),
        high=(kind.hi - shift,),
        shift=shift,
        **common,
    )
    return join, requantise


def span(kind: IntType) -> Ranges:
    return Ranges(np.full(2, kind.lo), np.full(2, kind.hi))


def scale(rng: np.random.Generator) -> Fraction:
    return Fraction(float(np.float32(rng.uniform(0.2, 1.2))))


def check(
    a: Fraction, b: Fraction, offset: Fraction, x: IntType, kind: IntType, shift: int, rounding: Rounding
) -> bool:
    """True if a form was found; every pair is compared with the definition."""
    join, layer = layers(a, b, offset, kind, shift, rounding)
    made = pair_forms(join, layer, span(x), span(x))
    if made is None:
        return False
    factors, form = made
    (ma,), (mb,) = factors.factors
    grid = [(p, q) for p in range(x.lo, x.hi + 1) for q in range(x.lo, x.hi + 1)]
    sums = np.array([ma * p + mb * q for p, q in grid])
    assert factors.type.lo <= sums.min()
    assert sums.max() <= factors.type.hi
    got = form.apply(np.stack([sums, sums], axis=1))
    low, high = kind.lo - shift, kind.hi - shift
    want = [min(max(round_exact(rounding, a * p + b * q + offset), low), high) + shift for p, q in grid]
    np.testing.assert_array_equal(got, np.stack([want, want], axis=1))
    return True


@pytest.mark.parametrize("seed", range(6))
def test_random_scales_have_short_factors(seed: int) -> None:
    rng = np.random.default_rng(seed)
    offset = Fraction(float(np.float32(rng.uniform(-3, 3))))
    assert check(scale(rng), scale(rng), offset, S4, integer(4, signed=bool(seed % 2)), seed % 3, Rounding.HALF_EVEN)


def test_eight_bit_codes_with_a_zero_point() -> None:
    rng = np.random.default_rng(11)
    assert check(scale(rng), scale(rng), Fraction(17, 3), U8, U8, 3, Rounding.HALF_EVEN)


@pytest.mark.parametrize("shift", [0, 3])
def test_ties_everywhere_take_a_window(shift: int) -> None:
    join, layer = layers(Fraction(1, 2), Fraction(1, 4), Fraction(0), S4, shift, Rounding.HALF_EVEN)
    made = pair_forms(join, layer, span(S4), span(S4))
    assert made is not None
    assert made[1].kind == "shift_even"
    assert check(Fraction(1, 2), Fraction(1, 4), Fraction(0), S4, S4, shift, Rounding.HALF_EVEN)


@pytest.mark.parametrize("rounding", [Rounding.FLOOR, Rounding.CEIL, Rounding.HALF_UP, Rounding.HALF_DOWN])
def test_roundings_with_one_direction(rounding: Rounding) -> None:
    assert check(Fraction(3, 8), Fraction(-5, 16), Fraction(1, 16), S4, S4, 0, rounding)


def test_one_operand_may_fall() -> None:
    rng = np.random.default_rng(5)
    assert check(scale(rng), -scale(rng), Fraction(0), S4, S4, 0, Rounding.HALF_EVEN)


def test_factors_are_no_longer_than_theory_says() -> None:
    """Signed 8-bit operands and output: 19 bits in the median, 22 at most (`docs/exactness.md`)."""
    rng = np.random.default_rng(3)
    found = []
    for _ in range(8):
        join, layer = layers(scale(rng), scale(rng), Fraction(0), S8, 0, Rounding.HALF_EVEN)
        made = pair_forms(join, layer, span(S8), span(S8))
        assert made is not None
        found.append(max(abs(factor) for row in made[0].factors for factor in row).bit_length())
    assert max(found) <= 22
    assert sorted(found)[4] <= 20


def test_factors_beyond_62_bits_are_not_tried() -> None:
    """The small operand decides where the large one is zero, and needs a shift at which the large one's is too long."""
    assert not check(Fraction(1 << 56), Fraction(5, 7), Fraction(0), S4, S8, 0, Rounding.HALF_EVEN)
    assert check(Fraction(1 << 40), Fraction(5, 7), Fraction(0), S4, S8, 0, Rounding.HALF_EVEN)


def test_too_many_pairs_are_left_alone() -> None:
    wide = integer(16, signed=True)
    join, layer = layers(Fraction(1, 3), Fraction(1, 5), Fraction(0), S8, 0, Rounding.HALF_EVEN)
    assert pair_forms(join, layer, span(wide), span(wide)) is None
