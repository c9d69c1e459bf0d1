# SPDX-License-Identifier: Apache-2.0
"""Elementwise operators, joins and reductions of TFLite, on real values."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from bitwright.reading.tflite.file import Operator
from bitwright.reading.tflite.writer import Writer, activation, integers, operand, option, same

Handler = Callable[[Writer, Operator], None]


def elementwise(op: str, fused: bool = False, **attributes: Any) -> Handler:
    """An operator that ONNX calls `op`, on all its operands."""

    def handler(writer: Writer, operator: Operator) -> None:
        made = operator.outputs[0]
        value = on_reals(writer, operator, op, **attributes)
        writer.finish(value, made, activation(operator, 0) if fused else "NONE")

    return handler


def activated(name: str) -> Handler:
    """An activation that is an operator of its own."""

    def handler(writer: Writer, operator: Operator) -> None:
        writer.finish(writer.real(operand(writer, operator, 0)), operator.outputs[0], name)

    return handler


def leaky(writer: Writer, operator: Operator) -> None:
    """LEAKY_RELU."""
    value = on_reals(writer, operator, "LeakyRelu", alpha=float(option(operator, 0, "f")))
    writer.finish(value, operator.outputs[0])


def gelu(writer: Writer, operator: Operator) -> None:
    """GELU, by erf or by tanh."""
    value = on_reals(writer, operator, "Gelu", approximate="tanh" if option(operator, 0, "?") else "none")
    writer.finish(value, operator.outputs[0])


def square(writer: Writer, operator: Operator) -> None:
    """SQUARE."""
    value = writer.real(operand(writer, operator, 0))
    name = f"{operator.outputs[0].name}/square"
    writer.finish(writer.node("Mul", (value, value), name, written=operator.name), operator.outputs[0])


def rsqrt(writer: Writer, operator: Operator) -> None:
    """RSQRT."""
    root = on_reals(writer, operator, "Sqrt")
    made = operator.outputs[0]
    writer.finish(writer.node("Reciprocal", (root,), f"{made.name}/reciprocal", written=operator.name), made)


def total(writer: Writer, operator: Operator) -> None:
    """ADD_N."""
    made, value = operator.outputs[0], writer.real(operand(writer, operator, 0))
    for i in range(1, len(operator.inputs)):
        other = writer.real(operand(writer, operator, i))
        value = writer.node("Add", (value, other), f"{made.name}/add", written=operator.name)
    writer.finish(value, made)


def softmax(writer: Writer, operator: Operator) -> None:
    """SOFTMAX of the last axis, of its operand times beta."""
    made = operator.outputs[0]
    value, beta = writer.real(operand(writer, operator, 0)), float(option(operator, 0, "f"))
    if beta != 1.0:
        factor = writer.constant(beta, f"{made.name}/beta", np.float32)
        value = writer.node("Mul", (value, factor), f"{made.name}/times beta", written=operator.name)
    writer.finish(writer.node("Softmax", (value,), f"{made.name}/softmax", written=operator.name, axis=-1), made)


def log_softmax(writer: Writer, operator: Operator) -> None:
    """LOG_SOFTMAX of the last axis."""
    writer.finish(on_reals(writer, operator, "LogSoftmax", axis=-1), operator.outputs[0])


def concatenation(writer: Writer, operator: Operator) -> None:
    """CONCATENATION: of codes where all are on one scale."""
    made, axis, act = operator.outputs[0], option(operator, 0, "i"), activation(operator, 1)
    operands = [operand(writer, operator, i) for i in range(len(operator.inputs))]
    plain = act == "NONE" and all(same(operand, made) for operand in operands)
    names = [writer.codes(operand) if plain else writer.real(operand) for operand in operands]
    value = writer.node("Concat", names, f"{made.name}/concat", written=operator.name, axis=axis)
    if plain:
        writer.become(value, made)
    else:
        writer.finish(value, made, act)


def reduction(op: str) -> Handler:
    """MEAN, SUM and their like: along constant axes."""

    def handler(writer: Writer, operator: Operator) -> None:
        axes = integers(writer, operator, 1)
        inputs = (writer.real(operand(writer, operator, 0)), writer.constant(axes, "axes", np.int64))
        made, keep = operator.outputs[0], int(option(operator, 0, "?"))
        writer.finish(writer.node(op, inputs, f"{made.name}/reduce", written=operator.name, keepdims=keep), made)

    return handler


def arg_of_largest(writer: Writer, operator: Operator) -> None:
    """ARG_MAX along a constant axis; the smallest index wins a tie."""
    axis = int(integers(writer, operator, 1).reshape(-1)[0])
    made, data = operator.outputs[0], writer.real(operand(writer, operator, 0))
    value = writer.node("ArgMax", (data,), f"{made.name}/index", written=operator.name, axis=axis, keepdims=0)
    writer.become(value, made)


def requantise(writer: Writer, operator: Operator) -> None:
    """QUANTIZE and DEQUANTIZE: from what the operand is to what the result is."""
    writer.finish(writer.real(operand(writer, operator, 0)), operator.outputs[0])


def cast(writer: Writer, operator: Operator) -> None:
    """CAST."""
    made = operator.outputs[0]
    kinds = {"float32": 1, "uint8": 2, "int8": 3, "int16": 5, "int32": 6, "int64": 7, "bool": 9}
    if made.dtype not in kinds:
        raise writer.error(made.name, operator.name, f"casts to {made.dtype}", "use float32, or integers")
    value = writer.codes(operand(writer, operator, 0))
    writer.become(writer.node("Cast", (value,), f"{made.name}/cast", to=kinds[made.dtype]), made)


def on_reals(writer: Writer, operator: Operator, op: str, **attributes: Any) -> str:
    """The ONNX operator `op` on the real values of all operands."""
    names = [writer.real(operand(writer, operator, i)) for i in range(len(operator.inputs))]
    name = f"{operator.outputs[0].name}/{op.lower()}"
    return writer.node(op, names, name, written=operator.name, **attributes)
