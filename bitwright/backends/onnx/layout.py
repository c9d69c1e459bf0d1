# SPDX-License-Identifier: Apache-2.0
"""Elements re-laid: the standard operator that says what a map of indices does, or Gather where none does."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod
from typing import TypeVar, assert_never

import numpy as np

from bitwright.backends.onnx.tensors import number, places_in_file
from bitwright.backends.onnx.writer import Writer
from bitwright.ir.moves import Move, Pad, Repeat, Slice, Spread, Take, ToSpace, Transpose, as_move
from bitwright.ir.weights import Ints, Weights

T = TypeVar("T")


def relay(write: Writer, x: str, stem: str, shape: tuple[int, ...], index: Ints) -> str:
    """`x`, samples of `shape`, with elements at `index`: indices into a flattened sample, in the new shape."""
    order = np.arange(prod(shape))
    if index.size == order.size and np.array_equal(index.reshape(-1), order):
        return reshape(write, x, stem, shape, index.shape)
    move = as_move(index, shape)
    if isinstance(move, Take) and len(shape) == index.ndim == 3:
        last = places_in_file(order.reshape(*shape[1:], shape[0]))
        where = np.empty_like(order)
        where[last] = order
        move = as_move(where[index].transpose(1, 2, 0), (*shape[1:], shape[0]))
        move = move if isinstance(move, ToSpace) else Take(Weights(index))
    return moved(write, x, stem, shape, index, move)


def moved(write: Writer, x: str, stem: str, shape: tuple[int, ...], index: Ints, move: Move) -> str:
    """`x`, samples of `shape`, moved: `index` is that of the move, channels first where the tensor is an image.

    A ToSpace speaks of channels that are last.
    """
    match move:
        case Transpose():
            return transpose(write, x, stem, move.axes)
        case Repeat():
            return _repeated(write, x, stem, move)
        case Slice():
            return _sliced(write, x, stem, shape, move)
        case ToSpace() if _is_depth_to_space(shape, move):
            mode = "DCR" if move.groups == 1 else "CRD"
            return write.step("DepthToSpace", x, stem, blocksize=move.block[0], mode=mode)
        case Take() | ToSpace() | Pad() | Spread():
            flat = reshape(write, x, stem, shape, (prod(shape),))
            picked = write.step("Gather", flat, stem, index.reshape(-1), axis=1)
            return reshape(write, picked, stem, (index.size,), index.shape)
        case _:
            assert_never(move)


def reshape(write: Writer, x: str, stem: str, old: tuple[int, ...], new: tuple[int, ...]) -> str:
    """`x` in another shape, the samples kept."""
    return x if old == new else write.step("Reshape", x, stem, np.array([0, *new], dtype=np.int64))


def transpose(write: Writer, x: str, stem: str, axes: tuple[int, ...]) -> str:
    """`x` with the axes of a sample in another order."""
    if axes == tuple(range(len(axes))):
        return x
    return write.step("Transpose", x, stem, perm=[0, *(axis + 1 for axis in axes)])


def in_file(move: Move) -> Move:
    """The move of an image as it is in the file, channels first; a ToSpace speaks of channels that are last."""
    match move:
        case Transpose() if len(move.axes) == 3:
            axes = [move.axes[axis] for axis in (2, 0, 1)]
            return Transpose(tuple((axis + 1) % 3 for axis in axes))
        case Slice() if len(move.starts) == 3:
            return Slice(rotated(move.starts), rotated(move.steps), rotated(move.lengths))
        case Repeat() if len(move.factors) == 3:
            return Repeat(rotated(move.factors))
        case _:
            return move


def rotated(values: tuple[T, ...]) -> tuple[T, ...]:
    """What is said of the axes of a layer, the channels first."""
    return (values[-1], *values[:-1])


def _is_depth_to_space(shape: tuple[int, ...], move: ToSpace) -> bool:
    """True for square blocks and whole images, with the channels of each block side by side or apart."""
    channels, height, width = shape
    (rows, columns), outputs = move.block, channels // prod(move.block)
    whole = move.size == (height * rows, width * columns)
    return rows == columns and whole and move.groups in (1, outputs)


def _repeated(write: Writer, x: str, stem: str, move: Repeat) -> str:
    """Resize by nearest neighbour to whole multiples."""
    scales = write.constant(np.array([1, *move.factors], dtype=np.float32), f"{stem}.scales")
    name = write.fresh(f"{stem}/resize")
    options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return write.node("Resize", (x, "", scales), name, **options)


def _sliced(write: Writer, x: str, stem: str, shape: tuple[int, ...], move: Slice) -> str:
    """Slice along every axis that loses or turns elements."""
    picks = list(zip(move.starts, move.steps, move.lengths, shape, strict=True))
    axes = [axis for axis, (start, step, length, size) in enumerate(picks) if (start, step, length) != (0, 1, size)]
    stops = [start + step * length for start, step, length, _ in picks]
    ends = [stops[axis] if stops[axis] >= 0 else -(1 << 31) for axis in axes]
    starts, steps = ([values[axis] for axis in axes] for values in (move.starts, move.steps))
    lists = (starts, ends, [axis + 1 for axis in axes], steps)
    return write.step("Slice", x, stem, *(np.array(column, dtype=np.int64) for column in lists))


def pad(write: Writer, x: str, name: str, widths: Sequence[tuple[int, int]], fill: int, *, wide: bool) -> str:
    """`x` surrounded by `fill`."""
    befores, afters = zip(*widths, strict=True)
    stem = write.fresh(f"{name}/pad")
    pads = write.constant(np.array([0, *befores, 0, *afters], dtype=np.int64), f"{stem}.pads")
    value = write.constant(number(fill, np.float64 if wide else np.float32), f"{stem}.value")
    return write.node("Pad", (x, pads, value), stem)
