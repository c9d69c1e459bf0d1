# SPDX-License-Identifier: Apache-2.0
"""Bounds of exponentials, logarithms and the error function, by series whose remainders are bounded."""

from __future__ import annotations

from collections.abc import Callable
from decimal import MAX_EMAX, MIN_EMIN, Context, Decimal
from fractions import Fraction
from math import isqrt

INFINITE = Fraction(1 << 200)
"""A number beyond what any quantiser holds."""
Pair = tuple[Fraction, Fraction]
"""A lower and an upper bound; equal where the value is rational and known."""


def exponential(v: Fraction, digits: int) -> Pair:
    """Bounds of exp(v); decimal's result is rounded to nearest, so its neighbours are bounds."""
    if v == 0:
        return Fraction(1), Fraction(1)
    if v < -4 * digits:
        return Fraction(0), Fraction(1, 10**digits)
    context = Context(prec=digits, Emin=MIN_EMIN, Emax=MAX_EMAX)
    grain = Fraction(1, 10 ** (digits + 4))
    low, high = (context.exp(_decimal(v + side * abs(v) * grain, digits + 8)) for side in (-1, 1))
    return Fraction(context.next_minus(low)), Fraction(context.next_plus(high))


def softplus(v: Fraction, digits: int) -> Pair:
    """Bounds of log(1 + exp(v))."""
    if v > 4 * digits:
        return v, v + Fraction(1, 10**digits)
    low, high = exponential(v, digits)
    return (_logarithm(1 + low, digits)[0] if low else Fraction(0)), _logarithm(1 + high, digits)[1]


def error_function(v: Fraction, digits: int) -> Pair:
    """Bounds of erf(v) = 2/sqrt(pi) * exp(-v*v) * sum of 2**n v**(2n+1) / (1*3*...*(2n+1)): all terms have one sign."""
    if v == 0:
        return Fraction(0), Fraction(0)
    if v < 0:
        low, high = error_function(-v, digits)
        return -high, -low
    if v * v > 4 * digits:  # 1 - erf(v) < exp(-v*v) < 10**-digits
        return 1 - Fraction(1, 10**digits), Fraction(1)
    total, rest = _series(v, digits)
    decay, root = exponential(-v * v, digits + 10), _root_of_pi(digits + 10)
    return 2 * decay[0] * total / root[1], min(2 * decay[1] * (total + rest) / root[0], Fraction(1))


def normal_cdf(v: Fraction, digits: int) -> Pair:
    """Bounds of (1 + erf(v / sqrt(2))) / 2."""
    if v == 0:
        return Fraction(1, 2), Fraction(1, 2)
    ends = sorted(v * side for side in _half_root(digits + 10))
    return (1 + error_function(ends[0], digits)[0]) / 2, (1 + error_function(ends[1], digits)[1]) / 2


def root(v: Fraction, digits: int) -> Pair:
    """Bounds of the root of v; equal where it is rational, as numerator and denominator are then squares."""
    rational = Fraction(isqrt(v.numerator), isqrt(v.denominator))
    if rational * rational == v:
        return rational, rational
    unit = 10**digits * v.denominator
    low = isqrt(v.numerator * unit * unit // v.denominator)
    return Fraction(low, unit), Fraction(low + 1, unit)


def logarithm(v: Fraction, digits: int) -> Pair:
    """Bounds of log(v), of zero infinite."""
    if v in (0, 1):
        return (Fraction(0), Fraction(0)) if v else (-INFINITE, -INFINITE)
    return _logarithm(v, digits)


FUNCTIONS: dict[str, Callable[[Fraction, int], Pair]] = {
    "exp": exponential,
    "softplus": softplus,
    "erf": error_function,
    "normal_cdf": normal_cdf,
    "sqrt": root,
    "log": logarithm,
}
"""Rising functions of one rational, by the name that a table gives them."""


def _series(v: Fraction, digits: int) -> Pair:
    """The sum of the series in fixed point, rounded down, and a bound on what it lacks."""
    unit = 10 ** (digits + 20)
    x, square = v.numerator * unit // v.denominator, v * v
    term, total, n = x, 0, 0
    while term > 0:
        total += term
        n += 1
        term = term * 2 * square.numerator // (square.denominator * (2 * n + 1))
    # every division loses less than one unit in this term and, shrinking or not, in those that follow
    lost = (n + 2) * (n + 2) * max(1, int(2 * square) + 1) * 4
    return Fraction(total, unit), Fraction(lost, unit) * (1 + int(Fraction(3) ** min(int(square) + 1, 4 * digits)))


def _logarithm(v: Fraction, digits: int) -> Pair:
    context = Context(prec=digits, Emin=MIN_EMIN, Emax=MAX_EMAX)
    grain = Fraction(1, 10 ** (digits + 4))
    low, high = (context.ln(_decimal(v * (1 + side * grain), digits + 8)) for side in (-1, 1))
    return Fraction(context.next_minus(low)), Fraction(context.next_plus(high))


def _decimal(v: Fraction, digits: int) -> Decimal:
    return Context(prec=digits, Emin=MIN_EMIN, Emax=MAX_EMAX).divide(Decimal(v.numerator), Decimal(v.denominator))


def _root_of_pi(digits: int) -> Pair:
    """Bounds of sqrt(pi), by Machin's formula in integers."""
    unit = 10 ** (digits + 10)
    pi = 4 * (4 * _arctan(5, unit) - _arctan(239, unit))
    slack = 100 * digits
    return Fraction(isqrt((pi - slack) * unit), unit), Fraction(isqrt((pi + slack) * unit) + 1, unit)


def _arctan(inverse: int, unit: int) -> int:
    """Unit * arctan(1 / inverse), to within a unit for each term."""
    power, total, n = unit // inverse, 0, 1
    while power:
        total += power // n if n % 4 == 1 else -(power // n)
        power //= inverse * inverse
        n += 2
    return total


def _half_root(digits: int) -> Pair:
    """Bounds of 1 / sqrt(2)."""
    unit = 10**digits
    root = isqrt(unit * unit // 2)
    return Fraction(root, unit), Fraction(root + 1, unit)
