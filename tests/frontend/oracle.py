# SPDX-License-Identifier: Apache-2.0
"""An independent meaning of quantised models: ONNX's reference operators in float64, the quantisers as published.

Weights and the model's input are float32 and divided as such; what follows is float64, so that values that are exact in
53 bits (all scales powers of two) resolve ties exactly and other values are away from ties.
"""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

Array = NDArray[Any]

ROUND = {
    "ROUND": np.rint,
    "HALF_EVEN": np.rint,
    "CEIL": np.ceil,
    "FLOOR": np.floor,
    "UP": lambda v: np.sign(v) * np.ceil(np.abs(v)),
    "DOWN": np.trunc,
    "HALF_UP": lambda v: np.sign(v) * np.floor(np.abs(v) + v.dtype.type(0.5)),
    "HALF_DOWN": lambda v: np.sign(v) * np.ceil(np.abs(v) - v.dtype.type(0.5)),
}


def quant(
    x: Array, scale: Array, zero: Array, bits: Array, *, signed: int, narrow: int, mode: str, dtype: Any = None
) -> Array:
    """QONNX Quant of real values."""
    kind = dtype or x.dtype
    y = x.astype(kind) / scale.astype(kind) + zero.astype(kind)
    width = bits.astype(np.float64)
    low = -(2 ** (width - 1)) + narrow if signed else 0 * width
    high = 2 ** (width - 1) - 1 if signed else 2**width - 1 - narrow
    codes = ROUND[mode.upper()](np.clip(y, low, high))
    if signed:
        codes = np.where(width == 1, np.where(y >= 0, 1.0, -1.0), codes)
    return np.asarray((codes.astype(np.float64) - zero) * scale.astype(np.float64))


class Quant(OpRun):
    op_domain = "qonnx.custom_op.general"

    def _run(
        self,
        x: Array,
        scale: Array,
        zero: Array,
        bits: Array,
        signed: int | None = None,
        narrow: int | None = None,
        rounding_mode: str | None = None,
    ) -> tuple[Array]:
        return (quant(x, scale, zero, bits, signed=signed or 0, narrow=narrow or 0, mode=rounding_mode or "ROUND"),)


class IntQuant(Quant):
    pass


class BipolarQuant(OpRun):
    op_domain = "qonnx.custom_op.general"

    def _run(self, x: Array, scale: Array) -> tuple[Array]:
        return (np.where(x >= 0, 1.0, -1.0) * scale.astype(np.float64),)


class MultiThreshold(OpRun):
    op_domain = "qonnx.custom_op.general"

    def _run(
        self,
        x: Array,
        levels: Array,
        out_scale: float | None = None,
        out_bias: float | None = None,
        out_dtype: str | None = None,
        data_layout: str | None = None,
    ) -> tuple[Array]:
        layout = data_layout or {2: "NC", 3: "NWC", 4: "NCHW"}[x.ndim]
        rows = np.moveaxis(x, layout.index("C"), -1)
        counts = np.stack(
            [(rows[..., c, None] >= levels[c % len(levels)]).sum(axis=-1) for c in range(rows.shape[-1])], axis=-1
        )
        scale, bias = (1.0 if out_scale is None else out_scale), out_bias or 0.0
        return (np.moveaxis(scale * counts.astype(np.float64) + bias, -1, layout.index("C")),)


def _along(values: Array, axis: int, rank: int) -> Array:
    shape = [1] * rank
    if values.size > 1:
        shape[axis] = values.size
    return values.reshape(shape if rank else ())


class QuantizeLinear(OpRun):
    def _run(
        self, x: Array, scale: Array, zero: Array | None = None, axis: int | None = None, **_: Any
    ) -> tuple[Array]:
        zero = np.zeros((), np.uint8) if zero is None else zero
        info = np.iinfo(zero.dtype)
        step, shift = (_along(v, axis if axis is not None else 1, x.ndim) for v in (scale, zero))
        codes = np.rint(x / step.astype(x.dtype)) + shift.astype(np.float64)
        return (np.clip(codes, info.min, info.max).astype(zero.dtype),)


class DequantizeLinear(OpRun):
    def _run(
        self, q: Array, scale: Array, zero: Array | None = None, axis: int | None = None, **_: Any
    ) -> tuple[Array]:
        zero = np.zeros((), q.dtype) if zero is None else zero
        step, shift = (_along(v.astype(np.float64), axis if axis is not None else 1, q.ndim) for v in (scale, zero))
        return ((q.astype(np.float64) - shift) * step,)


class Add(OpRun):
    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return (np.asarray(a + b),)


class Sub(OpRun):
    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return (np.asarray(a - b),)


class Mul(OpRun):
    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return (np.asarray(a * b),)


class Div(OpRun):
    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return (np.asarray(a / b),)


class Where(OpRun):
    def _run(self, condition: Array, a: Array, b: Array) -> tuple[Array]:
        return (np.where(condition, a, b),)


class Less(OpRun):
    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return (np.asarray(a < b),)


class LessOrEqual(OpRun):
    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return (np.asarray(a <= b),)


class Greater(OpRun):
    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return (np.asarray(a > b),)


class GreaterOrEqual(OpRun):
    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return (np.asarray(a >= b),)


class MatMul(OpRun):
    def _run(self, a: Array, b: Array) -> tuple[Array]:
        return (np.matmul(a, b),)


class BatchNormalization(OpRun):
    def _run(
        self, x: Array, gamma: Array, beta: Array, mean: Array, var: Array, epsilon: float | None = None, **_: Any
    ) -> tuple[Array]:
        sigma = np.sqrt(var + np.float32(epsilon))
        shape = (1, -1) + (1,) * (x.ndim - 2)
        return ((x - mean.reshape(shape)) / sigma.reshape(shape) * gamma.reshape(shape) + beta.reshape(shape),)


class Clip(OpRun):
    def _run(self, x: Array, low: Array | None = None, high: Array | None = None, **old: float | None) -> tuple[Array]:
        low = low if old.get("min") is None else np.asarray(old["min"])
        high = high if old.get("max") is None else np.asarray(old["max"])
        y = x if low is None else np.maximum(x, low.astype(x.dtype))
        return (y if high is None else np.minimum(y, high.astype(x.dtype)),)


class Max(OpRun):
    def _run(self, *given: Array) -> tuple[Array]:
        return (np.asarray(reduce(np.maximum, given)),)


class Min(OpRun):
    def _run(self, *given: Array) -> tuple[Array]:
        return (np.asarray(reduce(np.minimum, given)),)


class GlobalMaxPool(OpRun):
    def _run(self, x: Array) -> tuple[Array]:
        return (np.asarray(x.max(axis=tuple(range(2, x.ndim)), keepdims=True)),)


CUSTOM = [
    Max,
    Min,
    GlobalMaxPool,
    Where,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
    Add,
    Sub,
    Mul,
    Div,
    MatMul,
    BatchNormalization,
    Clip,
    Quant,
    IntQuant,
    BipolarQuant,
    MultiThreshold,
    QuantizeLinear,
    DequantizeLinear,
]


def replay(proto: onnx.ModelProto, feeds: dict[str, Array]) -> list[Array]:
    """The model's outputs, one sample at a time (so that a batch written into a Reshape does not matter)."""
    session = ReferenceEvaluator(proto, new_ops=CUSTOM)
    count = len(next(iter(feeds.values())))
    rows = [session.run(None, {k: v[i : i + 1] for k, v in feeds.items()}) for i in range(count)]
    return [np.concatenate([np.asarray(row[k]) for row in rows]) for k in range(len(rows[0]))]
