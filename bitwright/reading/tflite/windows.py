# SPDX-License-Identifier: Apache-2.0
"""Convolutions, products and pools of TFLite: channels last, weights (outputs, rows, columns, inputs)."""

from __future__ import annotations

from typing import Any

import numpy as np

from bitwright.reading.tflite.file import Operator, Tensor
from bitwright.reading.tflite.schema import PADDINGS
from bitwright.reading.tflite.writer import AGAIN, Writer, activation, option, same

STATIC = "convert the model with constant weights"


def conv(writer: Writer, operator: Operator) -> None:
    """CONV_2D."""
    made, weights = operator.outputs[0], _weights(writer, operator, 4)
    groups = _groups(writer, operator, weights.sizes[3])
    window = _window(operator, 1, 4) | {"kernel_shape": list(weights.sizes[1:3]), "group": groups}
    held = _laid_out(writer, weights, (0, 3, 1, 2), 0)
    _convolved(writer, operator, "Conv", held, window, activation(operator, 3), made)


def conv_by_channel(writer: Writer, operator: Operator) -> None:
    """DEPTHWISE_CONV_2D: weights (1, rows, columns, channels times multiplier)."""
    made, weights = operator.outputs[0], _weights(writer, operator, 4)
    channels = _data(writer, operator).sizes[-1]
    window = _window(operator, 1, 5) | {"kernel_shape": list(weights.sizes[1:3]), "group": channels}
    held = _laid_out(writer, weights, (3, 0, 1, 2), 0)
    _convolved(writer, operator, "Conv", held, window, activation(operator, 4), made)


