# SPDX-License-Identifier: Apache-2.0
"""What each kind of layer becomes that needs no multiplier array: kernels and the stream they end in."""

from __future__ import annotations

from dataclasses import replace
from math import gcd, prod
from typing import TypedDict, assert_never

import numpy as np

from bitwright.exact.forms import Form
from bitwright.hardware.choice import Wired
from bitwright.hardware.kernels.adder import Adder
from bitwright.hardware.kernels.base import Stream
from bitwright.hardware.kernels.joins import Interleave, Multiplier
from bitwright.hardware.kernels.reduce import ArgMaxReduce
from bitwright.hardware.kernels.requantiser import Requantiser, outweighs
from bitwright.hardware.lanes import Planned, enough_lanes, gather_lanes
from bitwright.hardware.lowering import orders
from bitwright.hardware.lowering.emit import Emit, frame_buffer
from bitwright.ir.layers import AnyLayer, ArgMax, Concat, Gather, Multiply, Requantise, Reshape, Sum, Table
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights


class Ends(TypedDict):
    """What every join is told."""

    name: str
    layer: str
    input: str
    output: str
    others: tuple[str, ...]
    lanes: int
    beats: int
    x_types: tuple[IntType, ...]


def wired(emit: Emit, layer: AnyLayer, x: list[Stream], choice: Wired) -> Stream:
    """The stream that leaves a layer without lanes of its own."""
    match layer:
        case Reshape():
            return _reshaped(emit, layer, x[0], choice.pace)
        case Gather():
            return reorder(emit, layer, x[0], choice.pace)
        case Sum():
            return add(emit, layer, x, choice)
        case Multiply():
            return multiply(emit, layer, x, choice.pace)
        case ArgMax():
            return arg_max(emit, layer, x[0])
        case Requantise() | Table():
            assert choice.form is not None, f"layer '{layer.name}' has no form"
            come = _as_narrow_as_the_pace(emit, x[0], choice.pace) if outweighs(choice.form) else x[0]
            return requantise(emit, layer, come, choice.form)
        case Concat():
            return interleave(emit, layer, x, choice.pace)
    if isinstance(layer, Planned):
        raise AssertionError(f"layer '{layer.name}' has lanes of its own")
    assert_never(layer)


def requantise(emit: Emit, layer: Requantise | Table, x: Stream, form: Form) -> Stream:
    """A requantiser or a table, one beat per clock."""
    name, form = emit.name, orders.permuted(form, x)
    made = emit.stream(f"{name}_out", x.lanes, layer.type, x.beats, x.order)
    emit.add(
        Requantiser(
            name=name,
            layer=layer.name,
            input=x.name,
            output=made.name,
            form=form,
            lanes=x.lanes,
            folds=layer.channels // x.lanes,
            beats=x.beats,
            x_type=x.type,
            y_type=layer.type,
        )
    )
    return made


def _as_narrow_as_the_pace(emit: Emit, x: Stream, pace: int) -> Stream:
    """`x` at the fewest of its lanes that keep up with the pace: a multiplier costs as much when it waits."""
    return emit.widen(x, enough_lanes(x.lanes * x.beats, 1, x.lanes, pace)) if pace else x


def add(emit: Emit, layer: Sum, operands: list[Stream], choice: Wired) -> Stream:
    """One adder per lane; the factors that were chosen replace the layer's."""
    shorter = choice.factors
    rows = shorter.factors if shorter else layer.factors
    unit = Adder(
        **_between(emit, operands),
        y_type=shorter.type if shorter else layer.type,
        factors=Weights(np.stack([np.broadcast_to(np.array(row), layer.channels) for row in rows])),
    )
    return _joined(emit, unit, operands, choice.pace)


def multiply(emit: Emit, layer: Multiply, operands: list[Stream], pace: int) -> Stream:
    """One multiplier per lane."""
    unit = Multiplier(**_between(emit, operands), y_type=layer.type, zeros=layer.zeros)
    return _joined(emit, unit, operands, pace)


def _between(emit: Emit, operands: list[Stream]) -> Ends:
    """A join of operands as they come, the widest of which decides how many lanes it has."""
    widest = max(operands, key=lambda x: x.lanes)
    return Ends(
        name=emit.name,
        layer=emit.layer.name,
        input=operands[0].name,
        output=f"{emit.name}_out",
        others=tuple(x.name for x in operands[1:]),
        lanes=widest.lanes,
        beats=widest.beats,
        x_types=tuple(x.type for x in operands),
    )


