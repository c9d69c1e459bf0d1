# SPDX-License-Identifier: Apache-2.0
"""The slow definition y(a) = clip(R(M*a + B), low, high) + shift, and the plateaus of y over an interval."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterator
from fractions import Fraction
from math import lcm

from bitwright.check.saved import Layer

Code = Callable[[int], int]


def _half_even(n: int, d: int) -> int:
    floor, rest = divmod(n, d)
    return floor + (2 * rest > d or (2 * rest == d and floor % 2 == 1))


def _mirrored(n: int, d: int, below: Callable[[int, int], int]) -> int:
    """R(v) for v >= 0 by `below`, and R(v) = -R(-v)."""
    return below(n, d) if n >= 0 else -below(-n, d)


ROUND: dict[str, Callable[[int, int], int]] = {
    "floor": lambda n, d: n // d,
    "ceil": lambda n, d: -(-n // d),
    "half_even": _half_even,
    "half_up": lambda n, d: n // d + (2 * (n % d) >= d),
    "half_down": lambda n, d: n // d + (2 * (n % d) > d),
    "half_away": lambda n, d: _mirrored(n, d, ROUND["half_up"]),
    "half_zero": lambda n, d: _mirrored(n, d, ROUND["half_down"]),
    "to_zero": lambda n, d: _mirrored(n, d, ROUND["floor"]),
    "from_zero": lambda n, d: _mirrored(n, d, ROUND["ceil"]),
    "sign": lambda n, d: 1 if n >= 0 else -1,
}
"""R(n/d) for d > 0; `levels` is not here, for it belongs to a channel."""


def meaning(layer: Layer) -> list[Code]:
    """Y of every channel of a requantiser; it rises or falls with a throughout."""
    rounding = layer.fields["rounding"]
    layer.require(rounding in (*ROUND, "levels"), f"rounds by {rounding!r}")
    low, high, shift = layer.each("low"), layer.each("high"), layer.fields["shift"]
    layer.require(all(list(row) == sorted(row) for row in layer.fields["levels"]), "has levels that do not ascend")
    levels = layer.each("levels") if rounding == "levels" else [()] * layer.channels
    slopes = layer.each("slope") if layer.fields["slope"] else [Fraction(1)] * layer.channels
    layer.require(min(slopes) > 0, "has a slope that is not positive")
    folded = zip(layer.each("multiplier"), layer.each("offset"), levels, slopes, low, high, strict=True)
    return [
        _code(m, b, _leaky(slope, _counter(row) if rounding == "levels" else ROUND[rounding]), least, most, shift)
        for m, b, row, slope, least, most in folded
    ]


def plateaus(y: Code, lo: int, hi: int) -> Iterator[tuple[int, int, int]]:
    """(first a, last a, code) of each longest run of equal codes of the monotone `y` over lo..hi, by bisection."""
    start, length = lo, 1
    while start <= hi:
        code, inside, outside = y(start), start, hi + 1
        probe = start + length
        while outside - inside > 1:
            if not inside < probe < outside:
                probe = (inside + outside) // 2
            if y(probe) == code:
                length *= 2
                inside, probe = probe, probe + length
            else:
                outside, probe = probe, 0
        yield start, inside, code
        start, length = outside, outside - start


def _code(m: Fraction, b: Fraction, rounded: Callable[[int, int], int], low: int, high: int, shift: int) -> Code:
    d = lcm(m.denominator, b.denominator)
    p, q = int(m * d), int(b * d)
    return lambda a: min(max(rounded(p * a + q, d), low), high) + shift


def _leaky(slope: Fraction, rounded: Callable[[int, int], int]) -> Callable[[int, int], int]:
    """`rounded` of v, or of slope * v where v is negative."""
    up, down = slope.numerator, slope.denominator
    return rounded if slope == 1 else lambda n, d: rounded(n * up, d * down) if n < 0 else rounded(n, d)


def _counter(levels: tuple[Fraction, ...]) -> Callable[[int, int], int]:
    """How many of the ascending `levels` are at most n/d."""
    return lambda n, d: bisect_right(levels, Fraction(n, d))
