# SPDX-License-Identifier: Apache-2.0
"""A quantiser behind a leaky ReLU or a PReLU: a requantiser with slopes, or one for each side of zero and their sum."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction

from bitwright.exact.rounding import round_exact
from bitwright.frontend.builder import Builder
from bitwright.frontend.dialects.fake_quantise import round_torch
from bitwright.frontend.dialects.quantiser import Coding, Quantiser
from bitwright.frontend.making import Floored, floored, weighted
from bitwright.frontend.values import ONE, ZERO, Tensor
from bitwright.ir.functions import LeakyRelu
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel, squeeze, width
from bitwright.reading.model import Node

TABLE_BITS = 16
LEAK_BITS = 10
"""Inputs wider than this take a leaky ReLU as thresholds, not as a table, where the codes are few."""
Maker = Callable[[str, Tensor], str]
"""From the name of a layer, and the tensor that it reads, to the name of its layer."""


def leak(builder: Builder, tensor: Tensor, coding: Coding, *, follows_torch: bool) -> Tensor | None:
    """The tensor with its leaky ReLU in its slopes; None if there is none, or a table holds it for less.

    A table holds the nearest codes, so none where PyTorch may take exact ties elsewhere.
    """
    bent = _bent(tensor)
    if bent is None or not tensor.function:
        return bent
    codes, outputs = builder.layers[tensor.layer].type.count, int(max(coding.high.values) - min(coding.low.values)) + 1
    if codes > 1 << TABLE_BITS or width(tensor.scale, tensor.offset, coding.scale) > 1:
        return bent
    cheap = outputs <= 256 and (codes > 1 << LEAK_BITS or follows_torch)
    return bent if cheap and bent.slopes.of(0) and _one_line(bent, coding) else None


def _bent(tensor: Tensor) -> Tensor | None:
    """The tensor with its leaky ReLU in its slopes; None if it has none, or more than that."""
    if tensor.slopes != ONES:
        return None if tensor.function else tensor
    only = tensor.function[0] if len(tensor.function) == 1 else None
    return replace(tensor, slopes=PerChannel((only.slope,)), function=()) if isinstance(only, LeakyRelu) else None


def _one_line(tensor: Tensor, coding: Coding) -> bool:
    """True if a requantiser with slopes says it all: they do not fall, and zero is a code of its own."""
    return min(tensor.slopes.values) >= 0 and not tensor.bounded and set(coding.before.values) == {ZERO}


def leaking(builder: Builder, node: Node, quantiser: Quantiser, tensor: Tensor, coding: Coding, make: Maker) -> str:
    """The codes of a tensor with slopes; `make` adds a requantiser of one whose slopes are positive."""
    slopes = tensor.slopes.values
    if _one_line(tensor, coding):
        flat = tuple(None if slope else ZERO for slope in slopes)  # what is flat below zero ends there
        return make(node.name, replace(tensor, slopes=PerChannel(tuple(s or ONE for s in slopes)), low=squeeze(flat)))
    plain = replace(tensor, slopes=ONES)
    above = make(f"{node.name}_above", plain.clip(ZERO, None))
    below = make(f"{node.name}_below", plain.clip(None, ZERO).affine(tensor.slopes, ZEROS))
    return _joined(builder, node, quantiser, coding, [replace(plain, layer=name) for name in (above, below)])


def _joined(builder: Builder, node: Node, quantiser: Quantiser, coding: Coding, sides: list[Tensor]) -> str:
    """The sum of the codes on both sides of zero, less that of zero, which one of them always is."""
    columns = (coding.scale, coding.before, coding.low, coding.high)
    rows = zip(*(column.each(width(*columns)) for column in columns), strict=True)
    zeros = squeeze(tuple(_code_of_zero(quantiser, *row) for row in rows))
    real = coding.scale, coding.zero
    total = weighted(builder, f"{node.name}_sum", sides, ((1,), (1,)), real, (node.name,))
    low, high = (tuple(int(code) + quantiser.after for code in ends.values) for ends in (coding.low, coding.high))
    constants = Floored(ONES, PerChannel(tuple(Fraction(-code) for code in zeros)), low, high)
    joined = replace(sides[0], layer=total, nodes=(*sides[0].nodes, (node.name, node.op)))
    return floored(builder, node.name, joined, constants, quantiser.type, real)


def _code_of_zero(quantiser: Quantiser, scale: Fraction, before: Fraction, low: Fraction, high: Fraction) -> int:
    torch = quantiser.follows_torch
    code = round_torch(before, scale, before) if torch else round_exact(quantiser.rounding, before)
    return min(max(code, int(low)), int(high)) + quantiser.after
