# SPDX-License-Identifier: Apache-2.0
"""Large tables: several of their elements are one number, which a compiler takes in less time and memory."""

from __future__ import annotations

import numpy as np

from bitwright.ir.weights import Ints

PACKED = 1 << 14
"""Elements of a table from which on it is packed."""
NUMBER = 64
"""Bits of a number at most: those of the longest literal."""
HEADER = "bw_packed.hpp"


def is_large(elements: int) -> bool:
    """Whether a table of so many elements is packed."""
    return elements > PACKED


def numbers(codes: Ints, bits: int, each: int) -> Ints:
    """The elements on the last axis, `each` of `bits` in a number, the first of them in its lowest bits."""
    missing = -codes.shape[-1] % each
    masked = codes.astype(np.int64).view(np.uint64) & np.uint64((1 << bits) - 1)
    padded = np.pad(masked, [(0, 0)] * (codes.ndim - 1) + [(0, missing)])
    places = (bits * np.arange(each)).astype(np.uint64)
    return np.asarray(np.bitwise_or.reduce(padded.reshape(*codes.shape[:-1], -1, each) << places, axis=-1))


def words(codes: Ints, bits: int) -> Ints:
    """Of each word of a table its elements as the numbers of a `bw::Packed`."""
    each, flat = 1, codes.reshape(len(codes), -1)
    while 2 * each * bits <= NUMBER:
        each *= 2
    return numbers(flat, bits, min(each, flat.shape[1]))


def spelled(word: object, digits: int = 1) -> str:
    """Nested lists of numbers as an initialiser, each number with at least so many digits."""
    if isinstance(word, list):
        return "{" + ", ".join(spelled(each, digits) for each in word) + "}"
    return f"0x{word:0{digits}x}"
