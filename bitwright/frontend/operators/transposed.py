# SPDX-License-Identifier: Apache-2.0
"""ConvTranspose: the input with zeros between its pixels, then an ordinary convolution with the kernel turned round."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.integers import integers
from bitwright.frontend.layouts import FIT, gather, image
from bitwright.frontend.mixed import padded
from bitwright.frontend.operands import constant_operand, data_operand, optional_constant
from bitwright.frontend.operators.matrix import conv
from bitwright.frontend.operators.windows import window_of
from bitwright.frontend.values import Const, Tensor, Value
from bitwright.reading.model import Array, Node
from bitwright.reading.sizes import check_size


def conv_transpose(builder: Builder, node: Node, *values: Value | None) -> Value:
    """ConvTranspose(x, w, b) with w of shape (inputs, outputs / groups, kernel...)."""
    kernel = constant_operand(node, values, 1, "only constant kernels are supported")
    operand = _operand(node, values, kernel)
    if len(operand.where) > 1:
        raise node.error(
            f"acts on {len(operand.where)} frames of each sample, which are independent of one another",
            "export the network of one frame, and give every frame as a sample",
        )
    tensor = image(builder, integers(builder, operand, node), node)
    size = (tensor.where.shape[2], tensor.where.shape[3])
    if node.attributes.get("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in node.attributes:
        raise node.error("computes its padding from the output's size", "export it with explicit pads")
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


def _operand(node: Node, values: tuple[Value | None, ...], kernel: Const) -> Tensor:
    value = data_operand(node, values)
    if not isinstance(value, Tensor) or kernel.array.ndim != 4 or value.where.ndim != 4:
        raise node.error("is no 2-D convolution of a quantised tensor", "only ConvTranspose2d of integers is supported")
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
