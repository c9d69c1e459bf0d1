# SPDX-License-Identifier: Apache-2.0
"""Arithmetic with constants, batch normalisation, clips and functions of one operand."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.layouts import FIT, check_fit, per_channel
from bitwright.frontend.operands import (
    constant_operand,
    data_operand,
    optional_constant,
    refuse_infinite,
    waiting_operand,
)
from bitwright.frontend.operators.branches import combine
from bitwright.frontend.operators.shapes import shape_of
from bitwright.frontend.spelling import INVERSE, spelled
from bitwright.frontend.values import ZERO, Const, Host, Tensor, Value, fractions
from bitwright.ir import host_ops
from bitwright.ir.functions import Affine, LeakyRelu, Sigmoid, Tanh
from bitwright.ir.host_ops import Constant, HostOp
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel, width
from bitwright.reading.model import Array, Node
from bitwright.reading.sizes import check_size

Handler = Callable[..., Value]
BATCH_NORM_ROUNDINGS = 8
"""Elementwise operations of a batch normalisation beside the one of its line."""
HOST_OPS: dict[str, type[host_ops.Arithmetic]] = {
    "Add": host_ops.Add,
    "Sub": host_ops.Sub,
    "Mul": host_ops.Mul,
    "Div": host_ops.Div,
}
Shapes = tuple[tuple[int, ...], ...]
Normal = tuple[type[host_ops.Arithmetic], Array]


def arithmetic(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Add, Sub, Mul or Div of a tensor and a constant, or of two activations."""
    left, right = values
    if isinstance(left, Const) and not isinstance(right, Const):
        return _with_constant(builder, node, right, left, reverse=True)
    if isinstance(right, Const):
        return _with_constant(builder, node, left, right, reverse=False)
    if isinstance(left, Host) and isinstance(right, Host) and left.side == right.side == "output":
        return _host(builder, node, HOST_OPS[node.op](), left, right)
    return combine(builder, node, *_activations(builder, node, left, right))


def _activations(builder: Builder, node: Node, left: Value | None, right: Value | None) -> tuple[Tensor, Tensor]:
    """Both operands, which are activations on chip."""
    for value in (left, right):
        if isinstance(value, Host) and value.side == "output":
            raise builder.island(node, "combines an activation with", value)
    if not isinstance(left, Tensor) or not isinstance(right, Tensor):
        raise node.error("combines an activation with a float tensor", "quantise both operands")
    return left, right


def check_rank(node: Node, value: Value, const: Const) -> None:
    """Refuse a constant that would give `value` more axes, be it a single number."""
    if const.array.ndim > len(shape_of(value)):
        raise node.error(f"combines shapes {shape_of(value)} and {const.array.shape}", FIT)


def _with_constant(builder: Builder, node: Node, value: Value | None, const: Const, *, reverse: bool) -> Value:
    refuse_infinite(node, const, 0 if reverse else 1)
    if isinstance(value, Host):
        return _host_with_constant(builder, node, value, const, reverse=reverse)
    tensor = _tensor(node, value)
    check_rank(node, tensor, const)
    check_fit(node, tensor, const.array.shape)
    tensor, (exact,) = per_channel(builder, tensor, node, const.exact())
    if node.op == "Div" and reverse and tensor.curved and exact.is_single:
        steps = spelled((*tensor.function, INVERSE, Affine(exact.of(0), ZERO)))
        return replace(tensor, function=steps).then(node.name, node.op)
    if node.op == "Div" and (reverse or ZERO in exact.values):
        raise node.error("divides by data or by zero", "not a function of fixed-point numbers; quantise around it")
    return affine(node, tensor, *_line(node.op, exact, reverse=reverse))


def _host_with_constant(builder: Builder, node: Node, value: Host, const: Const, *, reverse: bool) -> Value:
    if reverse and node.op == "Div":
        raise node.error("divides a constant by data", "not supported; put it before the input quantiser")
    kind: type[host_ops.Arithmetic] = host_ops.Rsub if reverse and node.op == "Sub" else HOST_OPS[node.op]
    return _host(builder, node, kind(Constant(const.array)), value, shapes=(const.array.shape,))


