# SPDX-License-Identifier: Apache-2.0
"""What stays on the host: small NumPy steps before and after the integer part, each tied to its source node."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Constant:
    """A read-only array of any dtype that compares by content."""

    array: Array

    def __post_init__(self) -> None:
        frozen = np.array(self.array, order="C")
        frozen.setflags(write=False)
        object.__setattr__(self, "array", frozen)

    @property
    def digest(self) -> str:
        """sha256 of dtype, shape and content, in hex."""
        return sha256(f"{self.array.dtype}{self.array.shape}".encode() + self.array.tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.digest == other.digest

    def __hash__(self) -> int:
        return int(self.digest[:15], 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostStep:
    """One step on the host: `output = op(inputs, constants, attributes)`; samples are on axis 0 of every tensor.

    `node` and `op_type` name the source node, `reason` says why it is not in the accelerator. Steps that only re-lay a
    tensor at the border have no source node (`node` is empty) and are not reported.
    """

    op: str
    inputs: tuple[str, ...]
    output: str
    constants: tuple[Constant, ...] = ()
    attributes: tuple[tuple[str, int], ...] = ()
    node: str = ""
    op_type: str = ""
    side: Literal["input", "output"] = "input"
    reason: str = ""


@dataclass(frozen=True, slots=True)
class TensorSpec:
    """What a model declares of one of its inputs: shape without the sample axis, NumPy dtype name."""

    shape: tuple[int, ...]
    dtype: str


@dataclass(frozen=True, slots=True)
class HostGraph:
    """Steps in order; `inputs` and `outputs` are the names that enter and leave.

    `specs` describes the inputs where they are the model's own, and is empty otherwise.
    """

    inputs: tuple[str, ...] = ()
    steps: tuple[HostStep, ...] = ()
    outputs: tuple[str, ...] = ()
    specs: tuple[TensorSpec, ...] = ()


def run_host(graph: HostGraph, feeds: Mapping[str, Array]) -> list[Array]:
    """The outputs of `graph` for `feeds`."""
    values = dict(feeds)
    with np.errstate(all="ignore"):  # what overflows or is no number does so in the source's float32 as well
        for step in graph.steps:
            values[step.output] = OPS[step.op](step, *(values[name] for name in step.inputs))
    return [values[name] for name in graph.outputs]


def _binary(function: Callable[[Array, Array], Array], *, reverse: bool = False) -> Callable[..., Array]:
    def apply(step: HostStep, x: Array, *more: Array) -> Array:
        other = more[0] if more else step.constants[0].array
        return function(other, x) if reverse else function(x, other)

    return apply


def _quantise(step: HostStep, x: Array) -> Array:
    """Codes, channels last, of real values: float32 division, then rounding as the source's quantiser does it.

    constants: scale, zero before rounding, zero after rounding, low, high (before the zero after rounding). With
    `reciprocal` the value is multiplied by float32(1 / scale).
    """
    scale, before, after, low, high = (constant.array for constant in step.constants)
    options, x = dict(step.attributes), x.astype(np.float32)
    value = (x * (np.float32(1) / scale) if options["reciprocal"] else x / scale) + before
    return np.asarray(ROUND[options["rounding"]](value).clip(low, high) + after).astype(np.int64)


def _affine(step: HostStep, q: Array) -> Array:
    """float32 of clip(scale * q + offset): the exact real value of integers, rounded once."""
    scale, offset, low, high = (constant.array for constant in step.constants)
    return np.asarray(np.clip(q * scale + offset, low, high), dtype=np.float32)


def _gather(step: HostStep, x: Array) -> Array:
    """Elements re-laid: `constants[0]` holds, in the new shape, indices into the flattened sample."""
    index = step.constants[0].array
    return np.asarray(x).reshape(len(x), -1)[:, index.reshape(-1)].reshape(len(x), *index.shape)


def _sigmoid(step: HostStep, x: Array) -> Array:
    e = np.exp(-np.abs(x))  # never overflows
    return np.asarray(np.where(x >= 0, 1, e) / (1 + e), dtype=x.dtype)


def _softmax(step: HostStep, x: Array) -> Array:
    axis = dict(step.attributes)["axis"]
    e = np.exp(x - x.max(axis=axis, keepdims=True))
    return np.asarray(e / e.sum(axis=axis, keepdims=True), dtype=x.dtype)


def _log_softmax(step: HostStep, x: Array) -> Array:
    axis = dict(step.attributes)["axis"]
    shifted = x - x.max(axis=axis, keepdims=True)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=axis, keepdims=True)), dtype=x.dtype)


def _top_k(step: HostStep, x: Array) -> Array:
    """Indices (attribute `indices` 1) or values of the `k` largest along `axis`; the lowest index wins a tie."""
    options = dict(step.attributes)
    sign = -1 if options["largest"] else 1
    order = np.argsort(sign * x.astype(np.float64), axis=options["axis"], kind="stable")
    best = np.take(order, np.arange(options["k"]), axis=options["axis"])
    return best if options["indices"] else np.take_along_axis(x, best, axis=options["axis"])


def _arg_max(step: HostStep, x: Array) -> Array:
    """The place of the largest along `axis`; the lowest of a tie, or with the attribute `last` the highest."""
    options = dict(step.attributes)
    best = np.argmax(x, axis=options["axis"])
    if options.get("last"):
        best = x.shape[options["axis"]] - 1 - np.argmax(np.flip(x, options["axis"]), axis=options["axis"])
    return np.expand_dims(best, options["axis"]) if options["keepdims"] else best


def _clip(step: HostStep, x: Array) -> Array:
    low, high = (constant.array for constant in step.constants)
    return np.clip(x, low, high)


def _count_levels(step: HostStep, x: Array) -> Array:
    """First + step * how many of the channel's levels (last axis of the constant) are <= x."""
    options = dict(step.attributes)
    counts = (x.astype(np.float32)[..., None] >= step.constants[0].array).sum(axis=-1, dtype=np.int64)
    return np.asarray(options["first"] + options["step"] * counts)


