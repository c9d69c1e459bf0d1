# SPDX-License-Identifier: Apache-2.0
"""Only the numbers that are not zero, each with how many zeros are before it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitwright.compress.codes.packed import COUNT, WIDTH, Codes, Numbers, Packed, Reader, Writer, flat, width_of

SPAN = 5
"""Bits of the field for the span."""
SPANS = range(1 << SPAN)


@dataclass(frozen=True, slots=True)
class Relative:
    """The numbers that are not zero, each with the zeros before it counted in `span` bits: the best span, or a given.

    Deep compression's relative index (Han, Mao, Dally: "Deep compression: compressing deep neural networks with
    pruning, trained quantization and Huffman coding", ICLR 2016, arXiv 1510.00149; R040, R048). Where more zeros follow
    one another than a span can count, one of them is written as a number: a padding zero. Zeros at the end are not.
    """

    span: int | None = None

    def encode(self, array: Codes) -> Packed:
        """The array as bits."""
        numbers = flat(array)
        span = self._span(numbers)
        gaps, values = entries(numbers, span)
        width, writer = width_of(values), Writer()
        writer.put(width - 1, WIDTH)
        writer.put(span, SPAN)
        writer.put(gaps.size, COUNT)
        writer.put_all(gaps << width | values & ((1 << width) - 1), span + width)
        return writer.packed(array.shape)

    def decode(self, packed: Packed) -> Codes:
        """The array that was packed."""
        reader = Reader(packed)
        width, span, count = reader.take(WIDTH) + 1, reader.take(SPAN), reader.take(COUNT)
        words = reader.take_all(count, span + width)
        low = words & ((1 << width) - 1)
        return packed.array(spread(words >> width, low - ((low >> (width - 1)) << width), packed.count))

    def size(self, numbers: Numbers) -> int:
        """The bits that `encode` makes of as many elements."""
        return self._bits(numbers, gaps_of(numbers), self._span(numbers))

    def _bits(self, numbers: Numbers, gaps: Numbers, span: int) -> int:
        return WIDTH + SPAN + COUNT + int((1 + (gaps >> span)).sum()) * (span + width_of(numbers))

    def _span(self, numbers: Numbers) -> int:
        if self.span is not None:
            return self.span
        gaps = gaps_of(numbers)
        return min(SPANS, key=lambda span: self._bits(numbers, gaps, span))


def gaps_of(numbers: Numbers) -> Numbers:
    """How many zeros are right before each number that is none."""
    return np.diff(np.flatnonzero(numbers), prepend=-1) - 1


def entries(numbers: Numbers, span: int) -> tuple[Numbers, Numbers]:
    """The zeros before each entry, which `span` bits can count, and its number: one that is not zero, or a padding."""
    gaps = gaps_of(numbers)
    ends = np.cumsum(1 + (gaps >> span)) - 1
    count = int(ends[-1]) + 1 if ends.size else 0
    before = np.full(count, (1 << span) - 1, dtype=np.int64)
    values = np.zeros(count, dtype=np.int64)
    before[ends], values[ends] = gaps & ((1 << span) - 1), numbers[numbers != 0]
    return before, values


def spread(gaps: Numbers, values: Numbers, count: int) -> Numbers:
    """As many numbers as there were before they were entries."""
    numbers = np.zeros(count, dtype=np.int64)
    numbers[np.cumsum(gaps + 1) - 1] = values
    return numbers


CODES = {"relative": Relative}
