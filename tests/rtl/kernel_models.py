# SPDX-License-Identifier: Apache-2.0
"""What each hardware kernel computes, in NumPy, a frame in and one out: the docstrings of `hardware.kernels`."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import numpy as np

from bitwright.hardware.kernels.adder import Adder
from bitwright.hardware.kernels.base import Kernel, KernelGraph
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.joins import Fork, Interleave, Join, Multiplier
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.moves import Reorder, WidthConverter
from bitwright.hardware.kernels.reduce import ArgMaxReduce, MaxReduce, SumReduce
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.kernels.select import SelectMatrixVector
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.kernels.windows import ParallelWindow, Sliding, Window
from bitwright.ir.weights import Ints


def run(graph: KernelGraph, frame: Mapping[str, Ints]) -> dict[str, Ints]:
    """One frame of beats (beats, lanes) of every input stream -> those of every stream."""
    known = dict(frame)
    for kernel in graph.kernels:
        known |= dict(zip(kernel.outputs, apply(kernel, [known[name] for name in kernel.inputs]), strict=True))
    return known


def apply(kernel: Kernel, operands: list[Ints]) -> list[Ints]:
    """`operands` (beats, lanes) of one frame through `kernel`, one array per output stream."""
    if isinstance(kernel, Join):
        return [_join(kernel, operands)]
    if isinstance(kernel, Fork):
        return operands * len(kernel.outputs)
    return [_single(kernel, operands[0])]


def _single(kernel: Kernel, beats: Ints) -> Ints:
    match kernel:
        case MatrixVector():
            return _matrix_vector(kernel, beats)
        case SparseMatrixVector():
            return _sparse_matrix_vector(kernel, beats)
        case Depthwise():
            return _depthwise(kernel, beats)
        case Window():
            return _window(kernel, beats, kernel.inner)
        case ParallelWindow():
            return _window(kernel, beats, 1).reshape(kernel.out_beats, -1)
        case MaxReduce() | SumReduce() | ArgMaxReduce():
            return _reduced(kernel, beats.reshape(kernel.groups, kernel.fold, kernel.lanes))
        case Requantiser():
            return kernel.form.apply(beats.reshape(-1, kernel.folds * kernel.lanes)).reshape(-1, kernel.lanes)
        case WidthConverter():
            return beats.reshape(-1, kernel.out_lanes)
        case Reorder():
            order = kernel.order.array
            return np.where((order < 0)[:, None], kernel.fill, beats[order])
    raise AssertionError(kernel)


def _reduced(kernel: MaxReduce | SumReduce | ArgMaxReduce, folds: Ints) -> Ints:
    """A beat for each of `folds` (groups, fold, lanes)."""
    if isinstance(kernel, MaxReduce):
        return np.asarray(folds.max(axis=1))
    if isinstance(kernel, SumReduce):
        return np.asarray(folds.sum(axis=1))
    sign = 1 if kernel.last else -1
    rows = folds.reshape(len(folds), -1).tolist()
    ranked = [[(value, sign * place) for place, value in enumerate(row)] for row in rows]
    return np.array([[sign * max(pairs)[1]] for pairs in ranked])


def _join(kernel: Join, operands: list[Ints]) -> Ints:
    match kernel:
        case Adder():
            factors = kernel.factors.array.reshape(len(operands), 1, kernel.folds, kernel.lanes)
            pixels = np.stack(operands).reshape(len(operands), -1, kernel.folds, kernel.lanes)
            return np.asarray((factors * pixels).sum(axis=0).reshape(-1, kernel.lanes))
        case Multiplier():
            return (operands[0] - kernel.zeros[0]) * (operands[1] - kernel.zeros[1])
        case Interleave():
            rows = [x.reshape(kernel.pixels, -1, kernel.lanes) for x in operands]
            return np.concatenate(rows, axis=1).reshape(-1, kernel.lanes)
    raise AssertionError(kernel)


def _matrix_vector(kernel: MatrixVector, beats: Ints) -> Ints:
    if isinstance(kernel, SelectMatrixVector):
        return _select_matrix_vector(kernel, beats)
    groups, row_fold, col_fold = kernel.groups, kernel.row_fold, kernel.col_fold
    tiles = kernel.weights.array.reshape(groups, row_fold, col_fold, kernel.pe, kernel.simd)
    matrices = tiles.transpose(0, 1, 3, 2, 4).reshape(groups, kernel.rows, kernel.cols)
    vectors = beats.reshape(kernel.vectors, groups, kernel.cols)
    return np.einsum("grc,vgc->vgr", matrices, vectors).reshape(-1, kernel.pe)


def _select_matrix_vector(kernel: SelectMatrixVector, beats: Ints) -> Ints:
    """Of the sets of a beat each PE takes what its choices say, set by set."""
    folds = (kernel.groups, kernel.row_fold, kernel.col_fold)
    sets = kernel.products // kernel.kept
    words = (*folds, kernel.pe, sets, kernel.kept)
    taken = kernel.choices.array.reshape(words) + np.arange(sets)[:, None] * kernel.group
    vectors = beats.reshape(kernel.vectors, kernel.groups, 1, kernel.col_fold, 1, 1, kernel.simd)
    elements = np.take_along_axis(vectors, taken.reshape(1, *folds, kernel.pe, 1, -1), axis=-1)
    products = elements.reshape(kernel.vectors, *words) * kernel.weights.array.reshape(words)
    return np.asarray(products.sum(axis=(3, 5, 6)).reshape(-1, kernel.pe))


def _sparse_matrix_vector(kernel: SparseMatrixVector, beats: Ints) -> Ints:
    vectors = beats.reshape(kernel.vectors, kernel.col_fold, kernel.simd)[:, kernel.beats.array]
    used = vectors.repeat(kernel.lanes, axis=2)  # (vectors, words, pe, simd)
    starts = np.append(0, kernel.ends.array[:-1] + 1)
    return np.add.reduceat((used * kernel.weights.array).sum(axis=3), starts, axis=1).reshape(-1, kernel.pe)


def _depthwise(kernel: Depthwise, beats: Ints) -> Ints:
    shape = (kernel.blocks, kernel.fold, kernel.lanes, kernel.multiplier, kernel.simd)
    fields = beats.reshape(kernel.vectors, kernel.blocks, kernel.fold, kernel.simd, kernel.lanes)
    sums = np.einsum("vbfkc,bfcrk->vbcr", fields, kernel.weights.array.reshape(shape))
    return sums.reshape(-1, kernel.pe)


def _window(kernel: Sliding, beats: Ints, inner: int) -> Ints:
    image = beats.reshape(kernel.height, kernel.width, kernel.blocks, inner, kernel.lanes)
    moved = kernel.window
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = moved.kernel, moved.strides, moved.dilations, moved.pads
    found = []
    for row, col, block, p, q in itertools.product(
        range(kernel.out[0]), range(kernel.out[1]), range(kernel.blocks), range(kh), range(kw)
    ):
        y, x = row * sh - top + p * dh, col * sw - left + q * dw
        inside = 0 <= y < kernel.height and 0 <= x < kernel.width
        found.append(image[y, x, block] if inside else np.full((inner, kernel.lanes), kernel.pad_value))
    return np.concatenate(found)