ROUND: dict[int, Callable[[Array], Array]] = {
    0: np.rint,
    1: lambda v: np.sign(v) * np.floor(np.abs(v) + v.dtype.type(0.5)),
    2: lambda v: np.sign(v) * np.ceil(np.abs(v) - v.dtype.type(0.5)),
    3: np.floor,
    4: np.ceil,
    5: np.trunc,
    6: lambda v: np.sign(v) * np.ceil(np.abs(v)),
    7: lambda v: np.where(v >= 0, v.dtype.type(1), v.dtype.type(-1)),
}
"""How `quantise` rounds: half even, half away, half zero, floor, ceil, to zero, from zero, sign."""

OPS: dict[str, Callable[..., Array]] = {
    "quantise": _quantise,
    "affine": _affine,
    "gather": _gather,
    "same": lambda step, x: x,
    "add": _binary(np.add),
    "sub": _binary(np.subtract),
    "rsub": _binary(np.subtract, reverse=True),
    "mul": _binary(np.multiply),
    "div": _binary(np.divide),
    "relu": lambda step, x: np.maximum(x, x.dtype.type(0)),
    "clip": _clip,
    "sigmoid": _sigmoid,
    "tanh": lambda step, x: np.tanh(x),
    "leaky_relu": lambda step, x: np.where(x >= 0, x, x * step.constants[0].array),
    "elu": lambda step, x: np.where(x >= 0, x, step.constants[0].array * np.expm1(np.minimum(x, 0))),
    "exp": lambda step, x: np.exp(x),
    "abs": lambda step, x: np.abs(x),
    "softplus": lambda step, x: np.logaddexp(x, x.dtype.type(0)),
    "softmax": _softmax,
    "log_softmax": _log_softmax,
    "top_k": _top_k,
    "arg_max": _arg_max,
    "count_levels": _count_levels,
}