def transposed(writer: Writer, operator: Operator) -> None:
    """TRANSPOSE_CONV: the sizes of what it makes, weights, data and perhaps a bias."""
    made, weights = operator.outputs[0], _weights(writer, operator, 4)
    data = operator.inputs[2] if len(operator.inputs) > 2 else None
    if data is None or len(data.sizes) != 4 or len(made.sizes) != 4:
        raise writer.error(made.name, operator.name, "is not a convolution of images", AGAIN)
    ends, strides = [], [option(operator, 2, "i", 1), option(operator, 1, "i", 1)]
    for axis, stride in enumerate(strides, 1):
        whole = (data.sizes[axis] - 1) * stride + weights.sizes[axis] - made.sizes[axis]
        ends.append((max(whole, 0) // 2, max(whole, 0) - max(whole, 0) // 2, max(-whole, 0)))
    pads = [ends[0][0], ends[1][0], ends[0][1], ends[1][1]]
    window = {"strides": strides, "pads": pads, "output_padding": [ends[0][2], ends[1][2]]}
    window["kernel_shape"] = list(weights.sizes[1:3])
    held = _laid_out(writer, weights, (3, 0, 1, 2), 1)
    moved = Operator(operator.name, False, (data, weights, *operator.inputs[3:]), operator.outputs, operator.options)
    _convolved(writer, moved, "ConvTranspose", held, window, activation(operator, 3), made)


def _convolved(
    writer: Writer, operator: Operator, op: str, weights: str, window: dict[str, Any], act: str, made: Tensor
) -> None:
    data = _data(writer, operator)
    bias = [writer.real(tensor) for tensor in operator.inputs[2:3] if tensor is not None]
    inputs = (writer.first(writer.real(data), made.name), weights, *bias)
    value = writer.node(op, inputs, made.name + "/" + op.lower(), written=operator.name, **window)
    writer.finish(writer.last(value, made.name), made, act)


def dense(writer: Writer, operator: Operator) -> None:
    """FULLY_CONNECTED: weights (outputs, inputs); the data's last axis, or all of a sample, is what they take."""
    made, weights = operator.outputs[0], _weights(writer, operator, 2)
    if option(operator, 1, "b"):
        raise writer.error(made.name, operator.name, "has shuffled weights", "convert the model with plain weights")
    data = _data(writer, operator)
    value = writer.real(data)
    bias = [writer.real(tensor) for tensor in operator.inputs[2:3] if tensor is not None]
    name = f"{made.name}/product"
    if int(np.prod(data.sizes[1:])) == weights.sizes[1] and not (option(operator, 2, "?") and len(data.sizes) > 2):
        flat = value if len(data.sizes) == 2 else writer.node("Flatten", (value,), f"{made.name}/flatten", axis=1)
        inputs = (flat, writer.real(weights), *bias)
        value = writer.node("Gemm", inputs, name, written=operator.name, transB=1)
    else:
        held = _laid_out(writer, weights, (1, 0), 1)
        value = writer.node("MatMul", (value, held), name, written=operator.name)
        for row in bias:
            value = writer.node("Add", (value, row), f"{made.name}/bias")
        if len(made.sizes) != len(data.sizes):
            value = writer.node("Reshape", (value, writer.constant(made.sizes, dtype=np.int64)), f"{made.name}/rows")
    writer.finish(value, made, activation(operator, 0))


def mean_in_window(writer: Writer, operator: Operator) -> None:
    """AVERAGE_POOL_2D: the mean of what lies inside of the image."""
    made = operator.outputs[0]
    data = writer.first(writer.real(_data(writer, operator)), made.name)
    window = _window(operator, 1, None) | _kernel(operator)
    value = writer.node("AveragePool", (data,), f"{made.name}/pool", written=operator.name, **window)
    writer.finish(writer.last(value, made.name), made, activation(operator, 5))


def largest_in_window(writer: Writer, operator: Operator) -> None:
    """MAX_POOL_2D: on the codes, where both ends have the same scale."""
    made, data = operator.outputs[0], _data(writer, operator)
    act = activation(operator, 5)
    plain = act == "NONE" and same(data, made)
    entered = writer.first(writer.codes(data) if plain else writer.real(data), made.name)
    window = _window(operator, 1, None) | _kernel(operator)
    value = writer.last(
        writer.node("MaxPool", (entered,), f"{made.name}/pool", written=operator.name, **window), made.name
    )
    if plain:
        writer.become(value, made)
    else:
        writer.finish(value, made, act)


def _data(writer: Writer, operator: Operator) -> Tensor:
    data = operator.inputs[0] if operator.inputs else None
    if data is None or not data.sizes:
        raise writer.error(operator.outputs[0].name, operator.name, "reads nothing", AGAIN)
    return data


def _weights(writer: Writer, operator: Operator, rank: int) -> Tensor:
    weights = operator.inputs[1] if len(operator.inputs) > 1 else None
    if weights is None or weights.value is None or len(weights.sizes) != rank:
        what = f"has weights that are no constant of {rank} axes"
        raise writer.error(operator.outputs[0].name, operator.name, what, STATIC)
    return weights


def _laid_out(writer: Writer, weights: Tensor, axes: tuple[int, ...], channels: int) -> str:
    assert weights.value is not None
    return writer.real(weights, weights.value.transpose(axes), channels)


def _groups(writer: Writer, operator: Operator, inputs: int) -> int:
    channels = _data(writer, operator).sizes[-1]
    if not inputs or channels % inputs:
        what = f"reads {inputs} of {channels} channels"
        raise writer.error(operator.outputs[0].name, operator.name, what, AGAIN)
    return channels // inputs


def _window(operator: Operator, strides: int, dilations: int | None) -> dict[str, Any]:
    """Padding, strides and dilations, whose fields are numbered (across, down)."""
    padding = option(operator, 0, "b")
    window: dict[str, Any] = {
        "auto_pad": PADDINGS[padding] if padding in (0, 1) else f"number {padding}",
        "strides": [option(operator, strides + 1, "i"), option(operator, strides, "i")],
    }
    if dilations is not None:
        window["dilations"] = [option(operator, dilations + 1, "i", 1), option(operator, dilations, "i", 1)]
    return window


def _kernel(operator: Operator) -> dict[str, Any]:
    return {"kernel_shape": [option(operator, 4, "i"), option(operator, 3, "i")]}
