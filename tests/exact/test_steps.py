# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from fractions import Fraction
from random import Random

import numpy as np
import pytest

from bitwright.exact.lookup import Buckets, Direct, Search
from bitwright.exact.rounding import round_ratio
from bitwright.exact.steps import steps
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Rounding
from tests.exact.meaning import codes, float32, meaning, random_layer, reachable, requantise, rounded


@pytest.mark.parametrize("rounding", Rounding)
def test_steps_give_the_meaning_of_every_accumulator(rounding):
    random = Random(f"steps {rounding}")
    for _ in range(60):
        layer, lo, hi = random_layer(random, rounding)
        a = reachable(lo, hi)
        np.testing.assert_array_equal(steps(layer, lo, hi).apply(a), codes(layer, a), err_msg=repr((layer, lo, hi)))


@pytest.mark.parametrize("rounding", [r for r in Rounding if r is not Rounding.LEVELS])
def test_rounding_of_exact_ties_and_their_neighbours(rounding):
    for n in range(-40, 41):
        for d in (1, 2, 3, 4, 8):
            assert round_ratio(rounding, n, d) == rounded(rounding, Fraction(n, d)), (n, d)


@pytest.mark.parametrize("rounding", [r for r in Rounding if r not in (Rounding.LEVELS, Rounding.SIGN)])
def test_each_step_is_the_first_of_its_code_for_wide_rationals(rounding):
    """Denominators of 60 bits and more: the float64 estimate and its correction, with exact ties among them."""
    random = Random(f"wide {rounding}")
    for case in range(12):
        m = float32(random, 0.001, 0.01) * float32(random, 0.5, 1) / float32(random, 0.3, 0.4)
        b = float32(random, -99, 99) / float32(random, 0.3, 0.4)
        if case % 3 == 0:
            b = m * random.randrange(-999, 999) + Fraction(1, 2)
        m = m if case % 2 else -m
        layer = requantise([m], [b], rounding, low=(-128,), high=(127,), shift=case)
        found = steps(layer, np.array([-(1 << 20)]), np.array([1 << 20]))
        assert found.count[0] == 255
        row = found.t[0].tolist()
        for t in row:
            at, before = (~t, ~t + 1) if m < 0 else (t, t - 1)
            assert meaning(layer, 0, at) == found.first[0] + row.index(t) + row.count(t)
            assert meaning(layer, 0, before) == found.first[0] + row.index(t)


@pytest.mark.parametrize("reach", [(-(1 << 63), (1 << 63) - 1), (-(1 << 62), 1 << 62), (0, (1 << 63) - 1)])
def test_accumulators_as_wide_as_there_are(reach):
    """hi - lo + 1 does not fit 64 bits here: a table's places would overflow."""
    layer = requantise([Fraction(1, 1 << 60)], [Fraction(0)], Rounding.HALF_EVEN, low=(-8,), high=(7,))
    lo, hi = (np.array([end]) for end in reach)
    a = np.array([[reach[0]], [reach[1]], [0 if reach[0] else 1], [1 << 59], [(1 << 61) + 1]])
    np.testing.assert_array_equal(steps(layer, lo, hi).apply(a), codes(layer, a))


def test_steps_outside_the_interval_are_not_listed():
    layer = requantise([Fraction(1, 10)], [Fraction(0)], high=(255,))
    found = steps(layer, np.array([100]), np.array([139]))
    assert found.first.tolist() == [10]
    assert found.t.tolist() == [[106, 115, 126, 135]]
    assert found.last.tolist() == [14]


def test_a_falling_channel_counts_in_the_complement():
    layer = requantise([Fraction(-1)], [Fraction(0)], high=(3,))
    found = steps(layer, np.array([-9]), np.array([9]))
    assert found.falling.tolist() == [True]
    assert found.t.tolist() == [[~-1, ~-2, ~-3]]


def test_constant_channels_have_no_step_and_fill_their_row():
    layer = requantise([Fraction(0), Fraction(1)], [Fraction(7, 2), Fraction(0)], shift=-8)
    found = steps(layer, np.array([-5, 0]), np.array([5, 2]))
    assert found.count.tolist() == [0, 2]
    assert found.first.tolist() == [4 - 8, 0 - 8]
    assert found.t.tolist() == [[6, 6], [1, 2]]


