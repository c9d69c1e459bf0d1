# SPDX-License-Identifier: Apache-2.0
"""Operators that pick, repeat or surround elements: slices, splits, gathers, depth to space, pads."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import partial
from itertools import pairwise
from math import prod
from typing import Literal

import numpy as np

from bitwright.frontend.batches import MANY, of_many
from bitwright.frontend.builder import Builder, channels_last, invert
from bitwright.frontend.integers import integers, widen
from bitwright.frontend.layouts import gather, whole
from bitwright.frontend.mixed import padded
from bitwright.frontend.operands import constant_operand, data_operand, optional_constant, waiting_operand
from bitwright.frontend.operators.shapes import check_free, move, shape_of
from bitwright.frontend.operators.windows import largest_window
from bitwright.frontend.values import Const, Tensor, Value
from bitwright.ir.per_channel import width
from bitwright.ir.types import IntType
from bitwright.reading.model import Node
from bitwright.reading.sizes import check_size

ENDLESS = 2**31 - 1
"""The least end that a slice of all samples is written with where the file leaves their number open."""


def slice_(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Slice with constant starts, ends, axes and steps, as inputs or (old files) as attributes."""
    shape = shape_of(waiting_operand(node, values))
    starts, ends, axes, steps = _slices(node, values)
    if len({len(starts), len(ends), len(axes), len(steps)}) > 1 or 0 in steps:
        raise node.error(f"slices from {starts} to {ends} along {axes} by {steps}", "export the model again")
    _check_axes(node, axes, shape)
    picks = [slice(None)] * len(shape)
    for place, (start, end, axis, step) in enumerate(zip(starts, ends, axes, steps, strict=True)):
        pick = slice(start, end, step)
        whole = _is_all(builder, shape[0], pick) or _follows(builder, node, place, shape[0], pick)
        if axis % len(shape) == 0 and not whole:
            check_free(builder, node, waiting_operand(node, values))
        stop = None if step < 0 and end < -shape[axis] else end
        picks[axis % len(shape)] = slice(start, stop, step)
    return move(builder, node, waiting_operand(node, values), lambda array: array[tuple(picks)])


def _is_all(builder: Builder, rows: int, pick: slice) -> bool:
    """True if a slice of the first axis, where each sample has `rows`, takes all of it in order."""
    count = rows * builder.model.batch if builder.model.batch > 0 else ENDLESS
    return range(count)[pick] == range(count)


def _follows(builder: Builder, node: Node, place: int, rows: int, pick: slice) -> bool:
    """True if a slice of the first axis ends where the file computes that the samples do."""
    if len(node.inputs) < 3 or (pick.start, pick.step) != (0, 1):
        return False
    ends = of_many(builder, node.inputs[2])
    return ends is not None and int(ends.reshape(-1)[place]) == rows * MANY


def _slices(node: Node, values: tuple[Value | None, ...]) -> tuple[list[int], list[int], list[int], list[int]]:
    """The starts, ends, axes and steps of a Slice."""
    lists = []
    for index, name in enumerate(("starts", "ends", "axes", "steps"), start=1):
        const = optional_constant(node, values, index)
        given = node.attributes.get(name) if const is None else const.array.reshape(-1)
        lists.append(None if given is None else [int(v) for v in given])
    starts, ends, axes, steps = lists
    count = len(starts or [])
    return (
        starts or [],
        ends or [],
        list(range(count)) if axes is None else axes,
        [1] * count if steps is None else steps,
    )


def split(builder: Builder, node: Node, *values: Value | None) -> tuple[Value, ...]:
    """Split along an axis into the given sizes, or into equal parts."""
    value = waiting_operand(node, values)
    shape = shape_of(value)
    axis = int(node.attributes.get("axis", 0))
    _check_axes(node, [axis], shape)
    axis %= len(shape)
    sizes = _split_sizes(node, values, shape, axis)
    edges = [sum(sizes[:k]) for k in range(len(sizes) + 1)]
    parts = [range(a, min(b, shape[axis])) for a, b in pairwise(edges)]
    return tuple(move(builder, node, value, partial(np.take, indices=part, axis=axis)) for part in parts)


