# SPDX-License-Identifier: Apache-2.0
"""Functions of one operand: steps of an exact table on chip, refused where only a float computation could follow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.layouts import per_channel
from bitwright.frontend.operands import constant_operand, data_operand
from bitwright.frontend.operators.elementwise import affine
from bitwright.frontend.values import ONE, ZERO, Tensor, Value, fractions
from bitwright.ir.errors import BitwrightError
from bitwright.ir.functions import Affine, Clip, Elu, Function, LeakyRelu, NormalCdf, Step, TimesInput
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel
from bitwright.reading.model import Node

Handler = Callable[..., Value]
BEFORE = "quantise the activation before it"
SIXTH = Fraction(float(np.float32(1) / np.float32(6)))
"""HardSwish's slope, the float32 number that ONNX writes as 1/6."""


def unary(steps: Callable[[Node], Function]) -> Handler:
    """The handler of an operator whose function `steps` gives."""

    def handler(builder: Builder, node: Node, *values: Value | None) -> Value:
        value = data_operand(node, values)
        if not isinstance(value, Tensor):
            raise _not_quantised(node)
        return replace(value, function=(*value.function, *steps(node))).then(node.name, node.op)

    return handler


def fixed(*steps: Step) -> Handler:
    """The handler of an operator that is the same function in every node."""
    return unary(lambda node: steps)


def elu(node: Node) -> Function:
    """Elu: x, or alpha * (exp(x) - 1) below zero."""
    return (Elu(_number(node, "alpha", 1.0)),)


def selu(node: Node) -> Function:
    """Selu: gamma times Elu."""
    alpha, gamma = _number(node, "alpha", 1.67326319217681884765625), _number(node, "gamma", 1.05070102214813232421875)
    return (Elu(alpha), Affine(gamma, ZERO))


def gelu(node: Node) -> Function:
    """Gelu: x times the normal distribution function."""
    if str(node.attributes.get("approximate", "none")) != "none":
        raise node.error("approximates GELU by tanh", "export it with approximate='none'")
    return (NormalCdf(), TimesInput())


HARD_SWISH: Function = (Affine(SIXTH, Fraction(1, 2)), Clip(ZERO, ONE), TimesInput())


def hard_sigmoid(builder: Builder, node: Node, *values: Value | None) -> Value:
    """HardSigmoid: clip(alpha * x + beta, 0, 1), a line with limits and no table."""
    value = data_operand(node, values)
    if not isinstance(value, Tensor):
        raise _not_quantised(node)
    alpha, beta = _number(node, "alpha", 0.2), _number(node, "beta", 0.5)
    return affine(node, value, PerChannel.made(alpha), PerChannel.made(beta)).clip(ZERO, ONE)


def negate(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Neg."""
    value = data_operand(node, values)
    if not isinstance(value, Tensor):
        raise _not_quantised(node)
    return affine(node, value, -ONES, ZEROS)


def prelu(builder: Builder, node: Node, *values: Value | None) -> Value:
    """PRelu with one slope, or with one for each channel or element."""
    slope = constant_operand(node, values, 1, "only constant slopes are supported").array
    if np.unique(slope).size == 1:
        steps = (LeakyRelu(Fraction(float(slope.reshape(-1)[0]))),)
        return unary(lambda node: steps)(builder, node, *values)
    value = data_operand(node, values)
    if not isinstance(value, Tensor):
        raise _not_quantised(node)
    if value.curved or value.pools:
        raise node.error("has a slope per channel behind what no quantiser turned into integers", BEFORE)
    tensor, (slopes,) = per_channel(builder, value, node, fractions(slope))
    return replace(tensor, slopes=slopes).then(node.name, node.op)


def _number(node: Node, name: str, otherwise: float) -> Fraction:
    return Fraction(float(np.float32(node.attributes.get(name, otherwise))))


def _not_quantised(node: Node) -> BitwrightError:
    return node.error("is a function of real values", "quantise its input, and its output")
