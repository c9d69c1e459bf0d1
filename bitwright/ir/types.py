# SPDX-License-Identifier: Apache-2.0
"""Integer types: an exact range, the width it needs, and arithmetic that is exact and tight."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, order=True)
class IntType:
    """The integers lo..hi that are congruent to lo modulo `step`.

    `step` is 1 everywhere except for bipolar {-1, +1}, which is lo=-1, hi=1, step=2 and costs one bit.
    Narrow (s4n: -7..7) and ternary (-1..1) are ranges like any other.
    """

    lo: int
    hi: int
    step: int = 1

    def __post_init__(self) -> None:
        if self.lo > self.hi:
            raise ValueError(f"empty range {self.lo}..{self.hi}")
        if self.step != 1 and (self.lo, self.hi, self.step) != (-1, 1, 2):
            raise ValueError("only bipolar has a step of 2")

    @property
    def is_bipolar(self) -> bool:
        """True for {-1, +1}, stored as one bit: 0 is -1, 1 is +1."""
        return self.step == 2

    @property
    def signed(self) -> bool:
        """True if two's complement is needed (bipolar counts as signed)."""
        return self.lo < 0

    @property
    def bits(self) -> int:
        """The width in bits: two's complement if signed, else plain binary; at least 1."""
        if self.is_bipolar:
            return 1
        if self.lo >= 0:
            return max(1, self.hi.bit_length())
        return max((-self.lo - 1).bit_length(), max(self.hi, 0).bit_length()) + 1

    @property
    def count(self) -> int:
        """How many values the type has."""
        return (self.hi - self.lo) // self.step + 1

    def __contains__(self, value: object) -> bool:
        return isinstance(value, int) and self.lo <= value <= self.hi and (value - self.lo) % self.step == 0

    def covers(self, other: IntType) -> bool:
        """True if every value of `other` is a value of this type."""
        if self.is_bipolar and not other.is_bipolar:
            return other.lo == other.hi and other.lo in self
        return self.lo <= other.lo and other.hi <= self.hi

    def __neg__(self) -> IntType:
        return IntType(-self.hi, -self.lo, self.step)

    def __add__(self, other: IntType) -> IntType:
        """The narrowest range of a + b."""
        return IntType(self.lo + other.lo, self.hi + other.hi)

    def __sub__(self, other: IntType) -> IntType:
        """The narrowest range of a - b."""
        return IntType(self.lo - other.hi, self.hi - other.lo)

    def __mul__(self, other: IntType) -> IntType:
        """The narrowest range of a * b; bipolar times bipolar stays bipolar."""
        if self.is_bipolar and other.is_bipolar:
            return BIPOLAR
        corners = [a * b for a in (self.lo, self.hi) for b in (other.lo, other.hi)]
        return IntType(min(corners), max(corners))

    def __or__(self, other: IntType) -> IntType:
        """The narrowest type that holds both (bipolar with bipolar stays bipolar)."""
        if self.is_bipolar and other.is_bipolar:
            return BIPOLAR
        return IntType(min(self.lo, other.lo), max(self.hi, other.hi))

    def sum_of(self, count: int) -> IntType:
        """The narrowest range of a sum of `count` such numbers."""
        return IntType(self.lo * count, self.hi * count)

    def __str__(self) -> str:
        """`u8`, `s4`, `s4n` (narrow), `bipolar`, or the width with its exact range: `s8[-3..100]`."""
        if self.is_bipolar:
            return "bipolar"
        width = f"{'s' if self.signed else 'u'}{self.bits}"
        if self == integer(self.bits, signed=self.signed):
            return width
        if self.signed and self.bits > 1 and self == integer(self.bits, signed=True, narrow=True):
            return width + "n"
        return f"{width}[{self.lo}..{self.hi}]"

    @staticmethod
    def parse(text: str) -> IntType:
        """The type that prints as `text`; ValueError if none does."""
        if text == "bipolar":
            return BIPOLAR
        match = re.fullmatch(r"([su])(\d+)(n?)(?:\[(-?\d+)\.\.(-?\d+)\])?", text)
        if match is None:
            raise ValueError(f"{text!r} is not an integer type; examples: u8, s4, s4n, bipolar, s8[-3..100]")
        sign, bits, narrow, lo, hi = match.groups()
        if lo is not None:
            return IntType(int(lo), int(hi))
        return integer(int(bits), signed=sign == "s", narrow=bool(narrow))


BIPOLAR = IntType(-1, 1, 2)
TERNARY = IntType(-1, 1)


def integer(bits: int, *, signed: bool, narrow: bool = False) -> IntType:
    """The full range of `bits` bits; `narrow` drops the lowest value (signed) or the highest (unsigned)."""
    if bits < 1 or (signed and narrow and bits < 2):
        raise ValueError(f"{bits} bits hold no {'narrow signed' if narrow else ''} integer")
    if signed:
        return IntType(-(1 << bits - 1) + narrow, (1 << bits - 1) - 1)
    return IntType(0, (1 << bits) - 1 - narrow)


def hull(types: Iterable[IntType]) -> IntType:
    """The narrowest type that holds all of `types` (at least one)."""
    first, *rest = types
    for other in rest:
        first = first | other
    return first
