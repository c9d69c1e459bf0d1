# SPDX-License-Identifier: Apache-2.0
"""Small questions that every handler asks of a node's inputs."""

from __future__ import annotations

import numpy as np

from bitwright.frontend.values import Const, Pieces, Settled, Value
from bitwright.reading.model import Array, Node

MAY_BE_EMPTY = ("Reshape", "Resize", "Upsample")
"""Operators that have a meaning for a constant without elements: a single number, an input that is not used."""
MAY_BE_INFINITE = ("Clip",)


def data_operand(node: Node, values: tuple[Value | None, ...]) -> Settled:
    """The first input of a node, which must be there; no join waits for this operator."""
    value = waiting_operand(node, values)
    assert not isinstance(value, Pieces), f"{node.op} takes no join that waits"
    return value


def waiting_operand(node: Node, values: tuple[Value | None, ...]) -> Value:
    """The first input of a node, which must be there; it may be a join that waits."""
    value = values[0] if values else None
    if value is None:
        raise node.error("has no input", "export the model again")
    return value


def constant_operand(node: Node, values: tuple[Value | None, ...], index: int, hint: str) -> Const:
    """Input `index` of a node, which must be a constant of finite numbers once the graph is folded."""
    const = _constant(node, values, index, hint)
    if node.op not in MAY_BE_INFINITE:
        refuse_infinite(node, const, index)
    return const


def float32_operand(node: Node, values: tuple[Value | None, ...], index: int) -> Array:
    """Input `index` of a quantiser as float32, finite or not: its scale, or its zero point."""
    with np.errstate(over="ignore"):
        return _constant(node, values, index, "only constants can set it").array.astype(np.float32)


def _constant(node: Node, values: tuple[Value | None, ...], index: int, hint: str) -> Const:
    value = values[index] if index < len(values) else None
    if value is None:
        raise node.error(f"lacks input {index}", "export the model again")
    if not isinstance(value, Const):
        raise node.error(f"computes its input {index} ('{node.inputs[index]}') from data", hint)
    if value.array.size == 0 and node.op not in MAY_BE_EMPTY:
        raise node.error(f"has nothing in its input {index}", "export the model again")
    return value


def optional_constant(node: Node, values: tuple[Value | None, ...], index: int) -> Const | None:
    """Input `index` of a node if it is there, and then a constant."""
    if index >= len(values) or values[index] is None:
        return None
    return constant_operand(node, values, index, "only a constant is supported here")


def refuse_infinite(node: Node, const: Const, index: int) -> None:
    """Refuse input `index` of a node if it holds a NaN or an infinite number."""
    if const.array.dtype.kind == "f" and not np.isfinite(const.array).all():
        raise node.error(f"has a number in its input {index} that is not finite", "export the model again")


def whole_attribute(node: Node, *names: str, otherwise: int | None = None) -> int:
    """The first of `names` that the node has: an integer, or a tensor of one; `otherwise` where it has none."""
    for name in names:
        if name in node.attributes:
            number = np.asarray(node.attributes[name], dtype=np.float64)
            if number.size != 1 or number != np.rint(number):
                raise node.error(f"has an attribute '{name}' that is not one integer", "export the model again")
            return int(number.reshape(()))
    if otherwise is None:
        raise node.error(f"lacks the attribute '{names[0]}'", "export the model again")
    return otherwise
