# SPDX-License-Identifier: Apache-2.0
from __future__ import annotations

from fractions import Fraction
from random import Random

import numpy as np
import pytest

from bitwright.exact.meaning import limits
from bitwright.exact.slopes import Interval, minimal, points, power_of_two, roundest, slope_intervals
from bitwright.exact.steps import steps
from bitwright.ir.layers import Rounding
from tests.exact.meaning import codes, float32, reachable, requantise


def constants(a, expected, m, s, low, high):
    """Every c for which clip((m*a + c) >> s) is `expected`, by trying all that can matter."""
    reach = (abs(m) * int(np.abs(a).max())) + (int(np.abs(expected).max()) + 2 << s)
    c = np.arange(-reach, reach + 1)[:, None]
    return c[(np.clip((m * a + c) >> s, low, high) == expected).all(axis=1), 0]


@pytest.mark.slow
def test_slopes_and_constants_are_complete_by_brute_force():
    """Small layers: the constants that enumeration finds are L <= c < U, none for slopes outside the interval."""
    random = Random(1)
    seen = {True: 0, False: 0}
    while min(seen.values()) < 25:
        rounding = random.choice([r for r in Rounding if r not in (Rounding.SIGN, Rounding.LEVELS)])
        m = Fraction(random.randrange(1, 12), random.randrange(5, 20))
        layer = requantise([m], [Fraction(random.randrange(-9, 9), 4)], rounding, low=(-2,), high=(2,), shift=1)
        lo = random.randrange(-12, 4)
        lo, hi = np.array([lo]), np.array([lo + random.randrange(1, 16)])
        found = steps(layer, lo, hi)
        if not found.count[0]:
            continue
        bound = points(found, *limits(layer))
        (slope,) = slope_intervals(bound)
        seen[slope is not None] += 1
        a, expected = reachable(lo, hi)[:, 0], codes(layer, reachable(lo, hi))[:, 0]
        fitting = []
        for s in range(4):
            for num in range(1, 8 << s):
                right = constants(a, expected, num, s, -1, 3)
                low, high = (int(x[0]) for x in bound.bounds(np.array([num]), np.array([1 << s])))
                base = (int(found.first[0]) << s) - num * int(lo[0])
                assert right.tolist() == list(range(base + low, base + high)), (layer, lo, hi, num, s)
                inside = slope is not None and slope.a << s < num * slope.b and num * slope.d < slope.c << s
                assert inside == bool(len(right)), (layer, lo, hi, num, s, slope)
                fitting += [(s, num)] * inside
        if fitting:
            best, s = minimal(slope)
            assert s == min(fitting)[0]
            assert (s, best) in fitting


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_multipliers_stay_below_the_width_bound(bits):
    """bits(m) <= log2(W) + log2(n + 1) + 1, whatever the scales' denominators."""
    random = Random(bits)
    codes_top, width = (1 << bits) - 1, 1 << bits + 6
    m = [float32(random, 0.3, 1.2) * codes_top / width for _ in range(200)]
    layer = requantise(m, [float32(random, -9, 9) / 7 for _ in m], high=(codes_top,))
    found = steps(layer, np.full(200, -width // 2), np.full(200, width // 2))
    for slope in slope_intervals(points(found, *limits(layer))):
        assert minimal(slope)[0].bit_length() <= (bits + 6) + bits + 1


def test_wide_intervals_are_searched_in_python_integers():
    random = Random(8)
    m = [float32(random, 0.5, 1) * 255 / (1 << 58) for _ in range(4)]
    layer = requantise(m, [Fraction(1, 3)] * 4, high=(255,))
    found = steps(layer, np.zeros(4, dtype=np.int64), np.full(4, 1 << 58))
    for scale, slope in zip(m, slope_intervals(points(found, *limits(layer))), strict=True):
        assert Fraction(slope.a, slope.b) < scale < Fraction(slope.c, slope.d)


def test_channels_without_a_line_do_not_hide_their_neighbours():
    tied, plain = Fraction(1, 4), Fraction(1, 3)
    layer = requantise([tied, plain, tied], [Fraction(0)] * 3)
    found = steps(layer, np.zeros(3, dtype=np.int64), np.full(3, 40))
    first, second, third = slope_intervals(points(found, *limits(layer)))
    assert (first, third) == (None, None)
    assert second is not None


def test_minimal_takes_the_coarsest_grid_and_then_the_roundest_integer():
    assert minimal(Interval(0, 1, 1, 0)) == (1, 0)
    assert minimal(Interval(5, 2, 1, 0)) == (4, 0)
    assert minimal(Interval(5, 2, 11, 2)) == (4, 0)
    assert minimal(Interval(1, 3, 1, 2)) == (3, 3)
    assert minimal(Interval(1, 4, 1, 2)) == (3, 3)


def test_power_of_two_lists_the_exponents_strictly_inside():
    assert power_of_two(Interval(1, 3, 3, 1)) == (-1, 1)
    assert power_of_two(Interval(1, 2, 2, 1)) == (0, 0)
    assert power_of_two(Interval(1, 3, 1, 2)) is None
    assert power_of_two(Interval(0, 1, 1, 100)) == (-62, -7)
    assert power_of_two(Interval(9, 1, 1, 0)) == (4, 62)


def test_roundest_has_the_most_trailing_zeros_by_brute_force():
    def zeros(n):
        return 99 if n == 0 else (n & -n).bit_length()

    for low in range(-40, 40):
        for high in range(low, low + 40):
            assert zeros(roundest(low, high)) == max(map(zeros, range(low, high + 1)))
            assert low <= roundest(low, high) <= high
