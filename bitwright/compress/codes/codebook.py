# SPDX-License-Identifier: Apache-2.0
"""Few different numbers: a table of them and an index for each element; and how k-means makes them few."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.codes.packed import COUNT, WIDTH, Codes, Numbers, Packed, Reader, Writer, flat, width_of
from bitwright.ir.errors import BitwrightError

Floats = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Codebook:
    """A table of the numbers that occur, and an index into it for each element.

    Weight sharing (Han, Mao, Dally: "Deep compression: compressing deep neural networks with pruning, trained
    quantization and Huffman coding", ICLR 2016, arXiv 1510.00149; R040). The rate is that of the paper: n weights of b
    bits that share k values take n * log2(k) + k * b bits, and the head.
    """

    def encode(self, array: Codes) -> Packed:
        """The array as bits."""
        table, index = np.unique(flat(array), return_inverse=True)
        writer = Writer()
        writer.put(width_of(table) - 1, WIDTH)
        writer.put(table.size, COUNT)
        writer.put_all(table, width_of(table))
        writer.put_all(index.ravel(), _index_bits(table.size))
        return writer.packed(array.shape)

    def decode(self, packed: Packed) -> Codes:
        """The array that was packed."""
        reader = Reader(packed)
        width, count = reader.take(WIDTH) + 1, reader.take(COUNT)
        table = reader.take_signed(count, width)
        return packed.array(table[reader.take_all(packed.count, _index_bits(count))])

    def size(self, numbers: Numbers) -> int:
        """The bits that `encode` makes of as many elements."""
        table = np.unique(numbers)
        return WIDTH + COUNT + table.size * width_of(table) + numbers.size * _index_bits(table.size)


def _index_bits(count: int) -> int:
    return max(count - 1, 0).bit_length()


def shared(codes: Codes, values: int) -> Codes:
    """The codes, of which no more than `values` differ: each becomes the nearest of what k-means finds, in integers.

    Han, Mao, Dally: "Deep compression", ICLR 2016, arXiv 1510.00149; R040. Zeros stay zero and are one of the values;
    the others are shared among what is left, the first guess evenly spaced from the lowest to the highest.
    BitwrightError where `values` is less than 2.
    """
    if values < 2:
        what, hint = f"{values} different values", "share 2 at least, of which zero may be one"
        raise BitwrightError(what, where="sharing", hint=hint)
    found, back, counts = np.unique(codes, return_inverse=True, return_counts=True)
    left = found != 0
    room = values - int(not left.all())
    if left.sum() > room:
        centres = kmeans(found[left].astype(np.float64), counts[left].astype(np.float64), room)
        found[left] = np.rint(centres[nearest(centres, found[left].astype(np.float64))])
    return found[back].reshape(codes.shape).astype(np.int32)


def kmeans(points: Floats, counts: Floats, centres: int) -> Floats:
    """The centres at which Lloyd's steps come to rest, ascending, for points on a line that occur so often.

    They start evenly spaced over the points; one that no point is nearest to stays where it is.
    """
    at = np.linspace(points.min(), points.max(), centres)
    while True:
        index = nearest(at, points)
        weight = np.bincount(index, counts, centres)
        mean = np.bincount(index, counts * points, centres) / np.maximum(weight, 1)
        moved = np.where(weight > 0, mean, at)
        if np.array_equal(moved, at):
            return at
        at = moved


def nearest(centres: Floats, points: Floats) -> NDArray[np.int64]:
    """The index of the nearest of ascending centres, the lower of two, for each point."""
    return np.searchsorted((centres[1:] + centres[:-1]) / 2, points)


CODES = {"codebook": Codebook}
SHARINGS = {"values": shared}
