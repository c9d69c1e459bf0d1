# SPDX-License-Identifier: Apache-2.0
"""Resize and Upsample: the nearest pixel is a move, an interpolation a depthwise convolution with rational weights."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.integers import integers
from bitwright.frontend.layouts import BATCH_MOVED, gather, image
from bitwright.frontend.operands import data_operand, optional_constant
from bitwright.frontend.operators.interpolation import (
    NEAREST,
    PLACES,
    Blocks,
    Sizes,
    Taps,
    blocks,
    cubic,
    linear,
    neighbours,
    phases,
    simplest,
)
from bitwright.frontend.operators.matrix import convolved
from bitwright.frontend.operators.shapes import move, shape_of
from bitwright.frontend.values import ONE, Tensor, Value
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.weights import Ints
from bitwright.ir.window import Window
from bitwright.reading.model import Node
from bitwright.reading.sizes import check_size

AT_ONCE = 256
"""Weights of a channel up to which two axes are interpolated by one convolution."""
MAX_LENGTH, MAX_WEIGHTS = 1 << 16, 1 << 21
"""Of an axis, and of what interpolates it: each place and each weight is an exact rational, which takes its time."""
KEPT = Blocks(1, np.arange(1), np.ones((1, 1), dtype=np.int64), 1, 1)
FLOAT32 = 8
"""Elementwise float32 operations of an interpolation, beside those of its places, which err with the length."""


def resize(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Resize or Upsample by any scales: exact, whichever pixels it takes and however it weighs them."""
    value = data_operand(node, values)
    sizes, place = _sizes(node, values, shape_of(value)), _place(builder, node)
    _check_outs(node, sizes)
    if sizes[0].changes:
        raise node.error(*BATCH_MOVED)
    _check_scales(node, sizes)
    mode = str(node.attributes.get("mode", "nearest"))
    if mode == "nearest":
        return _nearest(builder, node, value, sizes, place)
    taps = _taps(node, mode, sizes)
    if not isinstance(value, Tensor) or value.curved or value.pools:
        raise node.error(f"interpolates real values by '{mode}'", "quantise the activation before it")
    inside = bool(node.attributes.get("exclude_outside", 0))
    _check_weights(node, sizes, place, inside=inside)
    found = {i: blocks(axis, place, taps, inside=inside) for i, axis in enumerate(sizes) if axis.changes}
    made = integers(builder, value, node)
    for axes in _together(found):
        made = _interpolated(builder, node, made, axes, found, sizes)
    return made


def _sizes(node: Node, values: tuple[Value | None, ...], shape: tuple[int, ...]) -> list[Sizes]:
    """What every axis becomes, by sizes or scales of all axes, or of those that the node names."""
    axes = [int(axis) for axis in node.attributes.get("axes", range(len(shape)))]
    given, sized = _given(node, values)
    if len(given) != len(axes) or min(given, default=0) <= 0 or not set(axes).issubset(range(-len(shape), len(shape))):
        raise node.error("has no scales for its axes", "export the model again")
    made = [Sizes(n, n, ONE) for n in shape]
    for axis, number in zip(axes, given, strict=True):
        made[axis] = _sized(shape[axis], int(number)) if sized else _scaled(shape[axis], number)
    if sized:  # the first size is that of the batch
        made[0] = Sizes(shape[0], shape[0], ONE)
    return made


def _check_outs(node: Node, sizes: Sequence[Sizes]) -> None:
    if min(axis.out for axis in sizes) < 1:
        raise node.error("makes a tensor without elements", "export the model again")
    check_size(node, [axis.out for axis in sizes])
    for axis in sizes:
        if axis.changes:
            check_size(node, (axis.out,), MAX_LENGTH)


def _check_scales(node: Node, sizes: Sequence[Sizes]) -> None:
    """Refuse scales by which producers and onnxruntime do not mean the same pixels."""
    if node.op == "Upsample" and any(axis.scale < 1 for axis in sizes):
        raise node.error("shrinks an axis", "an Upsample only enlarges: export it as a Resize")
    if any(axis.changes for axis in sizes) and all(axis.out == axis.length for axis in sizes):
        raise node.error(
            "scales by other than 1, yet no axis becomes longer or shorter",
            "onnxruntime then copies its input: remove the node, or give it sizes",
        )


def _check_weights(node: Node, sizes: Sequence[Sizes], place: str, *, inside: bool) -> None:
    for axis in sizes:
        if axis.changes:
            check_size(node, (phases(axis, place, inside=inside), axis.length), MAX_WEIGHTS)


def _sized(length: int, out: int) -> Sizes:
    return Sizes(length, out, Fraction(out, length))


def _scaled(length: int, scale: float) -> Sizes:
    """The axis by a scale, as long as float32 makes it."""
    return Sizes(length, int(np.float32(length) * np.float32(scale)), simplest(scale))


def _given(node: Node, values: tuple[Value | None, ...]) -> tuple[list[float], bool]:
    """The numbers that say how long axes become, and whether they are sizes."""
    sizes = optional_constant(node, values, 3)
    if sizes is not None and sizes.array.size:
        if node.attributes.get("keep_aspect_ratio_policy", "stretch") != "stretch":
            raise node.error("keeps the aspect ratio of its input", "export it with the sizes that come out")
        return [float(v) for v in sizes.array.reshape(-1)], True
    scales = optional_constant(node, values, 1 if node.op == "Upsample" or len(values) == 2 else 2)
    given = node.attributes.get("scales", []) if scales is None else scales.array.reshape(-1)
    return [float(v) for v in given], False


