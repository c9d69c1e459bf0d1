# SPDX-License-Identifier: Apache-2.0
"""What each kind of layer becomes that needs no multiplier array: kernels and the stream they end in."""

from __future__ import annotations

from dataclasses import replace
from math import gcd, prod
from typing import TYPE_CHECKING

import numpy as np

from bitwright.exact.forms import Form
from bitwright.hardware.kernels.base import Stream
from bitwright.hardware.kernels.joins import Adder, Interleave, Multiplier
from bitwright.hardware.kernels.moves import Reorder
from bitwright.hardware.kernels.reduce import ArgMaxReduce
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.lanes import gather_lanes
from bitwright.ir.layers import ArgMax, Gather, Layer, Multiply, Sum
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights

if TYPE_CHECKING:
    from bitwright.hardware.lowering.lower import Lowering


def requantise(low: Lowering, layer: Layer, x: Stream, form: Form) -> Stream:
    """A requantiser or a table, one beat per clock; `form` has the constants in the order of `x`."""
    name = low.hardware[layer.name]
    made = low.new_stream(layer, f"{name}_out", x.lanes, layer.type, x.beats, x.order)
    low.kernels.append(
        Requantiser(
            name=name,
            layer=layer.name,
            input=x.name,
            output=made.name,
            cycles=x.beats,
            form=form,
            lanes=x.lanes,
            folds=layer.channels // x.lanes,
            beats=x.beats,
            x_type=x.type,
            y_type=layer.type,
        )
    )
    return made


def combine(low: Lowering, layer: Sum | Multiply, operands: list[Stream]) -> Stream:
    """Operands at the widest of their widths, then one adder or multiplier per lane."""
    lanes = max(x.lanes for x in operands)
    operands = [low.widen(layer, x, lanes, f"width_{i}") for i, x in enumerate(operands)]
    name = low.hardware[layer.name]
    beats = operands[0].beats
    shorter = low.sums.get(layer.name)
    kind = shorter.type if shorter else layer.type
    made = low.new_stream(layer, f"{name}_out", lanes, kind, beats)
    others, types = tuple(x.name for x in operands[1:]), tuple(x.type for x in operands)
    if isinstance(layer, Multiply):
        low.kernels.append(
            Multiplier(
                name=name,
                layer=layer.name,
                input=operands[0].name,
                output=made.name,
                cycles=beats,
                others=others,
                lanes=lanes,
                beats=beats,
                x_types=types,
                y_type=kind,
                zeros=layer.zeros,
            )
        )
        return made
    rows = shorter.factors if shorter else layer.factors
    low.kernels.append(
        Adder(
            name=name,
            layer=layer.name,
            input=operands[0].name,
            output=made.name,
            cycles=beats,
            others=others,
            lanes=lanes,
            beats=beats,
            x_types=types,
            y_type=kind,
            factors=Weights(np.stack([np.broadcast_to(np.array(row), layer.channels) for row in rows])),
            folds=layer.channels // lanes,
        )
    )
    return made


def interleave(low: Lowering, layer: Layer, operands: list[Stream], sources: list[Layer]) -> Stream:
    """Operands at lanes that divide every part and that the pace needs, then pixel by pixel in turn."""
    most = gcd(*(source.channels for source in sources))
    lanes = low.enough_lanes(prod(layer.shape), gcd(most, *(x.lanes for x in operands)), most)
    operands = [low.widen(layer, x, lanes, f"width_{i}") for i, x in enumerate(operands)]
    name = low.hardware[layer.name]
    made = low.new_stream(layer, f"{name}_out", lanes, layer.type, prod(layer.shape) // lanes)
    low.kernels.append(
        Interleave(
            name=name,
            layer=layer.name,
            input=operands[0].name,
            output=made.name,
            cycles=made.beats,
            others=tuple(x.name for x in operands[1:]),
            lanes=lanes,
            beats=made.beats,
            x_types=tuple(x.type for x in operands),
            y_type=layer.type,
            pixels=prod(layer.shape[:-1]),
            parts=tuple(source.channels // lanes for source in sources),
        )
    )
    return made


def arg_max(low: Lowering, layer: ArgMax, x: Stream, channels: int) -> Stream:
    """The place of the largest of each pixel's `channels`, which come as they are."""
    name, pixels = low.hardware[layer.name], prod(layer.shape)
    made = low.new_stream(layer, f"{name}_out", 1, layer.type, pixels)
    low.kernels.append(
        ArgMaxReduce(
            name=name,
            layer=layer.name,
            input=x.name,
            output=made.name,
            cycles=x.beats,
            fold=channels // x.lanes,
            groups=pixels,
            lanes=x.lanes,
            last=layer.last,
            x_type=x.type,
            y_type=layer.type,
        )
    )
    return made


def extend(low: Lowering, layer: Layer, x: Stream, kind: IntType) -> Stream:
    """`x` with elements of `kind`, which holds every value of its type."""
    if x.type.covers(kind):
        return x
    name = f"{low.hardware[layer.name]}_extend"
    made = low.edge(replace(x, name=f"{name}_out", type=kind))
    low.kernels.append(
        Interleave(
            name=name,
            layer=layer.name,
            input=x.name,
            output=made.name,
            cycles=x.beats,
            others=(),
            lanes=x.lanes,
            beats=x.beats,
            x_types=(x.type,),
            y_type=kind,
            pixels=x.beats,
            parts=(1,),
        )
    )
    return made


def reorder(low: Lowering, layer: Gather, x: Stream, source: Layer) -> Stream:
    """A frame buffer read in another order, in beats as wide as the pace needs and the order keeps together."""
    index, most = layer.indices.array.reshape(-1), gather_lanes(layer, source)
    lanes = low.enough_lanes(max(index.size, prod(source.shape)), gcd(x.lanes, most), most)
    x = extend(low, layer, low.widen(layer, x, lanes), layer.type)
    name = low.hardware[layer.name]
    order = index[::lanes] // lanes
    made = low.new_stream(layer, f"{name}_out", lanes, layer.type, order.size)
    low.kernels.append(frame_buffer(name, layer, x, made, order, layer.fill))
    return made


def frame_buffer(name: str, layer: Layer, x: Stream, made: Stream, order: Ints, fill: int) -> Reorder:
    """The kernel that makes `made`, beat `order[i]` of `x` each or `fill` in every lane where that is -1."""
    return Reorder(
        name=name,
        layer=layer.name,
        input=x.name,
        output=made.name,
        cycles=max(x.beats, order.size),
        order=Weights(order),
        fill=fill,
        in_beats=x.beats,
        lanes=x.lanes,
        type=x.type,
    )
