# SPDX-License-Identifier: Apache-2.0
"""Real numbers between rationals, and rising functions of them to any precision."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from math import isqrt
from typing import Any, NamedTuple

from mpmath.libmp import (
    from_rational,
    mpf_div,
    mpf_erf,
    mpf_exp,
    mpf_log,
    mpf_sqrt,
    round_ceiling,
    round_floor,
    to_rational,
)

from bitwright.ir.functions import INFINITE

GUARD = 8
"""Bits by which the last place of mpmath's functions is distrusted."""
HALF, ONE, ZERO = Fraction(1, 2), Fraction(1), Fraction(0)
TWO = from_rational(2, 1, 10, round_floor)


class Between(NamedTuple):
    """A real number strictly between two rationals."""

    lo: Fraction
    hi: Fraction


Real = Fraction | Between
"""An exact rational, or an open interval around an irrational number."""


def rising(name: str, real: Real, precision: int) -> Real:
    """The function `name` of `RISING` of a real number, to about `precision` bits."""
    function = RISING[name]
    if isinstance(real, Between):
        low, high = function(real.lo, precision), function(real.hi, precision)
        return Between(low.lo if isinstance(low, Between) else low, high.hi if isinstance(high, Between) else high)
    return function(real, precision)


def sigmoid(value: Fraction, precision: int) -> Real:
    """1 / (1 + exp(-v)): exactly 1/2 at 0, irrational at every other rational, always within (0, 1)."""
    if value == 0:
        return HALF
    if abs(value) > precision:
        rest = Fraction(1, 1 << precision)
        return Between(ONE - rest, ONE) if value > 0 else Between(ZERO, rest)
    e = _bounds(mpf_exp, -value, precision)
    return Between(1 / (1 + e.hi), 1 / (1 + e.lo))


def exponential(value: Fraction, precision: int) -> Real:
    """exp(v): 1 at 0, irrational at every other rational."""
    if value == 0:
        return ONE
    return Between(ZERO, Fraction(1, 1 << precision)) if value < -precision else _bounds(mpf_exp, value, precision)


def softplus(value: Fraction, precision: int) -> Real:
    """log(1 + exp(v)): irrational at every rational."""
    if value > precision:
        return Between(value, value + Fraction(1, 1 << precision))
    e = exponential(value, precision)
    low, high = (e.lo, e.hi) if isinstance(e, Between) else (e, e)
    return Between(_bounds(mpf_log, 1 + low, precision).lo if low else ZERO, _bounds(mpf_log, 1 + high, precision).hi)


def error_function(value: Fraction, precision: int) -> Real:
    """erf(v): 0 at 0, irrational at every other rational, always within (-1, 1)."""
    if value == 0:
        return ZERO
    if abs(value) > precision:
        rest = Fraction(1, 1 << precision)
        return Between(ONE - rest, ONE) if value > 0 else Between(-ONE, rest - ONE)
    return _bounds(mpf_erf, value, precision)


def normal_cdf(value: Fraction, precision: int) -> Real:
    """(1 + erf(v / sqrt(2))) / 2, the factor of GELU: 1/2 at 0, irrational at every other rational."""
    if value == 0:
        return HALF
    if abs(value) > precision:
        rest = Fraction(1, 1 << precision)
        return Between(ONE - rest, ONE) if value > 0 else Between(ZERO, rest)
    bounds = _bounds(_erf_of_scaled, value, precision)
    return Between((1 + bounds.lo) / 2, (1 + bounds.hi) / 2)


def logarithm(value: Fraction, precision: int) -> Real:
    """log(v): 0 at 1, infinite at 0, irrational at every other positive rational."""
    if value <= 1 and value in (0, 1):
        return ZERO if value else -INFINITE
    return _bounds(mpf_log, value, precision)


def root(value: Fraction, precision: int) -> Real:
    """The root of v >= 0: rational where numerator and denominator are squares."""
    ends = isqrt(value.numerator), isqrt(value.denominator)
    found = Fraction(*ends)
    return found if found * found == value else _bounds(mpf_sqrt, value, precision)


RISING: dict[str, Callable[[Fraction, int], Real]] = {
    "sigmoid": sigmoid,
    "exp": exponential,
    "softplus": softplus,
    "erf": error_function,
    "normal_cdf": normal_cdf,
    "sqrt": root,
    "log": logarithm,
}
"""Rising functions without arguments that a table may use."""


def _erf_of_scaled(value: Any, precision: int, rounded: str) -> Any:
    """erf(v / sqrt(2)) for an mpmath number."""
    return mpf_erf(mpf_div(value, mpf_sqrt(TWO, precision + GUARD), precision + GUARD), precision, rounded)


def _bounds(function: Callable[[Any, int, str], Any], value: Fraction, precision: int) -> Between:
    """Rationals on both sides of a rising `function` of `value`, about `precision` bits apart."""
    slack = Fraction(1, 1 << precision - GUARD)
    ends = []
    for rounded, sign in ((round_floor, -1), (round_ceiling, 1)):
        argument = from_rational(value.numerator, value.denominator, precision, rounded)
        end = Fraction(*to_rational(function(argument, precision, rounded)))
        ends.append(end + sign * slack * abs(end))
    return Between(*ends)
