# SPDX-License-Identifier: Apache-2.0
"""Read-only memories of a design: constants as bit fields, fields as the words that hardware reads."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints

Bits = NDArray[np.uint8]
"""Zeros and ones, (words, width), the least significant first."""

LUT_ROM = "auto"
"""The rom_style of a memory in look-up tables: Yosys maps no ROM whose style is distributed."""


@dataclass(frozen=True)
class Rom:
    """A read-only memory: its words in the order of their addresses, and the memory it should be put in."""

    bits: Bits
    style: str
    ports: int = 1

    @property
    def words(self) -> int:
        """How many words it has."""
        return int(self.bits.shape[0])

    @property
    def width(self) -> int:
        """Bits of a word."""
        return int(self.bits.shape[1])


def signed_bits(low: int, high: int) -> int:
    """The width in two's complement that holds low..high."""
    return max((~low if low < 0 else low).bit_length(), (~high if high < 0 else high).bit_length()) + 1


def coded(values: Ints, kind: IntType) -> Ints:
    """`values` of type `kind` as a stream codes them: bipolar as 0 and 1, others unchanged."""
    return (values + 1) // 2 if kind.is_bipolar else values


def fields(values: Ints, width: int) -> Bits:
    """The low `width` bits of each of `values`, on a new last axis."""
    places = np.arange(width).astype(values.dtype)  # Python integers stay such: they may be longer than int64
    return ((values[..., None] >> places) & 1).astype(np.uint8)