def _joined(emit: Emit, unit: Adder | Multiplier, operands: list[Stream], pace: int) -> Stream:
    """What leaves `unit`: at the lanes of its widest operand, or the fewest that keep up if it multiplies or shifts."""
    lanes, elements = unit.lanes, unit.lanes * unit.beats
    if pace and any(part.dsp or "shifter" in part.terms for part in unit.modules(contents=False)):
        lanes = enough_lanes(elements, 1, lanes, pace)
    operands = [emit.widen(x, lanes, f"width_{i}") for i, x in enumerate(operands)]
    made = emit.stream(unit.output, lanes, unit.y_type, elements // lanes)
    first, *others = (x.name for x in operands)
    emit.add(replace(unit, input=first, others=tuple(others), lanes=lanes, beats=made.beats))
    return made


def interleave(emit: Emit, layer: Concat, operands: list[Stream], pace: int) -> Stream:
    """Operands at lanes that divide every part and that the pace needs, then pixel by pixel in turn."""
    channels = [x.shape[-1] for x in operands]
    most = gcd(*channels)
    lanes = enough_lanes(prod(layer.shape), gcd(most, *(x.lanes for x in operands)), most, pace)
    operands = [emit.widen(x, lanes, f"width_{i}") for i, x in enumerate(operands)]
    name = emit.name
    made = emit.stream(f"{name}_out", lanes, layer.type, prod(layer.shape) // lanes)
    emit.add(
        Interleave(
            name=name,
            layer=layer.name,
            input=operands[0].name,
            output=made.name,
            others=tuple(x.name for x in operands[1:]),
            lanes=lanes,
            beats=made.beats,
            x_types=tuple(x.type for x in operands),
            y_type=layer.type,
            pixels=prod(layer.shape[:-1]),
            parts=tuple(count // lanes for count in channels),
        )
    )
    return made


def arg_max(emit: Emit, layer: ArgMax, x: Stream) -> Stream:
    """The place of the largest of each pixel's channels, which come as they are."""
    name, pixels = emit.name, prod(layer.shape)
    made = emit.stream(f"{name}_out", 1, layer.type, pixels)
    emit.add(
        ArgMaxReduce(
            name=name,
            layer=layer.name,
            input=x.name,
            output=made.name,
            fold=x.shape[-1] // x.lanes,
            groups=pixels,
            lanes=x.lanes,
            last=layer.last,
            x_type=x.type,
            y_type=layer.type,
        )
    )
    return made


def extend(emit: Emit, x: Stream, kind: IntType) -> Stream:
    """`x` with elements of `kind`, which holds every value of its type."""
    if x.type.covers(kind):
        return x
    name = f"{emit.name}_extend"
    made = emit.edge(replace(x, name=f"{name}_out", type=kind))
    emit.add(
        Interleave(
            name=name,
            layer=emit.layer.name,
            input=x.name,
            output=made.name,
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


def reorder(emit: Emit, layer: Gather, x: Stream, pace: int) -> Stream:
    """A frame buffer read in another order, in beats as wide as the pace needs and the order keeps together."""
    index, most = layer.move.index(x.shape).reshape(-1), gather_lanes(layer, x.shape)
    lanes = enough_lanes(max(index.size, prod(x.shape)), gcd(x.lanes, most), most, pace)
    x = extend(emit, emit.widen(x, lanes), layer.type)
    name = emit.name
    order = index[::lanes] // lanes
    made = emit.stream(f"{name}_out", lanes, layer.type, order.size)
    emit.add(frame_buffer(name, layer, x, made, order, layer.fill))
    return made


def _reshaped(emit: Emit, layer: Reshape, x: Stream, pace: int) -> Stream:
    """No hardware: the beats stay as they are, unless a beat would straddle the new last axis."""
    if layer.channels % x.lanes:
        lanes = enough_lanes(prod(layer.shape), gcd(x.lanes, layer.channels), layer.channels, pace)
        x = emit.widen(x, lanes)
    return emit.keep(replace(x, shape=layer.shape, order=orders.joined(x, layer.channels)))
