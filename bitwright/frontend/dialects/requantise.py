# SPDX-License-Identifier: Apache-2.0
"""A quantiser behind an exact function of a layer: a requantiser, a table, or nothing at all."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

from bitwright.exact.rounding import round_exact
from bitwright.exact.tabulate import tabulate
from bitwright.frontend.builder import Builder
from bitwright.frontend.dialects.curves import Way, way_of
from bitwright.frontend.dialects.fake_quantise import as_torch, round_torch
from bitwright.frontend.dialects.leaks import TABLE_BITS, leak, leaking
from bitwright.frontend.dialects.quantiser import Coding, Quantiser
from bitwright.frontend.layouts import per_channel
from bitwright.frontend.operators.pools import add_pools
from bitwright.frontend.values import ONE, ZERO, Tensor, fractions
from bitwright.ir.functions import Affine, Clip, Function, Step, TimesInput
from bitwright.ir.layers import Layer, Requantise, Rounding, Table
from bitwright.ir.per_channel import NONE, ONES, ZEROS, PerChannel, spread, squeeze, width
from bitwright.ir.trace import Arithmetic, Curve
from bitwright.ir.types import BIPOLAR, IntType
from bitwright.reading.model import Node

NEAR = Fraction(1, 1 << 22)
"""By what share of itself a quotient of two float32 numbers, and what is added, may be off: four roundings."""


def on_chip(builder: Builder, node: Node, quantiser: Quantiser, tensor: Tensor) -> Tensor:
    """The codes that `quantiser` makes of a tensor, with the pools that waited for it behind them."""
    parameters = (quantiser.scale, quantiser.before, quantiser.low, quantiser.high)
    tensor, (scale, before, low, high) = per_channel(builder, tensor, node, *map(fractions, parameters))
    zero = before + quantiser.after
    coding = Coding(scale, zero, before, low, high)
    bent = leak(builder, tensor, coding, follows_torch=quantiser.follows_torch)
    if bent is not None:

        def make(name: str, part: Tensor) -> str:
            return _requantiser(builder, replace(node, name=name), quantiser, part, coding)

        name = leaking(builder, node, quantiser, bent, coding, make)
    elif tensor.curved:
        name = _function(builder, node, quantiser, tensor, coding)
    else:
        name = _requantiser(builder, node, quantiser, tensor, coding)
    _note_curve(builder, name, quantiser, tensor, coding)
    made = Tensor(name, tensor.where, scale, (scale * -zero).squeezed())
    return add_pools(builder, node, made, tensor.pools)


def _note_curve(builder: Builder, name: str, quantiser: Quantiser, tensor: Tensor, coding: Coding) -> None:
    """Keep for the audit what the layers up to `name` compute together, if it is more than one of them shows."""
    layer = builder.layers[name]
    shown = name in builder.arithmetic or (isinstance(layer, Table) and layer.inputs == (tensor.layer,))
    tied = name != tensor.layer and not tensor.curved and _ends_at_steps(quantiser, tensor, coding)
    if not tied and (shown or not tensor.curved):
        return
    curve = Curve(
        source=tensor.layer,
        scale=tensor.scale,
        offset=tensor.offset,
        bottom=tensor.low,
        top=tensor.high,
        slopes=tensor.slopes,
        function=tensor.function,
        step=coding.scale,
        before=coding.before,
        rounding=quantiser.rounding,
        low=coding.low,
        high=coding.high,
        shift=quantiser.after,
    )
    builder.arithmetic[name] = Arithmetic(tensor.added, tensor.roundings, curve)


def _ends_at_steps(quantiser: Quantiser, tensor: Tensor, coding: Coding) -> bool:
    """True if a clip ends so near to a step of the quantiser that float32 may round its limit to the other code."""
    if not tensor.bounded or quantiser.follows_torch or quantiser.rounding in (Rounding.LEVELS, Rounding.SIGN):
        return False
    size = width(tensor.low, tensor.high, coding.scale, coding.before)
    for bounds in (tensor.low, tensor.high):
        rows = zip(spread(bounds, size), coding.scale.each(size), coding.before.each(size), strict=True)
        if any(bound and _is_near_a_step(quantiser.rounding, bound / step, before) for bound, step, before in rows):
            return True
    return False


def _is_near_a_step(rounding: Rounding, value: Fraction, before: Fraction) -> bool:
    error = NEAR * (abs(value) + abs(before))
    return round_exact(rounding, value + before - error) != round_exact(rounding, value + before + error)


def _requantiser(builder: Builder, node: Node, quantiser: Quantiser, tensor: Tensor, coding: Coding) -> str:
    """The layer that holds the codes: a new one, or the tensor's own where they are its integers already."""
    multiplier, offset, low, high = _columns(quantiser, tensor, coding)
    kind = quantiser.type
    if kind is not BIPOLAR:
        kind = IntType(min(low) + quantiser.after, max(high) + quantiser.after)
    old = builder.layers[tensor.layer]
    same = (multiplier, offset) == (ONES, PerChannel.made(-quantiser.after))
    same = same and tensor.slopes == ONES and quantiser.rounding is not Rounding.SIGN
    if same and kind.covers(old.type) and len(low) == len(high) == 1:
        return tensor.layer
    layer = Requantise(
        name=node.name,
        inputs=(tensor.layer,),
        shape=old.shape,
        type=kind,
        scale=coding.scale,
        zero=coding.zero,
        multiplier=multiplier,
        offset=offset,
        rounding=quantiser.rounding,
        low=low,
        high=high,
        shift=quantiser.after,
        slope=NONE if tensor.slopes == ONES else tensor.slopes,
        source=(*(name for name, _ in tensor.nodes), node.name),
    )
    if quantiser.follows_torch:
        layer = as_torch(layer, coding, builder.reached(tensor.layer))
    name = builder.add(layer)
    builder.arithmetic[name] = Arithmetic(tensor.added / float(min(coding.scale.values)), tensor.roundings)
    return name


