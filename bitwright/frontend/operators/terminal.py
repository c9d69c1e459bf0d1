# SPDX-License-Identifier: Apache-2.0
"""Softmax, LogSoftmax, TopK and ArgMax at the end of a network: host steps, said aloud.

Where the largest stands is a layer if the integers have the order of the values: a `TopK` of one index, an `ArgMax`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.layouts import features
from bitwright.frontend.operands import constant_operand, data_operand
from bitwright.frontend.operators.matrix import NO_ARITHMETIC
from bitwright.frontend.operators.shapes import axis_of, shape_of
from bitwright.frontend.results import to_host
from bitwright.frontend.values import Const, Host, Settled, Tensor, Value
from bitwright.ir import host_ops
from bitwright.ir.layers import ArgMax
from bitwright.ir.per_channel import ONES, ZEROS, width
from bitwright.ir.types import IntType
from bitwright.reading.model import Node

NOT_INTEGER = "not integer arithmetic: stays on the host"
SELECTS = "selects among the outputs"


class Choice(NamedTuple):
    """The `k` largest (or smallest) along an axis."""

    k: int
    axis: int
    largest: int


def softmax(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Softmax or LogSoftmax along an axis."""
    host = _on_host(builder, node, data_operand(node, values))
    rank = len(host.shape)
    old = builder.model.opset < 13
    axis = axis_of(node, rank, 1 if old else -1)
    if axis == 0 or (old and axis != rank - 1):
        raise node.error(f"normalises over axis {axis} of {rank}", "normalise over the last axis")
    axis += host.front
    does = host_ops.Softmax(axis) if node.op == "Softmax" else host_ops.LogSoftmax(axis)
    return _step(builder, node, does, host, host.shape, NOT_INTEGER)


def top_k(builder: Builder, node: Node, *values: Value | None) -> tuple[Value | None, ...]:
    """(values, indices) of the k largest or smallest; the lowest index wins a tie. What nobody reads is not made."""
    value, wanted = data_operand(node, values), _choice(node, values)
    outputs = (*node.outputs, "", "")[:2]
    used = [name in builder.model.outputs or bool(builder.readers(name)) for name in outputs]
    reason = SELECTS
    if used == [False, True] and wanted.k == wanted.largest == 1:
        reason = _disorder(builder, value, wanted.axis)
        if not reason:
            return None, _place(builder, node, value, wanted.axis, keep=True)
    host, shape = _on_host(builder, node, value), list(shape_of(value))
    shape[wanted.axis] = wanted.k
    both = [
        host_ops.TopK(axis=wanted.axis + host.front, k=wanted.k, largest=wanted.largest, indices=indices)
        for indices in range(2)
    ]
    return tuple(
        _step(builder, node, does, host, tuple(shape), reason) if needed else None
        for does, needed in zip(both, used, strict=True)
    )


def _choice(node: Node, values: tuple[Value | None, ...]) -> Choice:
    count = (
        int(node.attributes["k"])
        if "k" in node.attributes
        else int(constant_operand(node, values, 1, "only a constant k is supported").array.reshape(-1)[0])
    )
    shape = shape_of(data_operand(node, values))
    axis = axis_of(node, len(shape), -1)
    if axis == 0 or not 1 <= count <= shape[axis]:
        raise node.error(f"takes {count} along axis {axis} of {shape}", "take 1 or more along a data axis")
    return Choice(count, axis, int(node.attributes.get("largest", 1)))


def arg_max(builder: Builder, node: Node, *values: Value | None) -> Value:
    """The index of the largest; the lowest index wins a tie, or the highest with `select_last_index`."""
    value = data_operand(node, values)
    shape = shape_of(value)
    axis, keep = axis_of(node, len(shape), 0), bool(node.attributes.get("keepdims", 1))
    last = int(bool(node.attributes.get("select_last_index", 0)))
    if axis == 0:
        raise node.error("searches over the samples", "use a data axis")
    reason = _disorder(builder, value, axis)
    if not reason:
        return _place(builder, node, value, axis, keep=keep, last=last)
    host = _on_host(builder, node, value)
    made = tuple(1 if i == axis else d for i, d in enumerate(shape) if i != axis or keep)
    does = host_ops.ArgMax(axis=axis + host.front, keepdims=int(keep), last=last)
    return _step(builder, node, does, host, made, reason)


def _disorder(builder: Builder, value: Value, axis: int) -> str:
    """Why the largest along `axis` is not that of the channels of a layer; empty if it is."""
    if not isinstance(value, Tensor):
        return SELECTS
    if value.curved or value.pools or value.rest:
        return "selects among values that no quantiser turned into integers"
    if value.bounded:
        return "selects among clipped values, more of which are equal"
    if width(value.scale.squeezed(), value.offset.squeezed()) > 1:
        return "selects among channels of different scales or offsets"
    if value.scale.of(0) <= 0:
        return "selects among integers that fall where the values rise"
    if not np.array_equal(np.moveaxis(value.where, axis, -1).reshape(-1), np.arange(builder.size(value))):
        return "selects along an axis that is not that of the channels"
    return ""


def _place(builder: Builder, node: Node, value: Value, axis: int, *, keep: bool, last: int = 0) -> Tensor:
    """The layer that finds where the largest channel of each pixel stands."""
    assert isinstance(value, Tensor)
    where = np.moveaxis(value.where, axis, -1)
    tensor, _ = features(builder, Tensor(value.layer, where, value.scale, value.offset), node)
    shape = builder.layers[tensor.layer].shape
    layer = ArgMax(
        name=node.name,
        inputs=(tensor.layer,),
        shape=(*shape[:-1], 1),
        type=IntType(0, shape[-1] - 1),
        scale=ONES,
        zero=ZEROS,
        source=(*(name for name, op in value.nodes if op not in NO_ARITHMETIC), node.name),
        last=last,
    )
    places = np.arange(where[..., 0].size).reshape(where.shape[:-1])
    return Tensor(builder.add(layer), np.expand_dims(places, axis) if keep else places, ONES, ZEROS, integer=True)


def _on_host(builder: Builder, node: Node, value: Settled) -> Host:
    if isinstance(value, Tensor):
        return to_host(builder, value, node)
    if isinstance(value, Const) or value.side == "input":
        raise node.error("stands before the first quantiser", "only supported at the end of a quantised network")
    return value


def _step(builder: Builder, node: Node, does: host_ops.HostOp, host: Host, shape: tuple[int, ...], reason: str) -> Host:
    name = builder.host_step("output", does, (host.name,), node=(node.name, node.op), reason=reason)
    return Host(name, shape, "output")


OPERATORS: Mapping[str, Callable[..., Any]] = {
    "Softmax": softmax,
    "LogSoftmax": softmax,
    "TopK": top_k,
    "ArgMax": arg_max,
}
"""The handlers of the operators that are added here."""
