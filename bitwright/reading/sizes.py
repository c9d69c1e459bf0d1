# SPDX-License-Identifier: Apache-2.0
"""How large a tensor may be: a file can declare sizes that no memory holds, so they are checked before it is taken."""

from __future__ import annotations

from collections.abc import Sequence
from math import prod

import numpy as np

from bitwright.ir.errors import BitwrightError
from bitwright.reading.model import Array, Node

MAX_ELEMENTS = 1 << 24
"""Of an activation, for each sample: a full-HD image of eight channels."""
MAX_CHANNELS = 1 << 19
"""Channels, or single elements, that have constants of their own: exact rationals, of which each takes its time."""
MAX_CONSTANT = 1 << 25
"""Elements of a constant that is computed from others; those of the file are as large as the file."""
GROWING = {"Expand", "Tile", "ConstantOfShape", "Range", "MatMul", "Gemm", "Gather", "Resize", "Upsample"}
"""Operators whose output can be larger than their broadcast inputs."""


def refuse_large(shape: Sequence[int], where: str, limit: int = MAX_ELEMENTS) -> None:
    """Refuse a tensor of more than `limit` elements."""
    if prod(shape) > limit:
        sizes = " x ".join(map(str, shape))
        raise BitwrightError(f"holds {sizes} elements", where=where, hint=f"at most {limit} elements are supported")


def check_size(node: Node, shape: Sequence[int], limit: int = MAX_ELEMENTS) -> None:
    """Refuse a node that makes, or pads to, more than `limit` elements."""
    refuse_large(shape, node.where, limit)


def check_folded(node: Node, arrays: Sequence[Array], limit: int = MAX_CONSTANT) -> None:
    """Refuse a constant, or what is computed from given arrays, that is too large to compute."""
    if node.op in GROWING:
        check_size(node, _grown(node, arrays), limit)
    elif node.op == "Concat":
        check_size(node, (sum(array.size for array in arrays),), limit)
    elif len(arrays) > 1:
        check_size(node, (prod(max(d) for d in _columns(arrays)),), limit)


def _grown(node: Node, arrays: Sequence[Array]) -> tuple[int, ...]:
    """The shape, or one as large, of the output of a growing operator."""
    first, *more = arrays
    match node.op:
        case "Expand" | "Tile":
            return _stretched(node, first.shape, [max(int(v), 1) for v in more[0].reshape(-1)])
        case "ConstantOfShape":
            return tuple(int(v) for v in first.reshape(-1))
        case "Range":
            start, limit, delta = (float(array.reshape(-1)[0]) for array in arrays[:3])
            count = (limit - start) / delta if delta else np.inf
            return (int(np.clip(np.nan_to_num(count, nan=np.inf), 0, 2.0**60)),)
        case "Resize" | "Upsample":
            return _resized(node, first.shape, more)
        case "Gather":
            return _gathered(node, first, more[0].size)
        case _:
            return (*first.shape[:-1], *more[0].shape[-1:])


def _gathered(node: Node, array: Array, count: int) -> tuple[int, ...]:
    axis = int(node.attributes.get("axis", 0)) % max(array.ndim, 1)
    return (count, array.size // max(array.shape[axis], 1)) if array.ndim else (1,)


def _resized(node: Node, shape: tuple[int, ...], others: Sequence[Array]) -> tuple[int, ...]:
    """The shape by scales, or by sizes, which are whole: the last operand that holds any, or an attribute."""
    held = [array for array in others if array.size]
    given = held[-1].reshape(-1) if held else np.asarray(node.attributes.get("scales", ()), np.float64)
    axes = [int(axis) for axis in node.attributes.get("axes", range(len(shape)))]
    sizes = dict(enumerate(shape))
    for axis, number in zip(axes, given.tolist(), strict=False):
        place = axis % max(len(shape), 1)
        wanted = number if given.dtype.kind in "iu" else number * shape[place]
        sizes[place] = int(np.clip(np.nan_to_num(wanted, nan=np.inf), 0, 2.0**60))
    return tuple(sizes.values())


def _stretched(node: Node, shape: tuple[int, ...], wanted: list[int]) -> tuple[int, ...]:
    """A shape repeated, or expanded, along axes that are counted from the last one."""
    rank = max(len(wanted), len(shape))
    old = (1,) * (rank - len(shape)) + shape
    new = [1] * (rank - len(wanted)) + wanted
    return tuple(a * b if node.op == "Tile" else max(a, b) for a, b in zip(old, new, strict=True))


def _columns(arrays: Sequence[Array]) -> list[tuple[int, ...]]:
    """The lengths of each axis of all arrays, aligned at the last one."""
    rank = max(array.ndim for array in arrays)
    return list(zip(*((1,) * (rank - array.ndim) + array.shape for array in arrays), strict=True))
