# SPDX-License-Identifier: Apache-2.0
"""Float operators in float32, as the source tools compute them: windows, products, pools, batch normalisation.

Each takes the node's attributes and its inputs. Those that `onnx.reference` has too are here because they are faster,
or closer to what the tools do.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import prod
from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bitwright.audit.products import product
from bitwright.audit.resizing import resize

Array = NDArray[Any]
Attributes = Mapping[str, Any]
Product = Callable[[Array, Array], Array]


def conv(
    attributes: Attributes, x: Array, w: Array, bias: Array | None = None, multiply: Product | None = None
) -> Array:
    """Conv of one or two spatial axes; `multiply` sums, as the source tools do where it is left out."""
    made = convolve(attributes, x, w, multiply or product)
    return made if bias is None else made + bias.reshape(-1, *[1] * (x.ndim - 2))


def convolve(attributes: Attributes, x: Array, w: Array, multiply: Product) -> Array:
    """Conv without bias; `multiply` sums over receptive fields."""
    groups = int(attributes.get("group", 1))
    fields = windows(attributes, x, w.shape[2:])
    spatial = fields.shape[2 : x.ndim]
    rank = x.ndim - 2
    columns = np.moveaxis(fields, range(x.ndim, x.ndim + rank), range(2, 2 + rank))
    columns = columns.reshape(len(x), groups, prod(w.shape[1:]), prod(spatial))
    made = multiply(w.reshape(groups, -1, prod(w.shape[1:])), columns)
    return made.reshape(len(x), len(w), *spatial)


def conv_transpose(
    attributes: Attributes, x: Array, w: Array, bias: Array | None = None, multiply: Product = product
) -> Array:
    """ConvTranspose of any spatial axes: each pixel's products, added up where they overlap."""
    groups, rank = int(attributes.get("group", 1)), x.ndim - 2
    n, outputs, kernel = len(x), w.shape[1] * groups, w.shape[2:]
    pixels = x.reshape(n, groups, -1, prod(x.shape[2:]))
    columns = w.reshape(groups, w.shape[0] // groups, -1).swapaxes(1, 2)
    terms = multiply(columns, pixels).reshape(n, outputs, *kernel, *x.shape[2:])
    strides, dilations = (list(attributes.get(name) or [1] * rank) for name in ("strides", "dilations"))
    extra = attributes.get("output_padding") or [0] * rank
    size = [
        (s - 1) * stride + (k - 1) * d + 1 + more
        for s, stride, k, d, more in zip(x.shape[2:], strides, kernel, dilations, extra, strict=True)
    ]
    kept = kept_of(attributes, [s * stride for s, stride in zip(x.shape[2:], strides, strict=True)], size)
    full = [max(length, cut.stop) for length, cut in zip(size, kept, strict=True)]
    made = np.zeros((n, outputs, *full), dtype=np.float32)
    for tap in np.ndindex(*kernel):
        places = [slice(k * d, k * d + (s - 1) * step + 1, step) for k, d, s, step in _taps(tap, dilations, x, strides)]
        made[:, :, *places] += terms[:, :, *tap]
    made = made[:, :, *kept]
    return made if bias is None else made + bias.reshape(-1, *[1] * rank)


def kept_of(attributes: Attributes, same: list[int], size: list[int]) -> list[slice]:
    """What is left of a transposed convolution by its pads, or by the size that its output shall have."""
    mode, rank = attributes.get("auto_pad", "NOTSET"), len(size)
    wanted = attributes.get("output_shape") or (same if mode.startswith("SAME") else None)
    if wanted is None:
        pads = (attributes.get("pads") if mode == "NOTSET" else None) or [0] * 2 * rank
        return [slice(pads[i], length - pads[i + rank]) for i, length in enumerate(size)]
    over = [max(0, length - out) for length, out in zip(size, wanted[-rank:], strict=True)]
    before = [total // 2 if mode == "SAME_UPPER" else total - total // 2 for total in over]
    return [slice(first, first + out) for first, out in zip(before, wanted[-rank:], strict=True)]


def _taps(tap: tuple[int, ...], dilations: list[int], x: Array, strides: list[int]) -> list[tuple[int, int, int, int]]:
    return list(zip(tap, dilations, x.shape[2:], strides, strict=True))


def gemm(attributes: Attributes, a: Array, b: Array, c: Array | None = None, multiply: Product | None = None) -> Array:
    """Alpha * a b + beta * c."""
    alpha, beta = (np.float32(attributes.get(name, 1)) for name in ("alpha", "beta"))
    left = a.T if attributes.get("transA", 0) else a
    right = b.T if attributes.get("transB", 0) else b
    start = None if c is None else np.broadcast_to(c * beta if beta != 1 else c, (len(left), right.shape[1]))
    if alpha == 1 and multiply is None:
        return product(left, right, start)
    made = (multiply or product)(left, right) * alpha
    return made if start is None else made + start


def matmul(attributes: Attributes, a: Array, b: Array, multiply: Product | None = None) -> Array:
    """Matrix product; a matrix on the right multiplies every row there is."""
    multiply = multiply or product
    if b.ndim == 2:
        return multiply(a.reshape(-1, a.shape[-1]), b).reshape(*a.shape[:-1], b.shape[-1])
    return multiply(a, b)


def batch_normalization(attributes: Attributes, x: Array, gamma: Array, beta: Array, mean: Array, var: Array) -> Array:
    """X * scale + bias with scale = gamma / sqrt(var + epsilon), bias = beta - mean * scale."""
    shape = (-1, *[1] * (x.ndim - 2))
    scale = (1 / np.sqrt(var + np.float32(attributes.get("epsilon", 1e-5)))) * gamma
    return np.asarray(x * scale.reshape(shape) + (beta - mean * scale).reshape(shape))


def max_pool(attributes: Attributes, x: Array) -> Array:
    """The largest element of each window; padding never wins."""
    lowest = -np.inf if x.dtype.kind == "f" else np.iinfo(x.dtype).min
    fields = windows(attributes, x, attributes["kernel_shape"], fill=lowest)
    return np.asarray(fields.max(axis=tuple(range(x.ndim, fields.ndim))))


def average_pool(attributes: Attributes, x: Array) -> Array:
    """The mean over each window; what padding counts is said by count_include_pad, what ceil_mode adds never does."""
    kernel = attributes["kernel_shape"]
    axes = tuple(range(x.ndim, 2 * x.ndim - 2))
    counted = np.ones((1, 1, *x.shape[2:]), dtype=np.float32)
    inner = {name: value for name, value in attributes.items() if name != "ceil_mode"}
    if attributes.get("count_include_pad", 0):
        pads = window_of(inner, kernel, x.shape[2:])[2]
        counted = np.pad(counted, [(0, 0), (0, 0), *pads], constant_values=1)
        shape = tuple(size + sum(pad) for size, pad in zip(x.shape[2:], pads, strict=True))
        x = np.pad(x, [(0, 0), (0, 0), *pads])
        assert x.shape[2:] == shape
        attributes = {name: v for name, v in attributes.items() if name not in ("pads", "auto_pad")}
    sums = windows(attributes, x, kernel)
    while sums.ndim > x.ndim:  # down each column first, and then across, as onnxruntime adds
        taps = np.moveaxis(sums, x.ndim, 0)
        sums = sum(taps, np.zeros(taps.shape[1:], dtype=np.float32))
    return np.asarray(sums / windows(attributes, counted, kernel).sum(axis=axes))


def global_max_pool(attributes: Attributes, x: Array) -> Array:
    """The largest over every spatial axis; `onnx.reference` takes that of an image only."""
    return np.asarray(x.max(axis=tuple(range(2, x.ndim)), keepdims=True))


def global_average_pool(attributes: Attributes, x: Array) -> Array:
    """The mean over every spatial axis: four sums of every fourth element, added up."""
    flat = x.reshape(*x.shape[:2], -1)
    count = flat.shape[-1]
    lanes = np.zeros((*flat.shape[:2], 4), dtype=np.float32)
    for i in range(0, count - 3, 4):
        lanes = lanes + flat[..., i : i + 4]
    total = (lanes[..., 0] + lanes[..., 2]) + (lanes[..., 1] + lanes[..., 3])
    for i in range(count - count % 4, count):
        total = total + flat[..., i]
    return np.asarray(total / np.float32(count)).reshape(*x.shape[:2], *[1] * (x.ndim - 2))


def reduce_mean(attributes: Attributes, x: Array, axes: Array | None = None) -> Array:
    """ReduceMean over any axes, summed as an average pool is; that of integers truncates toward zero."""
    over = reduced_axes(attributes, x.ndim, axes)
    if not over:
        return x
    lead = tuple(axis for axis in range(x.ndim) if axis not in over)
    kept = x.sum(axis=over, keepdims=bool(attributes.get("keepdims", 1))).shape
    rows = x.transpose(*lead, *over).reshape(1, -1, prod(x.shape[axis] for axis in over))
    return (_truncated_mean(rows) if x.dtype.kind in "iu" else global_average_pool({}, rows)).reshape(kept)


def reduced_axes(attributes: Attributes, rank: int, axes: Array | None) -> tuple[int, ...]:
    """The axes that a reduction is over: those named by its attribute or its operand, or all."""
    given = attributes.get("axes", ()) if axes is None else axes.reshape(-1)
    if not len(given) and attributes.get("noop_with_empty_axes", 0):
        return ()
    return tuple(sorted({int(axis) % rank for axis in given} or range(rank)))


def _truncated_mean(rows: Array) -> Array:
    return np.asarray(np.trunc(rows.sum(axis=2) / rows.shape[2]).astype(rows.dtype))


def windows(attributes: Attributes, x: Array, kernel: Any, fill: float = 0) -> Array:
    """Receptive fields (n, channels, out..., kernel...) of x (n, channels, size...)."""
    rank = x.ndim - 2
    strides, dilations, pads = window_of(attributes, kernel, x.shape[2:])
    if any(before or after for before, after in pads):
        x = np.pad(x, [(0, 0), (0, 0), *pads], constant_values=fill)
    reach = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
    fields = sliding_window_view(x, reach, axis=tuple(range(2, x.ndim)))
    steps = [slice(None, None, step) for step in (*strides, *dilations)]
    assert len(steps) == 2 * rank
    return fields[:, :, *steps]


def window_of(attributes: Attributes, kernel: Any, size: Any) -> tuple[list[int], list[int], list[tuple[int, int]]]:
    """(strides, dilations, (before, after) pads) of each spatial axis."""
    rank = len(kernel)
    strides, dilations = (list(attributes.get(name) or [1] * rank) for name in ("strides", "dilations"))
    given = attributes.get("pads") or [0] * 2 * rank
    pads = [(given[i], given[i + rank]) for i in range(rank)]
    mode = attributes.get("auto_pad", "NOTSET")
    for i in range(rank):
        reach = (kernel[i] - 1) * dilations[i] + 1
        if mode.startswith("SAME"):
            total = max((-(-size[i] // strides[i]) - 1) * strides[i] + reach - size[i], 0)
            half = total // 2
            pads[i] = (half, total - half) if mode == "SAME_UPPER" else (total - half, half)
        if attributes.get("ceil_mode", 0):
            padded = size[i] + sum(pads[i])
            count = -(-(padded - reach) // strides[i]) + 1
            count -= (count - 1) * strides[i] >= size[i] + pads[i][0]
            pads[i] = (pads[i][0], pads[i][1] + max((count - 1) * strides[i] + reach - padded, 0))
    return strides, dilations, pads


def channels_last(inner: Callable[..., Array]) -> Callable[..., Array]:
    """The operator on data with its channels last; a kernel (O, kH, kW, I) is turned too."""

    def apply(attributes: Attributes, x: Array, *others: Array) -> Array:
        if inner is conv:
            others = (np.moveaxis(others[0], -1, 1), *others[1:])
        return np.moveaxis(inner(attributes, np.moveaxis(x, -1, 1), *others), 1, -1)

    return apply


FLOAT: dict[str, Callable[..., Array]] = {
    "Conv": conv,
    "ConvTranspose": conv_transpose,
    "Gemm": gemm,
    "MatMul": matmul,
    "BatchNormalization": batch_normalization,
    "MaxPool": max_pool,
    "AveragePool": average_pool,
    "GlobalAveragePool": global_average_pool,
    "GlobalMaxPool": global_max_pool,
    "ReduceMean": reduce_mean,
    "Resize": resize,
    "Upsample": resize,
}
"""Standard operators that are computed here, not by `onnx.reference`: float(attributes, *inputs)."""
