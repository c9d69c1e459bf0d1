# SPDX-License-Identifier: Apache-2.0
"""Integers as a string of bits: what every storage code writes, and reads back."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.errors import BitwrightError

Codes = NDArray[np.int32]
Numbers = NDArray[np.int64]
WIDTH, COUNT = 6, 32
"""Bits of the fields at the head of a string: a width less one, and a number of things."""
ROOM = 1 << 16
"""Numbers that are made bits at a time."""


@dataclass(frozen=True, slots=True)
class Packed:
    """An array as `bits` bits, tables included, the first of them the highest of the first byte."""

    shape: tuple[int, ...]
    data: bytes
    bits: int

    @property
    def count(self) -> int:
        """Elements of the array."""
        return int(np.prod(self.shape, dtype=np.int64))

    def array(self, numbers: Numbers) -> Codes:
        """The elements, in order, as the array that was packed."""
        return numbers.astype(np.int32).reshape(self.shape)


def flat(array: Codes) -> Numbers:
    """The elements of an array to pack, in order."""
    if array.dtype != np.int32:
        what, hint = f"an array of {array.dtype}", "give codes as int32"
        raise BitwrightError(what, where="storage codes", hint=hint)
    return array.astype(np.int64).ravel()


def width_of(numbers: Numbers) -> int:
    """The bits of the narrowest two's complement that holds all numbers."""
    low, high = (int(numbers.min()), int(numbers.max())) if numbers.size else (0, 0)
    return max(-low - 1, high).bit_length() + 1


class Writer:
    """Bits in the order in which they are put."""

    def __init__(self) -> None:
        self._parts: list[NDArray[np.uint8]] = []

    def put(self, number: int, width: int) -> None:
        """One number."""
        self.put_all(np.array([number], dtype=np.int64), np.array([width], dtype=np.int64))

    def put_all(self, numbers: Numbers, widths: Numbers | int) -> None:
        """Numbers, each in the lowest bits of as many as its width says."""
        widths = np.broadcast_to(np.asarray(widths, dtype=np.int64), numbers.shape)
        for start in range(0, numbers.size, ROOM):
            part, wide = numbers[start : start + ROOM], widths[start : start + ROOM]
            ends = np.repeat(np.cumsum(wide), wide)
            shifts = ends - 1 - np.arange(wide.sum())
            self._parts.append(((np.repeat(part, wide) >> shifts) & 1).astype(np.uint8))

    def packed(self, shape: tuple[int, ...]) -> Packed:
        """All of it, for an array of that shape."""
        bits = np.concatenate(self._parts)
        return Packed(shape, np.packbits(bits).tobytes(), bits.size)


class Reader:
    """Bits in the order in which they were put."""

    def __init__(self, packed: Packed) -> None:
        bits = np.unpackbits(np.frombuffer(packed.data, dtype=np.uint8))
        self.bits: list[int] = bits[: packed.bits].tolist()
        self.at = 0

    def take(self, width: int) -> int:
        """The next number, which is not negative."""
        number = 0
        for bit in self.bits[self.at : self.at + width]:
            number = 2 * number + bit
        self.at += width
        return number

    def take_all(self, count: int, width: int) -> Numbers:
        """The next numbers, none negative."""
        held = np.array(self.bits[self.at : self.at + count * width], dtype=np.int64).reshape(count, width)
        self.at += count * width
        return held @ (1 << np.arange(width, dtype=np.int64)[::-1])

    def take_signed(self, count: int, width: int) -> Numbers:
        """The next numbers, in two's complement."""
        numbers = self.take_all(count, width)
        return numbers - ((numbers >> (width - 1)) << width)
