# SPDX-License-Identifier: Apache-2.0
"""Real values that leave: the accelerator's integers back on the host."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from functools import partial
from math import inf
from typing import assert_never

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.values import Host, Tensor, of_sample
from bitwright.ir import host_ops
from bitwright.ir.functions import (
    Above,
    Abs,
    Affine,
    Clip,
    Elu,
    Erf,
    Exp,
    LeakyRelu,
    Log,
    NormalCdf,
    Power,
    Sigmoid,
    Softplus,
    Softsign,
    Sqrt,
    Step,
    Tanh,
    TimesInput,
)
from bitwright.ir.host import HostStep
from bitwright.ir.host_ops import Constant
from bitwright.ir.layers import Layer, Limited, Passing
from bitwright.ir.per_channel import ONES, ZEROS, spread, width
from bitwright.reading.model import Array, Model, Node

NO_QUANTISER = "no quantiser follows: real-valued output"
LAYOUT = "layout of the output"
LEFT_OFF = "left off: it lies behind the outputs that were asked for"
ONLY_SCALES = ("DequantizeLinear", "Transpose", "Identity", "Cast")
"""Operators behind a quantiser that leave its codes what they are."""


def to_host(builder: Builder, tensor: Tensor, node: Node) -> Host:
    """The tensor's real values on the host, behind the accelerator: the exact affine, rounded once to float32."""
    if tensor.pools:
        raise node.error("reads a max-pool of values that no quantiser turned into integers", "quantise the activation")
    if tensor.rest:
        return _summed(builder, tensor, node)
    quantised = _quantised(builder, tensor)
    if quantised.counts and tensor.integer and _is_plain(tensor):
        return _places(builder, tensor)
    reason = _reason(quantised, tensor) + _frames(builder, tensor)
    does = host_ops.Affine(
        scale=Constant(tensor.scale.floats()),
        offset=Constant(tensor.offset.floats()),
        low=Constant(_bounds(tensor.low, -np.inf)),
        high=Constant(_bounds(tensor.high, np.inf)),
    )
    first, *more = tensor.nodes or (_last_node(builder, quantised, node),)
    output = "" if tensor.nodes else "affine"
    name = builder.host_step("output", does, (tensor.layer,), node=first, reason=reason, output=output)
    name = _function(builder, tensor, node, _sloped(builder, tensor, name))
    name = _laid_out(builder, tensor, name)
    builder.after.extend(_note(name, other, reason) for other in more)
    return Host(name, tensor.where.shape, "output")


def unfolded(builder: Builder, host: Host) -> Host:
    """The tensor as the model shapes it: rows of a sample that lie on its first axis are there."""
    if not host.shape or not host.front:
        return host
    return replace(host, name=builder.host_step("output", host_ops.Unfold(), (host.name,)))


def _frames(builder: Builder, tensor: Tensor) -> str:
    """What is said of the rows of a sample that never meet."""
    rows = tensor.where.shape[0] if tensor.where.ndim else 1
    alone = "; its {} frames are independent: the network of one frame does the same"
    return alone.format(rows) if builder.independent(rows) else ""


def _summed(builder: Builder, tensor: Tensor, node: Node) -> Host:
    """The sum of the parts, and the clip that waits for it."""
    made = to_host(builder, replace(tensor, rest=(), low=(None,), high=(None,)), node)
    name = made.name
    for part in tensor.rest:
        line = host_ops.Affine.unlimited(part.scale.floats(), np.zeros(1))
        other = _laid_out(builder, part, builder.host_step("output", line, (part.layer,), output="affine"))
        name = builder.host_step("output", host_ops.Add(), (name, other))
    if tensor.bounded:
        ends = {(low, high) for low, high in zip(*_spread_bounds(tensor), strict=True)}
        if len(ends) > 1:
            raise node.error("clips each channel of a sum to limits of its own", "quantise the output")
        low, high = ends.pop()
        does = host_ops.Clip(_float32(-inf if low is None else low), _float32(inf if high is None else high))
        name = builder.host_step("output", does, (name,))
    return replace(made, name=name)


def _spread_bounds(tensor: Tensor) -> tuple[tuple[Fraction | None, ...], tuple[Fraction | None, ...]]:
    size = width(tensor.low, tensor.high)
    return spread(tensor.low, size), spread(tensor.high, size)


def _laid_out(builder: Builder, tensor: Tensor, name: str) -> str:
    """What the host holds of a layer, in the layout of the source."""
    where, shape = of_sample(tensor.where), builder.layers[tensor.layer].shape
    if np.array_equal(where, np.arange(builder.size(tensor)).reshape(shape)):
        return name
    return builder.host_step("output", host_ops.Gather(Constant(where)), (name,))


def _reason(quantised: Layer, tensor: Tensor) -> str:
    """Why the host computes the real values."""
    if _is_coded(quantised, tensor):
        return "codes to real values"
    return NO_QUANTISER if tensor.nodes else "sums to real values: no quantiser follows"