def test_integers_near_the_end_of_int64():
    m = Fraction(15, 1 << 60) / 3
    layer = requantise([m, -m], [Fraction(1, 3), Fraction(16)])
    lo, hi = np.array([-(1 << 60), 0]), np.array([1 << 60, 1 << 61])
    found = steps(layer, lo, hi)
    ends = np.concatenate([np.where(found.falling, ~t, t) for t in (found.t.T, found.t.T - 1)])
    assert found.count.min() >= 4
    a = np.clip(ends, lo, hi)
    np.testing.assert_array_equal(found.apply(a), codes(layer, a))


def test_multipliers_that_overflow_a_float():
    layer = requantise([Fraction(10) ** 400], [Fraction(1, 3) - Fraction(10) ** 401], high=(255,))
    found = steps(layer, np.array([0]), np.array([20]))
    assert found.apply(np.array([[9], [10], [11]])).tolist() == [[0], [0], [255]]
    found = steps(requantise([Fraction(10) ** 30], [Fraction(0)]), np.array([-1]), np.array([1]))
    assert found.apply(np.array([[-1], [0], [1]])).tolist() == [[0], [0], [15]]


def test_every_way_to_apply_steps_agrees_with_the_meaning():
    """The last layer has two steps side by side in a wide interval: no bucket size is both short and few."""
    random = Random(5)

    def linear(width, channels):
        multipliers = [Fraction(random.choice((1, -1)) * random.randrange(30, 90), width) for _ in range(channels)]
        return requantise(multipliers, [Fraction(20)] * channels, high=(63,), shift=-20)

    side_by_side = ((Fraction(-(1 << 38)), Fraction(1 - (1 << 38)), Fraction(0), Fraction(1 << 37)),)
    signs = [Fraction(1), Fraction(-1)]
    levels = requantise(signs, [Fraction(0)], Rounding.LEVELS, high=(4,), levels=side_by_side, channels=2)
    cases = [
        (Direct, linear(400, 8), 400, (np.int16, np.int32, np.int64, np.float32, np.float64)),
        (Buckets, linear(3_000_000, 2), 3_000_000, (np.int32, np.int64, np.float64)),
        (Search, levels, 1 << 40, (np.int64, np.float64)),
    ]
    for kind, layer, width, dtypes in cases:
        lo = 3 * np.arange(layer.channels) - width // 2
        hi = lo + width - np.arange(layer.channels)
        found = steps(layer, lo, hi)
        ends = np.concatenate([np.where(found.falling, ~t, t) for t in (found.t.T, found.t.T - 1, found.t.T + 1)])
        spread = np.random.default_rng(width).integers(lo, hi + 1, (300, layer.channels))
        a = np.clip(np.concatenate((ends, spread, lo[None], hi[None])), lo, hi)
        expected = codes(layer, a)
        assert isinstance(found._lookup, kind)
        for dtype in dtypes:
            result = found.apply(a.astype(dtype))
            assert result.itemsize == 1
            np.testing.assert_array_equal(result, expected)


def test_coinciding_steps_in_buckets():
    levels = ((Fraction(0), Fraction(0), Fraction(9_000_000)),)
    layer = requantise([Fraction(1)], [Fraction(0)], Rounding.LEVELS, high=(3,), levels=levels)
    found = steps(layer, np.array([-5_000_000]), np.array([9_500_000]))
    assert isinstance(found._lookup, Buckets)
    assert found.apply(np.array([-5_000_000, -1, 0, 8_999_999, 9_000_000])[:, None]).ravel().tolist() == [0, 0, 2, 2, 3]


def test_apply_keeps_leading_axes():
    found = steps(requantise([Fraction(1, 4)], [Fraction(0)]), np.array([0]), np.array([60]))
    assert found.apply(np.arange(12).reshape(2, 6, 1)).shape == (2, 6, 1)
    assert found.apply(np.zeros((0, 1))).shape == (0, 1)


def test_sign_limits_that_differ_between_channels_are_refused():
    layer = requantise([Fraction(1)], [Fraction(0)], Rounding.SIGN, low=(-1, 0), high=(1, 1), channels=2)
    with pytest.raises(BitwrightError) as error:
        steps(layer, np.array([-5, -5]), np.array([5, 5]))
    assert str(error.value) == (
        "layer 'act': the limits of its sign function leave different codes in different channels\n"
        "  hint: use the same low and high in every channel"
    )


def test_more_steps_than_memory_holds_are_refused():
    layer = requantise([Fraction(1)], [Fraction(0)], low=(0,), high=(1 << 26,))
    with pytest.raises(BitwrightError) as error:
        steps(layer, np.array([0]), np.array([1 << 26]))
    assert str(error.value) == (
        "layer 'act': 67108864 codes in 1 channels are more steps than can be proved\n"
        "  hint: quantise its output to fewer bits"
    )
