# SPDX-License-Identifier: Apache-2.0
"""Tables of real functions: every entry is the correctly rounded exact value, never that of a float library."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from typing import assert_never

import numpy as np

from bitwright.exact.reals import ONE, ZERO, Between, Real, rising
from bitwright.exact.rounding import round_exact
from bitwright.ir.errors import BitwrightError
from bitwright.ir.functions import (
    INFINITE,
    Above,
    Abs,
    Affine,
    Algebraic,
    Clip,
    Elu,
    Erf,
    Exp,
    Function,
    LeakyRelu,
    Log,
    NormalCdf,
    Power,
    Sigmoid,
    Softplus,
    Softsign,
    Sqrt,
    Step,
    Tanh,
    TimesInput,
)
from bitwright.ir.layers import Rounding
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights

MAX_BITS = 16
"""Bits of a code that is still tabulated."""
NEGATIVE: dict[type[Step], str] = {
    Sqrt: "takes the square root of a negative number",
    Log: "takes the logarithm of a negative number",
}
NOT_NEGATIVE = "keep what it reads from below zero, by a Relu or an unsigned quantiser"
PRECISIONS = tuple(200 << doublings for doublings in range(8))
"""Bits of the first try, 60 digits, and of all further ones."""


class Undecided(Exception):
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
        code = rounded(function, scale * (codes.lo + i - zero), rounding)
        return min(max(code, low), high) + shift

    size = codes.hi - codes.lo + 1
    entries = _bisected(entry, size) if _monotone(function) else [entry(i) for i in range(size)]
    return Weights(np.array(entries, dtype=np.int64))


def turns(step: Step) -> bool:
    """True if a step may rise here and fall there."""
    match step:
        case Abs() | TimesInput():
            return True
        case LeakyRelu() | Elu():
            return step.slope < 0
        case Above():
            return step.limit < 0
        case Power():
            return step.exponent < 0 or step.exponent % 2 == 0
        case _:
            return False


def _monotone(function: Function) -> bool:
    """True if no step of the function turns: some do, and a linear unit does where its slope is negative."""
    return not any(map(turns, function))


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
        real = _apply(step, real, value, precision)
    return real


def rounded(function: Function, value: Fraction, rounding: Rounding) -> int:
    """R(function(value)): the precision rises until no step of R lies in the interval.

    An irrational number is no step, so some precision is enough. Steps are multiples of 1/2, so none lies within
    1/(4d) of n/d but n/d itself: there R has its limits from either side.
    """
    for precision in PRECISIONS:
        try:
            real = evaluate(function, value, precision)
        except Undecided:
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


def _apply(step: Step, real: Real, given: Fraction, precision: int) -> Real:
    """The step of `real`; `given` is what the first step was."""
    match step:
        case Affine():
            return _affine(real, step.slope, step.offset)
        case Clip():
            return _clip(real, step)
        case LeakyRelu() | Abs():
            return _bent(real, step.slope if isinstance(step, LeakyRelu) else -ONE)
        case Elu():
            return real if _positive(real) else _affine(rising("exp", real, precision), step.slope, -step.slope)
        case Tanh():
            return _affine(rising("sigmoid", _affine(real, 2 * ONE, ZERO), precision), 2 * ONE, -ONE)
        case TimesInput():
            return _affine(real, given, ZERO)
        case Above() | Power() | Softsign() | Sqrt() | Log():
            return _algebraic(step, real, precision)
        case Exp() | Sigmoid() | Softplus() | Erf() | NormalCdf():
            return rising(step.op, real, precision)
        case _:
            assert_never(step)


def _algebraic(step: Algebraic, real: Real, precision: int) -> Real:
    match step:
        case Above():
            return real if _side(real, step.limit) > 0 else ZERO
        case Power():
            return _power(real, step.exponent)
        case Softsign():
            ends = [v / (1 + abs(v)) for v in ((real,) if isinstance(real, Fraction) else real)]
            return ends[0] if isinstance(real, Fraction) else Between(*ends)
        case Sqrt() | Log():
            if not _positive(real):
                raise BitwrightError(NEGATIVE[type(step)], where="table", hint=NOT_NEGATIVE)
            return rising(step.op, real, precision)
        case _:
            assert_never(step)


def _power(real: Real, given: Fraction) -> Real:
    exponent = int(given)
    if exponent != given or not exponent:
        raise BitwrightError(f"takes the power {given}", where="table", hint="give a whole number but 0, and sqrt")
    if isinstance(real, Fraction):
        return real**exponent if real or exponent > 0 else INFINITE
    _positive(real)  # a power turns at zero, or has its pole there
    if exponent < 0 and 0 in real:
        raise Undecided
    ends = real.lo**exponent, real.hi**exponent
    return Between(min(ends), max(ends))


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


def _clip(real: Real, limits: Clip) -> Real:
    if limits.low is not None and _side(real, limits.low) < 0:
        real = limits.low
    if limits.high is not None and _side(real, limits.high) > 0:
        real = limits.high
    return real


def _positive(real: Real) -> bool:
    return _side(real, ZERO) >= 0


def _side(real: Real, limit: Fraction) -> int:
    """-1, 0 or 1: whether the number is below, at or above `limit`."""
    if isinstance(real, Fraction):
        return (real > limit) - (real < limit)
    if real.lo < limit < real.hi:
        raise Undecided
    return 1 if real.lo >= limit else -1
