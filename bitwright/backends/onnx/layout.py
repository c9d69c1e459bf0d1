# SPDX-License-Identifier: Apache-2.0
"""Elements re-laid: the standard operator that says what a map of indices does, or Gather where none does."""

from __future__ import annotations

from itertools import permutations
from math import prod

import numpy as np

from bitwright.backends.onnx.tensors import number
from bitwright.backends.onnx.writer import Writer
from bitwright.ir.weights import Ints

MAX_PERMUTED = 5


def relay(write: Writer, x: str, stem: str, shape: tuple[int, ...], index: Ints) -> str:
    """`x`, samples of `shape`, with elements at `index`: indices into a flattened sample, in the new shape."""
    order = np.arange(prod(shape))
    if index.size == order.size and np.array_equal(index.reshape(-1), order):
        return reshape(write, x, stem, shape, index.shape)
    for attempt in (_transposed, _repeated, _to_space, _sliced):
        made = attempt(write, x, stem, order.reshape(shape), index)
        if made:
            return made
    flat = reshape(write, x, stem, shape, (order.size,))
    picked = write.step("Gather", flat, stem, index.reshape(-1), axis=1)
    return reshape(write, picked, stem, (index.size,), index.shape)


def reshape(write: Writer, x: str, stem: str, old: tuple[int, ...], new: tuple[int, ...]) -> str:
    """`x` in another shape, the samples kept."""
    return x if old == new else write.step("Reshape", x, stem, np.array([0, *new], dtype=np.int64))


def transpose(write: Writer, x: str, stem: str, axes: tuple[int, ...]) -> str:
    """`x` with the axes of a sample in another order."""
    if axes == tuple(range(len(axes))):
        return x
    return write.step("Transpose", x, stem, perm=[0, *(axis + 1 for axis in axes)])


def pads_of(index: Ints, order: Ints) -> list[tuple[int, int]] | None:
    """The widths before and after each axis by which `index`, -1 where it fills, pads `order`; None if it does not."""
    if index.ndim != order.ndim or not (index >= 0).any():
        return None
    inside = [np.unique(axis) for axis in np.nonzero(index >= 0)]
    widths = [(int(at[0]), int(n - 1 - at[-1])) for at, n in zip(inside, index.shape, strict=True)]
    if tuple(n - before - after for n, (before, after) in zip(index.shape, widths, strict=True)) != order.shape:
        return None
    return widths if np.array_equal(np.pad(order, widths, constant_values=-1), index) else None


def _transposed(write: Writer, x: str, stem: str, order: Ints, index: Ints) -> str | None:
    if index.ndim != order.ndim or order.ndim > MAX_PERMUTED:
        return None
    for axes in permutations(range(order.ndim)):
        moved = order.transpose(axes)
        if moved.shape == index.shape and np.array_equal(moved, index):
            return transpose(write, x, stem, axes)
    return None


def _repeated(write: Writer, x: str, stem: str, order: Ints, index: Ints) -> str | None:
    """Resize by nearest neighbour to whole multiples."""
    if index.ndim != order.ndim or any(new % old for new, old in zip(index.shape, order.shape, strict=True)):
        return None
    factors = [new // old for new, old in zip(index.shape, order.shape, strict=True)]
    made = order
    for axis, factor in enumerate(factors):
        made = made.repeat(factor, axis)
    if not np.array_equal(made, index):
        return None
    scales = write.constant(np.array([1, *factors], dtype=np.float32), f"{stem}.scales")
    name = write.fresh(f"{stem}/resize")
    options = {"mode": "nearest", "coordinate_transformation_mode": "asymmetric", "nearest_mode": "floor"}
    return write.node("Resize", (x, "", scales), name, **options)


def _to_space(write: Writer, x: str, stem: str, order: Ints, index: Ints) -> str | None:
    """DepthToSpace in either order."""
    if index.ndim != 3 or order.ndim != 3 or index.shape[1] % order.shape[1]:
        return None
    block, (channels, height, width) = index.shape[1] // order.shape[1], order.shape
    if index.shape != (channels // block**2, height * block, width * block) or channels % block**2:
        return None
    for mode, blocks, axes in (
        ("DCR", (block, block, -1), (2, 3, 0, 4, 1)),
        ("CRD", (-1, block, block), (0, 3, 1, 4, 2)),
    ):
        if np.array_equal(order.reshape(*blocks, height, width).transpose(axes).reshape(index.shape), index):
            return write.step("DepthToSpace", x, stem, blocksize=block, mode=mode)
    return None


def _sliced(write: Writer, x: str, stem: str, order: Ints, index: Ints) -> str | None:
    """Slice along every axis."""
    if index.ndim != order.ndim or index.min() < 0:
        return None
    corner = np.unravel_index(int(index.flat[0]), order.shape)
    picks = []
    for axis, (start, length) in enumerate(zip(corner, index.shape, strict=True)):
        second = np.unravel_index(int(np.take(index, 1, axis).flat[0]), order.shape)[axis] if length > 1 else start + 1
        picks.append((int(start), int(second - start), length))
    ends = [(start, start + step * length, step) for start, step, length in picks]
    slices = tuple(slice(a, b if b >= 0 else None, step or 1) for a, b, step in ends)
    if any(step == 0 for _, _, step in ends) or not np.array_equal(order[slices], index):
        return None
    axes = [
        axis for axis, (pick, size) in enumerate(zip(slices, order.shape, strict=True)) if pick != slice(0, size, 1)
    ]
    columns = [[ends[axis][k] for axis in axes] for k in range(3)]
    stops = [stop if stop >= 0 else -(1 << 31) for stop in columns[1]]
    lists = (columns[0], stops, [axis + 1 for axis in axes], columns[2])
    return write.step("Slice", x, stem, *(np.array(column, dtype=np.int64) for column in lists))


def pad(write: Writer, x: str, name: str, widths: list[tuple[int, int]], fill: int, *, wide: bool) -> str:
    """`x` surrounded by `fill`."""
    befores, afters = zip(*widths, strict=True)
    stem = write.fresh(f"{name}/pad")
    pads = write.constant(np.array([0, *befores, 0, *afters], dtype=np.int64), f"{stem}.pads")
    value = write.constant(number(fill, np.float64 if wide else np.float32), f"{stem}.value")
    return write.node("Pad", (x, pads, value), stem)
