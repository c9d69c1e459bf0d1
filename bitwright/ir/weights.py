# SPDX-License-Identifier: Apache-2.0
"""Read-only integer arrays that compare by content, and the sparsity found in them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.types import BIPOLAR, IntType

Ints = NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class DenseWeights:
    """No structure worth using: almost every weight is non-zero."""


@dataclass(frozen=True, slots=True)
class Scattered:
    """Zeros without a pattern (unstructured pruning); `density` is the share of non-zeros."""

    density: float


@dataclass(frozen=True, slots=True)
class NofM:
    """At most `n` non-zeros in each group of `m` neighbours along the input axis."""

    n: int
    m: int


@dataclass(frozen=True, slots=True)
class Blocks:
    """Zeros come in blocks of `rows` outputs by `cols` inputs; `density` is the share of non-zero blocks."""

    rows: int
    cols: int
    density: float


@dataclass(frozen=True, slots=True)
class Channels:
    """Whole output rows or input columns are zero; `outputs` and `inputs` count those that are left."""

    outputs: int
    inputs: int


Sparsity = DenseWeights | Scattered | NofM | Blocks | Channels


@dataclass(frozen=True, eq=False)
class Weights:
    """A read-only int64 array, equal to another by content. Axis 0 is the output, the last axis the input."""

    array: Ints

    def __post_init__(self) -> None:
        frozen = np.array(self.array, dtype=np.int64, order="C")
        frozen.setflags(write=False)
        object.__setattr__(self, "array", frozen)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Weights) and self.digest == other.digest

    def __hash__(self) -> int:
        return int(self.digest[:15], 16)

    def __repr__(self) -> str:
        return f"Weights({'x'.join(map(str, self.array.shape))} {self.type} #{self.digest[:8]})"

    @cached_property
    def digest(self) -> str:
        """sha256 of shape and content, in hex."""
        return sha256(repr(self.array.shape).encode() + self.array.tobytes()).hexdigest()

    @cached_property
    def type(self) -> IntType:
        """The narrowest type of the values; bipolar when every one is -1 or +1."""
        lo, hi = int(self.array.min()), int(self.array.max())
        if (lo, hi) == (-1, 1) and bool((np.abs(self.array) == 1).all()):
            return BIPOLAR
        return IntType(lo, hi)

    @cached_property
    def zeros(self) -> int:
        """How many weights are zero."""
        return int(self.array.size - np.count_nonzero(self.array))

    @cached_property
    def sparsity(self) -> Sparsity:
        """The most useful structure of the zeros: channels, then blocks, then n of m, then scattered."""
        return find_sparsity(self.array)


def find_sparsity(weights: Ints) -> Sparsity:
    """Classify the zeros of `weights` (outputs first); under 10 % zeros count as dense."""
    matrix = weights.reshape(weights.shape[0], -1) != 0
    rows, cols = int(matrix.any(axis=1).sum()), int(matrix.any(axis=0).sum())
    if rows < matrix.shape[0] or cols < matrix.shape[1]:
        return Channels(rows, cols)
    density = float(matrix.mean())
    if density > 0.9:
        return DenseWeights()
    return _blocks(matrix, density) or _n_of_m(matrix) or Scattered(density)


def _blocks(matrix: NDArray[np.bool_], density: float) -> Blocks | None:
    """The largest blocks that hold few zeros beside the numbers."""
    for size in (8, 4, 2):
        if matrix.shape[0] % size == 0 and matrix.shape[1] % size == 0:
            tiles = matrix.reshape(matrix.shape[0] // size, size, -1, size).any(axis=(1, 3))
            if float(tiles.mean()) <= density * 1.25:
                return Blocks(size, size, float(tiles.mean()))
    return None


def _n_of_m(matrix: NDArray[np.bool_]) -> NofM | None:
    """At most half of every four, or of every eight, neighbours."""
    for m in (4, 8):
        if matrix.shape[1] % m == 0:
            n = int(matrix.reshape(matrix.shape[0], -1, m).sum(axis=2).max())
            if n <= m // 2:
                return NofM(n, m)
    return None


@dataclass(frozen=True, eq=False)
class Shape(Weights):
    """Weights of which only the shape is read: a view of one number, which `Weights` would copy out."""

    def __post_init__(self) -> None:
        """Keep the view."""

    @classmethod
    def of(cls, *lengths: int) -> Shape:
        """Weights of this shape."""
        return cls(np.broadcast_to(np.int64(0), lengths))
