# SPDX-License-Identifier: Apache-2.0
"""What of a weight is removed together: single numbers, n of m neighbours, blocks that a unit of the hardware skips."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.config import nearest_names
from bitwright.compress.network import FloatNet
from bitwright.compress.prune.lowered import Placed, lowered
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
Block = str | tuple[int, int] | Mapping[str, tuple[int, int]] | None
"""Single weights (None), "2:4", rows x columns of every layer, or of each layer by the name of its node."""
N_OF_M = re.compile(r"([1-9][0-9]*):([1-9][0-9]*)")


@dataclass(frozen=True, eq=False)
class Grain:
    """The weights of a layer, by their places in the flattened array: (sets, units of a set, weights of a unit).

    A unit is removed as a whole, and of each set as many as of any other. `lines` (..., sets, units) number those of
    which one stays, that of the largest score, if as many are left.
    """

    places: Array
    lines: Array | None = None

    def pooled(self, scores: Array) -> Array:
        """The sum of each unit's scores, (sets, units), from one of each weight."""
        return np.asarray(scores.reshape(-1)[self.places].sum(axis=2))

    def mask(self, kept: Array, shape: tuple[int, ...]) -> Array:
        """What is left of a weight of that shape when these units (sets, units) are; read-only."""
        mask = np.ones(shape, np.bool_)
        mask.reshape(-1)[self.places] = kept[:, :, None]
        mask.flags.writeable = False
        return mask

    def smallest(self, scores: Array, sparsity: float) -> Array:
        """All units but those of the smallest scores, a share of each set; of equal ones those that come first."""
        units = scores.shape[1]
        count = round(sparsity * units)
        kept = self._held(scores, units - count)
        order = np.argsort(np.where(kept, np.inf, scores), axis=1, kind="stable")[:, :count]
        gone = np.zeros_like(kept)
        np.put_along_axis(gone, order, True, 1)
        return ~gone

    def _held(self, scores: Array, most: int) -> Array:
        """The unit of the largest score of each line, where these are no more than are left."""
        held = np.zeros(scores.shape, np.bool_)
        for labels in () if self.lines is None else self.lines:
            order = np.lexsort((scores.reshape(-1), labels.reshape(-1)))
            more = held.copy()
            more.reshape(-1)[order[np.append(np.diff(labels.reshape(-1)[order]) != 0, True)]] = True
            held = more if more.sum() <= most else held
        return held


def grains(net: FloatNet, block: Block) -> dict[str, Grain]:
    """The units of each weight that is pruned, by its name.

    With a block those weights stay whole whose zeros no unit of the hardware skips, as those of depthwise layers, and
    of n of m those whose columns m does not divide. Rows and columns are in the order of the hardware: a pixel's
    channels are neighbours. A block for all layers ends where a layer does; those by name must divide it. A row of
    blocks keeps one, as a unit takes a clock for it anyway, and so do the blocks of a channel that a window reads: no
    channel dies, and the plan stays that of the network, if so many are left.
    """
    if block is None:
        sizes = {layer.weight: net.constants[layer.weight].size for layer in net.layers}
        return {name: Grain(np.arange(size)[None, :, None]) for name, size in sizes.items()}
    matrices = lowered(net)
    if isinstance(block, str):
        _, m = n_of_m(block)
        return {name: Grain(places.reshape(-1, m, 1)) for name, places in _divided(matrices, m)}
    if isinstance(block, Mapping):
        return {name: _tiles(matrix, _named(net, matrix, block)) for name, matrix in matrices.items()}
    return {name: _tiles(matrix, _ending(matrix, block)) for name, matrix in matrices.items()}


def n_of_m(block: str) -> tuple[int, int]:
    """The two numbers of "2:4"."""
    found = N_OF_M.fullmatch(block)
    n, m = map(int, found.groups()) if found else (0, 0)
    if not 0 < n < m:
        raise BitwrightError(
            f"is {block!r}", where="block", hint='give two numbers as "2:4", n of m neighbours, or rows and columns'
        )
    return n, m


def _divided(matrices: Mapping[str, Placed], m: int) -> Iterator[tuple[str, Array]]:
    """The places of the matrices whose columns m divides, by their names."""
    found = ((name, matrix.columns(1)) for name, matrix in matrices.items())
    return ((name, places) for name, places in found if places.shape[1] % m == 0)


def _tiles(matrix: Placed, size: tuple[int, int]) -> Grain:
    """Blocks of rows and columns, which divide the matrix."""
    rows, simd = size
    columns = matrix.columns(simd)
    tiles = columns.reshape(len(columns) // rows, rows, columns.shape[1] // simd, simd)
    places = tiles.swapaxes(1, 2).reshape(1, -1, rows * simd)
    folds = np.arange(tiles.shape[0]).repeat(tiles.shape[2])[None]
    channels = matrix.channels[places[:, :, 0]] if matrix.is_window else folds
    return Grain(places, np.stack([folds, channels]))


def _ending(matrix: Placed, block: tuple[int, int]) -> tuple[int, int]:
    """The largest block that divides a matrix and the given one."""
    rows, channels = len(matrix.weights), matrix.weights.shape[-1]
    return gcd(rows, block[0]), gcd(channels, block[1])


def _named(net: FloatNet, matrix: Placed, block: Mapping[str, tuple[int, int]]) -> tuple[int, int]:
    """The block of a layer, which must divide it."""
    where = f"{net.file}: layer '{matrix.name}'"
    if matrix.name not in block:
        hint = f"give one, or the blocks of this network's plan; {nearest_names(matrix.name, set(block))}"
        raise BitwrightError("has no block", where=where, hint=hint)
    rows, simd = block[matrix.name]
    if not matrix.takes(rows, simd):
        raise BitwrightError(
            f"is of shape {matrix.weights.shape}, which no unit of {rows} x {simd} lanes computes",
            where=where,
            hint="give a block that divides its outputs and its channels, as those of this network's plan do",
        )
    return rows, simd
