# SPDX-License-Identifier: Apache-2.0
"""The cheapest form in which a processor computes a requantiser, tried at every step.

Each form is monotone in the sum: a conversion, a multiply-add and a rounding keep order, and so do counting and
looking up. A form that is right on both sides of every step, and at both ends, is therefore right everywhere.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from itertools import chain
from math import inf
from typing import NamedTuple, assert_never

import numpy as np
from numpy.typing import NDArray

from bitwright.exact.closed import closed_forms
from bitwright.exact.forms import INT64_BITS, MultiplyShift
from bitwright.exact.pairs import pair_forms
from bitwright.exact.ranges import Ranges
from bitwright.exact.requantise import Codes, codes, equals, listed
from bitwright.exact.ruled import Ruled
from bitwright.exact.steps import Steps, steps
from bitwright.ir.errors import BitwrightError
from bitwright.ir.kept import Kept
from bitwright.ir.layers import Requantise, Sum
from bitwright.ir.weights import Ints, Weights
from bitwright.sim.fast.program import Program

COMPARED = 4
"""Steps of a channel that are compared with one by one in less time than a multiply-add takes."""
COUNTED = 32
"""Steps of a channel that are compared with in less time than a search for one takes."""
TRIED = 64
"""Sums of each channel at which a line that is proved already is tried."""
MOST_SHIFTED = 126
"""Bits that are dropped of 128 at most, the sign apart."""
MAX_TABLE = 1 << 16
"""Entries of all channels that stay in a processor's cache."""

MOST_ROUNDED = 1 << 30
"""Codes beyond are more than a vector's conversion to 32 bits surely holds."""

Reals = NDArray[np.float64]


@dataclass(frozen=True)
class Line:
    """round_even(clip(m * a + c, low, high)) + after, in float32 or float64; (channels,) each."""

    doubles: bool
    m: Reals
    c: Reals
    low: Reals
    high: Reals
    after: int

    def put(self, program: Program) -> None:
        """Make it the tail of the next step."""
        program.linear(self.doubles, self.m, self.c, self.low, self.high, self.after)

    def tiled(self, span: int) -> Line:
        """The same for `span` pixels at once."""
        m, c, low, high = (np.tile(values, span) for values in (self.m, self.c, self.low, self.high))
        return Line(self.doubles, m, c, low, high, self.after)


@dataclass(frozen=True)
class Counted:
    """first + step * #{t <= a ^ flip}; t: (channels, steps), compared in 32 bits if `narrow`, else searched."""

    narrow: bool
    t: Ints
    flip: Ints
    first: Ints
    step: int

    def put(self, program: Program) -> None:
        """Make it the tail of the next step."""
        program.steps(self.narrow, self.t, self.flip, self.first, self.step)

    def tiled(self, span: int) -> Counted:
        """The same for `span` pixels at once."""
        return Counted(
            self.narrow, np.tile(self.t, (span, 1)), np.tile(self.flip, span), np.tile(self.first, span), self.step
        )


@dataclass(frozen=True)
class Looked:
    """entries[starts + a]; starts: (channels,)."""

    starts: Ints
    entries: Ints

    def put(self, program: Program) -> None:
        """Make it the tail of the next step."""
        program.table(self.starts, self.entries)

    def tiled(self, span: int) -> Looked:
        """The same for `span` pixels at once."""
        return Looked(np.tile(self.starts, span), self.entries)


@dataclass(frozen=True)
class Shifted:
    """A multiply-add-shift that was proved for all integers, in 64 bits or in 128; one channel for each element."""

    form: MultiplyShift
    span: int = 1

    def put(self, program: Program) -> None:
        """Make it the tail of the next step."""
        form = self.form
        fields = (form.m, form.window, form.low, form.high)
        rows = [np.tile(field.array, self.span) for field in fields]
        wide, offsets = max(form.product.bits, form.s) > INT64_BITS, form.offsets.tolist() * self.span
        program.shift(wide, len(offsets), rows, offsets, form.s, form.odd)

    def tiled(self, span: int) -> Shifted:
        """The same for `span` pixels at once."""
        return Shifted(self.form, span)


class Unruled(BitwrightError):
    """A requantiser of more codes than are listed, which no proved line equals."""


@dataclass(frozen=True)
class Raw:
    """The sums themselves."""

    def put(self, program: Program) -> None:
        """There is nothing to state."""

    def tiled(self, span: int) -> Raw:
        """The same for `span` pixels at once."""
        return self


