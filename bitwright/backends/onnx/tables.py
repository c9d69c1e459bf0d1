# SPDX-License-Identifier: Apache-2.0
"""A table as the function that it tabulates."""

from __future__ import annotations

from fractions import Fraction
from typing import assert_never

import numpy as np

from bitwright.backends.onnx.curves import Curve, Kind, find_curve
from bitwright.backends.onnx.forms import carrier
from bitwright.backends.onnx.held import OWN_FORMAT
from bitwright.backends.onnx.quantise import quantised
from bitwright.backends.onnx.tensors import Export, Tensor, number, refuse
from bitwright.backends.onnx.writer import QONNX, Writer
from bitwright.ir.functions import (
    HARD_SWISH,
    Above,
    Abs,
    Affine,
    Algebraic,
    Clip,
    Elu,
    Erf,
    Exp,
    LeakyRelu,
    Log,
    NormalCdf,
    Power,
    Sigmoid,
    Softplus,
    Softsign,
    Sqrt,
    Step,
    Tanh,
    TimesInput,
)
from bitwright.ir.layers import Rounding, Table
from bitwright.ir.types import IntType

UNMET = "floating point does not meet all the entries of its table"


def write_table(out: Export, layer: Table) -> Tensor:
    """The nodes of the function of `layer`."""
    source = out.graph.source_of(layer)
    if layer.rounding is Rounding.SIGN:
        return _sign(out, layer, find_curve(layer, source, np.float32))
    kind = IntType(layer.low + layer.shift, layer.high + layer.shift)
    dtype = carrier(kind)
    fits = dtype is not None and np.iinfo(dtype).min <= layer.shift <= np.iinfo(dtype).max
    if not fits and layer.shift:
        refuse(layer, f"makes the codes {kind}, for which QuantizeLinear has no type", OWN_FORMAT)
    curve = find_curve(layer, source, np.float32)
    if curve is None and not layer.shift:
        curve, fits = find_curve(layer, source, np.float64), False
    if curve is None:
        refuse(layer, UNMET, OWN_FORMAT)
    x = _nodes(out, layer, curve)
    if fits:
        return quantised(out.writer, x, layer.name, number(float(curve.step), np.float32), layer.shift, kind)
    return _whole(out, x, layer, curve)


def _sign(out: Export, layer: Table, curve: Curve | None) -> Tensor:
    """The sign of a function."""
    if curve is None:
        refuse(layer, UNMET, OWN_FORMAT)
    one = out.writer.constant(number(1, np.float32), f"{layer.name}.scale")
    return Tensor(out.writer.node("BipolarQuant", (_nodes(out, layer, curve), one), layer.name, domain=QONNX))


def _whole(out: Export, x: str, layer: Table, curve: Curve) -> Tensor:
    """The codes as whole numbers: no integer type has just them, or the function is in float64."""
    if curve.step != 1:
        x = out.writer.step("Div", x, layer.name, number(float(curve.step), curve.kind))
    x = out.writer.step("Clip", x, layer.name, number(layer.low, curve.kind), number(layer.high, curve.kind))
    x = out.writer.node("Round", (x,), layer.name)
    return Tensor(out.typed(x, layer.name, curve.kind is np.float64, False))


def _nodes(out: Export, layer: Table, curve: Curve) -> str:
    """The numbers that go into the quantiser."""
    write, kind = out.writer, curve.kind
    x = out.raw(layer.inputs[0], wide=kind is np.float64)
    if curve.centred and curve.zero:
        x = write.step("Sub", x, layer.name, number(float(curve.zero), kind))
    if curve.scale != 1:
        x = write.step("Mul", x, layer.name, number(float(curve.scale), kind))
    if not curve.centred:
        x = write.step("Add", x, layer.name, number(float(curve.offset), kind))
    made, steps = x, list(curve.function)
    if curve.function[: len(HARD_SWISH)] == HARD_SWISH:
        made, steps = write.step("HardSwish", x, layer.name), steps[len(HARD_SWISH) :]
    while steps:
        step = steps.pop(0)
        if step == NormalCdf() and steps[:1] == [TimesInput()] and made == x:
            made, steps = write.step("Gelu", made, layer.name), steps[1:]
        else:
            made = _node(write, made, x, layer, step, kind)
    return _affine(write, made, layer, curve.sign, curve.add, kind)


def _node(write: Writer, made: str, x: str, layer: Table, step: Step, kind: Kind) -> str:
    match step:
        case TimesInput():
            return write.step("Mul", made, layer.name, x)
        case Affine():
            return _affine(write, made, layer, step.slope, step.offset, kind)
        case Clip():
            bounds = ["" if bound is None else number(float(bound), kind) for bound in (step.low, step.high)]
            return write.step("Clip", made, layer.name, *bounds)
        case LeakyRelu() | Elu():
            return write.step(type(step).__name__, made, layer.name, alpha=float(step.slope))
        case Above() | Power() | Softsign() | Sqrt() | Log():
            return _algebraic(write, made, layer, step, kind)
        case Sigmoid() | Tanh() | Exp() | Softplus() | Erf() | Abs():
            return write.step(type(step).__name__, made, layer.name)
        case NormalCdf():
            refuse(layer, f"tabulates '{step.op}', which no ONNX operator computes", OWN_FORMAT)
        case _:
            assert_never(step)


def _algebraic(write: Writer, made: str, layer: Table, step: Algebraic, kind: Kind) -> str:
    match step:
        case Above():
            return write.step("ThresholdedRelu", made, layer.name, alpha=float(step.limit))
        case Power():
            return write.step("Pow", made, layer.name, number(float(step.exponent), kind))
        case Softsign() | Sqrt() | Log():
            return write.step(type(step).__name__, made, layer.name)
        case _:
            assert_never(step)


def _affine(write: Writer, x: str, layer: Table, slope: Fraction, shift: Fraction, kind: Kind) -> str:
    if slope != 1:
        x = write.step("Mul", x, layer.name, number(float(slope), kind))
    return write.step("Add", x, layer.name, number(float(shift), kind)) if shift else x
