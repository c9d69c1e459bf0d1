# SPDX-License-Identifier: Apache-2.0
"""Piecewise constant functions, one per channel, evaluated in a few nanoseconds per integer."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.weights import Ints

MAX_ENTRIES = 1 << 22
"""Entries of a table that is still small beside a processor's cache and the time to build it."""
MAX_WIDTH = 1 << 62
"""Integers of one channel beyond which a table's places overflow 64 bits; only a search takes them."""
BLOCK = 1 << 14
"""Integers handled at a time, so that intermediate arrays stay in the first cache levels."""

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Edges:
    """Channel c is at_lo[c] at lo[c] and changes by delta[i] at the integer at[i], for every i with channel[i] = c.

    lo, hi, at_lo: (channels,); channel, at, delta: (edges,), sorted by channel, then by at, each at in (lo, hi].
    """

    lo: Ints
    hi: Ints
    at_lo: Ints
    channel: Ints
    at: Ints
    delta: Ints

    @cached_property
    def restart(self) -> Ints:
        """(channels,): at_lo less the value where the channel before ends, so that one running sum serves all."""
        at_hi = self.at_lo.copy()
        np.add.at(at_hi, self.channel, self.delta)
        return self.at_lo - np.concatenate(([0], at_hi[:-1]))


@dataclass(frozen=True, eq=False)
class Direct:
    """value = table[a + offset[c]]: one entry for every integer of every channel."""

    table: Array
    offset: Ints

    def apply(self, a: Array) -> Array:
        """The values of the integers `a` (rows, channels)."""
        out = np.empty(a.shape, self.table.dtype)
        for rows in _blocks(a.shape):
            index = a[rows].astype(np.int64)
            index += self.offset
            self.table.take(index, out=out[rows], mode="clip")
        return out


@dataclass(frozen=True, eq=False)
class Buckets:
    """value = pair[2*b + (x >= edge[b])]  with  x = a - lo[c], b = first[c] + (x >> shift[c]): one edge per bucket."""

    lo: Ints
    shift: Ints
    first: Ints
    edge: Ints
    pair: Array

    def apply(self, a: Array) -> Array:
        """The values of the integers `a` (rows, channels)."""
        out = np.empty(a.shape, self.pair.dtype)
        for rows in _blocks(a.shape):
            x = a[rows].astype(np.int64)
            x -= self.lo
            bucket = x >> self.shift
            bucket += self.first
            passed = x >= self.edge.take(bucket, mode="clip")
            bucket <<= 1
            bucket += passed
            self.pair.take(bucket, out=out[rows], mode="clip")
        return out


@dataclass(frozen=True, eq=False)
class Search:
    """value = values[c][number of edges[c] that are <= a]: a binary search per channel."""

    edges: tuple[Ints, ...]
    values: tuple[Array, ...]

    def apply(self, a: Array) -> Array:
        """The values of the integers `a` (rows, channels)."""
        x = a.astype(np.int64)
        columns = [
            values[np.searchsorted(edges, x[:, c], side="right")]
            for c, (edges, values) in enumerate(zip(self.edges, self.values, strict=True))
        ]
        return np.stack(columns, axis=1)


Lookup = Direct | Buckets | Search


def lookup(edges: Edges) -> Lookup:
    """The fastest way to evaluate `edges` whose tables stay small."""
    widths = edges.hi.astype(np.float64) - edges.lo
    if widths.max() >= MAX_WIDTH:
        return _search(edges)
    if widths.sum() + len(widths) <= MAX_ENTRIES:
        return _direct(edges)
    shift = _bucket_shift(edges)
    buckets = ((edges.hi - edges.lo) >> shift) + 1
    if buckets.sum(dtype=np.float64) <= MAX_ENTRIES:
        return _buckets(edges, shift, buckets)
    return _search(edges)


def _direct(edges: Edges) -> Direct:
    width = edges.hi - edges.lo + 1
    offset = np.cumsum(width) - width - edges.lo
    table = np.zeros(int(width.sum()), dtype=np.int64)
    table[offset + edges.lo] = edges.restart
    np.add.at(table, edges.at + offset[edges.channel], edges.delta)
    return Direct(_narrow(np.cumsum(table)), offset)


def _bucket_shift(edges: Edges) -> Ints:
    """(channels,): the log2 of the widest bucket that cannot hold two distinct edges."""
    gap = edges.hi - edges.lo + 1
    distance = np.diff(edges.at)
    distinct = (np.diff(edges.channel) == 0) & (distance > 0)
    np.minimum.at(gap, edges.channel[1:][distinct], distance[distinct])
    return np.array([int(g).bit_length() - 1 for g in gap], dtype=np.int64)


def _buckets(edges: Edges, shift: Ints, buckets: Ints) -> Buckets:
    first = np.cumsum(buckets) - buckets
    ch = edges.channel
    place = first[ch] + ((edges.at - edges.lo[ch]) >> shift[ch])
    edge = np.full(int(buckets.sum()), np.iinfo(np.int64).max)
    edge[place] = edges.at - edges.lo[ch]
    pair = np.zeros(2 * len(edge), dtype=np.int64)
    pair[2 * first] = edges.restart
    np.add.at(pair, 2 * place + 1, edges.delta)
    return Buckets(edges.lo, shift, first, edge, _narrow(np.cumsum(pair)))


def _search(edges: Edges) -> Search:
    ends = np.searchsorted(edges.channel, np.arange(len(edges.lo)), side="right")[:-1]
    sums = np.split(edges.delta, ends)
    values = [start + np.concatenate(([0], np.cumsum(delta))) for start, delta in zip(edges.at_lo, sums, strict=True)]
    dtype = _narrow(np.concatenate(values)).dtype
    return Search(tuple(np.split(edges.at, ends)), tuple(row.astype(dtype) for row in values))


def _narrow(values: Ints) -> Array:
    """The same values in the narrowest integer dtype."""
    low, high = int(values.min()), int(values.max())
    reach = np.min_scalar_type(high if low >= 0 else min(low, ~high))
    return values.astype(reach)


def _blocks(shape: tuple[int, ...]) -> Iterator[slice]:
    rows = max(1, BLOCK // shape[1])
    return (slice(start, start + rows) for start in range(0, shape[0], rows))