def _columns(
    quantiser: Quantiser, tensor: Tensor, coding: Coding
) -> tuple[PerChannel, PerChannel, tuple[int, ...], tuple[int, ...]]:
    """Multiplier, offset, lowest and highest code, each of all channels."""
    multiplier = (tensor.scale / coding.scale).squeezed()
    offset = (tensor.offset / coding.scale + coding.before).squeezed()
    size = width(tensor.low, tensor.high, coding.scale, coding.before, coding.low, coding.high)
    grid = coding.scale.each(size), coding.before.each(size), coding.low.each(size), coding.high.each(size)
    ends = zip(spread(tensor.low, size), spread(tensor.high, size), *grid, strict=True)
    rows = [(_limit(quantiser, low, g[2], *g), _limit(quantiser, high, g[3], *g)) for low, high, *g in ends]
    low, high = zip(*rows, strict=True)
    return multiplier, offset, squeeze(low), squeeze(high)


def _limit(
    quantiser: Quantiser,
    bound: Fraction | None,
    otherwise: Fraction,
    step: Fraction,
    before: Fraction,
    low: Fraction,
    high: Fraction,
) -> int:
    """What a clip before the quantiser is behind it: R is monotone, so it is a limit on the codes."""
    if bound is None:
        return int(otherwise)
    value = bound / step + before if bound else before
    code = round_torch(value, step, before) if quantiser.follows_torch else round_exact(quantiser.rounding, value)
    return min(max(code, int(low)), int(high))


