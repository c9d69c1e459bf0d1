# SPDX-License-Identifier: Apache-2.0
"""Frequent numbers in few bits: a word for each element, or for each gap and each number beside zeros."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from bitwright.compress.codes.canonical import Words
from bitwright.compress.codes.packed import COUNT, Codes, Numbers, Packed, Reader, Writer, flat
from bitwright.compress.codes.relative import entries, gaps_of, spread


@dataclass(frozen=True, slots=True)
class Huffman:
    """A word of its own length for each element, the shorter the more often it occurs.

    Canonical codes (Huffman: "A method for the construction of minimum-redundancy codes", Proceedings of the
    IRE 1952), as deep compression ends with (Han, Mao, Dally: "Deep compression: compressing deep neural networks with
    pruning, trained quantization and Huffman coding", ICLR 2016, arXiv 1510.00149; R040).
    """

    def encode(self, array: Codes) -> Packed:
        """The array as bits."""
        writer = Writer()
        _put(writer, flat(array))
        return writer.packed(array.shape)

    def decode(self, packed: Packed) -> Codes:
        """The array that was packed."""
        reader = Reader(packed)
        return packed.array(Words.table(reader).take(reader, packed.count))

    def size(self, numbers: Numbers) -> int:
        """The bits that `encode` makes of as many elements."""
        return _size(numbers)


@dataclass(frozen=True, slots=True)
class SparseHuffman:
    """The zeros before each number that is not zero, then these numbers, each in words of their own.

    Both streams of the relative index in canonical codes, at the span that gives the fewest bits (Han, Mao, Dally:
    "Deep compression: compressing deep neural networks with pruning, trained quantization and Huffman coding", ICLR
    2016, arXiv 1510.00149; R040). It goes below one bit an element, where a word for each cannot.
    """

    def encode(self, array: Codes) -> Packed:
        """The array as bits."""
        numbers, writer = flat(array), Writer()
        span = min(_spans(numbers), key=lambda span: _bits(numbers, span))
        gaps, values = entries(numbers, span)
        writer.put(gaps.size, COUNT)
        _put(writer, gaps)
        _put(writer, values)
        return writer.packed(array.shape)

    def decode(self, packed: Packed) -> Codes:
        """The array that was packed."""
        reader = Reader(packed)
        count = reader.take(COUNT)
        gaps, values = (Words.table(reader).take(reader, count) for _ in range(2))
        return packed.array(spread(gaps, values, packed.count))

    def size(self, numbers: Numbers) -> int:
        """The bits that `encode` makes of as many elements."""
        return min(_bits(numbers, span) for span in _spans(numbers))


def _spans(numbers: Numbers) -> Iterator[int]:
    """The spans that can differ."""
    yield from range(int(gaps_of(numbers).max(initial=0)).bit_length() + 1)


def _bits(numbers: Numbers, span: int) -> int:
    return COUNT + sum(map(_size, entries(numbers, span)))


def _words(numbers: Numbers) -> tuple[Words, int]:
    """The words for numbers, and the bits that they then take."""
    found, counts = np.unique(numbers, return_counts=True)
    words = Words.of(found, counts)
    order = np.searchsorted(found, words.numbers)
    return words, int(words.lengths @ counts[order])


def _size(numbers: Numbers) -> int:
    words, bits = _words(numbers)
    return words.bits + bits


def _put(writer: Writer, numbers: Numbers) -> None:
    words, _ = _words(numbers)
    words.put_table(writer)
    words.put(writer, numbers)


CODES = {"huffman": Huffman, "sparse-huffman": SparseHuffman}
