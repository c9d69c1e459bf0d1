# SPDX-License-Identifier: Apache-2.0
"""Nodes of a requantiser, in whichever form it takes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from bitwright.backends.onnx.arithmetic import Line, Row, Slope, columns
from bitwright.backends.onnx.forms import Form, Sign, Thresholds, Wire, carrier
from bitwright.backends.onnx.tensors import Export, Tensor, channel_axis, column, number
from bitwright.backends.onnx.writer import FLOAT, INT64, QONNX, Writer
from bitwright.exact.meaning import limits
from bitwright.ir.layers import Conv, Dense, Input, Requantise, Rounding
from bitwright.ir.types import IntType

Array = NDArray[Any]
LAYOUTS = {1: "NC", 2: "NWC", 3: "NCHW"}
"""MultiThreshold's name for the layout of a layer with so many axes."""


def write_requantise(out: Export, layer: Requantise) -> Tensor:
    """The codes of `layer`."""
    form: Form = out.forms[layer.name]
    source = out.tensors[layer.inputs[0]]
    if isinstance(form, Wire):
        return source
    if any(source.offset) and not out.held[layer.inputs[0]].offset.any():  # of an input's quantiser: no form knows it
        source = replace(source, name=out.raw(layer.inputs[0]), offset=(0,))
    match form:
        case Line():
            return _line(out, layer, form, source)
        case Slope():
            return _slope(out, layer, form, source)
        case Sign():
            x = _affine(out.writer, source.name, layer, form.rows, wide=source.wide)
            x = out.typed(x, layer.name, source.wide, False)
            one = out.writer.constant(number(1, np.float32), f"{layer.name}.scale")
            return Tensor(out.writer.node("BipolarQuant", (x, one), layer.name, domain=QONNX))
        case Thresholds():
            return _thresholds(out.writer, layer, form, source)
        case _:
            assert_never(form)


def folded(out: Export, layer: str) -> Line | None:
    """The form of the only reader of `layer`, if its constants can be the bias of `layer`."""
    readers = out.graph.readers[layer]
    if len(readers) != 1 or layer in out.graph.outputs:
        return None
    form = out.forms.get(readers[0].name)
    return form if isinstance(form, Line) and all(row.factor == 1 for row in form.rows) else None


def _line(out: Export, layer: Requantise, form: Line, source: Tensor) -> Tensor:
    write, x = out.writer, source.name
    if not source.biased:
        x = _affine(write, x, layer, form.rows, wide=False)
    if form.leak != 1:
        x = write.step("LeakyRelu", x, layer.name, alpha=float(form.leak))
    step = column([row.step for row in form.rows], layer.shape, np.float32).reshape(-1)
    if step.size > 1 and (step != step[0]).any():
        x = _kept_apart(out, layer, x)
    low, high = limits(layer)
    kind = IntType(int(low.min()), int(high.max()))
    return quantised(write, x, layer.name, step, form.zero, kind, channel_axis(layer.shape))


def _kept_apart(out: Export, layer: Requantise, x: str) -> str:
    """`x` within the range that it has: onnxruntime fuses joins and pools with a quantiser, its channels lost."""
    source = out.graph.source_of(layer)
    if isinstance(source, Conv | Dense | Requantise | Input) or x != out.tensors[source.name].name:
        return x
    bounds = (number(end, np.float32) for end in (source.type.lo, source.type.hi))
    return out.writer.step("Clip", x, layer.name, *bounds)


def quantised(write: Writer, x: str, name: str, step: Array, zero: int, kind: IntType, axis: int = 1) -> Tensor:
    """QuantizeLinear called `name` to codes of `kind`, and DequantizeLinear to these codes as floats."""
    codes = codes_of(write, x, name, step, zero, kind, axis)
    made = write.step("DequantizeLinear", codes, name, number(1, np.float32))
    return Tensor(made, codes=codes, carrier=carried(kind))


