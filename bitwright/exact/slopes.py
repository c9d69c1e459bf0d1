# SPDX-License-Identifier: Apache-2.0
"""All slopes at once: which lines floor(alpha*x + beta), clipped, are equal to given steps; the shortest multiplier.

The line must pass at or above every lower point (x, k) and strictly below every upper one. That leaves one open
interval of slopes per channel; a slope m/2**s inside it has an integer constant, and one outside has none.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.exact.steps import Steps
from bitwright.ir.weights import Ints

INT64_SAFE = 1 << 60
"""(codes + 2) * 2 * width below this keeps every product of the search in int64."""

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Points:
    """What binds a line, (channels, steps + 1) each: x is b - start, k is code - first, in the coordinate b of `Steps`.

    Rows with fewer points repeat one of their own; every channel has at least one step.
    """

    lower_x: Array
    lower_k: Array
    upper_x: Array
    upper_k: Array

    def bounds(self, num: Array, den: Array) -> tuple[Array, Array]:
        """(L, U), (channels,) each: floor((num*x + c)/den) is right iff L <= c < U."""
        low = self.lower_k * den[:, None] - self.lower_x * num[:, None]
        high = self.upper_k * den[:, None] - self.upper_x * num[:, None]
        return low.max(axis=1), high.min(axis=1)

    def take(self, rows: Array) -> Points:
        """The points of some channels."""
        return Points(self.lower_x[rows], self.lower_k[rows], self.upper_x[rows], self.upper_k[rows])


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
    reached, start = steps.reached[moving], steps.start[moving, None]
    rise = steps.last[moving, None] - steps.first[moving, None]
    x, k = steps.t[moving] - start, np.arange(1, reached.shape[1] + 1)
    x, k = np.where(reached, x, x[:, :1]), np.where(reached, k, 1)
    floats_at_start = (steps.first > low)[moving, None]
    floats_at_end = (steps.last < high)[moving, None]
    width = steps.end[moving, None] - start
    return Points(
        np.hstack((x, np.where(floats_at_start, 0, x[:, :1]))),
        np.hstack((k, np.where(floats_at_start, 0, 1))),
        np.hstack((x - 1, np.where(floats_at_end, width, x[:, :1] - 1))),
        np.hstack((k, np.where(floats_at_end, rise + 1, 1))),
    )


def slope_intervals(found: Points) -> list[Interval | None]:
    """For each channel the slopes for which a constant exists; None if there is no line at all."""
    codes, width = int(found.upper_k.max(initial=0)), int(found.upper_x.max(initial=0)) + 1
    if (codes + 2) * 2 * width >= INT64_SAFE:
        found = Points(*(array.astype(object) for array in _arrays(found)))
    one = np.ones(len(found.lower_x), dtype=found.lower_x.dtype)
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
    return roundest(m, -(-(c << s) // d) - 1 if d else 2 * m), s


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


def _arrays(found: Points) -> tuple[Array, Array, Array, Array]:
    return found.lower_x, found.lower_k, found.upper_x, found.upper_k


def _newton(found: Points, num: Array, den: Array, side: int) -> tuple[Array, Array]:
    """The end of the interval that lies towards `side` (+1 upper, -1 lower), from num/den outside it, as (num, den).

    U - L is concave and piecewise linear in the slope: jump to the root of the active pair until it is not negative.
    Upper ends of infinity have den = 0; channels without any slope have den = -1.
    """
    num, den = num.copy(), den.copy()
    active = np.arange(len(num))
    if side > 0:
        low, high = found.bounds(num, den)
        den[high > low] = 0
        active = np.flatnonzero(high <= low)
    while len(active):
        pts, n, d = found.take(active), num[active, None], den[active, None]
        low, high = pts.lower_k * d - pts.lower_x * n, pts.upper_k * d - pts.upper_x * n
        row, p, q = np.arange(len(active)), low.argmax(axis=1), high.argmin(axis=1)
        below = high[row, q] < low[row, p]
        distance = side * (pts.upper_x[row, q] - pts.lower_x[row, p])
        rise = side * (pts.upper_k[row, q] - pts.lower_k[row, p])
        lost, moved = below & (distance <= 0), below & (distance > 0)
        den[active[lost]] = -1
        num[active[moved]], den[active[moved]] = rise[moved], distance[moved]
        active = active[moved]
    return num, den
