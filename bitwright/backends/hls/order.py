# SPDX-License-Identifier: Apache-2.0
"""In which order the functions of `hls_templates/hls` read and write their words, and how many clocks they loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitwright.hardware.kernels import base
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.joins import Adder, Fork, Interleave, Multiplier
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.moves import Reorder, WidthConverter
from bitwright.hardware.kernels.reduce import ArgMaxReduce, MaxReduce, SumReduce
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.kernels.windows import ParallelWindow, Window
from bitwright.hardware.lines import out_positions
from bitwright.ir.weights import Ints


@dataclass(frozen=True, slots=True)
class Order:
    """In which iteration of one loop each word of a frame is read, from each input, and each word is written."""

    reads: tuple[Ints, ...]
    writes: Ints
    iterations: int


def covers_image(kernel: Window) -> bool:
    """Whether the window has one field, which is the whole image: then a frame is gathered, not a ring of rows."""
    return kernel.kernel == (kernel.height, kernel.width) and not any(kernel.pads) and set(kernel.dilations) == {1}


def is_signal(kernel: Window) -> bool:
    """Whether the window is along a one-dimensional signal, which the C++ takes as a column of pixels."""
    return kernel.height == 1 and kernel.kernel[0] == 1 and not (kernel.pads[0] or kernel.pads[2])


def clocks(kernel: base.Kernel) -> int:
    """Iterations of the longest loop of a kernel in a frame."""
    return max(loop.iterations for loop in loops(kernel))


def loops(kernel: base.Kernel) -> tuple[Order, ...]:
    """The loops of a kernel that run side by side, each handing one token on to the next: a frame buffer that is full.

    All kernels are one loop but those that fill a frame buffer and then drain it. Within an iteration a kernel reads
    before it writes; only `window` writes first.
    """
    match kernel:
        case MatrixVector() | SparseMatrixVector():
            return _matrix_vector(kernel)
        case Depthwise():
            return _folded(kernel.vectors * kernel.blocks, kernel.fold)
        case MaxReduce() | SumReduce() | ArgMaxReduce():
            return _folded(kernel.groups, kernel.fold)
        case Requantiser() | Fork() | Adder() | Multiplier():
            beats = np.arange(kernel.beats)
            return (Order((beats,) * len(kernel.inputs), beats, kernel.beats),)
        case Interleave():
            operand = np.tile(np.repeat(np.arange(len(kernel.parts)), kernel.parts), kernel.pixels)
            reads_of = tuple(np.flatnonzero(operand == k) for k in range(len(kernel.parts)))
            return (Order(reads_of, np.arange(operand.size), operand.size),)
        case WidthConverter():
            return (_width(kernel),)
        case Window():
            return _buffered(kernel.in_beats, kernel.out_beats) if covers_image(kernel) else (_window(kernel),)
        case ParallelWindow():
            return (_line(kernel),)
        case Reorder():
            return _buffered(kernel.in_beats, kernel.out_beats)
    raise AssertionError(f"no C++ for {type(kernel).__name__}")


def _folded(groups: int, fold: int) -> tuple[Order, ...]:
    beats = np.arange(groups * fold)
    return (Order((beats,), beats[fold - 1 :: fold], beats.size),)


def _buffered(words_in: int, words_out: int) -> tuple[Order, ...]:
    """A frame buffer is filled, then drained while the next one is filled."""
    fill = Order((np.arange(words_in),), np.array([words_in - 1]), words_in)
    return fill, Order((np.array([0]),), np.arange(words_out), words_out)


def _matrix_vector(kernel: MatrixVector | SparseMatrixVector) -> tuple[Order, ...]:
    """The first row fold reads a vector; with a schedule one buffer is filled while the other one is used."""
    if isinstance(kernel, MatrixVector):
        folds = np.arange(kernel.vectors * kernel.groups * kernel.row_fold * kernel.col_fold)
        reads = folds.reshape(-1, kernel.row_fold, kernel.col_fold)[:, 0].reshape(-1)
        return (Order((reads,), folds[kernel.col_fold - 1 :: kernel.col_fold], folds.size),)
    beats, vectors = np.arange(kernel.vectors * kernel.col_fold), np.arange(kernel.vectors)[:, None] * kernel.words
    words = kernel.vectors * kernel.words
    fill = Order((beats,), beats[kernel.col_fold - 1 :: kernel.col_fold], beats.size)
    return fill, Order((vectors.reshape(-1),), (vectors + kernel.ends.array).reshape(-1), words)


def _width(kernel: WidthConverter) -> Order:
    """An iteration reads if less than a word out is left, and writes if there is a whole one."""
    level, reads, writes = 0, [], []
    iterations = kernel.elements // min(kernel.in_lanes, kernel.out_lanes)
    for iteration in range(iterations):
        if level < kernel.out_lanes:
            reads.append(iteration)
            level += kernel.in_lanes
        if level >= kernel.out_lanes:
            writes.append(iteration)
            level -= kernel.out_lanes
    return Order((np.array(reads),), np.array(writes), iterations)


def _window(kernel: Window) -> Order:
    """Phase by phase: a phase writes a row of fields, and meanwhile reads the rows that the next one needs."""
    axis = 1 if is_signal(kernel) else 0
    height, rows_out = (kernel.height, kernel.width)[axis], (kernel.out_height, kernel.out_width)[axis]
    row_in, row_out = kernel.in_beats // height, kernel.out_beats // rows_out
    field = (kernel.kernel[axis] - 1) * kernel.dilations[axis] + 1
    tops = np.arange(rows_out) * kernel.strides[axis] - kernel.pads[axis]
    wanted = np.append(np.clip(tops + field, 0, height), height)  # rows that are there before each row of fields
    read = np.diff(wanted, prepend=0) * row_in  # words of each phase, the first of which only reads
    written = np.append(0, np.full(rows_out, row_out))
    ends = np.cumsum(np.maximum(read, written))
    starts = np.append(0, ends[:-1])
    return Order((_runs(starts, read),), _runs(starts, written), int(ends[-1]))


def _line(kernel: ParallelWindow) -> Order:
    """A word in, while there are any, and a field out where its newest word has come, or would have."""
    positions = out_positions(kernel.first, kernel.width, (kernel.out_height, kernel.out_width), kernel.strides)
    writes = (positions[:, None] * kernel.blocks + np.arange(kernel.blocks)).reshape(-1)
    return Order((np.arange(kernel.in_beats),), writes, max(kernel.in_beats, int(writes[-1]) + 1))


def _runs(starts: Ints, lengths: Ints) -> Ints:
    """starts[0], starts[0] + 1, ... lengths[0] of them; then from starts[1] on."""
    firsts = np.repeat(starts - np.append(0, np.cumsum(lengths)[:-1]), lengths)
    return np.asarray(firsts + np.arange(firsts.size))