def _is_old(builder: Builder, node: Node) -> bool:
    """True for the operators of before opset 11, which do not say where and how they take their pixels."""
    return node.op == "Upsample" or builder.model.opset < 11


def _place(builder: Builder, node: Node) -> str:
    """How the node finds the places of its pixels."""
    if _is_old(builder, node):
        return "asymmetric"
    place = str(node.attributes.get("coordinate_transformation_mode", "half_pixel"))
    if place not in PLACES:
        raise node.error(f"places its pixels by '{place}'", "known ways: " + ", ".join(PLACES))
    return place


def _taps(node: Node, mode: str, sizes: Sequence[Sizes]) -> Taps:
    """The pixels around a place, and their weights."""
    if mode not in ("linear", "cubic"):
        raise node.error(f"interpolates by '{mode}'", "known modes: nearest, linear, cubic")
    if node.attributes.get("antialias", 0) and any(axis.scale < 1 for axis in sizes):
        raise node.error("smooths what it shrinks (antialias)", "export it without antialias")
    sharpness = Fraction(float(np.float32(node.attributes.get("cubic_coeff_a", -0.75))))
    return linear if mode == "linear" else cubic(sharpness)


def _nearest(builder: Builder, node: Node, value: Value, sizes: Sequence[Sizes], place: str) -> Value:
    """One pixel of the input for each."""
    modes = _nearest_modes(builder, node, sizes)
    taken: dict[int, Ints] = {}
    for i, (axis, mode) in enumerate(zip(sizes, modes, strict=True)):
        if axis.changes:
            pixels = neighbours(axis, place, mode)
            if pixels is None:
                raise node.error(
                    f"takes pixels that depend on how float32 rounds their places ('{place}', '{mode}')",
                    "export it with 'asymmetric' and 'floor', or with a whole factor",
                )
            taken[i] = pixels

    def take(array: Ints) -> Ints:
        for axis, pixels in taken.items():
            array = np.take(array, pixels, axis)
        return array

    return move(builder, node, value, take)


def _nearest_modes(builder: Builder, node: Node, sizes: Sequence[Sizes]) -> list[str]:
    """By which mode each axis takes its pixels; before opset 11 one that shrinks takes the pixel behind its place."""
    if _is_old(builder, node):
        return ["ceil" if axis.scale < 1 else "floor" for axis in sizes]
    mode = str(node.attributes.get("nearest_mode", "round_prefer_floor"))
    if mode not in NEAREST:
        raise node.error(f"takes the nearest pixel by '{mode}'", "known modes: " + ", ".join(NEAREST))
    return [mode] * len(sizes)


def _together(found: Mapping[int, Blocks]) -> list[list[int]]:
    """The axes that each convolution interpolates: two at once where that takes few weights."""
    axes = list(found)
    if len(axes) == 2 and found[axes[0]].weights.size * found[axes[1]].weights.size <= AT_ONCE:
        return [axes]
    return [[axis] for axis in axes]


def _interpolated(
    builder: Builder, node: Node, tensor: Tensor, axes: list[int], found: Mapping[int, Blocks], sizes: Sequence[Sizes]
) -> Tensor:
    """The tensor with one or two of its axes interpolated, every other element a channel."""
    kept = [axis for axis in range(tensor.where.ndim) if axis not in axes]
    rows, columns = [KEPT, *(found[axis] for axis in axes)][-2:]
    where = tensor.where.transpose(*kept, *axes)
    lengths, outs = where.shape[: len(kept)], [sizes[axis].out for axis in axes]
    height, width = [1, *where.shape[len(kept) :]][-2:]
    tensor = image(builder, replace(tensor, where=where.reshape(1, -1, height, width)), node)
    tensor = _surrounded(builder, node, tensor, rows.pixels, columns.pixels)
    channels, kinds = tensor.where.shape[1], rows.phases * columns.phases
    kernels = rows.weights[:, None, :, None] * columns.weights[None, :, None, :]
    weights = np.tile(kernels.reshape(kinds, 1, *kernels.shape[2:]), (channels, 1, 1, 1))
    step = PerChannel.made(Fraction(1, rows.unit * columns.unit))
    window = Window((kernels.shape[2], kernels.shape[3]), (rows.stride, columns.stride))
    made = convolved(builder, node, tensor, weights, step, window, channels)
    blocks = made.where.reshape(channels, rows.phases, columns.phases, rows.count, columns.count).transpose(
        0, 3, 1, 4, 2
    )
    pixels = blocks.reshape(channels, rows.count * rows.phases, columns.count * columns.phases)
    pixels = pixels[:, : [1, *outs][-2], : outs[-1]].reshape(*lengths, *outs)
    made = replace(made, where=pixels.transpose(np.argsort([*kept, *axes])))
    return replace(made, added=tensor.added, roundings=tensor.roundings + FLOAT32 + max(height, width))


def _surrounded(builder: Builder, node: Node, tensor: Tensor, rows: Ints, columns: Ints) -> Tensor:
    """The image (1, C, H, W) with the pixels that the kernels run over: itself, or repeated beyond its ends."""
    height, width = tensor.where.shape[2:]
    if np.array_equal(rows, np.arange(height)) and np.array_equal(columns, np.arange(width)):
        return tensor
    index = tensor.where[0][:, rows[:, None], columns].transpose(1, 2, 0)
    check_size(node, index.shape)
    made = gather(builder, tensor, np.ascontiguousarray(index), node)
    return replace(made, where=made.where.transpose(2, 0, 1)[None])


OPERATORS: Mapping[str, Callable[..., Any]] = {"Resize": resize, "Upsample": resize}
"""The handlers of the operators that are added here."""
