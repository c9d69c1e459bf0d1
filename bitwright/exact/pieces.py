# SPDX-License-Identifier: Apache-2.0
"""Where the codes of a function change that turns at most once, over the values that accumulators can have.

Only the codes at reachable values count, so a step of a function may be any rational number between two of them.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from math import ceil, floor
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.exact.reals import ZERO, Real
from bitwright.exact.tabulate import evaluate, turns
from bitwright.ir.functions import (
    Abs,
    Affine,
    Clip,
    Elu,
    Erf,
    Function,
    LeakyRelu,
    NormalCdf,
    Power,
    Sigmoid,
    Softplus,
    Step,
    Tanh,
    TimesInput,
)

Array = NDArray[Any]
Code = Callable[[Fraction], int]
FINE = 20
"""Bits by which the place where a function turns is known more closely than neighbouring values are apart."""
PRECISION = 400
"""Bits of the values that are compared on the way there."""
FACTORS: tuple[tuple[type[Step], ...], ...] = (
    (Sigmoid,),
    (NormalCdf,),
    (Clip,),
    (Erf, Affine),
    (Tanh, Affine),
    (Softplus, Tanh),
    (Power, Affine, TimesInput, Affine, Tanh, Affine),
)
"""What rises from zero and whose logarithm is concave: x times it falls up to one place below zero, then rises."""


class Column(NamedTuple):
    """The values scale * a + offset of the integers a = lo, ..., hi of one channel."""

    scale: Fraction
    offset: Fraction
    lo: int
    hi: int


@dataclass(frozen=True, eq=False)
class Values:
    """The values of several channels, cut off at two limits."""

    columns: tuple[Column, ...]
    low: Fraction | None
    high: Fraction | None

    def clamp(self, value: Fraction) -> Fraction:
        """The value within the limits."""
        value = value if self.low is None else max(value, self.low)
        return value if self.high is None else min(value, self.high)

    @cached_property
    def ends(self) -> tuple[Fraction, Fraction]:
        """The least and the largest value."""
        found = [column.scale * a + column.offset for column in self.columns for a in (column.lo, column.hi)]
        return self.clamp(min(found)), self.clamp(max(found))

    @cached_property
    def apart(self) -> Fraction:
        """The least distance of two values of one channel."""
        return min((abs(column.scale) for column in self.columns if column.scale), default=Fraction(1))

    def between(self, start: Fraction, end: Fraction) -> list[Fraction]:
        """The values within start < v < end, which are no further apart than those of a channel, in order."""
        found = set[Fraction]()
        for index in self._near(start, end):
            column = self.columns[index]
            if not column.scale:
                found.update({column.offset} if start < column.offset < end else set())
                continue
            first, last = sorted(((start - column.offset) / column.scale, (end - column.offset) / column.scale))
            places = range(max(floor(first) + 1, column.lo), min(ceil(last) - 1, column.hi) + 1)
            found.update(column.scale * a + column.offset for a in places)
        return sorted(found)

    def _near(self, start: Fraction, end: Fraction) -> list[int]:
        """The channels that may have a value there: float64 leaves out only those that have none."""
        scale, offset = self._floats
        middle, half = float((start + end) / 2), float(end - start)
        with np.errstate(all="ignore"):
            place = (middle - offset) / scale
            away = np.abs(place - np.rint(place))
            margin = half / np.abs(scale) + (np.abs(middle) + np.abs(offset)) / np.abs(scale) * 2.0**-48
        return np.flatnonzero(~(away > margin)).tolist()

    @cached_property
    def _floats(self) -> tuple[Array, Array]:
        return (
            np.array([float(column.scale) for column in self.columns]),
            np.array([float(column.offset) for column in self.columns]),
        )


class Course(NamedTuple):
    """The codes of values in order: from `first` down to `turn`, which is that of `place`, and up to `last`."""

    first: int
    turn: int
    last: int
    place: Fraction


def course(code: Code, values: Values, turning: Function) -> Course:
    """The course of a function that rises, or that falls and then rises as its first steps, `turning`, do."""
    start, end = values.ends
    place = lowest(code, values, turning) if turning else start
    return Course(code(start), code(place), code(end), place)


def falls(code: Code, values: Values, of: Course) -> list[Fraction]:
    """The least value at which each of the codes first - 1, ..., turn is reached, or a lesser one."""
    return list(_steps(lambda v: -code(v), values, (values.ends[0], -of.first), (of.place, -of.turn)))


def rises(code: Code, values: Values, of: Course) -> list[Fraction]:
    """The least value behind the turn at which each of the codes turn + 1, ..., last is reached, or a larger one."""
    return list(_steps(code, values, (of.place, of.turn), (values.ends[1], of.last)))


def _steps(code: Code, values: Values, start: tuple[Fraction, int], end: tuple[Fraction, int]) -> Iterator[Fraction]:
    """The least value of each code above that of `start`, up to that of `end`; both are (value, code), codes rise."""
    spans = [(start, end)]
    while spans:
        low, high = spans.pop()
        if low[1] == high[1]:
            continue
        if high[0] - low[0] > values.apart / len(values.columns):
            middle = _between(low[0], high[0])
            found = (middle, code(middle))
            spans += [(found, high), (low, found)]
            continue
        points = [*values.between(low[0], high[0]), high[0]]
        for wanted in range(low[1] + 1, high[1] + 1):
            yield points[bisect_left(points, wanted, hi=len(points) - 1, key=code)]


def _between(low: Fraction, high: Fraction) -> Fraction:
    """A number of few bits near the middle of two others."""
    grain = Fraction(2) ** (floor(high - low).bit_length() - 3) if high - low >= 1 else _grain(high - low)
    return Fraction(round((low + high) / 2 / grain)) * grain


def _grain(width: Fraction) -> Fraction:
    return Fraction(1, 1 << (width.denominator // width.numerator).bit_length() + 3)


def falling(steps: Function) -> bool:
    """True if steps that do not turn fall."""
    return sum(isinstance(step, Affine) and step.slope < 0 for step in steps) % 2 == 1


def turning_of(function: Function) -> Function | None:
    """The steps up to the one at which the function turns; () if it rises or falls everywhere, None if it is neither.

    A function turns where a line is zero that is bent there, or as a factor of `FACTORS` times x does.
    """
    turned = [i for i, step in enumerate(function) if turns(step)]
    if not turned:
        return ()
    end = turned[-1]
    if function[end] == TimesInput():
        return function[: end + 1] if _is_factor(function[:end]) else None
    lines = all(isinstance(step, Affine) and step.slope for step in function[:end])
    return function[: end + 1] if lines and _is_bent(function[end]) else None


def _is_bent(step: Step) -> bool:
    """True for a step that turns, and does so at zero."""
    return isinstance(step, Abs | LeakyRelu | Elu) or (isinstance(step, Power) and step.exponent > 0)


def _is_factor(steps: Function) -> bool:
    """True for one of `FACTORS`, of a line that rises, and times a positive number."""
    lines = [step for step in steps if isinstance(step, Affine)]
    core = steps[steps[:1] == tuple(lines[:1]) :]
    while core and isinstance(core[-1], Affine) and not core[-1].offset:
        core = core[:-1]
    if tuple(map(type, core)) not in FACTORS or any(line.slope <= 0 for line in lines):
        return False
    last = core[-1]
    if isinstance(last, Affine):
        return last.slope == last.offset
    return not isinstance(last, Clip) or (last.low == 0 and last.high != 0)


def lowest(code: Code, values: Values, turning: Function) -> Fraction:
    """A place at which the function turns, among those that tell values apart."""
    start, end = values.ends
    if turning[-1] != TimesInput():
        zero = ZERO
        for step in reversed(turning[:-1]):
            assert isinstance(step, Affine)
            zero = (zero - step.offset) / step.slope
        return min(max(zero, start), end)
    low, high = start, min(end, ZERO)
    if low >= high:
        return start
    while high - low > values.apart / (1 << FINE):
        third = (high - low) / 3
        one, two = _between(low, low + 2 * third), _between(high - 2 * third, high)
        if one >= two or not _is_below(_value(turning, one), _value(turning, two)):
            low = one  # also where the function is flat to the last bit, far below its turn
        else:
            high = two
    points = [low, *values.between(low, high), high]
    return min(points, key=code)


def _value(function: Function, value: Fraction) -> Real:
    return evaluate(function, value, PRECISION)


def _is_below(one: Real, two: Real) -> bool:
    """True if a real number is known to be less than another."""
    least = one if isinstance(one, Fraction) else one.hi
    return least < two if isinstance(two, Fraction) else least <= two.lo
