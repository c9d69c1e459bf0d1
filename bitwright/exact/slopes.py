# SPDX-License-Identifier: Apache-2.0
"""All slopes at once: which lines floor(alpha*x + beta), clipped, are equal to given steps; the shortest multiplier.

The line must pass at or above every lower point (x, k) and strictly below every upper one. That leaves one open
interval of slopes per channel; a slope m/2**s inside it has an integer constant, and one outside has none.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.exact.steps import Steps
from bitwright.ir.weights import Ints

INT64_SAFE = 1 << 60
"""(codes + 2) * 2 * width below this keeps every product of the search in int64."""

Array = NDArray[Any]


class Point(NamedTuple):
    """Of each channel one point (x, k) and its value k*den - x*num for a slope num/den; (channels,) each."""

    value: Array
    x: Array
    k: Array


@dataclass(frozen=True, eq=False)
class Points:
    """What binds a line, with x = b - start and k = code - first in the coordinate b of `Steps`.

    x, k: (channels, steps), at least one step each, short rows filled with their first: (x, k) is a lower point and
    (x - 1, k) an upper one. Where `starts`, (0, 0) is a lower point too; where `ends`, (end_x, end_k) is an upper one.
    """

    x: Array
    k: Array
    starts: NDArray[np.bool_]
    ends: NDArray[np.bool_]
    end_x: Array
    end_k: Array

    def bounds(self, num: Array, den: Array) -> tuple[Array, Array]:
        """(L, U), (channels,) each: floor((num*x + c)/den) is right iff L <= c < U."""
        lower, upper = self.binding(num, den)
        return lower.value, upper.value

    def binding(self, num: Array, den: Array) -> tuple[Point, Point]:
        """The lower point with the largest value and the upper one with the smallest."""
        values, row = self.k * den[:, None] - self.x * num[:, None], np.arange(len(num))
        p, q = values.argmax(axis=1), values.argmin(axis=1)
        lower = Point(values[row, p], self.x[row, p], self.k[row, p])
        upper = Point(values[row, q] + num, self.x[row, q] - 1, self.k[row, q])
        end = Point(self.end_k * den - self.end_x * num, self.end_x, self.end_k)
        zero = Point(0 * num, 0 * num, 0 * num)
        return (
            _either(self.starts & (zero.value > lower.value), zero, lower),
            _either(self.ends & (end.value < upper.value), end, upper),
        )

    def take(self, channels: Array) -> Points:
        """The points of some channels."""
        return Points(
            self.x[channels],
            self.k[channels],
            self.starts[channels],
            self.ends[channels],
            self.end_x[channels],
            self.end_k[channels],
        )


class Interval(NamedTuple):
    """The open interval (a/b, c/d) of slopes, in Python integers; d = 0 is infinity. Never empty."""

    a: int
    b: int
    c: int
    d: int


def points(steps: Steps, low: Ints, high: Ints) -> Points:
    """The points of the channels that have a step, for codes that are clipped to low..high, (channels,) each.

    The codes at both ends of the interval bind only where the clip does not make them.
    """
    moving = steps.count > 0
    reached, start = steps.reached[moving], steps.start[moving]
    x, k = steps.t[moving] - start[:, None], np.arange(1, reached.shape[1] + 1)
    return Points(
        x=np.where(reached, x, x[:, :1]),
        k=np.where(reached, k, 1),
        starts=(steps.first > low)[moving],
        ends=(steps.last < high)[moving],
        end_x=steps.end[moving] - start,
        end_k=steps.count[moving] + 1,
    )


def slope_intervals(found: Points) -> list[Interval | None]:
    """For each channel the slopes for which a constant exists; None if there is no line at all."""
    codes, width = int(found.end_k.max(initial=0)), int(found.end_x.max(initial=0))
    if (codes + 2) * 2 * width >= INT64_SAFE:
        found = replace(found, **{name: getattr(found, name).astype(object) for name in ("x", "k", "end_x", "end_k")})
    one = np.ones(len(found.x), dtype=found.x.dtype)
    top_num, top_den = _newton(found, (codes + 2) * one, one, 1)
    end_num, end_den = _newton(found, 0 * one, one, -1)
    rows = zip(*(column.tolist() for column in (end_num, end_den, top_num, top_den)), strict=True)
    return [Interval(a, b, c, d) if b > 0 and d >= 0 and a * d < c * b else None for a, b, c, d in rows]


def minimal(slopes: Interval) -> tuple[int, int]:
    """(m, s) with m/2**s inside `slopes` and the smallest s; of several m (only when s = 0) the roundest."""
    a, b, c, d = slopes
    s = 0
    while ((a << s) // b + 1) * d >= c << s:
        s += 1
    m = (a << s) // b + 1
    return roundest(m, -(-(c << s) // d) - 1 if d else 2 * m - 1), s


def power_of_two(slopes: Interval) -> tuple[int, int] | None:
    """The smallest and the largest p with 2**p inside `slopes`; None if there is none."""
    a, b, c, d = slopes
    least = a.bit_length() - b.bit_length() if a else -FINEST
    while not _above(least, a, b):
        least += 1
    if not _below(least, c, d):
        return None
    most = least
    while _below(most + 1, c, d) and most < FINEST:
        most += 1
    return least, most


FINEST = 62
"""No shift is longer than this, in either direction."""


def roundest(low: int, high: int) -> int:
    """The integer in low..high that has the most trailing zeros."""
    if low <= 0 <= high:
        return 0
    p = ((low - 1) ^ high).bit_length() - 1
    return high >> p << p


def _above(p: int, a: int, b: int) -> bool:
    return a << max(0, -p) < b << max(0, p)


def _below(p: int, c: int, d: int) -> bool:
    return d << max(0, p) < c << max(0, -p)


def _either(first: Array, a: Point, b: Point) -> Point:
    return Point(*(np.where(first, x, y) for x, y in zip(a, b, strict=True)))


def _newton(found: Points, num: Array, den: Array, side: int) -> tuple[Array, Array]:
    """The end of the interval that lies towards `side` (+1 upper, -1 lower), from num/den outside it, as (num, den).

    U - L is concave and piecewise linear in the slope: jump to the root of the active pair until it is not negative.
    An upper end at infinity has den = 0; a channel without any slope has den = -1.
    """
    num, den = num.copy(), den.copy()
    active = np.arange(len(num))
    if side > 0:
        low, high = found.bounds(num, den)
        den[high > low] = 0
        active = np.flatnonzero(high <= low)
    while len(active):
        some = found if len(active) == len(num) else found.take(active)
        lower, upper = some.binding(num[active], den[active])
        below, distance = upper.value < lower.value, side * (upper.x - lower.x)
        lost, moved = below & (distance <= 0), below & (distance > 0)
        den[active[lost]] = -1
        num[active[moved]], den[active[moved]] = (side * (upper.k - lower.k))[moved], distance[moved]
        active = active[moved]
    return num, den
