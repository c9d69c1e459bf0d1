# SPDX-License-Identifier: Apache-2.0
"""Selections by a comparison with constants, written with Where or with masks: a clip, or a leak below zero.

A mask is a comparison, or its opposite, as 0 and 1; times a value it keeps that value where it holds. Two kept values
of opposite masks add up to a selection.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.layouts import check_fit, per_channel
from bitwright.frontend.operands import refuse_infinite
from bitwright.frontend.operators.elementwise import clip_host
from bitwright.frontend.values import ONE, Const, Host, Kept, Mask, Tensor, Value, clip_bounds
from bitwright.ir import host_ops
from bitwright.ir.functions import Clip, LeakyRelu
from bitwright.ir.per_channel import PerChannel, spread, squeeze, width
from bitwright.reading.model import Node

COMPARISONS = ("Less", "LessOrEqual", "Greater", "GreaterOrEqual")
SELECTED = (*COMPARISONS, "Where")
MASKED = (*SELECTED, "Not")
"""Operators that no handler has, as they make or read masks."""
NO_CLIP = ("selects what is neither a clip of what it compares nor a leak below zero", "quantise before it")


def take(builder: Builder, node: Node) -> bool:
    """True if `node` makes, or reads, a mask or a kept value; what it makes is then among the builder's."""
    operands = [builder.masks.get(name) or builder.values.get(name) for name in node.inputs]
    masked = any(isinstance(operand, Mask | Kept) for operand in operands)
    if not masked and (node.op not in SELECTED or all(isinstance(operand, Const) for operand in operands)):
        return False
    made = _made(builder, node, operands)
    before = tuple(dict.fromkeys(n for operand in operands if isinstance(operand, Mask | Kept) for n in operand.nodes))
    if isinstance(made, Mask | Kept):
        builder.masks[node.outputs[0]] = replace(made, nodes=(*before, (node.name, node.op)))
    elif isinstance(made, Tensor):
        builder.values[node.outputs[0]] = replace(made, nodes=(*made.nodes[:-1], *before, *made.nodes[-1:]))
    else:
        builder.values[node.outputs[0]] = made
    return True


def _made(builder: Builder, node: Node, operands: Sequence[Mask | Kept | Value | None]) -> Mask | Kept | Value:
    match node.op, operands:
        case op, [left, right] if op in COMPARISONS:
            return _compared(node, left, right)
        case "Not", [Mask() as mask]:
            return mask.opposite
        case "Sub", [Const() as one, Mask() as mask] if (one.array == 1).all():
            return mask.opposite
        case (("Cast" | "Identity"), [Mask() | Kept() as same]):
            return same
        case "Mul", [Mask() as mask, Const() | Host() | Tensor() as value]:
            return Kept(mask, value)
        case "Mul", [Const() | Host() | Tensor() as value, Mask() as mask]:
            return Kept(mask, value)
        case "Add", [Kept() as one, Kept() as other] if _are_opposite(one.mask, other.mask):
            return _either(builder, node, one.mask, one.value, other.value)
        case "Where", [Mask() as mask, Const() | Host() | Tensor() as one, Const() | Host() | Tensor() as other]:
            return _either(builder, node, mask, one, other)
        case _:
            raise node.error("reads a comparison as no selection does", "write it as Where, Max, Min or Clip")


def _either(builder: Builder, node: Node, mask: Mask, one: Value, other: Value) -> Value:
    """`one` where the mask holds, else `other`."""
    if isinstance(one, Const) or not isinstance(other, Const):
        return _selected(builder, node, mask, one, other)
    return _selected(builder, node, mask.opposite, other, one)


def _compared(node: Node, left: Mask | Kept | Value | None, right: Mask | Kept | Value | None) -> Mask:
    below, name = node.op.startswith("Less"), node.inputs[0]
    if isinstance(left, Const):
        left, right, below, name = right, left, not below, node.inputs[1]
    if not isinstance(right, Const) or not isinstance(left, Host | Tensor):
        raise node.error("compares two activations", "use Max or Min")
    refuse_infinite(node, right, 1)
    return Mask(name, left, right, below)


def _are_opposite(one: Mask, other: Mask) -> bool:
    same = one.name == other.name and np.array_equal(one.bound.array, other.bound.array)
    return same and one.below != other.below


def _selected(builder: Builder, node: Node, mask: Mask, one: Value, other: Value) -> Value:
    """`one`, a constant if either is, where the mask holds, else `other`."""
    match mask.value, one, other:
        case Tensor() as value, Tensor(), Tensor():
            return _leaking(node, mask, value, *((one, other) if mask.below else (other, one)))
        case Tensor() as value, Const(), Tensor() if _equal(one, mask.bound) and _same(value, _unlimited(value, other)):
            return _clipped(builder, node, mask, value, other)
        case Host() as value, Const(), Host() if _equal(one, mask.bound) and _limits(builder, value, mask.bound, other):
            bound, none = mask.bound.array, np.float32(np.inf)
            return clip_host(builder, node, other, *((bound, none) if mask.below else (-none, bound)))
        case _:
            raise node.error(*NO_CLIP)


