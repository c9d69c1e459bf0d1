# SPDX-License-Identifier: Apache-2.0
"""Digits of integers: some bits of each, those at the top of signed ones signed, whose shifted sum the integer is."""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

import numpy as np

from bitwright.ir.functions import Abs, Affine, Function, Step
from bitwright.ir.types import IntType, integer
from bitwright.ir.weights import Ints, Weights

ONE, HALF = Fraction(1), Fraction(1, 2)


class Digit(NamedTuple):
    """`bits` bits of a number, from bit `first` on; the last one counts below zero where the digit is `signed`."""

    first: int
    bits: int
    signed: bool

    @property
    def factor(self) -> int:
        """What the digit counts; a sign bit alone is 0 or 1, and counts below zero."""
        return -(1 << self.first) if self.signed and self.bits == 1 else 1 << self.first

    @property
    def type(self) -> IntType:
        """What it holds."""
        return integer(self.bits, signed=self.signed and self.bits > 1)

    def of(self, codes: Ints) -> Ints:
        """The digit of each of `codes`."""
        found = codes >> self.first & (1 << self.bits) - 1
        return np.where(found > self.type.hi, found - (1 << self.bits), found)


def fits(kind: IntType, bits: int) -> bool:
    """True if the numbers of `kind` are one digit of so many bits."""
    return kind.is_bipolar or kind.bits <= bits


def digits(kind: IntType, bits: int) -> tuple[Digit, ...]:
    """The digits of `bits` bits, the last perhaps of fewer, whose shifted sum every number of `kind` is."""
    return tuple(
        Digit(first, min(bits, kind.bits - first), kind.signed and first + bits >= kind.bits)
        for first in range(0, kind.bits, bits)
    )


def weight_planes(weights: Weights, bits: int) -> list[tuple[int, Weights]]:
    """(factor, weights of one digit) whose sum is `weights`; without those that are zero everywhere.

    Odd numbers are sums of signs, one of each power of two, and become these where digits have one bit: what several
    binary bases make is odd.
    """
    array = weights.array
    if fits(weights.type, bits):
        return [(1, weights)]
    if bits == 1 and bool((array & 1).all()):
        count = int(np.abs(array).max()).bit_length()
        above = array + (1 << count) - 1  # twice the number whose bits the signs are
        return [(1 << place, Weights((above >> place & 2) - 1)) for place in range(count)]
    found = [(digit.factor, Weights(digit.of(array))) for digit in digits(weights.type, bits)]
    return [(factor, plane) for factor, plane in found if plane.array.any()]


def bit_function(bit: int, kind: IntType) -> Function:
    """Bit `bit` of an integer of `kind`, once it is rounded down and clipped to 0..1.

    A bit alternates in runs of 2**bit integers, alike on both sides of the middle of a run: there the integers are
    folded, until the run at zero and the one beside it are all that is left.
    """
    run = Fraction(1 << bit)
    place = round(Fraction(kind.lo + kind.hi + 1) / (2 * run) - HALF)
    middle = (place + HALF) * run - HALF
    steps: list[Step] = [Affine(ONE, -middle), Abs()]
    far = max(kind.hi - middle, middle - kind.lo)
    while far >= 3 * run / 2:
        runs = max(1, round(far / (2 * run)))
        steps += [Affine(ONE, -runs * run), Abs()]
        place, far = place + runs, max(far - runs * run, runs * run)
    return (*steps, Affine(-ONE, run / 2 + 1) if place % 2 else Affine(ONE, 1 - run / 2))
