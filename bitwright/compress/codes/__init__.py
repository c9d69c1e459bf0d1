# SPDX-License-Identifier: Apache-2.0
"""How integer weights can be stored: each code packs an int32 array into bits, and gives the same array back.

packed = CODES["huffman"]().encode(codes)           packed.bits counts all of them, tables included
CODES["huffman"]().decode(packed)                   the same codes
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.codes.codebook import shared
from bitwright.compress.codes.packed import Codes, Numbers, Packed
from bitwright.compress.family import Family

__all__ = ["CODES", "SHARINGS", "Code", "Packed", "Sizes", "shared", "sizes"]


class Code(Protocol):
    """A storage code: `decode(encode(array))` is the array, and `size` of its elements is `encode(array).bits`."""

    def encode(self, array: Codes) -> Packed:
        """The array as bits."""

    def decode(self, packed: Packed) -> Codes:
        """The array that was packed."""

    def size(self, numbers: Numbers) -> int:
        """The bits that `encode` makes of as many elements."""


SHARINGS: Family[Callable[..., Codes]] = Family(__name__, "SHARINGS")
"""What leaves few different codes, or vectors of codes, by name: (codes, how many) -> codes."""
CODES: Family[Callable[[], Code]] = Family(__name__, "CODES")
"""The codes by name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """Bits of weights: every one as wide as their type, only those that are not zero, and in the shortest `code`."""

    dense: int
    sparse: int
    coded: int
    code: str


def sizes(array: NDArray[np.integer], bits: int) -> Sizes:
    """What an array of weights of `bits` bits takes, stored in each way."""
    numbers = array.astype(np.int64).ravel()
    found = {name: code().size(numbers) for name, code in CODES.items()}
    best = min(found, key=lambda name: found[name])
    return Sizes(dense=numbers.size * bits, sparse=found["relative"], coded=found[best], code=best)
