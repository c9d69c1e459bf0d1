# SPDX-License-Identifier: Apache-2.0
"""When a matrix-vector unit that skips zeros multiplies what: a schedule from the weights, made at compile time.

The vector lies in a buffer, `col_fold` beats of SIMD elements. In each clock a word of the schedule says which beat
every port reads; a port serves some neighbouring PE, for which a block of zeros is skipped if it is zero in all of
them. Docs: `docs/sparsity.md`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.weights import Ints, Weights

Zeros = Literal["multiply", "skip-blocks", "skip-rows", "select"]
"""What a unit does with zeros: it multiplies them, or skips blocks of PE x SIMD of them, or in each row of 1 x SIMD, or
of m neighbours multiplies the n that may be others (`hardware.kernels.select`)."""

Blocks = NDArray[np.bool_]
"""(rows, col_fold): where SIMD neighbouring weights of a row are not all zero."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Schedule:
    """The order of rows and the words of one vector, and which of them end a row fold.

    rows: (rows,), the row at place fold * pe + lane. beats: (words, ports), the beat of the vector that each port
    reads. ends: (row_fold,), the last word of each fold. weights: (words, pe, simd). clocks: of a vector, those of its
    words or of the beats to load, if more.
    """

    rows: Ints
    beats: Ints
    ends: Ints
    weights: Weights
    clocks: int

    @property
    def words(self) -> int:
        """How many words it has."""
        return len(self.beats)

    @property
    def imbalance(self) -> float:
        """Words of all ports over those in which they find a number: 1 where all end together and none is in vain."""
        blocks = self.weights.array.reshape(*self.beats.shape, -1)
        return self.beats.size / max(int(blocks.any(axis=2).sum()), 1)

    @property
    def moved(self) -> bool:
        """True if the rows are not in their own order."""
        return bool((self.rows != np.arange(len(self.rows))).any())


def lanes_of(zeros: Zeros, pe: int) -> int:
    """Neighbouring PE that read the same beat."""
    return 1 if zeros == "skip-rows" else pe


def schedule(matrix: Ints, pe: int, simd: int, zeros: Zeros, *, movable: bool) -> Schedule:
    """The words that compute `matrix` (rows, cols) times a vector; rows change places only if they are `movable`.

    Rows of about as many numbers then share a fold, so that no lane waits for another (Niu, Ma, Wang, Ren: "26ms
    inference time for ResNet-50: towards real-time execution of all DNNs on smartphone", 2019, arXiv 1905.00571; R168).
    """
    blocks, lanes = nonzero_blocks(matrix, simd), lanes_of(zeros, pe)
    rows = _arranged(blocks, pe, lanes) if movable else np.arange(len(matrix))
    lengths = _lengths(blocks[rows], pe, lanes)
    ends = np.cumsum(lengths) - 1
    ported = _ported(blocks[rows], pe, lanes)  # (row_fold, ports, col_fold)
    tiles = matrix[rows].reshape(*ported.shape[:2], lanes, -1, simd)
    beats = np.zeros((int(lengths.sum()), pe // lanes), np.int64)
    weights = np.zeros((len(beats), pe // lanes, lanes, simd), np.int64)
    for fold, port in np.ndindex(ported.shape[:2]):
        used = np.flatnonzero(ported[fold, port])
        first = ends[fold] + 1 - lengths[fold]
        beats[first : first + len(used), port] = used
        weights[first : first + len(used), port] = tiles[fold, port][:, used].transpose(1, 0, 2)
    return Schedule(
        rows=rows,
        beats=beats,
        ends=ends,
        weights=Weights(weights.reshape(-1, pe, simd)),
        clocks=max(len(beats), blocks.shape[1]),
    )


def vector_words(blocks: Blocks, pe: int, zeros: Zeros, *, movable: bool) -> int:
    """How many words the schedule of a vector has. Rows that may move take no more than in their own order."""
    lanes = lanes_of(zeros, pe)
    return int(_lengths(blocks[_arranged(blocks, pe, lanes)] if movable else blocks, pe, lanes).sum())


def matrix_of(weights: Ints, lanes: int) -> Ints:
    """`weights` (rows, ..., channels) as (rows, columns), the columns in the order in which a unit reads them.

    A parallel window brings `lanes` channels of every position at a time; `lanes` is 0 without one.
    """
    if lanes:
        weights = weights.reshape(len(weights), -1, weights.shape[-1] // lanes, lanes).swapaxes(1, 2)
    return weights.reshape(len(weights), -1)


def nonzero_blocks(matrix: Ints, simd: int) -> Blocks:
    """Where `simd` neighbours of a row of `matrix` (rows, cols) are not all zero."""
    return np.asarray((matrix != 0).reshape(len(matrix), -1, simd).any(axis=2))


def _ported(blocks: Blocks, pe: int, lanes: int) -> Blocks:
    """(row_fold, ports, col_fold): the beats that each port needs."""
    return np.asarray(blocks.reshape(-1, pe // lanes, lanes, blocks.shape[1]).any(axis=2))


def _lengths(blocks: Blocks, pe: int, lanes: int) -> Ints:
    """Words of each row fold: those of its longest port, and one where all weights are zero, for its result."""
    return np.asarray(_ported(blocks, pe, lanes).sum(axis=2).max(axis=1).clip(min=1))


def _arranged(blocks: Blocks, pe: int, lanes: int) -> Ints:
    """An order of rows that takes fewer words than their own, or else their own.

    Rows that share a port are alike; ports of a fold have about as many beats as each other, the longest fold first.
    """
    bundles = _alike(blocks, lanes)
    counts = blocks[bundles].any(axis=1).sum(axis=1)
    rows = bundles[np.argsort(-counts, kind="stable")].reshape(-1)
    fewer = _lengths(blocks[rows], pe, lanes).sum() < _lengths(blocks, pe, lanes).sum()
    return rows if fewer else np.arange(len(blocks))


def _alike(blocks: Blocks, size: int) -> Ints:
    """(rows / size, size): bundles begin with the longest row left; each next row adds the fewest blocks to it."""
    if size == 1:
        return np.arange(len(blocks))[:, None]
    left, counts, pattern = np.arange(len(blocks)), blocks.sum(axis=1), blocks.astype(np.float32)
    bundles = []
    while left.size:
        bundle = [left[np.argmax(counts[left])]]
        left = left[left != bundle[0]]
        union = blocks[bundle[0]]
        while len(bundle) < size:
            shared = pattern[left] @ union.astype(np.float32)
            more = counts[left] - shared
            chosen = left[np.lexsort((left, -shared, more))[0]]
            bundle.append(chosen)
            left, union = left[left != chosen], union | blocks[chosen]
        bundles.append(bundle)
    return np.array(bundles, np.int64)
