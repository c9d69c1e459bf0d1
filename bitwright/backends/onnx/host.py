# SPDX-License-Identifier: Apache-2.0
"""The host steps of a graph as nodes: what stands before the first integer layer and behind the last one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from math import prod
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from bitwright.backends.onnx.forms import carrier
from bitwright.backends.onnx.layout import relay, transpose
from bitwright.backends.onnx.quantise import carried, codes_of
from bitwright.backends.onnx.tensors import laid, number, places_in_file
from bitwright.backends.onnx.writer import DOUBLE, FLOAT, Writer
from bitwright.ir.errors import BitwrightError
from bitwright.ir.host import HostStep
from bitwright.ir.host_ops import (
    Abs,
    Add,
    Affine,
    ArgMax,
    Arithmetic,
    Clip,
    CountLevels,
    Curve,
    Div,
    Elu,
    Exp,
    Gather,
    LeakyRelu,
    LogSoftmax,
    Mul,
    Product,
    Quantise,
    Relu,
    Rsub,
    Same,
    Sigmoid,
    Softmax,
    Softplus,
    Sub,
    Tanh,
    TopK,
    Unfold,
)
from bitwright.ir.rounding import Rounding
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Value:
    """A tensor of the host: its name in the file, its shape without the samples, its type there.

    `codes` is the integer tensor of type `carrier` that it was dequantised from. With `first` it is an image whose
    channels are first in the file; `shape` is the one that the steps see. A value with `numbers` has no name yet:
    DequantizeLinear with that scale and zero point will make it of its codes, behind all that lays it out.
    """

    name: str
    shape: tuple[int, ...]
    kind: type[Any] = np.float32
    codes: str = ""
    carrier: type[Any] = np.int8
    first: bool = False
    numbers: tuple[Array, ...] = ()


def write_step(write: Writer, stem: str, step: HostStep, *given: Value) -> Value:
    """The nodes of a step that computes on real numbers; their names begin with `stem`."""
    does = step.does
    if isinstance(does, Gather):
        return gathered(write, stem, np.asarray(does.index.array), given[0])
    if isinstance(does, Unfold):
        return _unfolded(write, stem, given[0])
    x = settled(write, stem, given[0])
    match does:
        case Add() | Sub() | Rsub() | Mul() | Div():
            other = settled(write, stem, given[1]) if given[1:] else None
            return _binary(write, stem, does, x, other)
        case TopK():
            return top_k(write, stem, does, x)[does.indices]
        case ArgMax():
            return _arg_max(write, stem, does, x)
        case Product():
            made = write.step("MatMul", x.name, stem, np.asarray(does.weights.array))
            return replace(x, name=made, shape=(*x.shape[:-1], does.weights.array.shape[1]), codes="")
        case Same():
            return x
        case Quantise() | CountLevels() | Affine():
            raise AssertionError(f"{does.op} stands at the border")
        case _:
            return replace(x, name=_pointwise(write, stem, does, x.name))


def _pointwise(write: Writer, stem: str, does: Clip | LeakyRelu | Elu | Curve | Softmax | LogSoftmax, x: str) -> str:
    """The node of an operator that keeps the shape, whose name is that of the step."""
    operator = type(does).__name__
    match does:
        case Clip() if does.low.array.size > 1 or does.high.array.size > 1:
            for limit, bound in (("Max", does.low.array), ("Min", does.high.array)):
                x = x if np.isinf(bound).all() else write.step(limit, x, stem, np.asarray(bound))
            return x
        case Clip():
            bounds = ["" if np.isinf(c.array) else np.asarray(c.array) for c in (does.low, does.high)]
            return write.step(operator, x, stem, *bounds)
        case LeakyRelu() | Elu():
            return write.step(operator, x, stem, alpha=float(does.slope.array))
        case Softmax() | LogSoftmax():
            return write.step(operator, x, stem, axis=does.axis)
        case Relu() | Sigmoid() | Tanh() | Exp() | Abs() | Softplus():
            return write.step(operator, x, stem)
        case _:
            assert_never(does)


def gathered(write: Writer, stem: str, index: Ints, x: Value) -> Value:
    """The elements of `x` at `index`."""
    places = places_in_file(np.arange(prod(x.shape)).reshape(x.shape))[index] if x.first else index
    old = laid(x.shape) if x.first else x.shape
    if x.numbers:
        return replace(x, codes=relay(write, x.codes, stem, old, places), shape=index.shape, first=False)
    name = relay(write, x.name, stem, old, places)
    return replace(x, name=name, shape=index.shape, first=False, codes=x.codes if name == x.name else "")


def _unfolded(write: Writer, stem: str, x: Value) -> Value:
    """The rows of all samples on one axis."""
    rest = x.shape[1:]
    shape = np.array([-1, *rest], dtype=np.int64)
    if x.numbers:
        codes = transpose(write, x.codes, stem, (1, 2, 0)) if x.first else x.codes
        return replace(x, codes=write.step("Reshape", codes, stem, shape), shape=rest, first=False)
    x = settled(write, stem, x)
    return replace(x, name=write.step("Reshape", x.name, stem, shape), shape=rest, codes="")


def _binary(write: Writer, stem: str, does: Arithmetic, x: Value, other: Value | None) -> Value:
    constant = None if does.constant is None else np.asarray(does.constant.array)
    if other is None and constant is not None and _is_neutral(does, constant):
        return x
    operator = "Sub" if isinstance(does, Rsub) else type(does).__name__
    name = write.fresh(f"{stem}/{operator.lower()}")
    if other is None:
        assert constant is not None, f"{does.op} of one tensor and no constant"
        second, axes = write.constant(constant, f"{name}.constant"), np.shape(constant)
        axes = axes if len(axes) <= len(x.shape) else axes[1:]
    else:
        second, axes = other.name, other.shape
    pair = (second, x.name) if isinstance(does, Rsub) else (x.name, second)
    return replace(x, name=write.node(operator, pair, name), shape=tuple(np.broadcast_shapes(x.shape, axes)))


def _is_neutral(does: Arithmetic, number: Array) -> bool:
    """True if the operation with this constant changes nothing."""
    neutral = {Mul: 1.0, Add: 0.0}.get(type(does))
    return number.size == 1 and float(number.reshape(())) == neutral


def _arg_max(write: Writer, stem: str, does: ArgMax, x: Value) -> Value:
    options = {"axis": does.axis, "keepdims": does.keepdims, "select_last_index": does.last or None}
    name = write.step("ArgMax", x.name, stem, **options)
    shape = tuple(1 if i + 1 == does.axis else n for i, n in enumerate(x.shape) if i + 1 != does.axis or does.keepdims)
    return Value(name, shape, np.int64)


def top_k(write: Writer, stem: str, does: TopK, x: Value) -> tuple[Value, Value]:
    """The values and the indices of TopK."""
    count = write.constant(np.array([does.k], dtype=np.int64), f"{stem}.k")
    names = write.several("TopK", (x.name, count), 2, stem, axis=does.axis, largest=does.largest)
    shape = tuple(does.k if i + 1 == does.axis else n for i, n in enumerate(x.shape))
    return Value(names[0], shape, x.kind), Value(names[1], shape, np.int64)


def write_affine(write: Writer, stem: str, step: HostStep, does: Affine, x: Value) -> Value:
    """float32 of clip(scale * q + offset): DequantizeLinear if that is what it is, else float64 arithmetic."""
    x = _dequantised(write, stem, x)
    held = (does.scale, does.offset, does.low, does.high)
    scale, offset, low, high = (np.asarray(constant.array, dtype=np.float64).reshape(-1) for constant in held)
    made = replace(x, kind=np.float32, codes="")
    bounded = bool(np.isfinite(low).any() or np.isfinite(high).any())
    at_once = None if bounded else _at_once(write, stem, x, made, scale, offset)
    if at_once is not None:
        return at_once
    shape = x.shape
    name = x.name if x.kind is np.float64 else write.cast(x.name, stem, DOUBLE)
    if (scale != 1).any():
        name = write.step("Mul", name, stem, _row(scale, shape, x.first))
    if offset.any():
        name = write.step("Add", name, stem, _row(offset, shape, x.first))
    if bounded:
        ends = np.stack(np.broadcast_arrays(low, high))
        name = _bounded(write, stem, step, name, ends, lambda row: _row(row, shape, x.first))
    return replace(made, name=write.cast(name, stem, FLOAT))


def _at_once(write: Writer, stem: str, x: Value, made: Value, scale: Array, offset: Array) -> Value | None:
    """`made` as what holds scale * q + offset, in at most one node; None if it takes more."""
    if x.kind is np.float32 and (scale == 1).all() and not offset.any():
        return replace(made, name=x.name)
    if not x.codes or not _dequantises(scale, offset, x):
        return None
    numbers = (number(scale[0], np.float32), number(-offset[0] / scale[0], x.carrier))
    made = replace(made, name="", codes=x.codes, numbers=numbers)
    return made if np.iinfo(x.carrier).bits == 8 else _dequantised(write, stem, made)


def _dequantised(write: Writer, stem: str, x: Value) -> Value:
    """`x` by a name of its own."""
    if not x.numbers:
        return x
    return replace(x, name=write.step("DequantizeLinear", x.codes, stem, *x.numbers), codes="", numbers=())


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


def _bounded(write: Writer, stem: str, step: HostStep, x: str, ends: Array, laid_out: Callable[[Array], Array]) -> str:
    """`x` between `ends`, (2, channels), -inf and inf where there are none: of all channels, or of each its own."""
    if (ends == ends[:, :1]).all():
        return write.step("Clip", x, stem, *(end.reshape(()) if np.isfinite(end) else "" for end in ends[:, 0]))
    falls = np.isinf(ends[0]) & np.isinf(ends).any()  # upside down a channel with an upper limit has a lower one
    ends = np.where(falls, -ends[::-1], ends)
    if (np.isinf(ends).any(axis=1) & np.isfinite(ends).any(axis=1)).any():
        raise BitwrightError(
            "clips channels of an output at one end, and others at both, which no ONNX operator does",
            where=f"host step '{step.node or step.output}'",
            hint="quantise the output, or clip it to the same limits in every channel",
        )
    sign = laid_out(np.where(falls, -1.0, 1.0))
    x = write.step("Mul", x, stem, sign) if falls.any() else x
    for operator, limits in zip(("Max", "Min"), ends, strict=True):
        x = write.step(operator, x, stem, laid_out(limits)) if np.isfinite(limits[0]) else x
    return write.step("Mul", x, stem, sign) if falls.any() else x


def settled(write: Writer, stem: str, x: Value) -> Value:
    """`x` in the layout that the steps see.

    Codes of 8 bits are laid out before they are dequantised: behind a layout at the end onnxruntime puts a quantiser
    that it then refuses. Of 16 bits it lays out real numbers only.
    """
    if x.first and x.numbers:
        x = replace(x, codes=transpose(write, x.codes, stem, (1, 2, 0)), first=False)
    x = _dequantised(write, stem, x)
    return replace(x, name=transpose(write, x.name, stem, (1, 2, 0)), first=False, codes="") if x.first else x


def write_codes(write: Writer, stem: str, step: HostStep, does: Quantise, x: Value) -> Value:
    """The codes of a quantiser behind the accelerator."""
    scale, before, after, kind = coding(does)
    if does.rounding is not Rounding.HALF_EVEN or does.reciprocal or before or not fits(kind, after):
        raise BitwrightError(
            f"quantises to the codes {kind} behind the accelerator, which QuantizeLinear does not do",
            where=f"host step '{step.node or step.output}'",
            hint="end the network before this quantiser",
        )
    x, name = settled(write, stem, x), write.fresh(f"{stem}/quantizelinear")
    made = codes_of(write, x.name, name, number(scale, np.float32), int(after), kind)
    return replace(x, name=made, kind=carried(kind), codes=made, carrier=carried(kind))


def coding(does: Quantise) -> tuple[float, float, float, IntType]:
    """Scale, what is added before and after rounding, and the codes of a quantiser."""
    held = (does.scale, does.before, does.after, does.low, does.high)
    scale, before, after, low, high = (float(constant.array.reshape(())) for constant in held)
    return scale, before, after, IntType(int(low + after), int(high + after))


def fits(kind: IntType, after: float) -> bool:
    """True if QuantizeLinear has the codes and the zero point."""
    dtype = carrier(kind)
    return dtype is not None and np.iinfo(dtype).min <= after <= np.iinfo(dtype).max
