# SPDX-License-Identifier: Apache-2.0
"""A requantiser whose codes are too many to be listed: the rounded line itself, piece by piece."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.exact.floors import highest
from bitwright.exact.meaning import Affine, affines, limits
from bitwright.exact.rounding import BY_SIGN, round_ratio
from bitwright.exact.solve import rays
from bitwright.exact.steps import spans
from bitwright.ir.layers import Requantise, Rounding
from bitwright.ir.per_channel import spread
from bitwright.ir.weights import Ints

INT64_SAFE = 1 << 62
UNBOUND = 1 << 256
"""A constant that nothing bounds lies within this of 0."""
FURTHEST = 1 << 200
"""Numbers up to here, times an integer of 64 bits, stay far below the largest float64."""
DOUBT = 2.0**-48
"""By what share of its terms a line in float64 is surely off by less: five roundings of 2**-53 each."""

Reals = NDArray[np.float64]


class Piece(NamedTuple):
    """R((p*a + q)/d) over the integers lo..hi, p >= 0, where `k` stands for the steps that can lie there."""

    p: int
    q: int
    d: int
    lo: int
    hi: int
    k: int


@dataclass(frozen=True)
class Channel:
    """One channel over lo..hi, mirrored (a becomes -a) where it falls; codes are those before the layer's shift."""

    rounding: Rounding
    pieces: tuple[Piece, ...]
    low: int
    high: int

    @property
    def lo(self) -> int:
        """The lowest integer."""
        return self.pieces[0].lo

    @property
    def hi(self) -> int:
        """The highest integer."""
        return self.pieces[-1].hi

    def code(self, a: int) -> int:
        """The code of one integer, limits included."""
        p, q, d = next(piece[:3] for piece in self.pieces if a <= piece.hi)
        return min(max(round_ratio(self.rounding, p * a + q, d), self.low), self.high)

    @property
    def moves(self) -> bool:
        """True if there is more than one code."""
        return self.code(self.lo) != self.code(self.hi)

    @cached_property
    def inside(self) -> tuple[int, int]:
        """The first integer above the lowest code, and the last one below the highest: the clip acts beyond."""
        every = range(self.lo, self.hi + 1)
        first = bisect_left(every, self.low + 1, key=self.code)
        return self.lo + first, self.lo + bisect_left(every, self.high, key=self.code) - 1

    def plateaus(self) -> int:
        """How many longest runs of equal codes there are."""
        runs = sum(self._runs(piece) for piece in self.pieces)
        return runs - sum(self.code(one.hi) == self.code(two.lo) for one, two in pairwise(self.pieces))

    def _runs(self, piece: Piece) -> int:
        first, last = self.code(piece.lo), self.code(piece.hi)
        if first == last:
            return 1
        if piece.p < piece.d:
            return last - first + 1
        if self.rounding is Rounding.HALF_EVEN and piece.p == piece.d and 2 * piece.q % (2 * piece.d) == piece.d:
            return (last - 1) // 2 - first // 2 + 2  # ties only: the even codes in between, and both ends
        every = range(piece.lo, piece.hi + 1)
        leaves = bisect_left(every, first + 1, key=self.code) - 1
        return bisect_left(every, last, key=self.code) - leaves + 1

    def bounds(self, m: int, s: int, parts: int) -> Iterator[tuple[int, int]]:
        """For the steps k = j modulo `parts`, j = 0 ... parts - 1, the least and the greatest c that are right.

        A c is right if the steps k that m*a + c >= k << s has reached are those that the code of a has, for every a.
        Half even needs two parts, for its odd steps lie elsewhere. The steps of a part are counted by a rounded line
        in a, and by another with m and c; the two are equal where the remainder of the second stays in its range.
        """
        first, last = self.inside
        for j in range(parts):
            low, high = -UNBOUND, UNBOUND
            for piece in self.pieces:
                lo, hi = max(first, piece.lo), min(last, piece.hi)
                if lo <= hi:
                    least, most = self._remainders(piece, (lo, hi), (m, s), (j, parts))
                    low, high = max(low, -least), min(high, (parts << s) - 1 - most)
            if first > self.lo and (self.low + 1) % parts == j:
                high = min(high, (self.low + 1 << s) - 1 - m * (first - 1))
            if last < self.hi and self.high % parts == j:
                low = max(low, (self.high << s) - m * (last + 1))
            yield low, high

    def _remainders(
        self, piece: Piece, span: tuple[int, int], slope: tuple[int, int], part: tuple[int, int]
    ) -> tuple[int, int]:
        """The extremes of m*a + (j << s) - (parts << s) * (how many steps of the part are reached)."""
        (lo, hi), (m, s), (j, parts) = span, slope, part
        k = j if self.rounding is Rounding.HALF_EVEN else piece.k
        h, e = (int(number) for number in rays(self.rounding, np.array(k)))
        start = 2 * (piece.p * lo + piece.q + piece.d * j) + h * piece.d - e
        line = (2 * piece.p, start, 2 * piece.d * parts)
        base, width = m * lo + (j << s), parts << s
        return base - highest(hi - lo + 1, -m, width, *line), base + highest(hi - lo + 1, m, -width, *line)


