# SPDX-License-Identifier: Apache-2.0
"""A multiply-add-shift compared with a requantiser's meaning without going from code to code.

Both count steps, and the steps k of one parity (or all of them) that a rounded line has reached are a rounded line
themselves. Two rounded lines of `a` are equal on an interval if one minus the other's line never leaves the width of a
step: its extremes are those of a line and a saw-tooth, found by the corners of the lattice points under a line.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from bitwright.check.meaning import Code
from bitwright.check.saved import Interval

SPLIT = {"half_away", "half_zero", "to_zero", "from_zero"}
"""Roundings that are another line below zero."""
LATE = {
    "floor": ((0, 0), (0, 0)),
    "ceil": ((2, 1), (2, 1)),
    "half_up": ((1, 0), (1, 0)),
    "half_down": ((1, 1), (1, 1)),
    "half_away": ((1, 1), (1, 0)),
    "half_zero": ((1, 0), (1, 1)),
    "to_zero": ((2, 1), (0, 0)),
    "from_zero": ((0, 0), (2, 1)),
    "half_even": ((1, 0), (1, 1)),
}
"""(h, e) where v < 0 and where v >= 0; for half even of even and of odd k: R(v) >= k if 2v >= 2k - h, strictly if e."""


class Meant(NamedTuple):
    """R(m*a + b), or R(slope * (m*a + b)) below zero, then clipped to low..high and shifted."""

    rounding: str
    m: Fraction
    b: Fraction
    slope: Fraction
    low: int
    high: int
    shift: int


class Claimed(NamedTuple):
    """(m*a + c) >> s, one less where an odd code has a rest below `window`, clipped to low..high."""

    m: int
    c: int
    window: int
    low: int
    high: int
    s: int
    odd: int


class Stretch(NamedTuple):
    """v = m*a + b over lo..hi, which is below zero or not; m is not negative."""

    m: Fraction
    b: Fraction
    lo: int
    hi: int
    above: bool


def agree(meant: Meant, claimed: Claimed, y: Code, interval: Interval) -> bool:
    """True if `claimed` is `meant`, whose codes are `y`, at every integer of `interval`; False where it is not known.

    Not known: other limits than those of the meaning, a window beyond a step, a channel of one code, `levels`, `sign`.
    """
    limits = meant.low + meant.shift, meant.high + meant.shift
    known = meant.rounding in LATE and limits == (claimed.low, claimed.high)
    if not known or y(interval[0]) == y(interval[1]) or not 0 <= claimed.window <= 1 << claimed.s:
        return False
    if claimed.window and claimed.odd != meant.shift % 2:
        return False
    sign = 1 if meant.m > 0 else -1
    if sign * claimed.m < 0:
        return False
    lo, hi = interval if sign > 0 else (-interval[1], -interval[0])
    rising = meant._replace(m=abs(meant.m))
    line = claimed._replace(m=abs(claimed.m), c=claimed.c - (meant.shift << claimed.s))
    return all(_reach_alike(rising, line, lambda a: y(sign * a) - meant.shift, (lo, hi)))


def runs(meant: Meant, y: Code, interval: Interval) -> int | None:
    """How many plateaus `y` has on `interval`, where its slope is below 1 and it leaves no code out; None elsewhere."""
    steep = abs(meant.m) * max(meant.slope, Fraction(1)) >= 1
    if steep or meant.rounding not in LATE or meant.rounding == "from_zero":
        return None
    return abs(y(interval[1]) - y(interval[0])) + 1


def _reach_alike(meant: Meant, line: Claimed, y: Code, interval: Interval) -> Iterator[bool]:
    """Whether the steps of each parity are reached alike, where the limits do not act; and their neighbours outside."""
    lo, hi = interval
    first = lo + bisect_left(range(lo, hi + 1), meant.low + 1, key=y)
    last = lo + bisect_left(range(lo, hi + 1), meant.high, key=y) - 1
    parities = 2 if line.window or meant.rounding == "half_even" else 1
    for parity in range(parities):
        c = line.c - (line.window if parity else 0)
        for stretch in _stretches(meant, first, last):
            yield _same(meant.rounding, stretch, (line.m, c, line.s), (parity, parities))
        if first > lo and (meant.low + 1) % parities == parity:
            yield line.m * (first - 1) + c < meant.low + 1 << line.s
        if last < hi and meant.high % parities == parity:
            yield line.m * (last + 1) + c >= meant.high << line.s


def _stretches(meant: Meant, lo: int, hi: int) -> Iterator[Stretch]:
    """The parts of lo..hi below zero and from there on."""
    whole = meant.slope == 1 and meant.rounding not in SPLIT
    zero = lo if whole else min(max(-(meant.b // meant.m), lo), hi + 1)
    if lo < zero:
        yield Stretch(meant.m * meant.slope, meant.b * meant.slope, lo, zero - 1, False)
    if zero <= hi:
        yield Stretch(meant.m, meant.b, zero, hi, True)


def _same(rounding: str, stretch: Stretch, line: tuple[int, int, int], part: tuple[int, int]) -> bool:
    """True if on `stretch` the steps k of a parity that R reaches are those with m*a + c >= k << s."""
    (m, c, s), (parity, parities) = line, part
    h, e = LATE[rounding][parity if rounding == "half_even" else stretch.above]
    # floor((p*a + q) / d) of the steps k = parities * i + parity are reached
    scale = stretch.m.denominator * stretch.b.denominator
    p, d = int(2 * stretch.m * scale), 2 * scale * parities
    q = int(2 * stretch.b * scale) + h * scale - e + 2 * scale * parity
    width, start, count = parities << s, stretch.lo, stretch.hi - stretch.lo + 1
    shift = m * start + c + (parity << s)
    q += p * start
    lowest, highest = shift - _peak(count - 1, -m, width, p, q, d), shift + _peak(count - 1, m, -width, p, q, d)
    return lowest >= 0 and highest < width


def _peak(end: int, a: int, b: int, p: int, q: int, d: int) -> int:
    """max(a*x + b*floor((p*x + q)/d)) over 0 <= x <= end, for p >= 0."""
    a, b, p, q, whole = a + b * (p // d), b, p % d, q % d, b * (q // d)
    top = (p * end + q) // d
    corner = max(0, a * end + b * top)
    if not top or a * b >= 0:
        return whole + corner
    if a > 0:  # the last x with each floor y below the top is (d*(y + 1) - q - 1) // p
        return whole + max(corner, _peak(top - 1, b, a, d, d - q - 1, p))
    # the first x with each floor y + 1 is (d*(y + 1) - q + p - 1) // p
    return whole + max(corner, b + _peak(top - 1, b, a, d, d - q + p - 1, p))
