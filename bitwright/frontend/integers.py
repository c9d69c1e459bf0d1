# SPDX-License-Identifier: Apache-2.0
"""Integers where a reader needs them: a clip that waits becomes a layer, a type grows by what padding adds."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from bitwright.frontend.builder import Builder
from bitwright.frontend.clips import apart, on_a_grid, too_many_steps, too_wide
from bitwright.frontend.making import Floored, floored
from bitwright.frontend.values import Tensor
from bitwright.ir.per_channel import ONES, ZEROS, spread, squeeze, width
from bitwright.ir.types import IntType
from bitwright.reading.model import Node


def integers(builder: Builder, tensor: Tensor, node: Node) -> Tensor:
    """The same real values with no clip waiting: a clip becomes a layer of its own where it falls on integers."""
    layer = builder.layers[tensor.layer]
    if tensor.curved or tensor.pools:
        raise node.error("reads a real value that no quantiser turned into integers", "quantise the activation")
    if tensor.rest:
        raise too_wide(builder, node, tensor)
    if not falls_on_integers(tensor) or too_many_steps(builder, tensor):
        return _on_a_grid(builder, tensor, node)
    places = _places(tensor)
    lows, highs = ([_clamped(code, *bounds) for bounds in places] for code in (layer.type.lo, layer.type.hi))
    if set(lows) == {layer.type.lo} and set(highs) == {layer.type.hi}:
        return replace(tensor, low=(None,), high=(None,))
    kind = IntType(min(lows), max(highs))
    return _identity(builder, tensor, node, squeeze(tuple(lows)), squeeze(tuple(highs)), kind)


def _on_a_grid(builder: Builder, tensor: Tensor, node: Node) -> Tensor:
    made = on_a_grid(builder, apart(builder, tensor, node), node)
    if made is None:
        raise too_wide(builder, node, tensor)
    return made


def falls_on_integers(tensor: Tensor) -> bool:
    """True if the clip that waits, if any, has its ends on integers of the layer."""
    return all(place is None or place.denominator == 1 for places in _places(tensor) for place in places)


def _places(tensor: Tensor) -> list[tuple[Fraction | None, Fraction | None]]:
    """Where the two ends of the clip fall among the integers of each channel, the lower first."""
    size = width(tensor.scale, tensor.offset, tensor.low, tensor.high)
    ends = (spread(tensor.low, size), spread(tensor.high, size))
    return [_place(*row) for row in zip(tensor.scale.each(size), tensor.offset.each(size), *ends, strict=True)]


def _place(
    scale: Fraction, offset: Fraction, low: Fraction | None, high: Fraction | None
) -> tuple[Fraction | None, Fraction | None]:
    places = [None if b is None or scale == 0 else (b - offset) / scale for b in (low, high)]
    return (places[0], places[1]) if scale > 0 else (places[1], places[0])


def _clamped(code: int, low: Fraction | None, high: Fraction | None) -> int:
    code = code if low is None else max(code, int(low))
    return code if high is None else min(code, int(high))


def widen(builder: Builder, tensor: Tensor, kind: IntType, node: Node) -> Tensor:
    """The same integers in a type that also holds what padding puts beside them."""
    layer = builder.layers[tensor.layer]
    if layer.type.covers(IntType(kind.lo, kind.hi)):
        return tensor
    wide = IntType(min(kind.lo, layer.type.lo), max(kind.hi, layer.type.hi))
    return _identity(builder, tensor, node, (layer.type.lo,), (layer.type.hi,), wide)


def _identity(
    builder: Builder, tensor: Tensor, node: Node, low: tuple[int, ...], high: tuple[int, ...], kind: IntType
) -> Tensor:
    old = builder.layers[tensor.layer]
    constants = Floored(ONES, ZEROS, low, high)
    name = floored(builder, f"{node.name}_clip", tensor, constants, kind, (old.scale, old.zero))
    return replace(tensor, layer=name, low=(None,), high=(None,), nodes=())
