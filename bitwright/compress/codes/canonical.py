# SPDX-License-Identifier: Apache-2.0
"""Canonical Huffman codes: lengths of words from how often numbers occur, words from lengths, streams of words.

The words of one length are consecutive, in the order of their numbers, and follow those of the next shorter one: how
many there are of each length, and the numbers in order, are the whole table, and a decoder in hardware compares.
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from bitwright.compress.codes.packed import COUNT, WIDTH, Numbers, Reader, Writer, width_of


@dataclass(frozen=True, eq=False)
class Words:
    """The words for some numbers: their lengths, and the numbers in the order of their words."""

    numbers: Numbers
    lengths: Numbers

    @staticmethod
    def of(numbers: Numbers, counts: Numbers) -> Words:
        """The shortest words for numbers that occur so often, all different and ascending."""
        lengths = lengths_of(counts)
        order = np.argsort(lengths, kind="stable")
        return Words(numbers[order], lengths[order])

    @cached_property
    def words(self) -> Numbers:
        """The words as numbers, each in the lowest bits of its length."""
        if self.numbers.size == 0:
            return self.numbers
        longest = int(self.lengths[-1])
        room = np.int64(1) << (longest - self.lengths)
        words: Numbers = (np.cumsum(room) - room) >> (longest - self.lengths)
        return words

    @cached_property
    def of_length(self) -> Numbers:
        """How many words there are of each length from 1 to the longest."""
        return np.bincount(self.lengths)[1:] if self.numbers.size > 1 else np.zeros(0, dtype=np.int64)

    @property
    def bits(self) -> int:
        """Of the table."""
        count = self.numbers.size
        return WIDTH + COUNT + WIDTH + self.of_length.size * count.bit_length() + count * width_of(self.numbers)

    def put_table(self, writer: Writer) -> None:
        """Write the table."""
        count, width = self.numbers.size, width_of(self.numbers)
        writer.put(width - 1, WIDTH)
        writer.put(count, COUNT)
        writer.put(self.of_length.size, WIDTH)
        writer.put_all(self.of_length, count.bit_length())
        writer.put_all(self.numbers, width)

    @staticmethod
    def table(reader: Reader) -> Words:
        """The words whose table comes next."""
        width, count, longest = reader.take(WIDTH) + 1, reader.take(COUNT), reader.take(WIDTH)
        of_length = reader.take_all(longest, count.bit_length())
        lengths = np.repeat(np.arange(1, longest + 1), of_length) if longest else np.zeros(count, dtype=np.int64)
        return Words(reader.take_signed(count, width), lengths)

    def put(self, writer: Writer, stream: Numbers) -> None:
        """Write a stream of the numbers."""
        if stream.size:
            order = np.argsort(self.numbers)
            at = order[np.searchsorted(self.numbers, stream, sorter=order)]
            writer.put_all(self.words[at], self.lengths[at])

    def take(self, reader: Reader, count: int) -> Numbers:
        """As many numbers of the stream that comes next."""
        numbers, found = self.numbers.tolist(), np.empty(count, dtype=np.int64)
        if self.of_length.size == 0:
            return np.full(count, numbers[0] if numbers else 0, dtype=np.int64)
        steps, bits, at = self.of_length.tolist(), reader.bits, reader.at
        for index in range(count):
            word = first = before = 0
            for many in steps:
                word, first = 2 * word + bits[at], 2 * first
                at += 1
                if word - first < many:
                    break
                first, before = first + many, before + many
            found[index] = numbers[before + word - first]
        reader.at = at
        return found


def lengths_of(counts: Numbers) -> Numbers:
    """The lengths of the words of a Huffman code for things that occur so often; the only one of its kind needs none.

    The sum of `counts * lengths` is the smallest of all prefix codes, less than one bit a thing above the entropy.
    """
    size = counts.size
    heap = [(int(count), index) for index, count in enumerate(counts)]
    heapq.heapify(heap)
    parent = np.zeros(max(2 * size - 1, 0), dtype=np.int64)
    for node in range(size, 2 * size - 1):
        (rare, left), (next_rare, right) = heapq.heappop(heap), heapq.heappop(heap)
        parent[left] = parent[right] = node
        heapq.heappush(heap, (rare + next_rare, node))
    lengths = np.zeros_like(parent)
    for node in range(2 * size - 3, -1, -1):
        lengths[node] = lengths[parent[node]] + 1
    return lengths[:size]