def _equal(one: Const, bound: Const) -> bool:
    """True if two constants are equal in every element that they stretch to."""
    try:
        return bool((np.broadcast_arrays(one.array, bound.array)[0] == bound.array).all())
    except ValueError:
        return False


def _same(value: Tensor, other: Tensor) -> bool:
    """True if two tensors are the same but for their limits."""
    plain = (value.layer, value.scale, value.offset, value.slopes, value.function, value.pools)
    again = (other.layer, other.scale, other.offset, other.slopes, other.function, other.pools)
    return plain == again and not (value.rest or other.rest) and np.array_equal(value.where, other.where)


def _unlimited(value: Tensor, other: Tensor) -> Tensor:
    """`other` without the clip behind the function of `value`, if it has one."""
    size = len(value.function)
    (clip,) = other.function[size:] if len(other.function) == size + 1 else (None,)
    return replace(other, function=other.function[:size]) if isinstance(clip, Clip) else other


def _limits(builder: Builder, value: Host, bound: Const, other: Host) -> bool:
    """True if `other` is `value`, or a clip of it that holds the bound."""
    if other.name == value.name:
        return True
    steps = (*builder.before, *builder.after)
    does = next((s.does for s in steps if s.output == other.name and s.inputs == (value.name,)), None)
    if not isinstance(does, host_ops.Clip):
        return False
    return bool(((does.low.array <= bound.array) & (bound.array <= does.high.array)).all())


def _clipped(builder: Builder, node: Node, mask: Mask, value: Tensor, other: Tensor) -> Tensor:
    """`other`, which is `value` or a clip of it, within one limit more."""
    if other.curved:
        return _clipped_curve(node, mask, value, other)
    check_fit(node, other, mask.bound.array.shape)
    made, (bounds,) = per_channel(builder, other, node, mask.bound.exact())
    size = width(made.low, made.high, bounds)
    rows = list(zip(spread(made.low, size), spread(made.high, size), bounds.each(size), strict=True))
    held = all((low is None or low <= b) and (high is None or b <= high) for low, high, b in rows)
    if not held and (value.low, value.high) != (other.low, other.high):
        raise node.error(*NO_CLIP)
    ends = [clip_bounds(low, high, *((b, None) if mask.below else (None, b))) for low, high, b in rows]
    low, high = zip(*ends, strict=True)
    return replace(made, low=squeeze(low), high=squeeze(high)).then(node.name, node.op)


def _clipped_curve(node: Node, mask: Mask, value: Tensor, other: Tensor) -> Tensor:
    """The same behind a function, whose limits are one number for the tensor."""
    bound = Fraction(mask.bound.exact().reshape(-1)[0])
    last = other.function[-1] if other.function != value.function else None
    low, high = (last.low, last.high) if isinstance(last, Clip) else (None, None)
    if mask.bound.array.size != 1 or (low is not None and low > bound) or (high is not None and high < bound):
        raise node.error(*NO_CLIP)
    return other.clip(*((bound, None) if mask.below else (None, bound))).then(node.name, node.op)


def _leaking(node: Node, mask: Mask, value: Tensor, below: Tensor, above: Tensor) -> Tensor:
    """A leaky ReLU, or one with a slope per channel: `above` is the value that is compared with 0, `below` times it."""
    plain = not any(tensor.curved or tensor.bounded or tensor.pools or tensor.rest for tensor in (value, below, above))
    slopes = _slopes(value, below) if plain and _same(value, above) and not mask.bound.array.any() else None
    if slopes is None or not np.array_equal(below.where, value.where):
        raise node.error(*NO_CLIP)
    bent = replace(value, slopes=slopes)
    if slopes.is_single:
        bent = replace(value, function=(LeakyRelu(slopes.of(0)),))
    return replace(bent, nodes=below.nodes).then(node.name, node.op)


def _slopes(value: Tensor, below: Tensor) -> PerChannel | None:
    """By what the values of one tensor are multiplied to be those of another, channel by channel."""
    size = width(value.scale, value.offset, below.scale, below.offset)
    rows = list(zip(*(row.each(size) for row in (value.scale, value.offset, below.scale, below.offset)), strict=True))
    slopes = [c / a if a else d / b if b else ONE for a, b, c, d in rows]
    lines = all(slope * a == c and slope * b == d for slope, (a, b, c, d) in zip(slopes, rows, strict=True))
    return PerChannel(squeeze(tuple(slopes))) if lines and below.layer == value.layer else None
