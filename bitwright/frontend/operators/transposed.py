# SPDX-License-Identifier: Apache-2.0
"""ConvTranspose: the input with zeros between its pixels, then an ordinary convolution with the kernel turned round."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.integers import integers
from bitwright.frontend.layouts import FIT, gather, image
from bitwright.frontend.mixed import padded
from bitwright.frontend.operands import constant_operand, data_operand, optional_constant
from bitwright.frontend.operators.matrix import conv
from bitwright.frontend.operators.shapes import reshaped
from bitwright.frontend.operators.windows import window_of
from bitwright.frontend.values import Const, Tensor, Value
from bitwright.reading.model import Array, Node
from bitwright.reading.sizes import check_size


def conv_transpose(builder: Builder, node: Node, *values: Value | None) -> Value:
    """ConvTranspose(x, w, b) with w of shape (inputs, outputs / groups, kernel...)."""
    kernel = constant_operand(node, values, 1, "only constant kernels are supported")
    operand = _operand(node, values, kernel)
    if kernel.array.ndim == 3:
        return _of_rows(builder, node, operand, kernel, values)
    if len(operand.where) > 1:
        raise node.error(
            f"acts on {len(operand.where)} frames of each sample, which are independent of one another",
            "export the network of one frame, and give every frame as a sample",
        )
    tensor = image(builder, integers(builder, operand, node), node)
    size = (tensor.where.shape[2], tensor.where.shape[3])
    node = _with_pads(node, kernel.array.shape[2:], size)
    window = window_of(node, kernel.array.shape[2:], size, 4)
    extra = [int(v) for v in node.attributes.get("output_padding", [0, 0])]
    tensor, zero = padded(builder, tensor, node, "spreads its input")
    spread = _spread(node, tensor, window.strides)
    moved = gather(builder, tensor, spread, node, fill=zero)
    moved = replace(moved, where=moved.where.transpose(2, 0, 1)[None])
    rows, columns = window.span
    top, left, bottom, right = window.pads
    pads = [rows - top, columns - left, rows - bottom + extra[0], columns - right + extra[1]]
    if min(pads) < 0:
        raise node.error("crops more than its kernel reaches", "use smaller pads")
    groups = int(node.attributes.get("group", 1))
    if groups < 1 or kernel.array.shape[0] % groups or len(extra) != 2:
        raise node.error(f"has {groups} groups of weights of shape {kernel.array.shape}", FIT)
    attributes = {"pads": pads, "dilations": list(window.dilations), "strides": [1, 1], "group": groups}
    inner = replace(node.acting("Conv"), attributes=attributes)
    return conv(builder, inner, moved, _turned(kernel, groups), optional_constant(node, values, 2))


def _of_rows(builder: Builder, node: Node, operand: Tensor, kernel: Const, values: tuple[Value | None, ...]) -> Value:
    """A signal as an image of one row."""
    inputs, outputs, length = kernel.array.shape
    node = _with_pads(node, (length,), operand.where.shape[2:])
    before, after = node.attributes.get("pads", [0, 0])
    wide = {name: [1, *node.attributes[name]] for name in ("strides", "dilations") if name in node.attributes}
    extra = [0, *node.attributes.get("output_padding", [0])]
    wide |= {"pads": [0, before, 0, after], "output_padding": extra, "kernel_shape": [1, length]}
    inner = replace(node, attributes={**node.attributes, **wide})
    image_of = replace(operand, where=operand.where[:, :, None])
    made = conv_transpose(builder, inner, image_of, reshaped(kernel, (inputs, outputs, 1, length)), *values[2:])
    assert isinstance(made, Tensor)
    return replace(made, where=made.where[:, :, 0])


def _with_pads(node: Node, kernel: Sequence[int], size: Sequence[int]) -> Node:
    """The node with explicit pads, also where it says the size of its output instead, or that of all strides."""
    way = str(node.attributes.get("auto_pad", "NOTSET"))
    left = {name: value for name, value in node.attributes.items() if name not in ("auto_pad", "output_shape")}
    if way == "VALID":
        return replace(node, attributes=left | {"pads": [0] * 2 * len(size)})
    sized = "output_shape" in node.attributes
    if way == "NOTSET" and not sized:
        return node
    totals = _totals(node, kernel, size)
    less = [max(0, total) // 2 for total in totals]
    rest = [max(0, total) - half for total, half in zip(totals, less, strict=True)]
    left["pads"] = [*less, *rest] if way == "SAME_UPPER" else [*rest, *less]
    if sized:
        left["output_padding"] = _longer(node, totals)
    return replace(node, attributes=left)


def _longer(node: Node, totals: Sequence[int]) -> list[int]:
    """The padding of an output that is given as longer than its kernel reaches."""
    extra = node.attributes.get("output_padding", [0] * len(totals))
    return [more + max(0, -total) for more, total in zip(extra, totals, strict=True)]


def _totals(node: Node, kernel: Sequence[int], size: Sequence[int]) -> list[int]:
    """For each axis by how much the output without pads is longer than it shall be."""
    ones = [1] * len(size)
    strides, dilations = node.attributes.get("strides", ones), node.attributes.get("dilations", ones)
    whole = node.attributes.get("output_shape", [n * stride for n, stride in zip(size, strides, strict=True)])
    extra = node.attributes.get("output_padding", [0] * len(size))
    rows = zip(size, strides, dilations, kernel, extra, whole[-len(size) :], strict=True)
    return [(n - 1) * stride + more + (k - 1) * dilation + 1 - out for n, stride, dilation, k, more, out in rows]


def _operand(node: Node, values: tuple[Value | None, ...], kernel: Const) -> Tensor:
    value = data_operand(node, values)
    rank = kernel.array.ndim
    if not isinstance(value, Tensor) or rank not in (3, 4) or value.where.ndim != rank:
        raise node.error(
            "is no convolution of a quantised signal or image", "only ConvTranspose1d and 2d of integers are supported"
        )
    return value


def _spread(node: Node, tensor: Tensor, strides: tuple[int, int]) -> Array:
    """Indices (rows, columns, channels) of the input with stride - 1 pixels of fill between neighbours."""
    pixels = tensor.where[0].transpose(1, 2, 0)
    height, width, channels = pixels.shape
    shape = ((height - 1) * strides[0] + 1, (width - 1) * strides[1] + 1, channels)
    check_size(node, shape)
    index = np.full(shape, -1, dtype=np.int64)
    index[:: strides[0], :: strides[1]] = pixels
    return index


def _turned(kernel: Const, groups: int) -> Const:
    """(inputs, outputs / groups, h, w) as (outputs, inputs / groups, h, w), rotated by half a turn."""

    def turn(array: Array) -> Array:
        inputs, outputs, height, width = array.shape
        grouped = array.reshape(groups, inputs // groups, outputs, height, width).transpose(0, 2, 1, 3, 4)
        kernels = grouped.reshape(groups * outputs, inputs // groups, height, width)
        return np.ascontiguousarray(kernels[:, :, ::-1, ::-1])

    if kernel.codes is None or kernel.scale is None or kernel.zero is None:
        return Const(turn(kernel.array))
    full = kernel.array.shape
    scale, zero = (
        array.reshape(()) if array.size == 1 else turn(np.broadcast_to(array, full))
        for array in (kernel.scale, kernel.zero)
    )
    return Const(turn(kernel.array), turn(kernel.codes), scale, zero)
