# SPDX-License-Identifier: Apache-2.0
"""What each hardware kernel computes, in NumPy, one frame of beats in and one out: the docstrings of `plan.kernels`."""

from __future__ import annotations

import itertools

import numpy as np

from bitwright.ir.weights import Ints
from bitwright.plan.kernels import Kernel, KernelGraph, MatrixVector, MaxReduce, Requantiser, WidthConverter, Window


def run(graph: KernelGraph, frames: Ints) -> Ints:
    """`frames` (samples, beats, lanes) of the one input stream -> those of the one output stream."""
    for kernel in graph.kernels:
        frames = np.stack([apply(kernel, frame) for frame in frames])
    return frames


def apply(kernel: Kernel, beats: Ints) -> Ints:
    """`beats` (beats, lanes) of one frame through `kernel`."""
    match kernel:
        case MatrixVector():
            return _matrix_vector(kernel, beats)
        case Window():
            return _window(kernel, beats)
        case MaxReduce():
            return beats.reshape(kernel.groups, kernel.fold, kernel.lanes).max(axis=1)
        case Requantiser():
            pixels = beats.reshape(-1, kernel.folds * kernel.lanes)
            return kernel.form.apply(pixels).reshape(-1, kernel.lanes)
        case WidthConverter():
            return beats.reshape(-1, kernel.out_lanes)
    raise AssertionError(kernel)


def _matrix_vector(kernel: MatrixVector, beats: Ints) -> Ints:
    groups, row_fold, col_fold = kernel.groups, kernel.row_fold, kernel.col_fold
    tiles = kernel.weights.array.reshape(groups, row_fold, col_fold, kernel.pe, kernel.simd)
    matrices = tiles.transpose(0, 1, 3, 2, 4).reshape(groups, kernel.rows, kernel.cols)
    vectors = beats.reshape(kernel.vectors, groups, kernel.cols)
    return np.einsum("grc,vgc->vgr", matrices, vectors).reshape(-1, kernel.pe)


def _window(kernel: Window, beats: Ints) -> Ints:
    image = beats.reshape(kernel.height, kernel.width, kernel.blocks, kernel.inner, kernel.lanes)
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = kernel.kernel, kernel.strides, kernel.dilations, kernel.pads
    found = []
    for row, col, block, p, q in itertools.product(
        range(kernel.out_height), range(kernel.out_width), range(kernel.blocks), range(kh), range(kw)
    ):
        y, x = row * sh - top + p * dh, col * sw - left + q * dw
        inside = 0 <= y < kernel.height and 0 <= x < kernel.width
        found.append(image[y, x, block] if inside else np.full((kernel.inner, kernel.lanes), kernel.pad_value))
    return np.concatenate(found)