def _split_sizes(node: Node, values: tuple[Value | None, ...], shape: tuple[int, ...], axis: int) -> list[int]:
    """The length of every part; of equal parts the last may be shorter than is said here."""
    const = optional_constant(node, values, 1)
    given = node.attributes.get("split") if const is None else const.array.reshape(-1)
    count = len(node.outputs)
    sizes = [int(v) for v in given] if given is not None else [-(-shape[axis] // count)] * count
    if len(sizes) != count or min(sizes) < 1 or (given is not None and sum(sizes) != shape[axis]):
        raise node.error(f"splits axis {axis} of a tensor of shape {shape} into {sizes}", "export the model again")
    return sizes


def gather_(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Gather with constant indices."""
    index = constant_operand(node, values, 1, "only constant indices are supported").array
    if index.dtype.kind not in "iu":
        raise node.error(f"picks by numbers of type {index.dtype}", "use integers")
    axis, value = int(node.attributes.get("axis", 0)), waiting_operand(node, values)
    shape = shape_of(value)
    _check_axes(node, [axis], shape)
    if axis % len(shape) == 0:
        check_free(builder, node, value)
    check_size(node, (prod(shape) // shape[axis], index.size))
    return move(builder, node, value, lambda array: np.take(array, index, axis))


def depth_to_space(builder: Builder, node: Node, *values: Value | None) -> Value:
    """DepthToSpace in DCR or CRD order."""
    old = shape_of(waiting_operand(node, values))
    b = int(node.attributes["blocksize"])
    if len(old) != 4 or b < 1 or old[1] % b**2:
        raise node.error(f"makes blocks of {b} x {b} of a tensor of shape {old}", "export the model again")
    n, c, h, w = old
    if str(node.attributes.get("mode", "DCR")) == "CRD":
        shape, perm = (n, c // b**2, b, b, h, w), (0, 1, 4, 2, 5, 3)
    else:
        shape, perm = (n, b, b, c // b**2, h, w), (0, 3, 4, 1, 5, 2)
    result = (n, c // b**2, h * b, w * b)
    return move(
        builder, node, waiting_operand(node, values), lambda array: array.reshape(shape).transpose(perm).reshape(result)
    )


def space_to_depth(builder: Builder, node: Node, *values: Value | None) -> Value:
    """SpaceToDepth: the pixels of a block behind one another, each with all channels."""
    value = waiting_operand(node, values)
    old, b = shape_of(value), int(node.attributes["blocksize"])
    if len(old) != 4 or b < 1 or old[2] % b or old[3] % b:
        raise node.error(f"takes blocks of {b} x {b} of a tensor of shape {old}", "export the model again")
    n, c, h, w = old
    shape, result = (n, c, h // b, b, w // b, b), (n, c * b**2, h // b, w // b)
    return move(builder, node, value, lambda array: array.reshape(shape).transpose(0, 3, 5, 1, 2, 4).reshape(result))


PADS: Mapping[str, Literal["constant", "reflect", "edge", "wrap"]] = {
    "constant": "constant",
    "reflect": "reflect",
    "edge": "edge",
    "wrap": "wrap",
}
"""Modes of Pad, and what numpy calls them."""


def pad(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Pad with a constant that is an integer of the tensor's quantisation, or with elements of the tensor itself."""
    mode = str(node.attributes.get("mode", "constant"))
    if mode not in PADS:
        raise node.error(f"pads by '{mode}'", "known modes: " + ", ".join(PADS))
    lowest = _is_lowest(values[2] if len(values) > 2 else None)
    const, axes = optional_constant(node, values, 1), optional_constant(node, values, 3)
    given = data_operand(node, values)
    tensor, widths = _cropped(builder, node, given, _pad_widths(node, const, axes, shape_of(given)))
    if not any(size for pair in widths for size in pair):
        return tensor
    if not isinstance(tensor, Tensor) or any(widths[0]):
        raise node.error("pads a float tensor, or the samples", "pad quantised tensors only")
    if mode != "constant":
        return _continued(builder, node, tensor, widths, mode)
    if lowest:
        return _padded(builder, node, _below(builder, node, tensor, widths), widths, None)
    return _padded(builder, node, tensor, widths, _value(node, values))


def _value(node: Node, values: tuple[Value | None, ...]) -> float:
    fill = optional_constant(node, values, 2)
    return float(node.attributes.get("value", 0.0)) if fill is None else float(fill.array.reshape(-1)[0])


def _is_lowest(fill: Value | None) -> bool:
    """True for the lowest float32 number, or what is infinitely less."""
    least = float(np.finfo(np.float32).min)
    return isinstance(fill, Const) and fill.array.size == 1 and float(fill.array.reshape(-1)[0]) <= least


def _below(builder: Builder, node: Node, tensor: Tensor, widths: list[tuple[int, int]]) -> Tensor:
    """The integers of a tensor that max-pools read, none of whose windows lies in the padding alone."""
    readers = builder.readers(node.outputs[0])
    shape = tuple(n + before + after for n, (before, after) in zip(tensor.where.shape, widths, strict=True))
    within = not any(map(any, widths[:2])) and all(
        reader.op == "MaxPool" and _all_meet(reader, shape, widths[2:]) for reader in readers
    )
    if not readers or not within:
        raise node.error("pads with a number below all others", "only what max-pools read can be padded so")
    return integers(builder, tensor, node)


def _all_meet(pool: Node, shape: tuple[int, ...], widths: list[tuple[int, int]]) -> bool:
    """True if every window of a MaxPool over `shape` reads an element that lies within the padding."""
    if len(shape) not in (3, 4):
        return False
    window, size = largest_window(pool, shape)
    axes = enumerate(zip(size, window.out(size), [(0, 0), *widths][-2:], strict=True))
    taps = ((window.taps(axis, count), before, length - after) for axis, (length, count, (before, after)) in axes)
    return all(bool(((rows >= start) & (rows < end)).any(axis=1).all()) for rows, start, end in taps)


def _cropped(
    builder: Builder, node: Node, value: Value, widths: list[tuple[int, int]]
) -> tuple[Value, list[tuple[int, int]]]:
    """`value` without what negative widths take away, and the widths that are left."""
    if min(map(min, widths), default=0) >= 0:
        return value, widths
    shape = shape_of(value)
    kept = tuple(slice(max(-a, 0), n - max(-b, 0)) for n, (a, b) in zip(shape, widths, strict=True))
    left = [(max(a, 0), max(b, 0)) for a, b in widths]
    return move(builder, node, value, lambda array: array[kept]), left


def _continued(builder: Builder, node: Node, tensor: Tensor, widths: list[tuple[int, int]], mode: str) -> Value:
    """The tensor continued beyond its ends by its own elements."""
    shape = shape_of(tensor)
    check_size(node, [n + before + after for n, (before, after) in zip(shape, widths, strict=True)])
    most = [n - (mode == "reflect") for n in shape]
    if mode != "edge" and any(max(pair) > limit for pair, limit in zip(widths, most, strict=True)):
        raise node.error(f"pads a tensor of shape {shape} by '{mode}' beyond its length", "pad by less, or by 'edge'")
    return move(builder, node, tensor, lambda array: np.pad(array, widths, mode=PADS[mode]))


def _pad_widths(node: Node, const: Const | None, axes: Const | None, shape: tuple[int, ...]) -> list[tuple[int, int]]:
    """How far each axis grows at its two ends."""
    given = [int(v) for v in (node.attributes.get("pads", []) if const is None else const.array.reshape(-1))]
    chosen = list(range(len(shape))) if axes is None else [int(a) for a in axes.array.reshape(-1)]
    _check_axes(node, chosen, shape)
    if len(given) != 2 * len(chosen):
        raise node.error(f"has {len(given)} pads for {len(chosen)} axes", "give two for each axis")
    widths = [(0, 0)] * len(shape)
    for i, axis in enumerate(chosen):
        widths[axis] = (given[i], given[i + len(chosen)])
    return widths


def _padded(builder: Builder, node: Node, tensor: Tensor, widths: list[tuple[int, int]], value: float | None) -> Tensor:
    """The tensor with `value` around it, or with what is no more than any element."""
    tensor = whole(builder, integers(builder, tensor, node), node)
    if value is None:
        code = _least(builder, node, tensor)
    else:
        tensor, code = _filled(builder, node, tensor, value)
    check_size(node, [n + before + after for n, (before, after) in zip(tensor.where.shape, widths, strict=True)])
    index = np.pad(tensor.where, widths, constant_values=-1)
    order, _ = channels_last(index.shape)
    made = gather(builder, tensor, np.ascontiguousarray(index.reshape(-1)[order]), node, fill=code)
    return replace(made, where=invert(order, index.shape))


def _least(builder: Builder, node: Node, tensor: Tensor) -> int:
    """The integer of the least value, which is one end of their type."""
    signs = {scale > 0 for scale in tensor.scale.values}
    if len(signs) > 1:
        raise node.error("pads with a number below all others where some channels fall", "quantise the tensor before")
    kind = builder.layers[tensor.layer].type
    return kind.lo if signs.pop() else kind.hi


def _filled(builder: Builder, node: Node, tensor: Tensor, value: float) -> tuple[Tensor, int]:
    """The tensor over a layer in which one integer means `value` in every channel, and that integer."""
    single = width(tensor.scale, tensor.offset) == 1 and bool(tensor.scale.of(0))
    if not value and not single:
        return padded(builder, tensor, node)
    code = (Fraction(value) - tensor.offset.of(0)) / tensor.scale.of(0) if single else None
    if code is None or code.denominator != 1:
        raise node.error(f"pads with {value:g}, which is no integer of its input", "pad with the zero point's value")
    return widen(builder, tensor, IntType(int(code), int(code)), node), int(code)


def _check_axes(node: Node, axes: list[int], shape: tuple[int, ...]) -> None:
    if not all(-len(shape) <= axis < len(shape) for axis in axes):
        raise node.error(f"acts on axes {axes} of a tensor of shape {shape}", "export the model again")
