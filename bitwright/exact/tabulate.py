# SPDX-License-Identifier: Apache-2.0
"""Tables of real functions: every entry is the correctly rounded exact value, never that of a float library."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from functools import lru_cache

import numpy as np

from bitwright.exact.reals import ONE, RISING, ZERO, Between, Real, rising
from bitwright.exact.rounding import round_exact
from bitwright.ir.errors import BitwrightError
from bitwright.ir.functions import Function, Step
from bitwright.ir.layers import Rounding
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights

MAX_BITS = 16
"""Bits of a code that is still tabulated."""
PRECISIONS = tuple(200 << doublings for doublings in range(8))
"""Bits of the first try, 60 digits, and of all further ones."""


class _Undecided(Exception):
    """An interval is too wide to know which branch of a function its number takes."""


def tabulate(
    function: Function,
    codes: IntType,
    *,
    scale: Fraction,
    zero: Fraction,
    rounding: Rounding,
    low: int,
    high: int,
    shift: int,
) -> Weights:
    """clip(R(function(scale * (q - zero))), low, high) + shift for every integer q in codes.lo..codes.hi, in order.

    BitwrightError for codes of more than 16 bits. A bipolar type has an entry for 0 too, which nothing reads.
    """
    if codes.bits > MAX_BITS:
        raise BitwrightError(
            f"a table over {codes} would have {codes.count} entries",
            where="table",
            hint=f"quantise the function's input to at most {MAX_BITS} bits",
        )

    def entry(i: int) -> int:
        rounded = _rounded(function, scale * (codes.lo + i - zero), rounding)
        return min(max(rounded, low), high) + shift

    size = codes.hi - codes.lo + 1
    entries = _bisected(entry, size) if _monotone(function) else [entry(i) for i in range(size)]
    return Weights(np.array(entries, dtype=np.int64))


def _monotone(function: Function) -> bool:
    """True if no step of the function turns: some do, and a linear unit does where its slope is negative."""
    return all(
        step[0] not in ("abs", "times_input") and (step[0] not in ("leaky_relu", "elu") or Fraction(step[1]) >= 0)
        for step in function
    )


def _bisected(entry: Callable[[int], int], size: int) -> list[int]:
    """entry(0), ..., entry(size - 1) of a monotone `entry`, which is called only around the changes."""
    entries = [entry(0)] * size
    entries[-1] = entry(size - 1)
    spans = [(0, size - 1)]
    while spans:
        start, end = spans.pop()
        if entries[start] == entries[end]:
            entries[start:end] = [entries[start]] * (end - start)
        elif end - start > 1:
            middle = (start + end) // 2
            entries[middle] = entry(middle)
            spans += [(start, middle), (middle, end)]
    return entries


def evaluate(function: Function, value: Fraction, precision: int) -> Real:
    """The function of `value`, exponentials to `precision` bits; exact as long as every step is rational there."""
    real: Real = value
    for step in function:
        real = _affine(real, value, ZERO) if step == ("times_input",) else _apply(step, real, precision)
    return real


def _rounded(function: Function, value: Fraction, rounding: Rounding) -> int:
    """R(function(value)): the precision rises until no step of R lies in the interval.

    An irrational number is no step, so some precision is enough. Steps are multiples of 1/2, so none lies within
    1/(4d) of n/d but n/d itself: there R has its limits from either side.
    """
    for precision in PRECISIONS:
        try:
            real = evaluate(function, value, precision)
        except _Undecided:
            continue
        if isinstance(real, Fraction):
            return round_exact(rounding, real)
        lowest = round_exact(rounding, real.lo + Fraction(1, 4 * real.lo.denominator))
        highest = round_exact(rounding, real.hi - Fraction(1, 4 * real.hi.denominator))
        if lowest == highest:
            return lowest
    raise BitwrightError(
        f"the function of {value} lies within 2**-{PRECISIONS[-1]} of a step, or of a limit inside it",
        where="table",
        hint="remove the clip that nearly coincides with the function's own limit",
    )


@lru_cache(maxsize=64)
def _number(text: str) -> Fraction:
    """The number that a step of a function holds; a table asks for it at every entry."""
    return Fraction(text)


def _apply(step: Step, real: Real, precision: int) -> Real:
    match step:
        case ("affine", a, b):
            return _affine(real, _number(a), _number(b))
        case ("clip", lo, hi):
            return _clip(real, lo, hi)
        case ("leaky_relu", a):
            return _bent(real, _number(a))
        case ("elu", a):
            return real if _positive(real) else _affine(rising("exp", real, precision), _number(a), -_number(a))
        case ("abs",):
            return _bent(real, -ONE)
        case ("tanh",):
            return _affine(rising("sigmoid", _affine(real, 2 * ONE, ZERO), precision), 2 * ONE, -ONE)
        case (name,) if name in RISING:
            return rising(name, real, precision)
        case _:
            raise BitwrightError(
                f"'{' '.join(step)}' is not a function that can be tabulated",
                where="table",
                hint="use affine, clip, leaky_relu, elu, abs, times_input, tanh, " + ", ".join(RISING),
            )


def _bent(real: Real, slope: Fraction) -> Real:
    """The number itself from zero up, `slope` times it below zero."""
    return _affine(real, ONE if _positive(real) else slope, ZERO)


def _affine(real: Real, a: Fraction, b: Fraction) -> Real:
    if isinstance(real, Fraction):
        return a * real + b
    if a == 0:
        return b
    ends = a * real.lo + b, a * real.hi + b
    return Between(min(ends), max(ends))


def _clip(real: Real, lo: str, hi: str) -> Real:
    if lo and _side(real, _number(lo)) < 0:
        real = _number(lo)
    if hi and _side(real, _number(hi)) > 0:
        real = _number(hi)
    return real


def _positive(real: Real) -> bool:
    return _side(real, ZERO) >= 0


def _side(real: Real, limit: Fraction) -> int:
    """-1, 0 or 1: whether the number is below, at or above `limit`."""
    if isinstance(real, Fraction):
        return (real > limit) - (real < limit)
    if real.lo < limit < real.hi:
        raise _Undecided
    return 1 if real.lo >= limit else -1