Tail = Line | Counted | Looked | Shifted | Raw
KEPT = 1 << 11
"""Tails that are kept: a search over widths asks for some 300 of each layer."""
TAILS: Kept[Tail] = Kept(KEPT)


def tail_over(layer: Requantise, reached: Ranges, program: Program) -> Tail:
    """The tail of `layer` over the integers by which it is reached.

    The networks of a search have most of them in common: what was found is kept.
    """
    key = (program.library, _said(layer), layer.channels, reached.lo.tobytes(), reached.hi.tobytes())
    return TAILS.get(key, lambda: tail(layer, codes(layer, reached.lo, reached.hi), program))


def _said(layer: Requantise) -> Hashable:
    """All that its codes depend on, but for how many channels there are."""
    rows = (layer.multiplier.values, layer.offset.values, layer.slope.values, *layer.levels)
    ratios = tuple(value.as_integer_ratio() for row in rows for value in row)
    return ratios, tuple(map(len, rows)), layer.rounding, layer.low, layer.high, layer.shift


def tail(layer: Requantise, found: Codes, program: Program) -> Tail:
    """The cheapest form that equals `layer`, whose codes are `found`, in this library on this processor."""
    match found:
        case Steps():
            return _stepwise(layer, found, program)
        case Ruled():
            return _ruled(layer, found, program)
        case _:
            assert_never(found)


def _ruled(layer: Requantise, found: Ruled, program: Program) -> Tail:
    """The line that was proved for all integers; what the library makes of it is tried at the ends and between.

    Where none is found the steps are listed after all, if they can be.
    """
    inside = np.linspace(found.lo.astype(np.float64), found.hi.astype(np.float64), TRIED).astype(np.int64)
    sums = np.clip(inside, found.lo, found.hi)
    wide = not is_narrow(found)
    for form in closed_forms(found):
        shifted = Shifted(form)
        shifted.put(program)
        if (
            form.s <= MOST_SHIFTED
            and equals(form, found)
            and np.array_equal(program.tried(sums, wide=wide), found.apply(sums))
        ):
            return shifted
    if listed(layer, found.lo, found.hi):
        return _stepwise(layer, steps(layer, found.lo, found.hi), program)
    raise Unruled(
        "has more codes than are listed, and is no line",
        where=f"layer '{layer.name}'",
        hint="--engine reference computes it",
    )


def is_narrow(found: Codes) -> bool:
    """True if 32 bits hold every sum, and one beyond."""
    return int(found.lo.min()) > -1 << 31 and int(found.hi.max()) < (1 << 31) - 1


def _stepwise(layer: Requantise, found: Steps, program: Program) -> Tail:
    narrow = is_narrow(found)
    comparable = narrow and _furthest(found) < MOST_ROUNDED
    if comparable and found.t.shape[1] <= COMPARED:
        return counted(found, narrow=True)
    candidates: Iterator[Tail] = chain(_lines(layer, found), _table(found))
    for form in candidates:
        if holds(form, found, program, wide=not narrow):
            return form
    return counted(found, narrow=comparable and found.t.shape[1] <= COUNTED)


def counted(found: Steps, *, narrow: bool) -> Counted:
    """The steps themselves, which need no trial."""
    return Counted(narrow, found.t, -found.falling.astype(np.int64), found.first, found.step)


def holds(form: Tail, found: Steps, program: Program, *, wide: bool) -> bool:
    """True if `form` gives the code of `found` on both sides of every step and at both ends of every interval."""
    form.put(program)
    return all(np.array_equal(program.tried(sums, wide=wide), found.apply(sums)) for sums in _sides(found))


def _sides(found: Steps) -> Iterator[Ints]:
    """The integers to try, (rows, channels)."""
    yield np.stack([found.lo, found.hi])
    t = found.t.T
    for b in (t, t - 1):
        inside = np.clip(b, found.start, found.end)
        yield np.ascontiguousarray(np.where(found.falling, ~inside, inside))


def _lines(layer: Requantise, found: Steps) -> Iterator[Line]:
    """Lines that should equal the steps: that of the layer's own scale, then one in the middle between its steps."""
    if found.step != 1 or max(_furthest(found), abs(layer.shift)) >= MOST_ROUNDED:
        return
    m, own = (_reals(values.each(layer.channels)) for values in (layer.multiplier, layer.offset))
    ends = np.stack([found.first, found.last])
    low, high = (edge(ends, axis=0).astype(np.float64) - layer.shift for edge in (np.min, np.max))
    for doubles in (False, True):
        with np.errstate(over="ignore"):
            slope = m if doubles else m.astype(np.float32).astype(np.float64)
        if not np.isfinite(slope).all():
            continue
        for constant in (own, _middle(found, slope, layer.shift)):
            if np.isfinite(constant).all():
                yield Line(doubles, slope, constant, low, high, layer.shift)


