# SPDX-License-Identifier: Apache-2.0
"""The quantisers of every dialect in float32: QONNX, QuantizeLinear and its inverse, integer-deployment graphs."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.operators import Attributes
from bitwright.ir.host_ops import ROUND
from bitwright.ir.rounding import Rounding

Array = NDArray[Any]
MODES = {
    "ROUND": Rounding.HALF_EVEN,
    "HALF_EVEN": Rounding.HALF_EVEN,
    "HALF_UP": Rounding.HALF_AWAY,
    "HALF_DOWN": Rounding.HALF_ZERO,
    "FLOOR": Rounding.FLOOR,
    "CEIL": Rounding.CEIL,
    "DOWN": Rounding.TO_ZERO,
    "UP": Rounding.FROM_ZERO,
}
"""What QONNX's rounding modes mean."""
Function = Callable[..., Any]


def quantisers(*, reciprocal: bool) -> dict[str, Function]:
    """The functions by operator name; with `reciprocal` they multiply by float32(1 / scale), as PyTorch does."""
    return {
        "Quant": partial(_quant, reciprocal),
        "IntQuant": partial(_quant, reciprocal),
        "BipolarQuant": _bipolar_quant,
        "Trunc": _trunc,
        "MultiThreshold": _multi_threshold,
        "QuantizeLinear": partial(_quantize_linear, reciprocal),
        "DequantizeLinear": dequantize_linear,
        "RequantShift": _requant_shift,
    }


def _divide(x: Array, scale: Array, reciprocal: bool) -> Array:
    return np.asarray(x * (np.float32(1) / scale) if reciprocal else x / scale)


def _quant(reciprocal: bool, attributes: Attributes, x: Array, scale: Array, zero: Array, bits: Array) -> Array:
    """(R(clip(x / scale + zero)) - zero) * scale."""
    y = _divide(x.astype(np.float32), scale.astype(np.float32), reciprocal) + zero.astype(np.float32)
    signed, narrow = (int(attributes.get(name, 0)) for name in ("signed", "narrow"))
    low, high = _limits(bits.astype(np.float64), signed, narrow)
    codes = _rounded(attributes, np.clip(y, low, high).astype(np.float32), "ROUND")
    if signed:
        codes = np.where(bits == 1, np.where(y >= 0, np.float32(1), np.float32(-1)), codes)
    return np.asarray((codes - zero) * scale, dtype=np.float32)


def _limits(bits: Array, signed: int, narrow: int) -> tuple[Array, Array]:
    if signed:
        return -(2 ** (bits - 1)) + narrow, 2 ** (bits - 1) - 1
    return 0 * bits, 2**bits - 1 - narrow


def _rounded(attributes: Attributes, y: Array, default: str) -> Array:
    mode = attributes.get("rounding_mode", default)
    return ROUND[MODES[mode.upper()]](y)


def _bipolar_quant(attributes: Attributes, x: Array, scale: Array) -> Array:
    return np.where(x >= 0, np.float32(1), np.float32(-1)) * scale


def _trunc(attributes: Attributes, x: Array, scale: Array, zero: Array, *widths: Array) -> Array:
    """Version 1 keeps the scale of its input, version 2 names the one of its output."""
    y = np.rint(x / scale + zero)
    if len(widths) == 2:
        shift = np.float32(2) ** (widths[0] - widths[1])
        return np.asarray((_rounded(attributes, y / shift, "FLOOR") - zero) * scale, dtype=np.float32)
    _, out_scale, bits = widths
    shift = np.float32(2) ** np.rint(np.log2(out_scale / scale))
    low, high = _limits(bits.astype(np.float64), int(attributes.get("signed", 1)), int(attributes.get("narrow", 0)))
    codes = _rounded(attributes, np.clip(y / shift, low, high).astype(np.float32), "FLOOR")
    return np.asarray((codes - zero / shift) * out_scale, dtype=np.float32)


def _multi_threshold(attributes: Attributes, x: Array, levels: Array) -> Array:
    """out_scale * (how many of the channel's thresholds are at most x) + out_bias."""
    layout = attributes.get("data_layout") or {2: "NC", 3: "NWC", 4: "NCHW"}[x.ndim]
    rows = np.moveaxis(x, layout.index("C"), -1)
    counts = (rows[..., None] >= levels).sum(axis=-1).astype(np.float32)
    scale, bias = np.float32(attributes.get("out_scale", 1)), np.float32(attributes.get("out_bias", 0))
    return np.moveaxis(scale * counts + bias, -1, layout.index("C"))


def _quantize_linear(
    reciprocal: bool, attributes: Attributes, x: Array, scale: Array, zero: Array | None = None
) -> Array:
    zero = np.zeros((), np.uint8) if zero is None else zero
    step, shift = (along(attributes, v, x.ndim) for v in (scale.astype(np.float32), zero.astype(np.int64)))
    return to_codes(_divide(x.astype(np.float32), step, reciprocal), shift, zero.dtype)


def to_codes(y: Array, zero: Array, kind: np.dtype[Any]) -> Array:
    """clip(rint(y) + zero) in an integer type."""
    info = np.iinfo(kind)
    return np.clip(np.rint(y).astype(np.float64) + zero, info.min, info.max).astype(kind)


def dequantize_linear(attributes: Attributes, q: Array, scale: Array, zero: Array | None = None) -> Array:
    """(q - zero) * scale in float32."""
    shift = np.zeros((), np.int64) if zero is None else along(attributes, zero.astype(np.int64), q.ndim)
    step = along(attributes, scale.astype(np.float32), q.ndim)
    return np.asarray((q.astype(np.int64) - shift).astype(np.float32) * step)


def along(attributes: Attributes, values: Array, rank: int) -> Array:
    """A vector along the node's axis; a single number without axes."""
    if values.size == 1:
        return values.reshape(())
    shape = [1] * rank
    shape[int(attributes.get("axis", 1))] = values.size
    return values.reshape(shape)


def _requant_shift(attributes: Attributes, x: Array, mul: Array, add: Array) -> Array:
    """clip((x * mul + add + div / 2) >> log2(div)), integers in a float type; exact."""
    div, levels, signed = (
        int(np.asarray(next(attributes[name] for name in names if name in attributes)).reshape(-1)[0])
        for names in (("div",), ("n_levels_out", "n_levels"), ("signed",))
    )
    mul, add = (v.reshape(-1, *[1] * (x.ndim - 2)) if v.size > 1 else v for v in (mul, add))
    total = x.astype(np.int64) * mul.astype(np.int64) + add.astype(np.int64) + div // 2
    low = -(levels // 2) if signed else 0
    return np.clip(total // div, low, low + levels - 1).astype(x.dtype)
