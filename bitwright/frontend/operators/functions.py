# SPDX-License-Identifier: Apache-2.0
"""Functions of one operand: steps of an exact table on chip, refused where only a float computation could follow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from fractions import Fraction

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.layouts import per_channel
from bitwright.frontend.operands import constant_operand, data_operand
from bitwright.frontend.operators.elementwise import affine
from bitwright.frontend.spelling import INVERSE, spelled
from bitwright.frontend.values import ONE, ZERO, Tensor, Value, fractions
from bitwright.ir.errors import BitwrightError
from bitwright.ir.functions import (
    Above,
    Affine,
    Elu,
    Function,
    LeakyRelu,
    Log,
    NormalCdf,
    Power,
    Softplus,
    Softsign,
    Sqrt,
    Step,
    Tanh,
    TimesInput,
)
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel
from bitwright.reading.model import Node

Handler = Callable[..., Value]
BEFORE = "quantise the activation before it"
HALF = Fraction(1, 2)
GELU_ROOT, CUBIC = Fraction(float(np.float32(np.sqrt(2 / np.pi)))), Fraction(float(np.float32(0.044715)))
"""The constants of GELU by tanh, as float32 numbers."""
MAX_POWER = 8
SPELLED = ((INVERSE,), (Log(),))
"""Steps with which an exponential may be another function."""


def unary(steps: Callable[[Node], Function]) -> Handler:
    """The handler of an operator whose function `steps` gives."""

    def handler(builder: Builder, node: Node, *values: Value | None) -> Value:
        value = data_operand(node, values)
        if not isinstance(value, Tensor):
            raise _not_quantised(node)
        return then(node, value, steps(node))

    return handler


def then(node: Node, tensor: Tensor, steps: Function) -> Tensor:
    """The tensor with more steps of a function behind it."""
    if tensor.curved and TimesInput() in steps:
        raise node.error("is a function times its input, behind another function", BEFORE)
    made = (*tensor.function, *steps)
    return replace(tensor, function=spelled(made) if steps in SPELLED else made).then(node.name, node.op)


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
    if _text(node, "approximate", "none") == "none":
        return (NormalCdf(), TimesInput())
    cubic = (Power(Fraction(2)), Affine(CUBIC, ONE), TimesInput(), Affine(GELU_ROOT, ZERO))
    return (*cubic, Tanh(), Affine(HALF, HALF), TimesInput())


def celu(node: Node) -> Function:
    """Celu: x, or alpha * (exp(x / alpha) - 1) below zero."""
    alpha = _number(node, "alpha", 1.0)
    if alpha <= 0:
        raise node.error("has an alpha that is not positive", "export the model again")
    return (Elu(ONE),) if alpha == 1 else (Affine(1 / alpha, ZERO), Elu(ONE), Affine(alpha, ZERO))


def thresholded_relu(node: Node) -> Function:
    """ThresholdedRelu: x above alpha, else 0."""
    return (Above(_number(node, "alpha", 1.0)),)


def power(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Pow with a constant exponent: a whole number, or a half of one as a root of a power."""
    const = constant_operand(node, values, 1, "only a constant exponent is supported")
    exponents = {2 * Fraction(float(number)) for number in const.array.reshape(-1)}
    twice = exponents.pop()
    if exponents or twice.denominator != 1 or not twice or abs(twice) > 2 * MAX_POWER:
        raise node.error(
            f"has the exponents {np.unique(const.array).tolist()}",
            f"one whole number from 1 to {MAX_POWER}, or minus it, or a half of one, is supported",
        )
    if twice % 2:
        steps: Function = (Sqrt(),) if twice == 1 else (Power(twice), Sqrt())
    else:
        steps = () if twice == 2 else (Power(twice / 2),)
    return unary(lambda node: steps)(builder, node, values[0])


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


def _text(node: Node, name: str, otherwise: str) -> str:
    given = node.attributes.get(name, otherwise)
    return given.decode() if isinstance(given, bytes) else str(given)


def _number(node: Node, name: str, otherwise: float) -> Fraction:
    return Fraction(float(np.float32(node.attributes.get(name, otherwise))))


def _not_quantised(node: Node) -> BitwrightError:
    return node.error("is a function of real values", "quantise its input, and its output")


OPERATORS: Mapping[str, Handler] = {
    "Softsign": fixed(Softsign()),
    "Sqrt": fixed(Sqrt()),
    "Log": fixed(Log()),
    "Reciprocal": fixed(Power(Fraction(-1))),
    "Mish": fixed(Softplus(), Tanh(), TimesInput()),
    "Celu": unary(celu),
    "ThresholdedRelu": unary(thresholded_relu),
    "Pow": power,
}
"""The handlers of the operators that are added here."""
