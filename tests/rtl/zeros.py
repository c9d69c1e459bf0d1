# SPDX-License-Identifier: Apache-2.0
"""Kernel graphs of units that do not multiply all their zeros, each between AXI4-Streams of its own."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.random import Generator

from bitwright.hardware.arithmetic import style_of
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.select import selecting
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.schedule import Zeros, lanes_of, schedule
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights
from tests.rtl.graphs import S4, U4, alone, draw, matrix_vector, stream


def select_matrix_vector(
    name: str, rng: Generator, *, kept: int = 2, group: int = 4, sets: int = 2, vectors: int = 2, groups: int = 1,
    rows: int = 4, col_fold: int = 2, pe: int = 2, x: IntType = U4, w: IntType = S4, memory: str = "lut",
    style: str = "",
) -> KernelGraph:  # fmt: skip
    """Weights of which `kept` of `group` are drawn, and may be zero too; the others are zero."""
    simd = group * sets
    made = matrix_vector(
        name, rng, vectors=vectors, groups=groups, rows=rows, cols=simd * col_fold, pe=pe, simd=simd, x=x, w=w,
        memory=memory, style=style,
    )  # fmt: skip
    (unit,) = made.kernels
    assert isinstance(unit, MatrixVector)
    words = unit.weights.array.reshape(-1, group)
    ranks = rng.permuted(np.tile(np.arange(group), (len(words), 1)), axis=1)
    weights = Weights((words * (ranks < kept)).reshape(unit.weights.array.shape))
    return replace(made, kernels=(selecting(replace(unit, weights=weights)),))


def pruned(rng: Generator, kind: IntType, shape: tuple[int, int], density: float, block: tuple[int, int]) -> Ints:
    """Random values of `kind`, which holds 0, that are not zero in a share `density` of blocks, drawn one by one."""
    kept = rng.random((shape[0] // block[0], shape[1] // block[1])) < density
    return draw(rng, kind, shape) * kept.repeat(block[0], axis=0).repeat(block[1], axis=1)


def sparse_matrix_vector(
    name: str, rng: Generator, *, zeros: Zeros = "skip-rows", vectors: int = 2, rows: int = 4, cols: int = 6,
    pe: int = 2, simd: int = 3, x: IntType = U4, w: IntType = S4, memory: str = "lut", style: str = "",
    density: float = 0.5, block: tuple[int, int] = (1, 1),
) -> KernelGraph:  # fmt: skip
    matrix = pruned(rng, w, (rows, cols), density, block)
    made = schedule(matrix, pe, simd, zeros, movable=False)
    low = np.minimum(matrix * x.lo, matrix * x.hi).sum(axis=1).min()
    high = np.maximum(matrix * x.lo, matrix * x.hi).sum(axis=1).max()
    kernel = SparseMatrixVector(
        name=name, layer=name, input=f"{name}_in", output=f"{name}_out", vectors=vectors, rows=rows,
        cols=cols, pe=pe, simd=simd,
        lanes=lanes_of(zeros, pe), weights=made.weights, beats=Weights(made.beats), ends=Weights(made.ends),
        weight_type=w, x_type=x, acc_type=IntType(min(int(low), 0), max(int(high), 1)),
        memory="block" if memory == "block" else "lut", style=style_of(name, style, w, x),
    )  # fmt: skip
    return alone(
        kernel,
        [stream(kernel.input, simd, x, vectors * kernel.col_fold)],
        [stream(kernel.output, pe, kernel.acc_type, vectors * kernel.row_fold)],
    )
