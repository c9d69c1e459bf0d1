# SPDX-License-Identifier: Apache-2.0
"""A quantiser behind a function of an accumulator: the levels at which its codes change, channel by channel.

A function that turns once, as SiLU does, is a count of all its steps and a table of the codes on that way.
"""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property
from typing import NamedTuple

from bitwright.exact.intervals import Ranges
from bitwright.exact.pieces import Column, Course, Values, course, falling, falls, rises, turning_of
from bitwright.exact.tabulate import rounded
from bitwright.frontend.dialects.quantiser import Coding
from bitwright.frontend.values import ONE, ZERO, Tensor
from bitwright.ir.functions import Abs, Affine, Function, LeakyRelu
from bitwright.ir.per_channel import spread
from bitwright.ir.rounding import Rounding

MAX_LEVELS = 1023
"""Steps of a channel that thresholds hold."""


class _Kind(NamedTuple):
    """What the codes of a channel depend on, but for its values."""

    slope: Fraction
    bottom: Fraction | None
    top: Fraction | None
    scale: Fraction
    before: Fraction
    low: Fraction
    high: Fraction


@dataclass(frozen=True, eq=False)
class _Group:
    """Channels of one kind: the codes of their values, turned upside down where the function falls, or has a hill."""

    function: Function
    values: Values
    turning: Function
    rounding: Rounding
    low: int
    high: int

    @cached_property
    def sign(self) -> int:
        """-1 if the codes are turned upside down."""
        return -1 if falling(self.function[len(self.turning) :]) else 1

    @cached_property
    def course(self) -> Course:
        """The course of the codes."""
        return course(self.code, self.values, self.turning)

    def code(self, value: Fraction) -> int:
        """The code of a value."""
        made = rounded(self.function, self.values.clamp(value), self.rounding)
        return self.sign * min(max(made, self.low), self.high)

    def levels(self, way: Course) -> tuple[Fraction, ...]:
        """The least value past each step of the way that all groups share; those it skips are at one place."""
        own, (start, end) = self.course, self.values.ends
        down, up = falls(self.code, self.values, own), rises(self.code, self.values, own)
        before, after = [start - 1] * (way.first - own.first), [end + 1] * (way.last - own.last)
        skipped = [down[-1] if down else start - 1] * (own.turn - way.turn)
        return (*before, *down, *skipped, *skipped, *up, *after)


class Way(NamedTuple):
    """The codes sign * (turn + |count - down|) of how many levels a value has passed; a row for all, or one each."""

    levels: tuple[tuple[Fraction, ...], ...]
    down: int
    turn: int
    sign: int

    @property
    def rises(self) -> bool:
        """True if the codes are the count, from the lowest code on."""
        return not self.down and self.sign > 0

    @property
    def function(self) -> Function:
        """The code of a count."""
        sign = Fraction(self.sign)
        return (Affine(ONE, Fraction(-self.down)), Abs(), Affine(sign, sign * self.turn))


def way_of(tensor: Tensor, coding: Coding, rounding: Rounding, reached: Ranges) -> Way | None:
    """The way of the codes; None if the function turns twice, or has more codes than thresholds hold."""
    kinds = _kinds(tensor, coding, len(reached.lo))
    groups = {kind: _group(tensor, rounding, reached, kind, kinds) for kind in dict.fromkeys(kinds)}
    known = [group for group in groups.values() if group is not None]
    if len(known) < len(groups):
        return None
    firsts, turns, lasts, _ = zip(*(group.course for group in known), strict=True)
    every = Course(max(firsts), min(turns), max(lasts), ZERO)
    if every.first + every.last - 2 * every.turn > MAX_LEVELS:
        return None
    rows = {kind: group.levels(every) for kind, group in zip(groups, known, strict=True)}
    levels = tuple(rows[kind] for kind in kinds) if len(rows) > 1 else (rows[kinds[0]],)
    return Way(levels, every.first - every.turn, every.turn, known[0].sign)


def _kinds(tensor: Tensor, coding: Coding, channels: int) -> list[_Kind]:
    numbers = (coding.scale, coding.before, coding.low, coding.high)
    bounds = (spread(bound, channels) for bound in (tensor.low, tensor.high))
    rows = (tensor.slopes.each(channels), *bounds, *(row.each(channels) for row in numbers))
    return [_Kind(*row) for row in zip(*rows, strict=True)]


def _group(tensor: Tensor, rounding: Rounding, reached: Ranges, kind: _Kind, kinds: list[_Kind]) -> _Group | None:
    """The channels of a kind; None if their function turns twice."""
    leak = () if kind.slope == 1 else (LeakyRelu(kind.slope),)
    function = (*leak, *tensor.function, Affine(1 / kind.scale, kind.before))
    turning = turning_of(function)
    if turning is None or rounding is Rounding.SIGN:
        return None
    scales, offsets = tensor.scale.each(len(kinds)), tensor.offset.each(len(kinds))
    ends = zip(scales, offsets, reached.lo.tolist(), reached.hi.tolist(), strict=True)
    columns = tuple(Column(*row) for row, other in zip(ends, kinds, strict=True) if other == kind)
    values = Values(columns, kind.bottom, kind.top)
    return _Group(function, values, turning, rounding, int(kind.low), int(kind.high))
