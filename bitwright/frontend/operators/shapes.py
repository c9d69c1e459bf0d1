# SPDX-License-Identifier: Apache-2.0
"""Layout operators: on chip they only move indices, on the host they gather."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from math import prod

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.layouts import BATCH_MOVED
from bitwright.frontend.operands import constant_operand, optional_constant, waiting_operand
from bitwright.frontend.results import LAYOUT
from bitwright.frontend.values import Const, Host, Pieces, Tensor, Value, of_sample
from bitwright.ir import host_ops
from bitwright.reading.model import Array, Node
from bitwright.reading.sizes import check_size

MAX_RANK = 32
Move = Callable[[Array], Array]


def transpose(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Axes in another order."""
    value = waiting_operand(node, values)
    rank = len(shape_of(value))
    perm = tuple(node.attributes.get("perm", range(rank - 1, -1, -1)))
    if sorted(perm) != list(range(rank)):
        raise node.error(f"has perm {list(perm)} on a tensor of rank {rank}", "export the model again")
    if perm[:1] != (0,):
        check_free(builder, node, value)
    return move(builder, node, value, lambda array: array.transpose(perm))


def reshape(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Another shape; 0 keeps an axis (unless allowzero), -1 is what is left; a batch written into it counts as 1."""
    value = waiting_operand(node, values)
    old = shape_of(value)
    wanted = _wanted(node, values, old)
    if not isinstance(value, Const):
        wanted = _one_sample(wanted, prod(old), builder.model.batch)
    wanted = _filled(wanted, prod(old))
    if min(wanted, default=1) < 0 or prod(wanted) != prod(old):
        raise node.error(f"reshapes {list(old)} to {wanted}", "export the model again; the sizes do not fit")
    return move(builder, node, value, lambda array: array.reshape(wanted), folds=True)


def _one_sample(wanted: list[int], size: int, batch: int) -> list[int]:
    """`wanted` of one sample, where the export wrote the number of samples in front: the batch, or what fits.

    Steps of a sample may be folded into that axis.
    """
    if not wanted or wanted[0] < 2:
        return wanted
    if wanted[0] == batch or prod(wanted) == size * wanted[0]:
        return [1, *wanted[1:]]
    if batch > 1 and wanted[0] % batch == 0 and (-1 in wanted or prod(wanted) == size * batch):
        return [wanted[0] // batch, *wanted[1:]]
    return wanted


def flatten(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Two axes: those before `axis`, and the rest."""
    value = waiting_operand(node, values)
    old = shape_of(value)
    axis = int(node.attributes.get("axis", 1))
    axis = axis + len(old) if axis < 0 else axis
    if axis == 0:
        check_free(builder, node, value)
    return move(builder, node, value, lambda array: array.reshape(prod(old[:axis]), prod(old[axis:])), folds=True)


def check_free(builder: Builder, node: Node, value: Value) -> None:
    """Refuse to act on the first axis of data of which there may be many samples."""
    if not isinstance(value, Const) and not builder.frees():
        raise node.error(*BATCH_MOVED)


def _wanted(node: Node, values: tuple[Value | None, ...], old: tuple[int, ...]) -> list[int]:
    """The shape that a Reshape is given, its axes that are kept filled in."""
    wanted: list[int] = (
        constant_operand(node, values, 1, "only constant shapes are supported").array.reshape(-1).tolist()
    )
    if len(wanted) > MAX_RANK or not all(isinstance(d, int) for d in wanted):
        raise node.error("reshapes to something that is no shape", "give a few integers")
    if node.attributes.get("allowzero", 0):
        return wanted
    return [old[i] if d == 0 and i < len(old) else d for i, d in enumerate(wanted)]


def _filled(wanted: list[int], size: int) -> list[int]:
    """The sizes with a single -1 replaced by what is left of `size`, if that is a whole number."""
    known = prod(d for d in wanted if d != -1)
    fits = wanted.count(-1) == 1 and known and size % known == 0
    return [size // known if d == -1 else d for d in wanted] if fits else wanted


def squeeze(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Axes of length 1 removed."""
    value = waiting_operand(node, values)
    old = shape_of(value)
    axes = _single(node, values, old)
    if 0 in axes:
        check_free(builder, node, value)
    kept = [d for i, d in enumerate(old) if i not in axes]
    return move(builder, node, value, lambda array: array.reshape(kept))


def unsqueeze(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Axes of length 1 inserted."""
    value = waiting_operand(node, values)
    old = shape_of(value)
    axes = _axes(node, values)
    rank = len(old) + len(axes)
    places = sorted(axis % rank for axis in axes)
    if 0 in places:
        check_free(builder, node, value)
    new = list(old)
    for axis in places:
        new.insert(axis, 1)
    return move(builder, node, value, lambda array: array.reshape(new))


def expand(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Axes of length 1 repeated, and more of them in front, as a broadcast does."""
    value = waiting_operand(node, values)
    old = shape_of(value)
    wanted = constant_operand(node, values, 1, "only constant shapes are supported").array.reshape(-1).tolist()
    if len(wanted) == len(old) and wanted[:1] == [builder.model.batch]:
        wanted[0] = old[0]
    try:
        new = np.broadcast_shapes(old, wanted)
    except ValueError as error:
        raise node.error(f"stretches {list(old)} to {wanted}", "export the model again") from error
    if len(new) > len(old):
        check_free(builder, node, value)
    check_size(node, new)
    return move(builder, node, value, lambda array: np.broadcast_to(array, new))


def tile(builder: Builder, node: Node, *values: Value | None) -> Value:
    """The whole tensor repeated along its axes."""
    value = waiting_operand(node, values)
    old = shape_of(value)
    counts = constant_operand(node, values, 1, "only constant counts are supported").array.reshape(-1).tolist()
    if len(counts) != len(old) or min(counts, default=1) < 1:
        raise node.error(f"repeats a tensor of {len(old)} axes {counts} times", "give a count from 1 up to each axis")
    check_size(node, [length * count for length, count in zip(old, counts, strict=True)])
    return move(builder, node, value, lambda array: np.tile(array, counts))


def shape(builder: Builder, node: Node, *values: Value | None) -> Value:
    """The shape as a constant, with 1 for the samples."""
    dims = np.array(shape_of(waiting_operand(node, values)), dtype=np.int64)
    return Const(dims[node.attributes.get("start", 0) : node.attributes.get("end", len(dims))])


def shape_of(value: Value) -> tuple[int, ...]:
    """The ONNX shape, with 1 for the samples."""
    match value:
        case Const():
            return value.array.shape
        case Host():
            return value.shape
        case Tensor():
            return value.shape
        case Pieces():
            return value.where.shape


def axis_of(node: Node, rank: int, default: int) -> int:
    """The attribute `axis`, counted from the front."""
    axis = int(node.attributes.get("axis", default))
    if not -rank <= axis < rank:
        raise node.error(f"axis {axis} of a tensor of {rank} dimensions", "an axis lies between -rank and rank - 1")
    return axis % rank


def _axes(node: Node, values: tuple[Value | None, ...]) -> list[int]:
    const = optional_constant(node, values, 1)
    return [int(axis) for axis in (node.attributes.get("axes", []) if const is None else const.array.reshape(-1))]


def _single(node: Node, values: tuple[Value | None, ...], old: tuple[int, ...]) -> list[int]:
    """The axes of length 1 that a Squeeze names, or all but the samples'."""
    axes = _axes(node, values) or [i for i, d in enumerate(old) if d == 1 and i > 0]
    axes = [axis % len(old) for axis in axes]
    if any(old[axis] != 1 for axis in axes):
        raise node.error(f"squeezes axes {axes} of {list(old)}", "only axes of length 1 can go")
    return axes


def move(builder: Builder, node: Node, value: Value, step: Move, *, folds: bool = False) -> Value:
    """`value` with its elements re-laid by `step`, which acts on an array of the ONNX shape.

    Unless it `folds` other axes into that of the samples, it leaves that one alone.
    """
    if isinstance(value, Const):
        return _move_constant(value, partial(_moved, node, step))
    if isinstance(value, Tensor) and value.pools:
        raise node.error("re-lays a max-pool of real values", "quantise the activation first")
    where = _where(value)
    index = _moved(node, step, where)
    if index.size == 0:
        raise node.error("makes a tensor without elements", "export the model again")
    if index.shape[:1] != where.shape[:1]:
        if folds:
            builder.fold(value, len(index))
        else:
            check_free(builder, node, value)
    match value:
        case Tensor():
            return replace(value, where=index).then(node.name, node.op)
        case Pieces():
            return replace(value, where=index)
        case Host():
            return _move_on_host(builder, node, value, index)


def _where(value: Host | Tensor | Pieces) -> Array:
    """Where each element is in what is flattened underneath."""
    return np.arange(prod(value.shape)).reshape(value.shape) if isinstance(value, Host) else value.where


def _move_on_host(builder: Builder, node: Node, value: Host, index: Array) -> Host:
    made = of_sample(index)
    if np.array_equal(made, np.arange(prod(value.shape)).reshape(of_sample(np.empty(value.shape)).shape)):
        return replace(value, shape=index.shape)
    name = builder.host_step(
        value.side,
        host_ops.Gather(host_ops.Constant(made)),
        (value.name,),
        node=(node.name, node.op),
        reason="layout before the input quantiser" if value.side == "input" else LAYOUT,
    )
    return Host(name, index.shape, value.side)


def _moved(node: Node, step: Move, array: Array) -> Array:
    """`array`, re-laid by `step`."""
    try:
        return step(array)
    except (IndexError, ValueError) as error:
        raise node.error(f"does not fit a tensor of shape {array.shape}: {error}", "export the model again") from error


def reshaped(value: Const, shape: tuple[int, ...]) -> Const:
    """The constant in another shape."""
    return _move_constant(value, lambda array: array.reshape(shape))


def _move_constant(value: Const, move: Move) -> Const:
    if value.codes is None or value.scale is None or value.zero is None:
        return Const(move(value.array))
    scale, zero = (
        array if array.size == 1 else move(np.broadcast_to(array, value.array.shape))
        for array in (value.scale, value.zero)
    )
    return Const(
        move(value.array),
        move(value.codes),
        scale.reshape(()) if scale.size == 1 else scale,
        zero.reshape(()) if zero.size == 1 else zero,
    )
