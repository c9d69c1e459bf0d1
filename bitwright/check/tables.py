# SPDX-License-Identifier: Apache-2.0
"""Tables recomputed: rational functions exactly, sigmoid and tanh between bounds that close until one code is left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import MAX_EMAX, MIN_EMIN, ROUND_CEILING, ROUND_FLOOR, Context, Decimal
from fractions import Fraction
from itertools import product
from math import ceil, floor

from bitwright.check.forms import Refuted, check_width, claim, equal, integer, integers
from bitwright.check.meaning import ROUND
from bitwright.check.saved import Interval, Layer, Line, fraction
from bitwright.check.series import FUNCTIONS, INFINITE, exponential

DIGITS = (60, 240, 960)
"""Decimal digits tried in turn until the bounds of a value lie between two steps."""
FAR, TINY = 2000, Fraction(1, 10**800)
"""exp(-FAR) is below TINY: beyond FAR a sigmoid is bounded without evaluating it."""


@dataclass(frozen=True)
class Bounds:
    """A real number: exactly `low` if both are equal, else strictly between `low` and `high`."""

    low: Fraction
    high: Fraction

    @property
    def exact(self) -> bool:
        """Whether the number is known."""
        return self.low == self.high


class _Undecided(Exception):
    """The bounds are too wide to tell."""


def check_table(layer: Layer, source: Layer, reads: list[Interval], line: Line) -> None:
    """Refute the line unless its entries are the graph's, and the function's on every code of `reads`."""
    rounding, shift = layer.fields["rounding"], layer.fields["shift"]
    low, high = layer.fields["low"], layer.fields["high"]
    entries = layer.fields["entries"].tolist()
    equal(line, "function", [list(step) for step in layer.fields["function"]])
    expected = {"R": rounding, "ymin": [low], "ymax": [high], "z": shift, "z_place": "after", "form": "table"}
    for name, value in expected.items():
        equal(line, name, value)
    claim(integers(line, "entries", len(entries)) == entries, "entries are not the graph's")
    claim(integer(line, "lo") == source.type[0], "lo is not the lowest code that is read")
    check_width(line, "acc", [end for interval in reads for end in interval])
    layer.require(rounding in ROUND, f"rounds by {rounding!r}")
    first, step = source.type[0], source.type[2]
    start, stop = min(lo for lo, _ in reads), max(hi for _, hi in reads)
    for code, (scale, zero) in product(range(start, stop + 1, step), _units(source)):
        rounded = tabulate(layer.fields["function"], rounding, scale * (code - zero))
        made = min(max(rounded, low), high) + shift
        claim(
            made == entries[code - first], f"the entry of {code} is {entries[code - first]}, the function gives {made}"
        )


def tabulate(function: tuple[tuple[str, ...], ...], rounding: str, value: Fraction) -> int:
    """R(function(value)), exactly."""
    for digits in DIGITS:
        try:
            bounds = Bounds(value, value)
            for name, *numbers in function:
                if [name, *numbers] == ["times_input"]:
                    bounds = _line(bounds, value, Fraction(0))
                else:
                    bounds = _apply(name, numbers, bounds, digits)
            return _rounded(rounding, bounds)
        except _Undecided:
            continue
    raise Refuted(f"{DIGITS[-1]} digits do not decide the code of {value}")


def _units(source: Layer) -> set[tuple[Fraction, Fraction]]:
    """The distinct (scale, zero) of the channels that are read."""
    source.require({len(source.scale), len(source.zero)} <= {1, source.channels}, "has a wrong number of scales")
    count = max(len(source.scale), len(source.zero))
    return {(source.scale[i % len(source.scale)], source.zero[i % len(source.zero)]) for i in range(count)}


def _arguments(name: str, numbers: list[str]) -> list[Fraction | None]:
    try:
        return [fraction(number) if number else None for number in numbers]
    except ValueError:
        raise Refuted(f"{name} has an argument that is no fraction") from None


def _apply(name: str, numbers: list[str], v: Bounds, digits: int) -> Bounds:
    match name, _arguments(name, numbers):
        case "affine", [Fraction() as factor, Fraction() as offset]:
            return _line(v, factor, offset)
        case "clip", [low, high]:
            return _upper(_lower(v, low), high)
        case "leaky_relu", [Fraction() as slope]:
            return _bent(v, slope)
        case "elu", [Fraction() as slope]:
            return v if _is_positive(v) else _line(_rising(exponential, v, digits), slope, -slope)
        case "abs", []:
            return _bent(v, Fraction(-1))
        case "sigmoid", []:
            return _sigmoid(v, digits)
        case "exp" | "softplus" | "erf" | "normal_cdf", []:
            return _rising(FUNCTIONS[name], v, digits)
        case "tanh", []:
            return _line(_sigmoid(_line(v, Fraction(2), Fraction(0)), digits), Fraction(2), Fraction(-1))
        case _:
            return _algebraic(name, numbers, v, digits)


def _algebraic(name: str, numbers: list[str], v: Bounds, digits: int) -> Bounds:
    match name, _arguments(name, numbers):
        case "above", [Fraction() as limit]:
            return v if _is_above(v, limit) else Bounds(Fraction(0), Fraction(0))
        case "power", [Fraction() as exponent] if exponent.denominator == 1 and exponent:
            return _power(v, int(exponent))
        case "softsign", []:
            return Bounds(v.low / (1 + abs(v.low)), v.high / (1 + abs(v.high)))
        case "sqrt" | "log", []:
            return _rising(FUNCTIONS[name], _not_negative(v, name), digits)
        case _:
            raise Refuted(f"the function {name!r} of {len(numbers)} arguments is not known")


def _not_negative(v: Bounds, name: str) -> Bounds:
    if v.low >= 0:
        return v
    if v.high > 0:
        raise _Undecided
    raise Refuted(f"takes the {name} of a negative number")


def _bent(v: Bounds, slope: Fraction) -> Bounds:
    """The number itself from zero up, `slope` times it below zero."""
    return v if _is_positive(v) else _line(v, slope, Fraction(0))


def _is_above(v: Bounds, limit: Fraction) -> bool:
    if v.low < limit < v.high:
        raise _Undecided
    return v.low > limit or (v.low == limit and not v.exact)


def _power(v: Bounds, exponent: int) -> Bounds:
    """The power of bounds that do not hold zero between them; of zero infinite where it has a pole."""
    if v.exact and not v.low and exponent < 0:
        return Bounds(INFINITE, INFINITE)
    if v.low < 0 < v.high or (exponent < 0 and 0 in (v.low, v.high)):
        raise _Undecided
    ends = sorted(end**exponent for end in (v.low, v.high))
    return Bounds(ends[0], ends[1])


def _is_positive(v: Bounds) -> bool:
    if v.low < 0 < v.high:
        raise _Undecided
    return v.low >= 0


def _rising(function: Callable[[Fraction, int], tuple[Fraction, Fraction]], v: Bounds, digits: int) -> Bounds:
    """A rising function between its values at both ends."""
    return Bounds(function(v.low, digits)[0], function(v.high, digits)[1])


def _line(v: Bounds, factor: Fraction, offset: Fraction) -> Bounds:
    ends = (v.low * factor + offset, v.high * factor + offset)
    return Bounds(min(ends), max(ends))


def _lower(v: Bounds, limit: Fraction | None) -> Bounds:
    """max(v, limit)."""
    if limit is None or limit <= v.low:
        return v
    if limit < v.high:
        raise _Undecided
    return Bounds(limit, limit)


def _upper(v: Bounds, limit: Fraction | None) -> Bounds:
    """min(v, limit)."""
    return v if limit is None else _line(_lower(_line(v, Fraction(-1), Fraction(0)), -limit), Fraction(-1), Fraction(0))


def _sigmoid(v: Bounds, digits: int) -> Bounds:
    """1 / (1 + exp(-v)); irrational for a rational v other than 0, so the bounds are strict."""
    if v.exact and v.low == 0:
        return Bounds(Fraction(1, 2), Fraction(1, 2))
    if v.high < -FAR:
        return Bounds(Fraction(0), TINY)
    if v.low > FAR:
        return Bounds(1 - TINY, Fraction(1))
    return Bounds(1 / (1 + _exp(-v.low, digits, ROUND_CEILING)), 1 / (1 + _exp(-v.high, digits, ROUND_FLOOR)))


def _exp(v: Fraction, digits: int, side: str) -> Fraction:
    """A bound of exp(v) to the given side. Decimal's exp is rounded to nearest, so its neighbour is a bound."""
    context = Context(prec=digits, rounding=side, Emin=MIN_EMIN, Emax=MAX_EMAX)
    power = context.exp(context.divide(Decimal(v.numerator), Decimal(v.denominator)))
    return Fraction(context.next_plus(power) if side == ROUND_CEILING else context.next_minus(power))


def _rounded(rounding: str, v: Bounds) -> int:
    """R(v); every R is constant between neighbouring multiples of 1/2, so strict bounds are moved off them."""
    if v.exact:
        return _round(rounding, v.low)
    after, before = Fraction(floor(2 * v.low) + 1, 2), Fraction(ceil(2 * v.high) - 1, 2)
    codes = {_round(rounding, (v.low + after) / 2), _round(rounding, (v.high + before) / 2)}
    if len(codes) > 1:
        raise _Undecided
    return codes.pop()


def _round(rounding: str, value: Fraction) -> int:
    return ROUND[rounding](value.numerator, value.denominator)