def _line(op: str, exact: PerChannel, *, reverse: bool) -> tuple[PerChannel, PerChannel]:
    """Scale and offset that an operator with the constants `exact` is; `reverse` has them on its left."""
    match op:
        case "Add":
            return ONES, exact
        case "Sub" if reverse:
            return -ONES, exact
        case "Sub":
            return ONES, -exact
        case "Mul":
            return exact, ZEROS
        case _:
            return ONES / exact, ZEROS


def _tensor(node: Node, value: Value | None) -> Tensor:
    """`value`, an activation on chip; a constant comes so far only in operators that are not folded."""
    if not isinstance(value, Tensor):
        raise node.error("has a constant input", "fold the constant before the export")
    return value


def affine(node: Node, tensor: Tensor, scale: PerChannel, offset: PerChannel) -> Tensor:
    """The tensor `scale * tensor + offset`, refused where a waiting pool or function stands in the way."""
    if tensor.pools and any(s < 0 for s in scale.values):
        raise node.error("turns a max-pool of real values upside down", "quantise the activation before the pool")
    if tensor.curved and width(scale, offset) > 1:
        raise node.error("scales a non-linear function per channel", "quantise the activation behind the function")
    return tensor.affine(scale, offset).then(node.name, node.op)


def batch_normalization(builder: Builder, node: Node, *values: Value | None) -> Value:
    """BatchNormalization: gamma / sigma * (x - mean) + beta, sigma = float32(sqrt(float32(var + epsilon)))."""
    gamma, beta, mean, var = (
        constant_operand(node, values, i, "only constants are supported").array for i in range(1, 5)
    )
    if gamma.ndim != 1 or len({array.shape for array in (gamma, beta, mean, var)}) > 1:
        shapes = ", ".join(str(array.shape) for array in (gamma, beta, mean, var))
        raise node.error(f"has parameters of shapes {shapes}", "give one number per channel to each")
    if node.attributes.get("training_mode", 0):
        raise node.error("trains", "export the model in inference mode")
    sigma = _sigma(node, var)
    value = data_operand(node, values)
    if shape_of(value)[1:2] not in ((gamma.size,), ()):
        raise node.error(f"scales {gamma.size} channels of a tensor of shape {shape_of(value)}", FIT)
    if isinstance(value, Host):
        kinds = (host_ops.Sub, host_ops.Div, host_ops.Mul, host_ops.Add)
        return _normalised(builder, node, value, tuple(zip(kinds, (mean, sigma, gamma, beta), strict=True)))
    tensor = _tensor(node, value)
    alpha = fractions(gamma) / fractions(sigma)
    shape = [1] * tensor.where.ndim
    shape[1] = -1
    centre = alpha * fractions(mean)
    shift = fractions(beta) - centre
    tensor, (scale, offset) = per_channel(builder, tensor, node, alpha.reshape(shape), shift.reshape(shape))
    made = affine(node, tensor, scale, offset)
    swing = float(np.max(np.abs(centre)))  # float32 adds alpha * mean and beta apart
    return replace(made, added=made.added + 2 * swing, roundings=made.roundings + BATCH_NORM_ROUNDINGS)


def _sigma(node: Node, var: Array) -> Array:
    """float32(sqrt(float32(var + epsilon))), all positive."""
    epsilon = np.float32(node.attributes.get("epsilon", 1e-5))
    with np.errstate(invalid="ignore"):
        sigma = np.sqrt((var.astype(np.float32) + epsilon).astype(np.float32)).astype(np.float32)
    if not (np.isfinite(sigma).all() and (sigma > 0).all()):
        raise node.error("has a variance that is not positive", "export the model again")
    return np.asarray(sigma)


def _normalised(builder: Builder, node: Node, value: Host, steps: Sequence[Normal]) -> Host:
    """A real value through the steps of a normalisation, of which the first carries the node's name."""
    shape = [1] * len(value.shape)
    shape[1] = -1
    name, source, reason = value.name, (node.name, node.op), _reason(value)
    for kind, array in steps:
        does = kind(Constant(array.reshape(shape)))
        name = builder.host_step(value.side, does, (name,), node=source, reason=reason)
        source, reason = ("", ""), ""
    return replace(value, name=name)


def relu(builder: Builder, node: Node, *values: Value | None) -> Value:
    """max(x, 0)."""
    return clip_to(builder, node, data_operand(node, values), ZERO, None)


