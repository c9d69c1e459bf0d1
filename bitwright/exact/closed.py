# SPDX-License-Identifier: Apache-2.0
"""Multiply-add-shifts of requantisers whose steps are not listed: found and proved by the bounds of their constants."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from fractions import Fraction

from bitwright.exact.forms import INT64_BITS, MultiplyShift
from bitwright.exact.lines import Line, shared
from bitwright.exact.meaning import limits
from bitwright.exact.proof import PRODUCT_BITS, fits
from bitwright.exact.ruled import Channel, Ruled
from bitwright.exact.slopes import roundest
from bitwright.ir.layers import Rounding


def closed_forms(ruled: Ruled) -> Iterator[MultiplyShift]:
    """At most one form that should be equal to `ruled`: each channel's own scale, as short as it can be."""
    for widest in (INT64_BITS, PRODUCT_BITS):
        found: dict[tuple[int, Channel], Line | None] = {}
        for sign, channel in ruled.channels:
            if (sign, channel) not in found:
                found[sign, channel] = _line(channel, sign, ruled.layer.shift, widest)
        lines = [line for key in ruled.channels if (line := found[key])]
        if len(lines) == len(ruled.channels) and (form := shared(ruled.layer, ruled, lines, widest)):
            yield form
            return


def closed_proved(form: MultiplyShift, ruled: Ruled) -> bool:
    """True if `form` gives the codes of `ruled` for every channel and every integer in its lo..hi."""
    layer = ruled.layer
    same = all(bool((edge == own.array).all()) for edge, own in zip(limits(layer), (form.low, form.high), strict=True))
    return same and fits(form, ruled.lo, ruled.hi) and all(_proofs(form, ruled))


def _proofs(form: MultiplyShift, ruled: Ruled) -> Iterator[bool]:
    rows = zip(ruled.channels, form.m.array.tolist(), form.offsets.tolist(), form.window.array.tolist(), strict=True)
    known: dict[tuple[Channel, int, int, int], bool] = {}
    for (sign, channel), m, c, window in rows:
        key = channel, sign * m, c - (ruled.layer.shift << form.s), window
        if key not in known:
            known[key] = _equal(*key, form.s, odd_codes=form.odd == ruled.layer.shift & 1)
        yield known[key]


def _equal(channel: Channel, m: int, c: int, window: int, s: int, *, odd_codes: bool) -> bool:
    """True if (m*a + c) >> s, clipped, is the channel's code everywhere, its odd steps `window` later.

    A line rises or falls throughout, so a channel of one code is decided by its ends. Any other is by what bounds the
    constants, and needs a line that rises as it does.
    """
    if not 0 <= window <= 1 << s or not (odd_codes or not window):
        return False
    if not channel.moves:
        return _constant(channel, m, c, window, s)
    if m < 0:
        return False
    parts = 2 if window or channel.rounding is Rounding.HALF_EVEN else 1
    bounds = channel.bounds(m, s, parts)
    return all(low <= c - j * window <= high for j, (low, high) in enumerate(bounds))


def _constant(channel: Channel, m: int, c: int, window: int, s: int) -> bool:
    codes = []
    for a in (channel.lo, channel.hi):
        code, rest = divmod(m * a + c, 1 << s)
        codes.append(min(max(code - (rest < window and code % 2 == 1), channel.low), channel.high))
    return codes == [channel.code(channel.lo)] * 2


def _line(channel: Channel, sign: int, shift: int, widest: int) -> Line | None:
    """The shortest line of the channel's own scale whose products have at most `widest` bits; None if there is none."""
    if not channel.moves:
        return Line(0, channel.code(channel.lo) + shift, 0)
    reach = max(abs(piece.p * a + piece.q) // piece.d for piece in channel.pieces for a in (piece.lo, piece.hi))
    most = widest - 3 - (reach + abs(shift)).bit_length()
    line = next(filter(None, _tried(channel, range(max(most, 0)))), None)
    return line and line._replace(m=sign * line.m, c=line.c + (shift << line.s))


def _tried(channel: Channel, shifts: range) -> Iterator[Line | None]:
    """A power of two as it is, else lines without a window, else lines with one."""
    scale = max(Fraction(piece.p, piece.d) for piece in channel.pieces)
    own = scale.denominator.bit_length() - 1
    if scale == Fraction(1, 1 << own):
        yield from (_at(channel, scale, s, windows=True) for s in (own, own + 1) if s in shifts)
    for windows in (False, True):
        yield _shortest(channel, scale, shifts, windows=windows)


def _shortest(channel: Channel, scale: Fraction, shifts: range, *, windows: bool) -> Line | None:
    """The line with the least of `shifts`, as bisection finds it."""
    s = bisect_left(shifts, True, key=lambda s: _at(channel, scale, s, windows=windows) is not None)
    return _at(channel, scale, s, windows=windows) if s in shifts else None


def _at(channel: Channel, scale: Fraction, s: int, *, windows: bool) -> Line | None:
    """The line with the multiplier nearest to `scale` at shift `s`, with the shortest window that its ties need."""
    m = round(scale * (1 << s))
    if not m:
        return None
    bounds = list(channel.bounds(m, s, 2 if channel.rounding is Rounding.HALF_EVEN else 1))
    low, high = max(low for low, _ in bounds), min(high for _, high in bounds)
    if low <= high:
        return Line(m, roundest(low, high), s)
    return _windowed(m, s, *bounds) if windows and len(bounds) == 2 else None


def _windowed(m: int, s: int, even: tuple[int, int], odd: tuple[int, int]) -> Line | None:
    """The least constant whose odd steps, `window` later, are right as well; None if there is none."""
    c = max(even[0], odd[0])
    window = max(0, c - odd[1])
    right = c <= even[1] and odd[0] <= c - window and window <= min(m, 1 << s)
    return Line(m, c, s, window) if right else None