def _furthest(found: Steps) -> int:
    """The largest magnitude of a code."""
    return max(abs(int(code)) for code in (*found.first, *found.last))


def _reals(values: Sequence[Fraction]) -> Reals:
    """The nearest float64 of each, infinity where there is none."""
    return np.array([_real(v) for v in values])


def _real(value: Fraction) -> float:
    try:
        return float(value)
    except OverflowError:
        return inf


def _middle(found: Steps, m: Reals, shift: int) -> Reals:
    """For each channel the constant with the most room to both sides of every step, for codes rounded to nearest.

    With k - 1/2 to be reached at b = t[k] and not at t[k] - 1 it lies in [max L, min L + m), L = k - 1/2 - m * t[k].
    """
    slope = np.abs(m).astype(np.longdouble)
    code = (found.first - shift)[:, None] + np.arange(found.t.shape[1]) + np.longdouble(0.5)
    least = code - slope[:, None] * found.t
    lowest = np.where(found.reached, least, -np.inf).max(axis=1)
    highest = np.where(found.reached, least, np.inf).min(axis=1) + slope
    still = found.count == 0
    middle = np.where(still, 0, (np.where(still, 0, lowest) + np.where(still, 0, highest)) / 2)
    return np.asarray(np.where(found.falling, middle - slope, middle), dtype=np.float64)


def _table(found: Steps) -> Iterator[Looked]:
    """All channels' codes, if they are few; the clip of a line makes constant channels cheaper than an entry each."""
    if (found.hi.astype(np.float64) - found.lo).sum() >= MAX_TABLE:
        return
    width = found.hi - found.lo + 1
    starts = np.cumsum(width) - width - found.lo
    rows = [found.take(np.array([c])) for c in range(len(width))]
    codes = [row.apply(np.arange(row.lo[0], row.hi[0] + 1)[:, None])[:, 0] for row in rows]
    yield Looked(starts, np.concatenate(codes).astype(np.int64))


class Paired(NamedTuple):
    """Factors (2, channels) and the line that makes the codes of their 32-bit sums."""

    factors: Ints
    line: Line


PAIRED: Kept[Paired | None] = Kept(KEPT)


def paired(join: Sum, layer: Requantise, reads: Sequence[Ranges], program: Program) -> Paired | None:
    """Short factors and a line for `join` and `layer`, tried at every sum that a pair makes; None if none is found.

    All channels are alike where `pair_forms` finds factors: one of them is tried.
    """
    if len(reads) != 2:
        return None
    ends = tuple((int(x.lo.min()), int(x.hi.max())) for x in reads)
    key = (program.library, _said(layer), layer.channels, join.factors, ends)
    return PAIRED.get(key, lambda: _paired(join, layer, reads, program))


def _paired(join: Sum, layer: Requantise, reads: Sequence[Ranges], program: Program) -> Paired | None:
    if (found := pair_forms(join, layer, reads[0], reads[1])) is None:
        return None
    factors, form = found
    (ma,), (mb,) = factors.factors
    a, b = (np.arange(int(x.lo.min()), int(x.hi.max()) + 1) for x in reads)
    sums = (ma * a[:, None] + mb * b).reshape(-1, 1)
    one = [Weights(field.array[:1]) for field in (form.m, form.c, form.window, form.low, form.high)]
    m, c, window, low, high = one
    codes = replace(form, m=m, c=c, window=window, low=low, high=high).apply(sums)
    for doubles in (False, True):
        line = _shifted(form, doubles)
        line.put(program)
        if np.array_equal(program.tried(sums, wide=False), codes):
            return Paired(np.array([[ma], [mb]]).repeat(layer.channels, axis=1), line.tiled(layer.channels))
    return None


def _shifted(form: MultiplyShift, doubles: bool) -> Line:
    """One channel of (m*u + c) >> s as a rounding to nearest: half a code lower, half a grain higher without ties."""
    unit = float(1 << form.s)
    ties = bool(form.window.array[0])
    grain = 0.0 if ties else 0.5
    after = form.odd if ties else 0
    rows = (form.m.array / unit, (form.offsets.astype(np.float64) + grain) / unit - 0.5 - after)
    limits = (form.low.array - after, form.high.array - after)
    m, c, low, high = (np.asarray(row[:1], dtype=np.float64) for row in (*rows, *limits))
    return Line(doubles, m, c, low, high, after)