@dataclass(frozen=True, eq=False)
class Ruled:
    """The codes of `layer` over the integers lo..hi of each channel, (channels,) each: a line, rounded and clipped."""

    layer: Requantise
    lo: Ints
    hi: Ints

    @cached_property
    def count(self) -> Ints:
        """How far the codes of each channel reach."""
        return spans(self.layer, self.lo, self.hi)

    @cached_property
    def channels(self) -> tuple[tuple[int, Channel], ...]:
        """(direction, channel): -1 where it falls, else 1."""
        low, high = limits(self.layer)
        slopes = self.layer.slope.each(self.layer.channels) if self.layer.slope else [Fraction(1)] * self.layer.channels
        ends = zip(self.lo.tolist(), self.hi.tolist(), low.tolist(), high.tolist(), strict=True)
        made: dict[Any, tuple[int, Channel]] = {}
        found = []
        for line, slope, (lo, hi, least, most) in zip(affines(self.layer), slopes, ends, strict=True):
            key = (line, slope, lo, hi, least, most)
            if key not in made:
                sign = -1 if line.p < 0 else 1
                span = (lo, hi) if sign > 0 else (-hi, -lo)
                pieces = _pieces(self.layer.rounding, Affine(sign * line.p, line.q, line.d), slope, *span)
                shift = self.layer.shift
                made[key] = sign, Channel(self.layer.rounding, pieces, least - shift, most - shift)
            found.append(made[key])
        return tuple(found)

    @cached_property
    def plateaus(self) -> Ints:
        """How many longest runs of equal codes each channel has."""
        counts = {channel: channel.plateaus() for _, channel in self.channels}
        return np.array([counts[channel] for _, channel in self.channels], dtype=np.int64)

    def apply(self, a: NDArray[Any]) -> NDArray[Any]:
        """The codes of the integers `a` (..., channels), in int64; `a` must lie in lo..hi."""
        channel = np.broadcast_to(np.arange(self.layer.channels), a.shape)
        if self._number is object and (near := self._reals) is not None:
            found, doubted = self._near(a, *near)
            if doubted.any():
                found[doubted] = self._exactly(a[doubted], channel[doubted])
            return found
        return self._exactly(a, channel)

    def _exactly(self, a: NDArray[Any], channel: Ints) -> NDArray[Any]:
        p, q, d = (column[channel] for column in self._affines)
        n = a.astype(self._number) * p + q
        if self.layer.slope:
            up, down = (column[channel] for column in self._slopes)
            n, d = np.where(n < 0, n * up, n), np.where(n < 0, d * down, d)
        return self._within(_rounded(self.layer.rounding, n, d), channel)

    def _near(self, a: NDArray[Any], m: Reals, b: Reals, slope: Reals) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        """The codes by float64, and which are in doubt: steps lie at multiples of 1/2, v is off by up to `slack`."""
        x = a.astype(np.float64)
        v = x * m + b
        slack = np.maximum(slope, 1) * DOUBT * (np.abs(x * m) + np.abs(b) + 1)
        v = np.where(v < 0, v * slope, v)
        rounding = Rounding.HALF_UP if self.layer.rounding is Rounding.HALF_EVEN else self.layer.rounding
        h, _ = rays(rounding, (v >= 0).astype(np.int64))
        low, high = self._edges
        codes = np.clip(np.floor(v + h / 2), low.min() - 1, high.max() + 1).astype(np.int64)
        return np.clip(codes, low, high) + self.layer.shift, np.abs(2 * v - np.rint(2 * v)) <= slack

    def _within(self, codes: NDArray[Any], channel: Ints) -> NDArray[Any]:
        low, high = (edge[channel] for edge in self._edges)
        return np.asarray(np.clip(codes, low, high), dtype=np.int64) + self.layer.shift

    @cached_property
    def _affines(self) -> NDArray[Any]:
        """p, q and d of each channel."""
        return np.array(affines(self.layer), dtype=self._number).T

    @cached_property
    def _slopes(self) -> NDArray[Any]:
        """Numerator and denominator of each channel's slope below zero."""
        slopes = self.layer.slope.each(self.layer.channels) if self.layer.slope else [Fraction(1)] * self.layer.channels
        return np.array([(slope.numerator, slope.denominator) for slope in slopes], dtype=object).T

    @cached_property
    def _edges(self) -> tuple[Ints, Ints]:
        low, high = (np.array(spread(edge, self.layer.channels)) for edge in (self.layer.low, self.layer.high))
        return low, high

    @cached_property
    def _reals(self) -> tuple[Reals, Reals, Reals] | None:
        """Multiplier, offset and slope of each channel as float64; None where one is beyond it."""
        ups, downs = self._slopes
        rows = [
            (Fraction(p, d), Fraction(q, d), Fraction(up, down))
            for (p, q, d), up, down in zip(affines(self.layer), ups, downs, strict=True)
        ]
        if any(abs(number) > FURTHEST for row in rows for number in row):
            return None
        m, b, slope = np.array([[float(number) for number in row] for row in rows]).T
        return m, b, slope

    @cached_property
    def _number(self) -> type:
        """int64 where everything fits, else Python's integers."""
        rows = zip(affines(self.layer), self.lo.tolist(), self.hi.tolist(), strict=True)
        most = max(2 * (abs(p) * max(abs(lo), abs(hi)) + abs(q)) + 4 * d for (p, q, d), lo, hi in rows)
        return np.int64 if most < INT64_SAFE and not self.layer.slope else object


def _pieces(rounding: Rounding, line: Affine, slope: Fraction, lo: int, hi: int) -> tuple[Piece, ...]:
    """The rising `line` over lo..hi; in two at 0 where the slope or the rounding is another below it."""
    p, q, d = line
    below = Affine(p * slope.numerator, q * slope.numerator, d * slope.denominator)
    if slope == 1 and rounding not in BY_SIGN:
        return (Piece(*line, lo, hi, 1),)
    zero = -(q // p) if p else (lo if q >= 0 else hi + 1)
    zero = min(max(zero, lo), hi + 1)
    both = Piece(*below, lo, zero - 1, 0), Piece(*line, zero, hi, 1)
    return tuple(piece for piece in both if piece.lo <= piece.hi)


def _rounded(rounding: Rounding, n: NDArray[Any], d: NDArray[Any]) -> NDArray[Any]:
    if rounding is Rounding.HALF_EVEN:
        up, tie = (2 * n + d) // (2 * d), (2 * n + d) % (2 * d) == 0
        return np.asarray(up - (tie & (up % 2 == 1)))
    h, e = rays(rounding, (n >= 0).astype(np.int64))
    return np.asarray((2 * n + h * d - e) // (2 * d))
