# SPDX-License-Identifier: Apache-2.0
"""Real values that leave: the accelerator's integers back on the host."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from bitwright.exact.functions import Step
from bitwright.frontend.builder import Builder
from bitwright.frontend.model import Array, Node
from bitwright.frontend.values import Host, Tensor
from bitwright.ir.host import OPS, HostStep
from bitwright.ir.layers import PerChannel


def to_host(builder: Builder, tensor: Tensor, node: Node) -> Host:
    """The tensor's real values on the host, behind the accelerator: the exact affine, rounded once to float32."""
    if tensor.pools:
        raise node.error("reads a max-pool of values that no quantiser turned into integers", "quantise the activation")
    if tensor.where.shape[:1] != (1,):
        raise node.error("leaves without its batch axis", "keep the samples on axis 0")
    layer = builder.layers[tensor.layer]
    reason = "codes to real values" if layer.op == "requantise" else "no quantiser follows: real-valued output"
    low = tuple(Fraction(0) if b is None else b for b in tensor.low)
    high = tuple(Fraction(0) if b is None else b for b in tensor.high)
    constants = (
        _floats(tensor.scale),
        _floats(tensor.offset),
        np.where([b is None for b in tensor.low], -np.inf, _floats(low)),
        np.where([b is None for b in tensor.high], np.inf, _floats(high)),
    )
    first, *more = tensor.nodes or (("", ""),)
    name = builder.host_step("output", "affine", (tensor.layer,), constants, node=first, reason=reason)
    origin = name
    for step in tensor.function:
        name = _function_step(builder, node, step, (name, origin))
    if not np.array_equal(tensor.where[0], np.arange(builder.size(tensor)).reshape(layer.shape)):
        name = builder.host_step("output", "gather", (name,), (tensor.where[0],))
    builder.after.extend(_note(name, other, reason) for other in more)
    return Host(name, tensor.where.shape, "output")


def _function_step(builder: Builder, node: Node, step: Step, names: tuple[str, str]) -> str:
    """A step of a function that no quantiser followed; `names`: what it reads, and what the first step read."""
    reason = "no quantiser follows: real-valued output"
    name, origin = names
    match step:
        case ("times_input",):
            return builder.host_step("output", "mul", (name, origin), reason=reason)
        case ("leaky_relu" | "elu" as op, slope):
            return builder.host_step("output", op, (name,), (_float32(slope),), reason=reason)
        case ("affine", a, b):
            name = builder.host_step("output", "mul", (name,), (_float32(a),), reason=reason)
            return builder.host_step("output", "add", (name,), (_float32(b),), reason=reason)
        case ("clip", low, high):
            bounds = (_float32(low or "-inf"), _float32(high or "inf"))
            return builder.host_step("output", "clip", (name,), bounds, reason=reason)
        case (op,) if op in OPS:
            return builder.host_step("output", op, (name,), reason=reason)
        case _:
            raise node.error(f"leaves the function '{step[0]}', which only a table computes", "quantise the output")


def _note(name: str, node: tuple[str, str], reason: str) -> HostStep:
    """A source node that an earlier step already computes."""
    return HostStep(op="same", inputs=(name,), output=name, node=node[0], op_type=node[1], side="output", reason=reason)


def _float32(text: str) -> Array:
    return np.asarray(np.float32(float(text) if text.endswith("inf") else float(Fraction(text))))


def _floats(values: PerChannel) -> Array:
    return np.array([float(value) for value in values])
