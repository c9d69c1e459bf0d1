# SPDX-License-Identifier: Apache-2.0
"""What every graph must satisfy; each broken rule is one error that names the layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from math import prod
from typing import Never, assert_never

from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph
from bitwright.ir.layers import (
    LAYERS,
    AnyLayer,
    Conv,
    Dense,
    Gather,
    Input,
    Join,
    Layer,
    Pointwise,
    Pool,
    Requantise,
    Reshape,
    Rounding,
    Table,
    Windowed,
    covers,
    makes,
    spelled,
)
from bitwright.ir.per_channel import PerChannel, spread
from bitwright.ir.types import BIPOLAR, IntType
from bitwright.ir.weights import Weights

WIDEST = IntType(-(1 << 62), (1 << 62) - 1)
"""Codes and accumulators stay in int64 with one bit to spare."""
MOST_MOVED = 1 << 26
"""Elements that a move may make: a file of a few bytes could ask for any number."""


def verify(graph: Graph) -> Graph:
    """`graph` itself, if names, order, shapes, types and lengths are consistent; else `BitwrightError`."""
    known: dict[str, Layer] = {}
    for layer in (*graph.inputs, *graph.layers):
        if layer.name in known:
            _refuse(layer, "an earlier layer has the same name", "give every layer a name of its own")
        _verify_listed(layer, is_input=len(known) < len(graph.inputs))
        verify_layer(layer, known)
        known[layer.name] = layer
    if not graph.inputs or not graph.outputs:
        raise BitwrightError("has no inputs or no outputs", where="graph", hint="name at least one of each")
    for name in graph.outputs:
        if name not in known:
            raise BitwrightError(
                f"output {name!r} is no layer", where="graph", hint="outputs are the names of layers that leave"
            )
    _verify_host("before", graph.before, len(graph.before.outputs), len(graph.inputs))
    _verify_host("after", graph.after, len(graph.after.inputs), len(graph.outputs))
    return graph


def verify_layer(layer: Input | AnyLayer, known: Mapping[str, Layer]) -> None:
    """BitwrightError unless `layer` is consistent in itself and with the layers it reads, which are among `known`."""
    _verify_common(layer)
    _verify_inputs(layer, known)
    if not isinstance(layer, Input):
        _verify_kind(layer, *(known[name] for name in layer.inputs))


def _verify_listed(layer: Layer, *, is_input: bool) -> None:
    if isinstance(layer, Input) != is_input:
        _refuse(layer, f"is {layer.op!r} on the wrong list", "inputs are Input layers, and only they are")


def _verify_common(layer: Layer) -> None:
    if LAYERS.get(layer.op) is not type(layer):
        _refuse(layer, f"{layer.op!r} is no kind of layer", f"known kinds: {', '.join(LAYERS)}")
    if not layer.shape or min(layer.shape) < 1:
        _refuse(layer, f"has the shape {spelled(layer.shape)}", "every axis needs a length of at least 1")
    if not WIDEST.covers(layer.type):
        _refuse(layer, f"its type needs {layer.type.bits} bits", "integers of at most 63 bits are supported")
    _verify_lengths(layer, "scale", "zero")


def _verify_inputs(layer: Layer, known: Mapping[str, Layer]) -> None:
    is_input = isinstance(layer, Input)
    if not isinstance(layer, Join) and len(layer.inputs) != (not is_input):
        _refuse(
            layer,
            f"reads {len(layer.inputs)} tensors",
            "an input reads none, a layer that does not join tensors reads one",
        )
    if not is_input and not layer.inputs:
        _refuse(layer, "reads 0 tensors", "a sum or a concatenation has at least one operand")
    for name in layer.inputs:
        if name not in known:
            _refuse(
                layer,
                f"reads {name!r}, which no earlier layer makes",
                "order the layers topologically, or add the missing input",
            )


def _verify_kind(layer: AnyLayer, x: Layer, *more: Layer) -> None:
    match layer:
        case Dense():
            _verify_dense(layer, x)
        case Conv():
            _verify_conv(layer, x)
        case Requantise() | Table():
            _verify_shape(layer, x.shape)
            _verify_rounded(layer, x)
        case Reshape():
            _verify_reshape(layer, x)
        case Gather():
            _verify_gather(layer, x)
        case _:
            if isinstance(layer, Pool):
                _verify_window(layer, x, layer.channels)
            elif not isinstance(layer, Join | Pointwise):
                assert_never(layer)
    _refuse_first(layer, layer.broken(x, *more))


def _verify_gather(layer: Gather, x: Layer) -> None:
    made = layer.move.makes(x.shape)
    if made != layer.shape or prod(made) > MOST_MOVED:
        _refuse(
            layer,
            f"does not make {spelled(layer.shape)} of {x.name!r} of shape {spelled(x.shape)} by its {layer.move.op}",
            "indices are -1 (fill) or places in the flattened input; axes and sizes fit those of the input",
        )
    filled = layer.move.index(x.shape).min() < 0
    _refuse_first(layer, covers(layer, x.type, *([IntType(layer.fill, layer.fill)] if filled else [])))


def _verify_dense(layer: Dense, x: Layer) -> None:
    _verify_weights(layer, layer.weights, ("outputs", "inputs"))
    outputs, inputs = layer.weights.array.shape
    if inputs != x.channels:
        _refuse(layer, f"weights read {inputs} features, {x.name!r} has {x.channels}", "weights are (outputs, inputs)")
    _verify_shape(layer, (*x.shape[:-1], outputs))


def _verify_conv(layer: Conv, x: Layer) -> None:
    _verify_weights(layer, layer.weights, ("outputs", "kernel height", "kernel width", "inputs / groups"))
    outputs, height, width, inputs = layer.weights.array.shape
    if layer.groups < 1 or outputs % layer.groups:
        _refuse(layer, f"{outputs} outputs do not divide into {layer.groups} groups", "outputs are ordered by group")
    if layer.window.kernel != (height, width):
        _refuse(
            layer,
            f"weights of {height}x{width} positions in a window of {spelled(layer.window.kernel)}",
            "the window's kernel is that of the weights",
        )
    _verify_window(layer, x, outputs)
    if inputs * layer.groups != x.channels:
        _refuse(
            layer,
            f"{layer.groups} groups of {inputs} input channels, {x.name!r} has {x.channels}",
            "weights are (outputs, kernel height, kernel width, inputs / groups)",
        )
    if layer.pad_value not in WIDEST:
        _refuse(layer, f"pads with {layer.pad_value}", "integers of at most 63 bits are supported")


def _verify_window(layer: Windowed, x: Layer, channels: int) -> None:
    if len(x.shape) != 3:
        _refuse(layer, f"reads {x.name!r} of shape {spelled(x.shape)}", "a window moves over (height, width, channels)")
    window = layer.window
    if min(*window.kernel, *window.strides, *window.dilations) < 1 or min(window.pads) < 0:
        _refuse(
            layer,
            f"has the window {spelled(window.kernel)}, strides {spelled(window.strides)}, "
            f"dilations {spelled(window.dilations)}, pads {spelled(window.pads)}",
            "kernel, strides and dilations are at least 1, pads at least 0",
        )
    rows, columns = layer.window.out((x.shape[0], x.shape[1]))
    if min(rows, columns) < 1:
        _refuse(layer, f"its window does not fit {spelled(x.shape)}", "make the kernel smaller or the padding larger")
    _verify_shape(layer, (rows, columns, channels))


def _verify_rounded(layer: Requantise | Table, x: Layer) -> None:
    if isinstance(layer, Table):
        _verify_table(layer, x)
    else:
        _verify_requantise(layer)


def _verify_requantise(layer: Requantise) -> None:
    _verify_lengths(layer, "multiplier", "offset", "low", "high", "levels", "slope")
    if any(slope <= 0 for slope in layer.slope.values):
        _refuse(layer, "has a slope that is not positive", "a leaky ReLU rises on both sides of zero")
    lows, highs = (spread(limit, layer.channels) for limit in (layer.low, layer.high))
    if any(low > high for low, high in zip(lows, highs, strict=True)):
        _refuse(layer, "a lower limit is above its upper limit", "low <= high in every channel")
    made = IntType(min(lows) + layer.shift, max(highs) + layer.shift)
    if layer.rounding is Rounding.SIGN and (made.lo, made.hi) == (-1, 1):
        made = BIPOLAR
    if not layer.type.covers(made):
        _refuse(layer, f"makes {made.lo}..{made.hi}, its type is {layer.type}", "the type covers low..high plus shift")
    _verify_levels(layer)


def _verify_levels(layer: Requantise) -> None:
    if (layer.rounding is Rounding.LEVELS) != bool(layer.levels):
        _refuse(layer, f"rounds by {layer.rounding} with {len(layer.levels)} rows of levels", "levels go with 'levels'")
    if len({len(row) for row in layer.levels}) > 1 or any(list(row) != sorted(row) for row in layer.levels):
        _refuse(layer, "its levels are ragged or not ascending", "sort each channel's levels; equal ones may repeat")


def _verify_table(layer: Table, x: Layer) -> None:
    entries = layer.entries.array
    if entries.ndim != 1 or entries.size != x.type.hi - x.type.lo + 1:
        _refuse(
            layer,
            f"has {entries.size} entries, {x.name!r} has the type {x.type}",
            f"one entry for each of {x.type.lo}..{x.type.hi}",
        )
    if not layer.type.covers(layer.entries.type):
        _refuse(
            layer,
            f"makes {entries.min()}..{entries.max()}, its type is {layer.type}",
            "the type covers every entry",
        )
    if layer.low > layer.high:
        _refuse(layer, "its lower limit is above its upper limit", "low <= high")


def _verify_reshape(layer: Reshape, x: Layer) -> None:
    _verify_same_type(layer, x)
    if prod(layer.shape) != prod(x.shape):
        _refuse(
            layer,
            f"{spelled(x.shape)} cannot become {spelled(layer.shape)}",
            "a reshape keeps the number of elements",
        )


def _verify_weights(layer: Layer, weights: Weights, axes: tuple[str, ...]) -> None:
    if weights.array.ndim != len(axes) or weights.array.size == 0:
        _refuse(layer, f"weights have the shape {spelled(weights.array.shape)}", f"weights are ({', '.join(axes)})")


def _verify_shape(layer: Layer, expected: tuple[int, ...]) -> None:
    _refuse_first(layer, makes(layer, expected))


def _refuse_first(layer: Layer, found: Iterator[tuple[str, str]]) -> None:
    """The error of the first rule that is broken."""
    for what, hint in found:
        _refuse(layer, what, hint)


def _verify_same_type(layer: Layer, x: Layer) -> None:
    if layer.type != x.type:
        _refuse(layer, f"turns {x.type} into {layer.type}", f"{layer.op} keeps the type of what it reads")


def _verify_lengths(layer: Layer, *names: str) -> None:
    for name in names:
        numbers = getattr(layer, name)
        length = len(numbers.values if isinstance(numbers, PerChannel) else numbers)
        if length not in (1, layer.channels) and (name not in ("levels", "slope") or length):
            _refuse(layer, f"{name} has {length} values for {layer.channels} channels", "give one, or one per channel")


def _verify_host(side: str, host: HostGraph, border: int, expected: int) -> None:
    where = f"host steps {side} the accelerator"
    if (host.inputs or host.outputs) and border != expected:
        raise BitwrightError(
            f"{border} tensors cross the border, the graph has {expected}", where=where, hint="one for each, in order"
        )
    known = set(host.inputs)
    for step in host.steps:
        _verify_known(where, step.inputs, known)
        known.add(step.output)
    _verify_known(where, host.outputs, known)


def _verify_known(where: str, names: tuple[str, ...], known: set[str]) -> None:
    for name in names:
        if name not in known:
            raise BitwrightError(f"{name!r} is read before it is made", where=where, hint="order the steps")


def _refuse(layer: Layer, what: str, hint: str) -> Never:
    raise BitwrightError(what, where=f"layer {layer.name!r}", hint=hint)
