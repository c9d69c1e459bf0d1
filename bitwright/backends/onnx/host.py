# SPDX-License-Identifier: Apache-2.0
"""The host steps of a graph as nodes: what stands before the first integer layer and behind the last one."""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.backends.onnx.forms import carrier
from bitwright.backends.onnx.layout import relay, transpose
from bitwright.backends.onnx.quantise import carried, codes_of
from bitwright.backends.onnx.tensors import laid, number, places_in_file
from bitwright.backends.onnx.writer import DOUBLE, FLOAT, Writer
from bitwright.ir.errors import BitwrightError
from bitwright.ir.host import HostStep
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints

Array = NDArray[Any]
BINARY = {"add": "Add", "sub": "Sub", "rsub": "Sub", "mul": "Mul", "div": "Div"}
UNARY = {"relu": "Relu", "sigmoid": "Sigmoid", "tanh": "Tanh", "exp": "Exp", "abs": "Abs", "softplus": "Softplus"}
ALONG = {"softmax": "Softmax", "log_softmax": "LogSoftmax"}


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the host: its name in the file, its shape without the samples, its type there.

    `codes` is the integer tensor of type `carrier` that it was dequantised from. With `first` it is an image whose
    channels are first in the file; `shape` is the one that the steps see.
    """

    name: str
    shape: tuple[int, ...]
    kind: type[Any] = np.float32
    codes: str = ""
    carrier: type[Any] = np.int8
    first: bool = False


def write_step(write: Writer, stem: str, step: HostStep, *given: Value) -> Value:
    """The nodes of a step that computes on real numbers; their names begin with `stem`."""
    if step.op == "gather":
        return gathered(write, stem, np.asarray(step.constants[0].array), given[0])
    x = settled(write, stem, given[0])
    options = dict(step.attributes)
    match step.op:
        case "add" | "sub" | "rsub" | "mul" | "div":
            other = settled(write, stem, given[1]) if given[1:] else None
            return _binary(write, stem, step, x, other)
        case "clip":
            return _clipped(write, stem, step, x)
        case "leaky_relu" | "elu" as op:
            operator, slope = {"leaky_relu": "LeakyRelu", "elu": "Elu"}[op], float(step.constants[0].array)
            return replace(x, name=write.step(operator, x.name, stem, alpha=slope))
        case "softmax" | "log_softmax" as op:
            return replace(x, name=write.step(ALONG[op], x.name, stem, axis=options["axis"]))
        case "top_k" | "arg_max":
            return _selected(write, stem, step, x)
        case op if op in UNARY:
            return replace(x, name=write.step(UNARY[op], x.name, stem))
        case _:
            raise AssertionError(f"no node for the host step {step.op!r}")


def gathered(write: Writer, stem: str, index: Ints, x: Value) -> Value:
    """The elements of `x` at `index`."""
    places = places_in_file(np.arange(prod(x.shape)).reshape(x.shape))[index] if x.first else index
    name = relay(write, x.name, stem, laid(x.shape) if x.first else x.shape, places)
    return replace(x, name=name, shape=index.shape, first=False, codes=x.codes if name == x.name else "")


def _binary(write: Writer, stem: str, step: HostStep, x: Value, other: Value | None) -> Value:
    if other is None and _is_neutral(step.op, np.asarray(step.constants[0].array)):
        return x
    name = write.fresh(f"{stem}/{BINARY[step.op].lower()}")
    second = other.name if other else write.constant(np.asarray(step.constants[0].array), f"{name}.constant")
    axes = other.shape if other else np.shape(step.constants[0].array)
    shape = axes if other or len(axes) <= len(x.shape) else axes[1:]
    pair = (second, x.name) if step.op == "rsub" else (x.name, second)
    return replace(x, name=write.node(BINARY[step.op], pair, name), shape=tuple(np.broadcast_shapes(x.shape, shape)))


def _is_neutral(op: str, number: Array) -> bool:
    """True if the operation with this constant changes nothing."""
    return number.size == 1 and (op, float(number.reshape(()))) in (("mul", 1.0), ("add", 0.0))


def _selected(write: Writer, stem: str, step: HostStep, x: Value) -> Value:
    """TopK, of which the step takes values or indices, or ArgMax."""
    options = dict(step.attributes)
    axis = options["axis"]
    if step.op == "arg_max":
        last = options.get("last")
        name = write.step("ArgMax", x.name, stem, axis=axis, keepdims=options["keepdims"], select_last_index=last)
        shape = tuple(1 if i + 1 == axis else n for i, n in enumerate(x.shape) if i + 1 != axis or options["keepdims"])
        return Value(name, shape, np.int64)
    found = top_k(write, stem, options, x)
    return found[options["indices"]]


def _clipped(write: Writer, stem: str, step: HostStep, x: Value) -> Value:
    bounds = ["" if np.isinf(c.array) else np.asarray(c.array) for c in step.constants]
    return replace(x, name=write.step("Clip", x.name, stem, *bounds))


def top_k(write: Writer, stem: str, options: dict[str, int], x: Value) -> tuple[Value, Value]:
    """The values and the indices of TopK."""
    axis = options["axis"]
    count = write.constant(np.array([options["k"]], dtype=np.int64), f"{stem}.k")
    names = write.several("TopK", (x.name, count), 2, stem, axis=axis, largest=options["largest"])
    shape = tuple(options["k"] if i + 1 == axis else n for i, n in enumerate(x.shape))
    return Value(names[0], shape, x.kind), Value(names[1], shape, np.int64)


def write_affine(write: Writer, stem: str, step: HostStep, x: Value) -> Value:
    """float32 of clip(scale * q + offset): DequantizeLinear if that is what it is, else float64 arithmetic."""
    scale, offset, low, high = (np.asarray(constant.array, dtype=np.float64).reshape(-1) for constant in step.constants)
    made = replace(x, kind=np.float32, codes="")
    bounded = bool(np.isfinite(low).any() or np.isfinite(high).any())
    name = "" if bounded else _at_once(write, stem, x, scale, offset)
    if name:
        return replace(made, name=name)
    shape = x.shape
    name = x.name if x.kind is np.float64 else write.cast(x.name, stem, DOUBLE)
    if (scale != 1).any():
        name = write.step("Mul", name, stem, _row(scale, shape, x.first))
    if offset.any():
        name = write.step("Add", name, stem, _row(offset, shape, x.first))
    if bounded:
        name = write.step("Clip", name, stem, *(_bound(row, step) for row in (low, high)))
    return replace(made, name=write.cast(name, stem, FLOAT))


def _at_once(write: Writer, stem: str, x: Value, scale: Array, offset: Array) -> str:
    """What holds scale * q + offset, in at most one node; empty if it takes more."""
    if x.kind is np.float32 and (scale == 1).all() and not offset.any():
        return x.name
    if x.codes and _dequantises(scale, offset, x):
        numbers = (number(scale[0], np.float32), number(-offset[0] / scale[0], x.carrier))
        return write.step("DequantizeLinear", x.codes, stem, *numbers)
    return ""


def _dequantises(scale: Array, offset: Array, x: Value) -> bool:
    """True if DequantizeLinear with a scale and a zero point in the type of the codes makes the same numbers."""
    if scale.size > 1 or offset.size > 1 or not 0 < scale[0] == np.float32(scale[0]):
        return False
    info, zero = np.iinfo(x.carrier), -offset[0] / scale[0]
    return bool(zero == np.rint(zero) and info.min <= zero <= info.max and offset[0] == -scale[0] * zero)


def _row(values: Array, shape: tuple[int, ...], first: bool) -> Array:
    """Numbers per channel, which are the last axis of `shape`, as the file broadcasts them."""
    if (values == values[0]).all():
        return values[:1].reshape(())
    return values.reshape(-1, 1, 1) if first else values


def _bound(values: Array, step: HostStep) -> Array | str:
    if (values != values[0]).any():
        raise BitwrightError(
            "clips each channel of an output to limits of its own, which no ONNX operator does",
            where=f"host step '{step.node or step.output}'",
            hint="quantise the output, or clip it to the same limits in every channel",
        )
    return values[:1].reshape(()) if np.isfinite(values[0]) else ""


def settled(write: Writer, stem: str, x: Value) -> Value:
    """`x` in the layout that the steps see."""
    return replace(x, name=transpose(write, x.name, stem, (1, 2, 0)), first=False, codes="") if x.first else x


def write_codes(write: Writer, stem: str, step: HostStep, x: Value) -> Value:
    """The codes of a quantiser behind the accelerator."""
    scale, before, after, low, high = (float(c.array.reshape(())) for c in step.constants)
    options, kind = dict(step.attributes), IntType(int(low + after), int(high + after))
    if options["rounding"] or options["reciprocal"] or before or not fits(kind, after):
        raise BitwrightError(
            f"quantises to the codes {kind} behind the accelerator, which QuantizeLinear does not do",
            where=f"host step '{step.node or step.output}'",
            hint="end the network before this quantiser",
        )
    x, name = settled(write, stem, x), write.fresh(f"{stem}/quantizelinear")
    made = codes_of(write, x.name, name, number(scale, np.float32), int(after), kind)
    return replace(x, name=made, kind=carried(kind), codes=made, carrier=carried(kind))


def fits(kind: IntType, after: float) -> bool:
    """True if QuantizeLinear has the codes and the zero point."""
    dtype = carrier(kind)
    return dtype is not None and np.iinfo(dtype).min <= after <= np.iinfo(dtype).max
