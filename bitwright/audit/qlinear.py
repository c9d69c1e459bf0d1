# SPDX-License-Identifier: Apache-2.0
"""QOperator as onnxruntime computes it: integer sums, one float32 multiplier, rounding to nearest even."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.operators import Attributes, average_pool, convolve
from bitwright.audit.quantisers import dequantize_linear, to_codes

Array = NDArray[Any]
Function = Callable[..., Any]


def qlinear_conv(
    attributes: Attributes, x: Array, xs: Array, xz: Array, w: Array, ws: Array, wz: Array, *rest: Array
) -> Array:
    """QLinearConv(x, xs, xz, w, ws, wz, ys, yz, B)."""
    ys, yz, *bias = rest
    shape = (-1, *[1] * (x.ndim - 2))
    sums = convolve(attributes, _centred(x, xz), _centred(w, wz.reshape(-1, *[1] * (w.ndim - 1))), np.matmul)
    if bias and bias[0] is not None:
        sums = sums + bias[0].astype(np.float64).reshape(shape)
    multiplier = xs * ws / ys
    return _requantised(sums, multiplier.reshape(shape) if multiplier.size > 1 else multiplier, yz)


def qlinear_matmul(
    attributes: Attributes, a: Array, a_scale: Array, az: Array, b: Array, bs: Array, bz: Array, ys: Array, yz: Array
) -> Array:
    """QLinearMatMul(a, as, az, b, bs, bz, ys, yz)."""
    return _requantised(_centred(a, az) @ _centred(b, bz), a_scale * bs / ys, yz)


def qgemm(
    attributes: Attributes, a: Array, a_scale: Array, az: Array, b: Array, bs: Array, bz: Array, *rest: Array | None
) -> Array:
    """QGemm(a, as, az, b, bs, bz, C, ys, yz): without ys the output is real."""
    bias, ys, yz = (*rest, None, None, None)[:3]
    if attributes.get("transB", 0):
        b = b.T
    sums = _centred(a, az) @ _centred(b, bz)
    if bias is not None:
        sums = sums + bias.astype(np.float64)
    scale = a_scale * bs * np.float32(attributes.get("alpha", 1))
    if ys is None:
        return np.asarray(sums.astype(np.float32) * scale)
    assert yz is not None
    return _requantised(sums, scale / ys, yz)


def qlinear_add(
    attributes: Attributes, a: Array, a_scale: Array, az: Array, b: Array, bs: Array, bz: Array, ys: Array, yz: Array
) -> Array:
    """QLinearAdd(a, as, az, b, bs, bz, ys, yz)."""
    left, right = (_centred(q, z).astype(np.float32) * (s / ys) for q, s, z in ((a, a_scale, az), (b, bs, bz)))
    return to_codes(left + right, yz.astype(np.int64), yz.dtype)


def qlinear_mul(
    attributes: Attributes, a: Array, a_scale: Array, az: Array, b: Array, bs: Array, bz: Array, ys: Array, yz: Array
) -> Array:
    """QLinearMul(a, as, az, b, bs, bz, ys, yz)."""
    return _requantised(_centred(a, az) * _centred(b, bz), a_scale * bs / ys, yz)


def qlinear_concat(attributes: Attributes, ys: Array, yz: Array, *parts: Array) -> Array:
    """QLinearConcat(ys, yz, (x, xs, xz)...)."""
    reals = [dequantize_linear({}, *parts[i : i + 3]) for i in range(0, len(parts), 3)]
    return to_codes(np.concatenate(reals, axis=int(attributes["axis"])) / ys, yz.astype(np.int64), yz.dtype)


def qlinear_unary(function: Callable[[Attributes, Array], Array]) -> Function:
    """QLinear operators (x, xs, xz, ys, yz) that dequantise, compute in float32 and quantise."""

    def apply(attributes: Attributes, x: Array, xs: Array, xz: Array, ys: Array, yz: Array) -> Array:
        real = function(attributes, dequantize_linear({}, x, xs, xz))
        return to_codes(real / ys, yz.astype(np.int64), yz.dtype)

    return apply


def qlinear_global_average_pool(attributes: Attributes, x: Array, xs: Array, xz: Array, ys: Array, yz: Array) -> Array:
    """QLinearGlobalAveragePool(x, xs, xz, ys, yz) over every spatial axis."""
    axes = tuple(range(2, x.ndim))
    count = np.float32(np.prod(x.shape[2:]))
    return _requantised(_centred(x, xz).sum(axis=axes, keepdims=True), xs / (ys * count), yz)


def leaky_relu(attributes: Attributes, x: Array) -> Array:
    """X where x >= 0, else alpha * x."""
    return np.where(x >= 0, x, x * np.float32(attributes.get("alpha", 0.01)))


def sigmoid(attributes: Attributes, x: Array) -> Array:
    """1 / (1 + exp(-x))."""
    return np.asarray(1 / (1 + np.exp(-x)))


def softmax(attributes: Attributes, x: Array) -> Array:
    """exp(x) over its sum along an axis."""
    e = np.exp(x - x.max(axis=attributes.get("axis", -1), keepdims=True))
    return np.asarray(e / e.sum(axis=attributes.get("axis", -1), keepdims=True))


FUNCTIONS: dict[str, Function] = {
    "QLinearConv": qlinear_conv,
    "QLinearMatMul": qlinear_matmul,
    "QGemm": qgemm,
    "QLinearAdd": qlinear_add,
    "QLinearMul": qlinear_mul,
    "QLinearConcat": qlinear_concat,
    "QLinearLeakyRelu": qlinear_unary(leaky_relu),
    "QLinearSigmoid": qlinear_unary(sigmoid),
    "QLinearAveragePool": qlinear_unary(average_pool),
    "QLinearSoftmax": qlinear_unary(softmax),
    "QLinearGlobalAveragePool": qlinear_global_average_pool,
}


def _centred(q: Array, zero: Array) -> Array:
    """Q - zero in float64, where sums of such integers are exact."""
    return np.asarray(q.astype(np.float64) - zero.astype(np.float64))


def _requantised(sums: Array, multiplier: Array, zero: Array) -> Array:
    return to_codes(sums.astype(np.float32) * multiplier.astype(np.float32), zero.astype(np.int64), zero.dtype)
