# SPDX-License-Identifier: Apache-2.0
"""Channels that travel in another order: who takes them so, what becomes of its constants, and who puts them back.

A unit that skips zeros may compute its rows in an order in which its lanes finish together. `Stream.order` then says
which channel of the tensor comes at each place of a pixel.
"""

from __future__ import annotations

from dataclasses import replace
from typing import assert_never

import numpy as np

from bitwright.exact.forms import Form, Lookup, MultiplyShift, Thresholds
from bitwright.hardware.choice import Folded, LayerChoice
from bitwright.hardware.kernels.base import Stream
from bitwright.hardware.lanes import kernels_per_channel
from bitwright.hardware.lowering.emit import Emit, frame_buffer
from bitwright.hardware.schedule import Zeros
from bitwright.ir.layers import AnyLayer, Conv, Dense, Pool, Requantise, Reshape, Table
from bitwright.ir.weights import Ints, Weights


def takes(layer: AnyLayer, in_channels: int, choice: LayerChoice) -> bool:
    """Whether `layer`, made like this, can read channels in any order."""
    if isinstance(choice, Folded):
        return takes_any(layer, in_channels, choice.zeros, choice.simd)
    return takes_any(layer, in_channels, "multiply", 1)


def takes_any(layer: AnyLayer, in_channels: int, zeros: Zeros, simd: int) -> bool:
    """Whether `layer` can read channels in any order.

    What works channel by channel passes the order on. A matrix permutes its columns, unless it uses a pattern in
    several neighbours of them, which would fall apart.
    """
    match layer:
        case Requantise() | Table():
            return True
        case Reshape():
            return layer.channels % in_channels == 0
        case Conv() if layer.groups > 1:
            return kernels_per_channel(layer, in_channels) > 0
        case Dense() | Conv():
            return zeros == "multiply" or (zeros != "select" and simd == 1)
    if isinstance(layer, Pool):
        return True
    if isinstance(layer, AnyLayer):
        return False
    assert_never(layer)


def columns(weights: Ints, x: Stream) -> Ints:
    """`weights` (..., input channels) for the channels as `x` brings them."""
    return weights if x.order is None else weights[..., x.order.array]


def spread(x: Stream, times: int) -> Weights | None:
    """The order of a tensor that has `times` channels for each one of `x`, next to each other."""
    if x.order is None:
        return None
    return Weights((x.order.array[:, None] * times + np.arange(times)).reshape(-1))


def joined(x: Stream, channels: int) -> Weights | None:
    """The order of a tensor whose pixels of `channels` are whole pixels of `x` in a row."""
    if x.order is None:
        return None
    order = x.order.array
    return Weights((np.arange(channels // order.size)[:, None] * order.size + order).reshape(-1))


def permuted(form: Form, x: Stream) -> Form:
    """`form` with the constants of the channels as `x` brings them."""
    if x.order is None:
        return form
    order = x.order.array
    match form:
        case MultiplyShift(m=m, c=c, window=window, low=low, high=high):
            m, c, window, low, high = (Weights(each.array[order]) for each in (m, c, window, low, high))
            return replace(form, m=m, c=c, window=window, low=low, high=high)
        case Thresholds(t=t, falling=falling, first=first):
            t, falling, first = (Weights(each.array[order]) for each in (t, falling, first))
            return replace(form, t=t, falling=falling, first=first)
        case Lookup():
            return form


def restored(emit: Emit, x: Stream, index: int = 0) -> Stream:
    """`x`, operand `index`, with its channels in their own order, through a frame buffer if they are not."""
    if x.order is None:
        return x
    x = emit.widen(x, 1, f"order_width_{index}")
    assert x.order is not None
    place = np.argsort(x.order.array)
    order = np.arange(0, x.beats, place.size)[:, None] + place
    name = f"{emit.name}_order_{index}"
    made = emit.edge(replace(x, name=f"{name}_out", order=None))
    emit.add(frame_buffer(name, emit.layer, x, made, order.reshape(-1), x.type.lo))
    return made
