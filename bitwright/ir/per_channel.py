# SPDX-License-Identifier: Apache-2.0
"""Exact numbers of a tensor: one for the whole of it, or one for each channel of its last axis."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from fractions import Fraction
from operator import sub, truediv
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")
Number = Fraction | int


@dataclass(frozen=True, slots=True)
class PerChannel:
    """One exact rational, or one for each channel.

    It counts as it does on a tensor: one number meets each of the others. No numbers at all mean that nothing is said.
    """

    values: tuple[Fraction, ...]

    @classmethod
    def made(cls, numbers: Number | Iterable[Number]) -> PerChannel:
        """Of one number, or of one for each channel."""
        if isinstance(numbers, Fraction | int):
            return cls((Fraction(numbers),))
        return cls(tuple(map(Fraction, numbers)))

    def __bool__(self) -> bool:
        return bool(self.values)

    @property
    def is_single(self) -> bool:
        """True if one number stands for the whole tensor."""
        return len(self.values) == 1

    def of(self, channel: int) -> Fraction:
        """The number of a channel."""
        return self.values[0 if len(self.values) == 1 else channel]

    def each(self, count: int) -> tuple[Fraction, ...]:
        """The numbers of all `count` channels."""
        return spread(self.values, count)

    def floats(self) -> NDArray[np.float64]:
        """The numbers as the floats that are nearest to them."""
        return np.array([float(value) for value in self.values])

    def take(self, channels: Iterable[int]) -> PerChannel:
        """The numbers of `channels`; one for the whole tensor stays."""
        return self if len(self.values) <= 1 else PerChannel(take(self.values, channels))

    def squeezed(self) -> PerChannel:
        """The same as one number where all are equal."""
        return self if len(self.values) == 1 else PerChannel(squeeze(self.values))

    def __neg__(self) -> PerChannel:
        return PerChannel(tuple(-value for value in self.values))

    def __add__(self, other: PerChannel | Number) -> PerChannel:
        return self._with(other, _plus)

    def __sub__(self, other: PerChannel | Number) -> PerChannel:
        return self._with(other, sub)

    def __mul__(self, other: PerChannel | Number) -> PerChannel:
        return self._with(other, _times)

    def __truediv__(self, other: PerChannel | Number) -> PerChannel:
        if isinstance(other, PerChannel) and len(other.values) == 1 < len(self.values):
            return self * (1 / other.values[0])
        return self._with(other, truediv)

    def _with(self, other: PerChannel | Number, operation: Callable[[Fraction, Fraction], Fraction]) -> PerChannel:
        mine, others = self.values, other.values if isinstance(other, PerChannel) else (Fraction(other),)
        if len(mine) != len(others):
            size = max(len(mine), len(others))
            mine, others = spread(mine, size), spread(others, size)
        return PerChannel(tuple(map(operation, mine, others)))


def width(*of: PerChannel | tuple[object, ...]) -> int:
    """For how many channels numbers, or limits like them, differ: 1 if each is one for the whole tensor."""
    return max(len(each.values if isinstance(each, PerChannel) else each) for each in of)


def spread(values: tuple[T, ...], count: int) -> tuple[T, ...]:
    """What stands for the whole tensor or for each of `count` channels, for each of them."""
    assert len(values) in (1, count), f"{len(values)} values for {count} channels"
    return values if len(values) == count else values * count


def squeeze(values: tuple[T, ...]) -> tuple[T, ...]:
    """What stands for each channel, as one for all of them where all are equal."""
    return values[:1] if all(value is values[0] or value == values[0] for value in values) else values


def take(values: tuple[T, ...], channels: Iterable[int]) -> tuple[T, ...]:
    """What stands for each of `channels`; what stands for the whole tensor stays."""
    return values if len(values) <= 1 else tuple(map(values.__getitem__, channels))


def _plus(a: Fraction, b: Fraction) -> Fraction:
    """The sum, at once where one number is zero: most sums of offsets are such."""
    return (a + b if b else a) if a else b


def _times(a: Fraction, b: Fraction) -> Fraction:
    """The product, at once where one number is zero: most zero points are."""
    return (a * b if b else b) if a else a


ZEROS, ONES, NONE = PerChannel((Fraction(0),)), PerChannel((Fraction(1),)), PerChannel(())
"""0, 1, and nothing said."""
