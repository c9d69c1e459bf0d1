# SPDX-License-Identifier: Apache-2.0
"""Moves: where each integer of a tensor comes from, as what it means and not as a list of places.

Each move knows the shape that it makes of a `shape` (None where it does not fit one), and the `index`: for each place
of the new tensor the place in the old one, flattened, or -1 for fill. All but bare places know how many channels stay
`together` at most: each group of so many is an aligned group of the old tensor's channels, in order, or all fill.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import permutations
from math import gcd, prod
from typing import TypeAlias

import numpy as np

from bitwright.ir.cases import Case
from bitwright.ir.weights import Ints, Weights
from bitwright.ir.window import Pair

Shape = tuple[int, ...]
MAX_PERMUTED = 5
"""Axes of which `as_move` tries every order."""


@dataclass(frozen=True, slots=True)
class Transpose(Case):
    """The axes in another order: axis `axes[i]` of the old tensor is axis i."""

    axes: tuple[int, ...]

    def makes(self, shape: Shape) -> Shape | None:
        """The shape made of `shape`."""
        fits = sorted(self.axes) == list(range(len(shape)))
        return tuple(shape[axis] for axis in self.axes) if fits else None

    def index(self, shape: Shape) -> Ints:
        """The place that each element comes from."""
        return places(shape).transpose(self.axes)

    def together(self, shape: Shape) -> int:
        """The most channels that stay together in aligned groups."""
        last = len(shape) - 1
        return shape[last] if self.axes[last] == last else 1


@dataclass(frozen=True, slots=True)
class Slice(Case):
    """`lengths` elements along each axis, from `starts` on, `steps` apart (which may lead back)."""

    starts: tuple[int, ...]
    steps: tuple[int, ...]
    lengths: tuple[int, ...]

    def makes(self, shape: Shape) -> Shape | None:
        """The shape made of `shape`."""
        if not len(self.starts) == len(self.steps) == len(self.lengths) == len(shape):
            return None
        runs = zip(self.starts, self.steps, self.lengths, strict=True)
        ends = [(start, start + (n - 1) * step) for start, step, n in runs]
        inside = all(0 <= place < size for run, size in zip(ends, shape, strict=True) for place in run)
        return self.lengths if inside and min(self.lengths, default=1) > 0 else None

    def index(self, shape: Shape) -> Ints:
        """The place that each element comes from."""
        runs = zip(self.starts, self.steps, self.lengths, strict=True)
        return places(shape)[np.ix_(*(start + step * np.arange(n) for start, step, n in runs))]

    def together(self, shape: Shape) -> int:
        """The most channels that stay together in aligned groups."""
        return gcd(shape[-1], self.lengths[-1], self.starts[-1]) if self.steps[-1] == 1 else 1


@dataclass(frozen=True, slots=True)
class Pad(Case):
    """Fill before and after each axis."""

    widths: tuple[Pair, ...]

    def makes(self, shape: Shape) -> Shape | None:
        """The shape made of `shape`."""
        fits = len(self.widths) == len(shape) and all(min(width) >= 0 for width in self.widths)
        return tuple(n + sum(width) for n, width in zip(shape, self.widths, strict=True)) if fits else None

    def index(self, shape: Shape) -> Ints:
        """The place that each element comes from."""
        return np.pad(places(shape), self.widths, constant_values=-1)

    def together(self, shape: Shape) -> int:
        """The most channels that stay together in aligned groups."""
        return gcd(shape[-1], *self.widths[-1])


@dataclass(frozen=True, slots=True)
class Repeat(Case):
    """Each element `factors` times along each axis: a resize by nearest neighbour."""

    factors: tuple[int, ...]

    def makes(self, shape: Shape) -> Shape | None:
        """The shape made of `shape`."""
        fits = len(self.factors) == len(shape) and min(self.factors, default=1) > 0
        return tuple(n * factor for n, factor in zip(shape, self.factors, strict=True)) if fits else None

    def index(self, shape: Shape) -> Ints:
        """The place that each element comes from."""
        made = places(shape)
        for axis, factor in enumerate(self.factors):
            made = made.repeat(factor, axis)
        return made

    def together(self, shape: Shape) -> int:
        """The most channels that stay together in aligned groups."""
        return shape[-1] if self.factors[-1] == 1 else 1


@dataclass(frozen=True, slots=True)
class Spread(Case):
    """The pixels of an image `strides` apart with fill between them, as a transposed convolution reads them."""

    strides: Pair

    def makes(self, shape: Shape) -> Shape | None:
        """The shape made of `shape`."""
        if len(shape) != 3 or min(self.strides) < 1:
            return None
        return (shape[0] - 1) * self.strides[0] + 1, (shape[1] - 1) * self.strides[1] + 1, shape[2]

    def index(self, shape: Shape) -> Ints:
        """The place that each element comes from."""
        index = np.full(self.makes(shape) or (), -1, dtype=np.int64)
        index[:: self.strides[0], :: self.strides[1]] = places(shape)
        return index

    def together(self, shape: Shape) -> int:
        """The most channels that stay together in aligned groups."""
        return shape[-1]


@dataclass(frozen=True, slots=True)
class ToSpace(Case):
    """Channels (group, row, column, output) as blocks of pixels with channels (group, output), cut to `size`."""

    block: Pair
    groups: int
    size: Pair

    def makes(self, shape: Shape) -> Shape | None:
        """The shape made of `shape`."""
        if len(shape) != 3 or min(*self.block, self.groups, *self.size) < 1:
            return None
        channels, rest = divmod(shape[2], prod(self.block))
        whole = self.size[0] <= shape[0] * self.block[0] and self.size[1] <= shape[1] * self.block[1]
        return (*self.size, channels) if whole and not rest and channels % self.groups == 0 else None

    def index(self, shape: Shape) -> Ints:
        """The place that each element comes from."""
        (height, width, _), (rows, columns) = shape, self.block
        split = places(shape).reshape(height, width, self.groups, rows, columns, -1).transpose(0, 3, 1, 4, 2, 5)
        return split.reshape(height * rows, width * columns, -1)[: self.size[0], : self.size[1]]

    def together(self, shape: Shape) -> int:
        """The most channels that stay together in aligned groups."""
        count = prod(self.block)
        return shape[-1] // count // (self.groups if count > 1 else 1)


@dataclass(frozen=True, slots=True)
class Take(Case):
    """Any other: the places themselves."""

    indices: Weights

    def makes(self, shape: Shape) -> Shape | None:
        """The shape made of `shape`."""
        index = self.indices.array
        return index.shape if index.min() >= -1 and index.max() < prod(shape) else None

    def index(self, shape: Shape) -> Ints:
        """The place that each element comes from."""
        return self.indices.array


Move: TypeAlias = Transpose | Slice | Pad | Repeat | Spread | ToSpace | Take
"""Every kind of move, and no other."""


def places(shape: Shape) -> Ints:
    """The index of every element of a tensor, in its shape."""
    return np.arange(prod(shape)).reshape(shape)


def as_move(index: Ints, shape: Shape) -> Move:
    """What the move is that reads a tensor of `shape` at `index`: the only place where one is searched for."""
    for move in _candidates(index, shape):
        if move.makes(shape) == index.shape and np.array_equal(move.index(shape), index):
            return move
    return Take(Weights(index))


def _candidates(index: Ints, shape: Shape) -> Iterator[Move]:
    """Moves that agree with `index` in the few places that were looked at; each is compared in all of them."""
    if index.ndim != len(shape) or 0 in index.shape or index.max() >= prod(shape):
        return
    if index.min() < 0:
        yield from _filling(index, shape)
        return
    yield from _strided(index, shape)
    if not any(new % old for new, old in zip(index.shape, shape, strict=True)):
        yield Repeat(tuple(new // old for new, old in zip(index.shape, shape, strict=True)))
    if len(shape) == 3 and shape[2] % index.shape[2] == 0:
        yield from _to_space(index, shape)


def _filling(index: Ints, shape: Shape) -> Iterator[Move]:
    inside = [np.flatnonzero((index >= 0).any(axis=_others(axis, index.ndim))) for axis in range(index.ndim)]
    if not inside[0].size:
        return
    ends = zip(inside, index.shape, strict=True)
    yield Pad(tuple((int(at[0]), int(size - 1 - at[-1])) for at, size in ends))
    if len(shape) == 3:
        steps = [(new - 1) // (old - 1) if old > 1 else 1 for new, old in zip(index.shape[:2], shape[:2], strict=True)]
        yield Spread((max(steps[0], 1), max(steps[1], 1)))


def _others(axis: int, rank: int) -> tuple[int, ...]:
    return tuple(other for other in range(rank) if other != axis)


def _transposed(apart: Sequence[int | None], strides: Sequence[int]) -> Iterator[Transpose]:
    """The orders of the axes in which the first two elements are so far apart, None where there is but one."""
    for axes in permutations(range(len(strides))):
        if all(step in (None, strides[axis]) for step, axis in zip(apart, axes, strict=True)):
            yield Transpose(axes)


def _strided(index: Ints, shape: Shape) -> Iterator[Move]:
    """Transpositions and slices, by the distance of the first two elements along each axis."""
    first = int(index.flat[0])
    apart = [int(index.take(1, axis).flat[0]) - first if n > 1 else None for axis, n in enumerate(index.shape)]
    strides = [prod(shape[axis + 1 :]) for axis in range(len(shape))]
    if len(shape) <= MAX_PERMUTED and first == 0:
        yield from _transposed(apart, strides)
    starts = tuple(int(at) for at in np.unravel_index(first, shape))
    steps = tuple(1 if step is None else step // stride for step, stride in zip(apart, strides, strict=True))
    if 0 not in steps:
        yield Slice(starts, steps, index.shape)


def _to_space(index: Ints, shape: Shape) -> Iterator[Move]:
    """Blocks, by how far apart the first two pixels of a row, or of a column, are in the channels."""
    height, width, channels = index.shape
    count = shape[2] // channels
    for rows in range(1, count + 1):
        if count == 1 or count % rows or (width if rows < count else height) == 1:
            continue
        outputs = int(index[0, 1, 0] if rows < count else index[1, 0, 0])
        if outputs > 0 and channels % outputs == 0:
            yield ToSpace((rows, count // rows), channels // outputs, (height, width))