def _sloped(builder: Builder, tensor: Tensor, name: str) -> str:
    """max(x, 0) + slopes * min(x, 0) of the values so far, which are laid out as the layer is."""
    if tensor.slopes == ONES:
        return name
    add = partial(builder.host_step, "output", reason=NO_QUANTISER)
    above = add(host_ops.Clip(_float32(0), _float32(inf)), (name,))
    below = add(host_ops.Clip(_float32(-inf), _float32(0)), (name,))
    slopes = Constant(tensor.slopes.floats().astype(np.float32))
    return add(host_ops.Add(), (above, add(host_ops.Mul(slopes), (below,))))


def _function(builder: Builder, tensor: Tensor, node: Node, origin: str) -> str:
    """The function of a tensor whose values so far are `origin`."""
    name = origin
    for step in tensor.function:
        name = _function_step(builder, node, step, (name, origin), tensor.nodes[-1])
    return name


def _is_plain(tensor: Tensor) -> bool:
    """True if the values are the integers themselves."""
    return (tensor.scale, tensor.offset) == (ONES, ZEROS) and not (tensor.bounded or tensor.curved)


def _places(builder: Builder, tensor: Tensor) -> Host:
    """Integers that leave as they are, in the layout of the source."""
    first, *more = tensor.nodes or (("", ""),)
    reason, does = LAYOUT if tensor.nodes else "", host_ops.Gather(Constant(of_sample(tensor.where)))
    name = builder.host_step("output", does, (tensor.layer,), node=first, reason=reason)
    builder.after.extend(_note(name, other, reason) for other in more)
    return Host(name, tensor.where.shape, "output")


def _quantised(builder: Builder, tensor: Tensor) -> Layer:
    """The layer whose integers a tensor holds, behind what only moves or selects them."""
    layer = builder.layers[tensor.layer]
    while isinstance(layer, Passing) and len(layer.inputs) == 1:
        layer = builder.layers[layer.inputs[0]]
    return layer


def _is_coded(layer: Layer, tensor: Tensor) -> bool:
    """True if the integers of `layer` are codes of a quantiser, and nothing is computed from them behind it."""
    computed = tensor.curved or tensor.bounded or any(op not in ONLY_SCALES for _, op in tensor.nodes)
    return not computed and isinstance(layer, Limited)


def _last_node(builder: Builder, layer: Layer, reader: Node) -> tuple[str, str]:
    """Name and operator of the source node that finished `layer`, or that made what `reader` reads."""
    ops = {node.name: node.op for node in builder.model.nodes}
    tensors = reader.inputs or reader.outputs  # the model's output is a reader without inputs
    makers = (node.name for node in builder.model.nodes if not set(tensors).isdisjoint(node.outputs))
    return next(((name, ops[name]) for name in (*reversed(layer.source), *makers) if name in ops), ("", ""))


def _function_step(builder: Builder, node: Node, step: Step, names: tuple[str, str], source: tuple[str, str]) -> str:
    """A step of a function that no quantiser followed; `names`: what it reads, and what the first step read."""
    add = partial(builder.host_step, "output", node=source, reason=NO_QUANTISER)
    name, origin = names
    match step:
        case TimesInput():
            return add(host_ops.Mul(), (name, origin))
        case LeakyRelu():
            return add(host_ops.LeakyRelu(_float32(step.slope)), (name,))
        case Elu():
            return add(host_ops.Elu(_float32(step.slope)), (name,))
        case Affine():
            name = add(host_ops.Mul(_float32(step.slope)), (name,))
            return add(host_ops.Add(_float32(step.offset)), (name,))
        case Clip():
            low, high = -inf if step.low is None else step.low, inf if step.high is None else step.high
            return add(host_ops.Clip(_float32(low), _float32(high)), (name,))
        case Abs() | Sigmoid() | Tanh() | Exp() | Softplus():
            return add(host_ops.curve(step.op), (name,))
        case Above() | Power() | Softsign() | Sqrt() | Log() | Erf() | NormalCdf():
            raise node.error(f"leaves the function '{step.op}', which only a table computes", "quantise the output")
        case _:
            assert_never(step)


def left_off(model: Model, results: Sequence[Host]) -> list[HostStep]:
    """A line for every source node that is not there because the model was cut."""
    return [_note(results[0].name, (node.name, node.op), LEFT_OFF) for node in model.left]


def _note(name: str, node: tuple[str, str], reason: str) -> HostStep:
    """A source node that an earlier step already computes."""
    return HostStep(
        does=host_ops.Same(), inputs=(name,), output=name, node=node[0], op_type=node[1], side="output", reason=reason
    )


def _float32(number: Fraction | float) -> Constant:
    return Constant(np.asarray(np.float32(float(number))))


def _bounds(values: tuple[Fraction | None, ...], none: float) -> Array:
    return np.array([none if value is None else float(value) for value in values])