def _function(builder: Builder, node: Node, quantiser: Quantiser, tensor: Tensor, coding: Coding) -> str:
    """The layer that holds the codes of a function: a table of the codes of a layer, or levels that are counted."""
    layer = builder.layers[tensor.layer]
    values = (tensor.scale, tensor.offset, tensor.low, tensor.high, layer.scale, layer.zero)
    constants = (coding.scale, coding.before, coding.low, coding.high)
    single = tensor.slopes == ONES and layer.type.count <= 1 << TABLE_BITS and width(*values, *constants) == 1
    function = _of_layer(tensor, layer) if single else None
    if function is not None:
        return _table(builder, node, quantiser, coding, tensor, (*function, _into_codes(coding)))
    way = way_of(tensor, coding, quantiser.rounding, builder.reached(tensor.layer))
    if way is None:
        raise node.error(
            f"follows a function of a tensor of type {layer.type}: too wide for a table, or with scales per channel",
            f"quantise the activation to at most {TABLE_BITS} bits before the function",
        )
    counted = _counted(builder, node, quantiser, coding, tensor, way)
    if way.rises:
        return counted
    return _table(builder, node, quantiser, coding, replace(tensor, layer=counted), way.function)


def _into_codes(coding: Coding) -> Affine:
    return Affine(1 / coding.scale.of(0), coding.before.of(0))


def _counted(builder: Builder, node: Node, quantiser: Quantiser, coding: Coding, tensor: Tensor, way: Way) -> str:
    """How many levels of a way the values of a tensor have passed: its codes, or places on it."""
    count = len(way.levels[0])
    return builder.add(
        Requantise(
            name=node.name if way.rises else f"{node.name}_steps",
            inputs=(tensor.layer,),
            shape=builder.layers[tensor.layer].shape,
            type=quantiser.type if way.rises else IntType(0, max(count, 1)),
            scale=coding.scale if way.rises else ONES,
            zero=coding.zero if way.rises else ZEROS,
            multiplier=tensor.scale,
            offset=tensor.offset,
            rounding=Rounding.LEVELS,
            low=(0,),
            high=(count,),
            shift=way.turn + quantiser.after if way.rises else 0,
            levels=way.levels,
            source=(*(name for name, _ in tensor.nodes), node.name),
        )
    )


def _table(
    builder: Builder, node: Node, quantiser: Quantiser, coding: Coding, tensor: Tensor, function: Function
) -> str:
    """The table of the codes of a function of the codes of a layer."""
    layer = builder.layers[tensor.layer]
    low, high = int(min(coding.low.values)), int(max(coding.high.values))
    entries = tabulate(
        function,
        layer.type,
        scale=layer.scale.of(0),
        zero=layer.zero.of(0),
        rounding=quantiser.rounding,
        low=low,
        high=high,
        shift=quantiser.after,
    )
    return builder.add(
        Table(
            name=node.name,
            inputs=(tensor.layer,),
            shape=layer.shape,
            type=quantiser.type,
            scale=coding.scale,
            zero=coding.zero,
            entries=entries,
            function=function,
            rounding=quantiser.rounding,
            low=low,
            high=high,
            shift=quantiser.after,
            source=(*(name for name, _ in tensor.nodes), node.name),
        )
    )


def _of_layer(tensor: Tensor, layer: Layer) -> Function | None:
    """The tensor's function as one of the real value of its layer; None for a product with a shifted or clipped one."""
    before = _before(tensor, layer)
    if not before or TimesInput() not in tensor.function:
        return (*before, *tensor.function)
    (first, *more) = before
    if more or not isinstance(first, Affine) or first.offset != 0:
        return None
    steps: list[Step] = [*before]
    for step in tensor.function:  # the layer's value times the slope is what the function was given
        steps += [step, first] if step == TimesInput() else [step]
    return tuple(steps)


def _before(tensor: Tensor, layer: Layer) -> Function:
    """Steps from the real value of a layer to that of the tensor before its function: an affine and a clip."""
    ratio = tensor.scale.of(0) / layer.scale.of(0)
    rest = tensor.offset.of(0) + tensor.scale.of(0) * layer.zero.of(0)
    steps: Function = () if (ratio, rest) == (ONE, ZERO) else (Affine(ratio, rest),)
    if not tensor.bounded:
        return steps
    return (*steps, Clip(tensor.low[0], tensor.high[0]))
