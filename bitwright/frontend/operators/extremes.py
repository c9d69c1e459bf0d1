# SPDX-License-Identifier: Apache-2.0
"""Max and Min, of constants and of activations: a difference, clipped at zero, and a sum."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.integers import integers
from bitwright.frontend.operands import refuse_infinite
from bitwright.frontend.operators.elementwise import arithmetic, check_rank, clip_host, clip_to
from bitwright.frontend.values import ZERO, Const, Host, Tensor, Value
from bitwright.reading.model import Node


def extreme(builder: Builder, node: Node, *values: Value | None) -> Value:
    """Max or Min of any number of tensors."""
    for index, value in enumerate(values):
        if isinstance(value, Const):
            refuse_infinite(node, value, index)
    given = [(name, value) for name, value in zip(node.inputs, values, strict=True) if value is not None]
    readers = [_reader(builder, *pair) for pair in sorted(given, key=lambda pair: isinstance(pair[1], Const))]
    first = readers[0]()
    for read in readers[1:]:
        first = _of_two(builder, node, first, read)
    return first


def _reader(builder: Builder, name: str, value: Value) -> Callable[[], Value]:
    """Gives an operand as it is now: what combines two of them may lay out the input anew that another reads."""
    return (lambda: builder.values[name]) if builder.values.get(name) is value else (lambda: value)


def _of_two(builder: Builder, node: Node, value: Value, read: Callable[[], Value]) -> Value:
    """max(a, b) = b + max(a - b, 0), and min(a, b) = b + min(a - b, 0); `read` gives b."""
    other = read()
    if isinstance(other, Const):
        check_rank(node, value, other)
        if other.array.size == 1 or isinstance(value, Host):
            return _limited(builder, node, value, other)
    if isinstance(value, Host) or isinstance(other, Host):
        raise node.error("compares a float tensor with another", "quantise both operands")
    difference = arithmetic(builder, node.acting("Sub"), value, other)
    assert isinstance(difference, Tensor)
    low, high = (ZERO, None) if node.op == "Max" else (None, ZERO)
    beyond = difference.clip(low, high)
    if not isinstance(other, Const):
        beyond = integers(builder, beyond, node)
    return arithmetic(builder, node.acting("Add"), beyond, read())


def _limited(builder: Builder, node: Node, value: Value, limit: Const) -> Value:
    """A limit of one number, or of several where the host computes."""
    up = node.op == "Max"
    if isinstance(value, Host) and limit.array.size > 1:
        none = np.float32(np.inf)
        return clip_host(builder, node, value, *((limit.array, none) if up else (-none, limit.array)))
    bound = Fraction(limit.exact().reshape(-1)[0])
    return clip_to(builder, node, value, *((bound, None) if up else (None, bound)))


OPERATORS: Mapping[str, Callable[..., Any]] = {"Max": extreme, "Min": extreme}
"""The handlers of the operators that are added here."""
