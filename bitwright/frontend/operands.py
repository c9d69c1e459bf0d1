# SPDX-License-Identifier: Apache-2.0
"""Small questions that every handler asks of a node's inputs."""

from __future__ import annotations

from bitwright.frontend.model import Node
from bitwright.frontend.values import Const, Value


def data_operand(node: Node, values: tuple[Value | None, ...]) -> Value:
    """The first input of a node, which must be there."""
    value = values[0] if values else None
    if value is None:
        raise node.error("has no input", "export the model again")
    return value


def constant_operand(node: Node, values: tuple[Value | None, ...], index: int, hint: str) -> Const:
    """Input `index` of a node, which must be a constant once the graph is folded."""
    value = values[index] if index < len(values) else None
    if value is None:
        raise node.error(f"lacks input {index}", "export the model again")
    if not isinstance(value, Const):
        raise node.error(f"computes its input {index} ('{node.inputs[index]}') from data", hint)
    return value


def optional_constant(node: Node, values: tuple[Value | None, ...], index: int) -> Const | None:
    """Input `index` of a node if it is there, and then a constant."""
    if index >= len(values) or values[index] is None:
        return None
    return constant_operand(node, values, index, "only a constant is supported here")
