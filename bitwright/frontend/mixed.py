# SPDX-License-Identifier: Apache-2.0
"""Tensors whose channels differ in scale or zero point, where a reader adds them up, pads them or mixes them.

A matrix takes the ratios into its weights. What pads needs one integer that means zero, and what moves elements between
channels one scale for all of them: there a layer that loses nothing goes before the reader.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction
from operator import sub

import numpy as np

from bitwright.exact.steps import MAX_STEPS
from bitwright.frontend.builder import Builder
from bitwright.frontend.integers import widen
from bitwright.frontend.making import Floored, floored, weighted
from bitwright.frontend.scales import unit
from bitwright.frontend.values import ONE, ZERO, Tensor
from bitwright.ir.per_channel import ZEROS, PerChannel, squeeze, width
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints
from bitwright.reading.model import Node

FINEST_BITS = 32
"""Codes on the common grid of unlike scales that a reader still takes."""
MAX_WEIGHT_BITS = 62
"""Weights times the ratios of their inputs stay in int64."""


def into_weights(
    node: Node, tensor: Tensor, weights: Ints, groups: int, step: PerChannel
) -> tuple[Ints, PerChannel, PerChannel]:
    """(weights, scale, zero) of sums over channels of unlike scales: the ratios of the scales are in the weights.

    Weights are (outputs, inputs / groups, ...), ordered as the channels of the tensor's layer are.
    """
    outputs, reads = weights.shape[:2]
    scales, offsets = tensor.scale.each(reads * groups), tensor.offset.each(reads * groups)
    sums = weights.reshape(outputs, reads, -1).sum(axis=2)
    if width(tensor.scale) == 1 and tensor.scale.of(0):
        units = [tensor.scale.of(0)] * groups
    else:
        units = [unit(scales[g * reads : (g + 1) * reads]) for g in range(groups)]
        weights = _scaled(node, weights, [int(s / units[i // reads]) for i, s in enumerate(scales)], groups)
    of_output = [o * groups // outputs for o in range(outputs)]
    zeros = [ZERO] * outputs
    if any(offsets):
        totals = _weighted(sums, offsets, groups)
        zeros = [-total / units[group] for total, group in zip(totals, of_output, strict=True)]
    scale = step * PerChannel(squeeze(tuple(units[group] for group in of_output)))
    return weights, scale.squeezed(), PerChannel(squeeze(tuple(zeros)))


def _weighted(sums: Ints, offsets: Sequence[Fraction], groups: int) -> list[Fraction]:
    """For each output the sum of its weights times the offsets of what they read, as integers on their common grid."""
    outputs, reads = sums.shape
    grid = unit(offsets)
    counts = [int(offset / grid) for offset in offsets]
    most = reads * int(np.abs(sums).max(initial=0)) * max(map(abs, counts), default=0)
    kind = np.int64 if most.bit_length() <= MAX_WEIGHT_BITS else object
    rows = np.array(counts, dtype=kind).reshape(groups, reads)[np.arange(outputs) * groups // outputs]
    return [int(total) * grid for total in (sums * rows).sum(axis=1)]


def _scaled(node: Node, weights: Ints, ratios: list[int], groups: int) -> Ints:
    """Each weight times the ratio of the channel that it reads."""
    outputs, reads = weights.shape[:2]
    largest = int(np.abs(weights).max(initial=0)) * max(map(abs, ratios))
    if largest.bit_length() > MAX_WEIGHT_BITS:
        raise node.error(
            f"reads channels whose scales need weights of {largest.bit_length() + 1} bits",
            "use scales that are closer to one another, or one scale for the activation",
        )
    rows = np.array(ratios, dtype=np.int64).reshape(groups, reads)[np.arange(outputs) * groups // outputs]
    return np.asarray(weights * rows.reshape(outputs, reads, *(1,) * (weights.ndim - 2)))


def padded(builder: Builder, tensor: Tensor, node: Node, verb: str = "pads") -> tuple[Tensor, int]:
    """The tensor over a layer in which one integer means zero in every channel, and that integer."""
    size = width(tensor.scale, tensor.offset)
    pairs = list(zip(tensor.scale.each(size), tensor.offset.each(size), strict=True))
    zeros = {-offset / scale if scale else ZERO for scale, offset in pairs}
    constant = any(offset and not scale for scale, offset in pairs)
    if not constant and len(zeros) == 1 and next(iter(zeros)).denominator == 1:
        zero = int(next(iter(zeros)))
        return widen(builder, tensor, IntType(zero, zero), node), zero
    made = _centred(builder, tensor, node)
    if made is None:
        hint = "use an integer zero point" + ", or no padding" * (verb == "pads")
        raise node.error(f"{verb} around a zero point that is no integer", hint)
    return made, 0


def unified(builder: Builder, tensor: Tensor, node: Node) -> Tensor | None:
    """The tensor over a layer with one scale and zero point for all channels; None if that takes too many bits."""
    if tensor.bounded or tensor.curved or tensor.pools:
        return None
    made: Tensor | None = tensor
    if not tensor.offset.squeezed().is_single:
        made = _centred(builder, tensor, node)
    return made and _scaled_alike(builder, made, node)


def _scaled_alike(builder: Builder, tensor: Tensor, node: Node) -> Tensor | None:
    """The tensor, of one offset, over a layer of one scale; None if that takes too many bits."""
    old, scale, offset = builder.layers[tensor.layer], tensor.scale, tensor.offset.squeezed()
    grid = unit(scale.values)
    factors = squeeze(tuple(int(value / grid) for value in scale.values))
    ends = [factor * end for factor in factors for end in (old.type.lo, old.type.hi)]
    if IntType(min(0, *ends), max(0, *ends)).bits > FINEST_BITS:
        return None
    grids = PerChannel((grid,))
    real = grids, PerChannel((-offset.of(0) / grid,))
    layer = weighted(builder, f"{node.name}_align", [tensor], (factors,), real)
    return replace(tensor, layer=layer, scale=grids, offset=offset, nodes=())


def _centred(builder: Builder, tensor: Tensor, node: Node) -> Tensor | None:
    """The tensor over codes that are counted from zero, on a finer grid where zero is between two; None if too fine."""
    old = builder.layers[tensor.layer]
    pairs = zip(tensor.scale.each(old.channels), tensor.offset.each(old.channels), strict=True)
    factors, offsets, scales = zip(*(_from_zero(scale, offset) for scale, offset in pairs), strict=True)
    lows, highs = (
        tuple(int(factor * end + offset) for factor, offset in zip(factors, offsets, strict=True))
        for end in (old.type.lo, old.type.hi)
    )
    kind = IntType(min(0, *lows), max(0, *highs))
    if max(map(sub, highs, lows)) * old.channels > MAX_STEPS:
        return None
    means = PerChannel(squeeze(scales))
    constants = Floored(PerChannel(squeeze(factors)), PerChannel(squeeze(offsets)), squeeze(lows), squeeze(highs))
    real = PerChannel(tuple(map(abs, means.values))), ZEROS
    layer = floored(builder, f"{node.name}_centre", tensor, constants, kind, real)
    return replace(tensor, layer=layer, scale=means, offset=ZEROS, nodes=())


def _from_zero(scale: Fraction, offset: Fraction) -> tuple[Fraction, Fraction, Fraction]:
    """(factor, offset, scale) of the integers factor * q + offset that are 0 where the value is."""
    if not scale:
        return ZERO, Fraction(bool(offset)), offset or ONE
    zero = -offset / scale
    return Fraction(zero.denominator), -zero * zero.denominator, scale / zero.denominator
