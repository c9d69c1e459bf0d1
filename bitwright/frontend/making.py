# SPDX-License-Identifier: Apache-2.0
"""Layers that readers of real values ask for: sums, products, and lines that are rounded down."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from bitwright.frontend.builder import Builder
from bitwright.frontend.values import Tensor
from bitwright.ir.layers import Multiply, Requantise, Rounding, Sum
from bitwright.ir.per_channel import ZEROS, PerChannel
from bitwright.ir.types import IntType


class Floored(NamedTuple):
    """clip(floor(multiplier * a + offset), low, high), each for the tensor or for a channel."""

    multiplier: PerChannel
    offset: PerChannel
    low: tuple[int, ...]
    high: tuple[int, ...]


def floored(
    builder: Builder, name: str, tensor: Tensor, constants: Floored, kind: IntType, real: tuple[PerChannel, PerChannel]
) -> str:
    """The layer `name` of `constants` behind `tensor`; `real` are scale and zero point of what it makes."""
    return builder.add(
        Requantise(
            name=name,
            inputs=(tensor.layer,),
            shape=builder.layers[tensor.layer].shape,
            type=kind,
            scale=real[0],
            zero=real[1],
            multiplier=constants.multiplier,
            offset=constants.offset,
            rounding=Rounding.FLOOR,
            low=constants.low,
            high=constants.high,
            source=sources_of(tensor),
        )
    )


def weighted(
    builder: Builder,
    name: str,
    tensors: Sequence[Tensor],
    factors: tuple[tuple[int, ...], ...],
    real: tuple[PerChannel, PerChannel],
    source: tuple[str, ...] = (),
) -> str:
    """The layer `name`, the sum of `tensors` times their factors; `real` are scale and zero point of what it makes."""
    old = builder.layers[tensors[0].layer]
    return builder.add(
        Sum(
            name=name,
            inputs=tuple(tensor.layer for tensor in tensors),
            shape=old.shape,
            type=old.type,
            scale=real[0],
            zero=real[1],
            factors=factors,
            source=source or sources_of(*tensors),
        )
    )


def multiplied(
    builder: Builder,
    name: str,
    tensors: tuple[Tensor, Tensor],
    zeros: tuple[int, int],
    scale: PerChannel,
    source: tuple[str, ...],
) -> str:
    """The layer `name`, the product of two tensors less their zero points; `scale` is that of what it makes."""
    old = builder.layers[tensors[0].layer]
    return builder.add(
        Multiply(
            name=name,
            inputs=tuple(tensor.layer for tensor in tensors),
            shape=old.shape,
            type=old.type,
            scale=scale,
            zero=ZEROS,
            zeros=zeros,
            source=source,
        )
    )


def sources_of(*tensors: Tensor) -> tuple[str, ...]:
    """The source nodes that tensors have gathered."""
    return tuple(name for tensor in tensors for name, _ in tensor.nodes)