def codes_of(write: Writer, x: str, name: str, step: Array, zero: int, kind: IntType, axis: int = 1) -> str:
    """QuantizeLinear called `name`, and a Clip where its type has more codes than `kind`."""
    dtype, step = carried(kind), step.reshape(()) if step.size == 1 else step
    scale = write.constant(step, f"{name}.scale")
    point = write.constant(np.full(step.shape, zero, dtype=dtype), f"{name}.zero_point")
    codes = write.node("QuantizeLinear", (x, scale, point), name, axis=axis if step.ndim else None)
    info = np.iinfo(dtype)
    if (info.min, info.max) == (kind.lo, kind.hi):
        return codes
    return write.step("Clip", codes, name, number(kind.lo, dtype), number(kind.hi, dtype))


def carried(kind: IntType) -> type[Any]:
    """The carrier of a type that has one."""
    dtype = carrier(kind)
    assert dtype is not None, f"{kind} has no carrier"
    return dtype


def _slope(out: Export, layer: Requantise, form: Slope, source: Tensor) -> Tensor:
    """Floor, Round, or a Cast that truncates, of a clipped float64 number."""
    write = out.writer
    x = _affine(write, out.typed(source.name, layer.name, source.wide, True), layer, form.rows, wide=True)
    step = column([row.step for row in form.rows], layer.shape, np.float64)
    if step.ndim or step != 1:
        x = write.step("Div", x, layer.name, step)
    x, kind = _limited(out, layer, x)
    truncates = form.rounding is Rounding.TO_ZERO
    rounds = {Rounding.FLOOR: "Floor", Rounding.HALF_EVEN: "Round", Rounding.TO_ZERO: "Cast"}[form.rounding]
    x = write.node(rounds, (x,), layer.name, to=INT64 if truncates else None)
    if out.held[layer.name].wide:
        return Tensor(out.typed(x, layer.name, not truncates, True), wide=True)
    x = write.cast(x, layer.name, FLOAT)
    if carrier(kind) is None:
        return Tensor(x)
    return quantised(write, x, write.fresh(f"{layer.name}/quantise"), number(1, np.float32), 0, _whole(kind))


def _limited(out: Export, layer: Requantise, x: str) -> tuple[str, IntType]:
    """`x` between the limits of each channel and of all of them, and the type that these have."""
    write, (low, high) = out.writer, limits(layer)
    kind = IntType(int(low.min()), int(high.max()))
    for operator, ends in (("Max", low), ("Min", high)):
        if (ends != ends[0]).any():
            x = write.step(operator, x, layer.name, column(ends, layer.shape, np.float64))
    # A reader drops a bound that nothing reaches, but not behind one that is reached: so the type survives.
    sides = (number(kind.lo, np.float64), ""), ("", number(kind.hi, np.float64))
    for bounds in sides if int(out.reached[layer.name].lo.min()) == kind.lo else sides[::-1]:
        x = write.step("Clip", x, layer.name, *bounds)
    return x, kind


def _whole(kind: IntType) -> IntType:
    """All codes of the carrier: nothing is left to clip."""
    info = np.iinfo(carried(kind))
    return IntType(int(info.min), int(info.max))


def _affine(write: Writer, x: str, layer: Requantise, rows: Sequence[Row], *, wide: bool) -> str:
    kind = np.float64 if wide else np.float32
    factors, adds, _ = columns(rows, np.float64)
    factor, add = column(factors, layer.shape, kind), column(adds, layer.shape, kind)
    if factor.ndim or factor != 1:
        x = write.step("Mul", x, layer.name, factor)
    return write.step("Add", x, layer.name, add) if add.any() else x


def _thresholds(write: Writer, layer: Requantise, form: Thresholds, source: Tensor) -> Tensor:
    x, factor = source.name, column(form.factor, layer.shape, np.float32)
    if factor.ndim or factor != 1:
        x = write.step("Mul", x, layer.name, factor)
    matrix = write.constant(form.thresholds.astype(np.float32), f"{layer.name}.thresholds")
    options = {"out_scale": float(form.step), "out_bias": float(form.base), "data_layout": LAYOUTS[len(layer.shape)]}
    return Tensor(write.node("MultiThreshold", (x, matrix), layer.name, domain=QONNX, **options))
