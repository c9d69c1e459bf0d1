# SPDX-License-Identifier: Apache-2.0
"""Nodes of each kind of layer but the quantisers: products, pools, joins and moves."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.backends.onnx.arithmetic import columns
from bitwright.backends.onnx.held import centre
from bitwright.backends.onnx.layout import in_file, moved, pad, relay, reshape, rotated, transpose
from bitwright.backends.onnx.quantise import folded
from bitwright.backends.onnx.spread import spread_of
from bitwright.backends.onnx.tensors import (
    Export,
    Tensor,
    channel_axis,
    channels_first,
    column,
    laid,
    number,
    places_in_file,
)
from bitwright.backends.onnx.writer import FLOAT
from bitwright.ir.layers import ArgMax, Concat, Conv, Dense, Gather, Layer, MaxPool, Multiply, Reshape, Sum, SumPool
from bitwright.ir.moves import Pad, Take, as_move
from bitwright.ir.weights import Ints
from bitwright.ir.window import Window

Array = NDArray[Any]


def dense(out: Export, layer: Dense) -> Tensor:
    """Gemm of features; MatMul over the last axis of anything else."""
    wide = out.held[layer.name].wide
    x = _kept_apart(out, layer, out.raw(layer.inputs[0], wide=wide))
    weights = constant(out, layer.name, layer.weights.array, wide=wide)
    if len(layer.shape) == 1:
        bias, biased = _bias(out, layer)
        return Tensor(out.writer.node("Gemm", (x, weights, bias), layer.name, transB=1), wide, biased=biased)
    turned = out.writer.step("Transpose", weights, layer.name, perm=[1, 0])
    if len(layer.shape) != 3:
        return Tensor(out.writer.node("MatMul", (x, turned), layer.name), wide)
    last = transpose(out.writer, x, layer.name, (1, 2, 0))
    made = out.writer.node("MatMul", (last, turned), layer.name)
    return Tensor(transpose(out.writer, made, layer.name, (2, 0, 1)), wide)


def conv(out: Export, layer: Conv) -> Tensor:
    """Conv, or ConvTranspose of what a gather spreads, over the input minus the value that pads it."""
    wide = out.held[layer.name].wide
    spread = spread_of(out.graph, layer)
    x = _centred(out, spread.source if spread else layer.inputs[0], centre(out.graph, layer), layer.name, wide)
    x = _kept_apart(out, layer, x)
    offset = out.held[layer.name].offset
    bias, biased = _bias(out, layer)
    kernel = layer.weights.array.transpose(0, 3, 1, 2)
    if spread:
        weights = constant(out, layer.name, spread.kernel, wide=wide)
        made = out.writer.node("ConvTranspose", (x, weights, bias), layer.name, **spread.attributes)
    else:
        weights = constant(out, layer.name, kernel, wide=wide)
        inputs = (x, weights, bias)
        made = out.writer.node("Conv", inputs, layer.name, group=layer.groups, **_window(layer.window))
    return Tensor(made, wide, tuple(offset.tolist()), biased=biased)


def max_pool(out: Export, layer: MaxPool) -> Tensor:
    """MaxPool."""
    x = out.raw(layer.inputs[0])
    made = out.writer.node("MaxPool", (x,), layer.name, **_window(layer.window))
    return Tensor(made, out.held[layer.name].wide)


def sum_pool(out: Export, layer: SumPool) -> Tensor:
    """AveragePool times the elements of a window."""
    held = out.held[layer.name]
    x = _centred(out, layer.inputs[0], centre(out.graph, layer), layer.name, held.wide)
    options = _window(layer.window)
    if layer.window.dilations == (1, 1):
        del options["dilations"]  # which AveragePool knows since opset 19 only
    mean = out.writer.node("AveragePool", (x,), layer.name, count_include_pad=1, **options)
    total = out.writer.step("Mul", mean, layer.name, number(held.pool, np.float64 if held.wide else np.float32))
    return Tensor(total, held.wide, tuple(held.offset.tolist()))


def _window(window: Window) -> dict[str, Any]:
    """The attributes that say what `window` does."""
    sizes = {"strides": window.strides, "dilations": window.dilations, "pads": window.pads}
    return {"kernel_shape": window.kernel} | sizes


def sum_(out: Export, layer: Sum) -> Tensor:
    """Add of operands times their factors."""
    wide = out.held[layer.name].wide
    parts = []
    for name, factors in zip(layer.inputs, layer.factors, strict=True):
        x, factor = out.raw(name, wide=wide), column(factors, layer.shape, np.float64 if wide else np.float32)
        parts.append(out.writer.step("Mul", x, layer.name, factor) if factor.ndim or factor != 1 else x)
    first, *rest = parts
    for part in rest[:-1]:
        first = out.writer.step("Add", first, layer.name, part)
    return Tensor(out.writer.node("Add", (first, rest[-1]), layer.name) if rest else first, wide)


def multiply(out: Export, layer: Multiply) -> Tensor:
    """Mul of operands minus their zero points."""
    wide = out.held[layer.name].wide
    operands = zip(layer.inputs, layer.zeros, strict=True)
    parts = [_centred(out, name, zero, layer.name, wide) for name, zero in operands]
    return Tensor(out.writer.node("Mul", parts, layer.name), wide)


def concat(out: Export, layer: Concat) -> Tensor:
    """Concat along the channels."""
    wide = out.held[layer.name].wide
    parts = [out.raw(name, wide=wide) for name in layer.inputs]
    return Tensor(out.writer.node("Concat", parts, layer.name, axis=channel_axis(layer.shape)), wide)


def arg_max(out: Export, layer: ArgMax) -> Tensor:
    """ArgMax along the channels; a Cast to floating point where a layer reads the places."""
    source = out.graph.source_of(layer)
    options: dict[str, Any] = {
        "axis": channel_axis(source.shape),
        "keepdims": 1,
        "select_last_index": layer.last or None,
    }
    places = out.writer.node("ArgMax", (out.raw(source.name),), layer.name, **options)
    read = bool(out.graph.readers[layer.name])
    return Tensor(out.writer.cast(places, layer.name, FLOAT) if read else "", places=places)


def reshape_(out: Export, layer: Reshape) -> Tensor:
    """Reshape, channels last on both sides."""
    old, new = out.graph.source_of(layer).shape, layer.shape
    x, stem = out.raw(layer.inputs[0]), out.stem(layer.name)
    if len(old) == 3:
        x = transpose(out.writer, x, stem, (1, 2, 0))
    x = reshape(out.writer, x, stem, old, new)
    if len(new) == 3:
        x = transpose(out.writer, x, stem, (2, 0, 1))
    return Tensor(x, out.held[layer.name].wide)


def gather(out: Export, layer: Gather) -> Tensor:
    """Whatever operator moves elements like this; Pad where it fills around them, or Gather from them and one more."""
    old = out.graph.source_of(layer).shape
    index = layer.move.index(old)
    if index.min() < 0:
        return _filled(out, layer, old, index)
    wide, x, stem = out.held[layer.name].wide, out.raw(layer.inputs[0]), out.stem(layer.name)
    places = channels_first(places_in_file(np.arange(prod(old)).reshape(old))[index])
    if isinstance(layer.move, Take):
        return Tensor(relay(out.writer, x, stem, laid(old), places), wide)
    return Tensor(moved(out.writer, x, stem, laid(old), places, in_file(layer.move)), wide)


def _filled(out: Export, layer: Gather, old: tuple[int, ...], index: Ints) -> Tensor:
    """Pad, of an image or of one that reads a signal, or Gather from the elements and one more."""
    wide, x = out.held[layer.name].wide, out.raw(layer.inputs[0])
    stem, order = out.stem(layer.name), np.arange(prod(old)).reshape(old)
    signal = old[1:] if old[0] == 1 and len(old) == index.ndim + 1 else old
    move = as_move(index, signal) if isinstance(layer.move, Take) else layer.move
    if not isinstance(move, Pad):
        flat = reshape(out.writer, x, stem, laid(old), (order.size,))
        padded = pad(out.writer, flat, stem, [(0, 1)], layer.fill, wide=wide)
        places = np.append(places_in_file(order), order.size)
        return Tensor(relay(out.writer, padded, stem, (order.size + 1,), channels_first(places[index])), wide)
    x = relay(out.writer, x, stem, laid(old), np.moveaxis(places_in_file(order).reshape(signal), -1, 0))
    x = pad(out.writer, x, stem, rotated(move.widths), layer.fill, wide=wide)
    if len(signal) == 2:
        x = transpose(out.writer, x, stem, (1, 0))
    return Tensor(x, wide)


def constant(out: Export, name: str, weights: Ints, *, wide: bool) -> str:
    """Weights as integers behind a DequantizeLinear of scale 1; as float64 where float32 does not hold them."""
    write = out.writer
    for dtype, limit in ((np.int8, 1 << 7), (np.int16, 1 << 15), (np.int32, 1 << 24)):
        if -limit <= weights.min() and weights.max() < limit:
            stored = write.constant(weights.astype(dtype), f"{name}.weights")
            made = write.step("DequantizeLinear", stored, f"{name}.weights", number(1, np.float32))
            return out.typed(made, f"{name}.weights", False, wide)
    return write.constant(weights.astype(np.float64), f"{name}.weights")


def _centred(out: Export, name: str, zero: int, stem: str, wide: bool) -> str:
    """The integers of a layer minus `zero`."""
    x = out.raw(name, wide=wide)
    return out.writer.step("Sub", x, stem, number(zero, np.float64 if wide else np.float32)) if zero else x


def _kept_apart(out: Export, layer: Dense | Conv, x: str) -> str:
    """`x` within the range that it has: of DQ, layer and Q onnxruntime makes one node, which rounds elsewhere."""
    source = out.graph.source_of(layer)
    if folded(out, layer.name) is None or source.name not in out.tensors or x != out.tensors[source.name].name:
        return x
    bounds = (number(end, np.float32) for end in (source.type.lo, source.type.hi))
    return out.writer.step("Clip", x, layer.name, *bounds)


def _bias(out: Export, layer: Dense | Conv) -> tuple[str, bool]:
    """The constants of the quantiser behind the layer, or zeros; and which of the two."""
    kind = np.float64 if out.held[layer.name].wide else np.float32
    line = folded(out, layer.name)
    values = columns(line.rows, kind)[1] if line else np.zeros(layer.channels, kind)
    return out.writer.constant(values.astype(kind), f"{layer.name}.bias"), line is not None


WRITERS: Mapping[type[Layer], Callable[[Export, Any], Tensor]] = {
    ArgMax: arg_max,
    Concat: concat,
    Conv: conv,
    Dense: dense,
    Gather: gather,
    MaxPool: max_pool,
    Multiply: multiply,
    Reshape: reshape_,
    Sum: sum_,
    SumPool: sum_pool,
}
"""What writes each kind of layer but the quantisers."""
