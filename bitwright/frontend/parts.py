# SPDX-License-Identifier: Apache-2.0
"""Operators between few quantisers: what is linear acts on every part of a sum alone, until a quantiser joins them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bitwright.frontend import bends
from bitwright.frontend.builder import Builder
from bitwright.frontend.clips import apart, on_a_grid, too_many_steps, too_wide
from bitwright.frontend.integers import falls_on_integers
from bitwright.frontend.layouts import in_one_order
from bitwright.frontend.values import Const, Tensor, Value
from bitwright.ir.per_channel import ZEROS
from bitwright.reading.model import Node

SUMS = frozenset("AveragePool Conv ConvTranspose Gemm GlobalAveragePool MatMul ReduceMean ReduceSum".split())
"""Linear in their first operand, which is integers."""
ADDITIONS = frozenset(("Add", "Sub"))
ARITHMETIC = frozenset(("Add", "Div", "Mul", "Sub"))
LINES = frozenset(("BatchNormalization", "Neg"))
MOVES = frozenset(
    "Dropout Expand Flatten Gather Identity Reshape Slice SpaceToDepth Split Squeeze Tile Transpose Unsqueeze".split()
)
WHOLE = frozenset(
    "ArgMax BipolarQuant Clip IntQuant LogSoftmax Quant QuantizeLinear Relu Softmax TopK".split(),
)
"""Take a sum of parts as it is: a clip waits for a quantiser, and that joins the parts, or the host adds them."""
Handler = Callable[..., Any]


def taken(builder: Builder, node: Node, operands: Sequence[Value | None], handler: Handler) -> Any:
    """What `handler` makes of `node`, part by part where an operand has several."""
    if bent := bends.joined(builder, node, operands):
        return bent
    of_two = _is_of_two(node, operands)
    if node.op in (ADDITIONS if of_two else SUMS):
        operands = [_linear(builder, node, value) for value in operands]
    if not any(map(_has_parts, operands)) or _takes_whole(node, operands):
        return handler(builder, node, *operands)
    if of_two:
        return _of_two(builder, node, operands, handler)
    if node.op in SUMS | ARITHMETIC | LINES | MOVES:
        return _of_each(builder, node, operands, handler)
    return handler(builder, node, *(_on_grid(builder, node, value) for value in operands))


def _is_of_two(node: Node, operands: Sequence[Value | None]) -> bool:
    return node.op in ARITHMETIC and not any(isinstance(value, Const) for value in operands)


def _has_parts(value: Value | None) -> bool:
    return isinstance(value, Tensor) and bool(value.rest)


def _takes_whole(node: Node, operands: Sequence[Value | None]) -> bool:
    """True for what a sum of parts waits for, and for limits that wait with it."""
    limits = [value for value in operands if isinstance(value, Const) and value.array.size == 1]
    return node.op in WHOLE or (node.op in ("Max", "Min") and len(limits) == 1 and len(operands) == 2)


def _linear(builder: Builder, node: Node, value: Value | None) -> Value | None:
    """An operand without a clip that waits: on one grid where that holds it, else in parts."""
    if not isinstance(value, Tensor) or not value.bounded or value.curved or value.pools:
        return value
    if value.rest:
        raise too_wide(builder, node, value)
    if falls_on_integers(value) and not too_many_steps(builder, value):
        return value
    made = apart(builder, value, node)
    return on_a_grid(builder, made, node) or made


def _on_grid(builder: Builder, node: Node, value: Value | None) -> Value | None:
    if not isinstance(value, Tensor) or not value.rest:
        return value
    made = None if value.bounded else on_a_grid(builder, in_one_order(builder, value, node), node)
    if made is None:
        raise too_wide(builder, node, value)
    return made


def _of_each(builder: Builder, node: Node, operands: Sequence[Value | None], handler: Handler) -> Any:
    """The handler on every part of its one operand of several; what it adds is added once."""
    place = next(k for k, value in enumerate(operands) if isinstance(value, Tensor) and value.rest)
    whole = operands[place]
    assert isinstance(whole, Tensor)
    several = []
    for part in (replace(whole, rest=()), *whole.rest):
        made = handler(builder, node, *operands[:place], part, *operands[place + 1 :])
        several.append(made if isinstance(made, tuple) else (made,))
    joined = tuple(_joined(parts) for parts in zip(*several, strict=True))
    return joined if len(node.outputs) > 1 else joined[0]


def _joined(parts: Sequence[Tensor]) -> Tensor:
    first, *others = parts
    return replace(first, rest=tuple(replace(part, offset=ZEROS, nodes=()) for part in others))


def _of_two(builder: Builder, node: Node, operands: Sequence[Value | None], handler: Handler) -> Tensor:
    """The sum or difference of two tensors, the parts of both side by side."""
    left, right = operands
    if (
        node.op not in ADDITIONS
        or not (isinstance(left, Tensor) and isinstance(right, Tensor))
        or left.where.shape != right.where.shape
    ):
        broken = next(value for value in operands if isinstance(value, Tensor) and value.rest)
        raise too_wide(builder, node, broken)
    made: Tensor = handler(builder, node, replace(left, rest=()), replace(right, rest=()))
    sign = -1 if node.op == "Sub" else 1
    turned = [replace(part, scale=(part.scale * sign).squeezed()) for part in right.rest]
    return replace(made, rest=_merged((*left.rest, *turned)))


def _merged(parts: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The parts, those of the same integers as one: their number is bounded by that of the layers."""
    found: list[Tensor] = []
    for part in parts:
        same = next((k for k, other in enumerate(found) if _is_same(part, other)), None)
        if same is None:
            found.append(part)
            continue
        other = found[same]
        scale = (other.scale + part.scale).squeezed()
        found[same] = replace(
            other, scale=scale, added=other.added + part.added, roundings=other.roundings + part.roundings
        )
    return tuple(part for part in found if any(part.scale.values))


def _is_same(part: Tensor, other: Tensor) -> bool:
    """True if two lines are of the same elements of the same layer."""
    waits = part.pools or other.pools or part.curved or other.curved or part.bounded or other.bounded
    return not waits and part.layer == other.layer and np.array_equal(part.where, other.where)