def clip(builder: Builder, node: Node, *values: Value | None) -> Value:
    """min(max(x, low), high); the bounds are attributes in old files and inputs in new ones, and may be absent."""
    bounds: list[Fraction | None] = []
    for index, name in ((1, "min"), (2, "max")):
        const = optional_constant(node, values, index)
        given = node.attributes.get(name) if const is None else const.array.reshape(-1)[0]
        bounds.append(None if given is None or not np.isfinite(float(given)) else Fraction(float(given)))
    low, high = bounds
    if low is not None and high is not None:
        low = min(low, high)  # where the bounds cross, ONNX takes the upper one
    return clip_to(builder, node, data_operand(node, values), low, high)


def clip_to(builder: Builder, node: Node, value: Value, low: Fraction | None, high: Fraction | None) -> Value:
    """min(max(value, low), high) for low <= high, wherever the value is."""
    if isinstance(value, Const):
        limits = [np.inf if high is None else float(high), -np.inf if low is None else float(low)]
        array = np.clip(value.array, limits[1], limits[0]).astype(value.array.dtype)
        return replace(value, array=array) if np.array_equal(array, value.array) else Const(array)
    if isinstance(value, Host):
        ends = [np.float32(-np.inf if low is None else low), np.float32(np.inf if high is None else high)]
        return clip_host(builder, node, value, np.asarray(ends[0]), np.asarray(ends[1]))
    assert isinstance(value, Tensor)
    low, high = _binding(builder, value, low, high)
    return value if low is None is high else value.clip(low, high).then(node.name, node.op)


def clip_host(builder: Builder, node: Node, value: Host, low: Array, high: Array) -> Host:
    """min(max(value, low), high) on the host, limits of one element or of each."""
    does = host_ops.Clip(*(Constant(np.asarray(end, dtype=np.float32)) for end in (low, high)))
    return _host(builder, node, does, value, shapes=(np.shape(low), np.shape(high)))


def _binding(
    builder: Builder, tensor: Tensor, low: Fraction | None, high: Fraction | None
) -> tuple[Fraction | None, Fraction | None]:
    """The bounds without those that the tensor's type already keeps (as behind the Clip of QCDQ)."""
    if tensor.curved or tensor.bounded or tensor.rest or width(tensor.scale, tensor.offset) > 1:
        return low, high
    kind = builder.layers[tensor.layer].type
    ends = [tensor.scale.of(0) * q + tensor.offset.of(0) for q in (kind.lo, kind.hi)]
    return (
        None if low is not None and low <= min(ends) else low,
        None if high is not None and high >= max(ends) else high,
    )


def function(step: LeakyRelu | Sigmoid | Tanh) -> Handler:
    """The handler of a unary function: a step of a table on chip, a step of that name on the host."""

    def handler(builder: Builder, node: Node, *values: Value | None) -> Value:
        value = data_operand(node, values)
        if isinstance(value, Host):
            return _host(builder, node, on_host(step), value)
        tensor = _tensor(node, value)
        return replace(tensor, function=(*tensor.function, step)).then(node.name, node.op)

    return handler


def on_host(step: LeakyRelu | Sigmoid | Tanh) -> HostOp:
    """The step in float32."""
    if isinstance(step, LeakyRelu):
        return host_ops.LeakyRelu(Constant(np.asarray(np.float32(float(step.slope)))))
    return host_ops.curve(step.op)


def leaky_relu(builder: Builder, node: Node, *values: Value | None) -> Value:
    """LeakyRelu: x where x >= 0, else alpha * x."""
    alpha = Fraction(float(np.float32(node.attributes.get("alpha", 0.01))))
    return function(LeakyRelu(alpha))(builder, node, *values)


def identity(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Identity, and Dropout in inference."""
    return waiting_operand(node, values)


def _host(
    builder: Builder, node: Node, does: HostOp, value: Host, other: Host | None = None, *, shapes: Shapes = ()
) -> Host:
    shapes = (value.shape, *shapes, *([other.shape] if other else []))
    try:
        shape = np.broadcast_shapes(*shapes)
    except ValueError as error:
        raise node.error(f"combines shapes {' and '.join(map(str, shapes))}", FIT) from error
    check_size(node, shape)
    names = (value.name, other.name) if other else (value.name,)
    name = builder.host_step(value.side, does, names, node=(node.name, node.op), reason=_reason(value))
    return Host(name, shape, value.side)


def _reason(value: Host) -> str:
    return "before the input quantiser" if value.side == "input" else "behind the last quantiser"
