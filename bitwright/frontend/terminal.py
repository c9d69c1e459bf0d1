# SPDX-License-Identifier: Apache-2.0
"""Softmax, LogSoftmax, TopK and ArgMax at the end of a network: host steps, said aloud."""

from __future__ import annotations

from bitwright.frontend.builder import Builder
from bitwright.frontend.model import Node
from bitwright.frontend.operands import constant_operand, data_operand
from bitwright.frontend.results import to_host
from bitwright.frontend.values import Const, Host, Tensor, Value


def softmax(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Softmax or LogSoftmax along an axis."""
    host = _on_host(builder, node, data_operand(node, values))
    rank = len(host.shape)
    old = builder.model.opset < 13
    axis = int(node.attributes.get("axis", 1 if old else -1)) % rank
    if axis == 0 or (old and axis != rank - 1):
        raise node.error(f"normalises over axis {axis} of {rank}", "normalise over the last axis")
    op = {"Softmax": "softmax", "LogSoftmax": "log_softmax"}[node.op]
    return _step(builder, node, op, host, host.shape, (("axis", axis),))


def top_k(builder: Builder, node: Node, *values: Value | None) -> tuple[Value | None, ...]:
    """(values, indices) of the k largest or smallest; the lowest index wins a tie."""
    host = _on_host(builder, node, data_operand(node, values))
    count = (
        int(node.attributes["k"])
        if "k" in node.attributes
        else int(constant_operand(node, values, 1, "only a constant k is supported").array.reshape(-1)[0])
    )
    axis = int(node.attributes.get("axis", -1)) % len(host.shape)
    if axis == 0 or not 1 <= count <= host.shape[axis]:
        raise node.error(f"takes {count} along axis {axis} of {host.shape}", "take 1 or more along a data axis")
    shape = tuple(count if i == axis else d for i, d in enumerate(host.shape))
    options = (("axis", axis), ("k", count), ("largest", int(node.attributes.get("largest", 1))))
    made: list[Value | None] = []
    for indices, output in enumerate((*node.outputs, "", "")[:2]):
        wanted = (*options, ("indices", indices))
        made.append(_step(builder, node, "top_k", host, shape, wanted) if output else None)
    return tuple(made)


def arg_max(builder: Builder, node: Node, *values: Value | None) -> Value:
    """The index of the largest; the lowest index wins a tie."""
    host = _on_host(builder, node, data_operand(node, values))
    axis = int(node.attributes.get("axis", 0)) % len(host.shape)
    keep = int(node.attributes.get("keepdims", 1))
    if axis == 0 or node.attributes.get("select_last_index", 0):
        raise node.error("searches over the samples or prefers the last index", "use a data axis and the first index")
    shape = tuple(1 if i == axis else d for i, d in enumerate(host.shape) if i != axis or keep)
    return _step(builder, node, "arg_max", host, shape, (("axis", axis), ("keepdims", keep)))


def _on_host(builder: Builder, node: Node, value: Value) -> Host:
    if isinstance(value, Tensor):
        return to_host(builder, value, node)
    if isinstance(value, Const) or value.side == "input":
        raise node.error("stands before the first quantiser", "only supported at the end of a quantised network")
    return value


def _step(
    builder: Builder,
    node: Node,
    op: str,
    host: Host,
    shape: tuple[int, ...],
    attributes: tuple[tuple[str, int], ...],
) -> Host:
    name = builder.host_step(
        "output",
        op,
        (host.name,),
        attributes=attributes,
        node=(node.name, node.op),
        reason="not integer arithmetic: stays on the host" if "softmax" in op else "selects among the outputs",
    )
    return Host(name, shape, "output")
