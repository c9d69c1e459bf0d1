# SPDX-License-Identifier: Apache-2.0
"""Convolutions and pools in PyTorch, of one to three spatial axes, with all that ONNX says of pads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from bitwright.audit.operators import kept_of, window_of, windows

Attributes = Mapping[str, Any]
CONV: Mapping[int, Callable[..., Tensor]] = {1: functional.conv1d, 2: functional.conv2d, 3: functional.conv3d}
TRANSPOSED: Mapping[int, Callable[..., Tensor]] = {
    1: functional.conv_transpose1d,
    2: functional.conv_transpose2d,
    3: functional.conv_transpose3d,
}
MAX: Mapping[int, Callable[..., Tensor]] = {
    1: functional.max_pool1d,
    2: functional.max_pool2d,
    3: functional.max_pool3d,
}
"""By the number of spatial axes."""


def _padded(x: Tensor, pads: Sequence[tuple[int, int]], value: float = 0.0) -> Tensor:
    """With so many elements around each spatial axis; fewer where a pad is below zero."""
    flat = [int(size) for pair in reversed(pads) for size in pair]
    return functional.pad(x, flat, value=value) if any(flat) else x


def _conv(attributes: Attributes, x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    strides, dilations, pads = window_of(attributes, w.shape[2:], x.shape[2:])
    made = CONV[x.ndim - 2](_padded(x, pads), w, None, strides, 0, dilations, int(attributes.get("group", 1)))
    return _biased(made, bias)


def _biased(made: Tensor, bias: Tensor | None) -> Tensor:
    return made if bias is None else made + bias.reshape(-1, *[1] * (made.ndim - 2))


def _conv_transpose(attributes: Attributes, x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    """All that the products reach, and of this what the pads, or the size that was asked for, leave."""
    rank = x.ndim - 2
    strides, dilations = (list(attributes.get(name) or [1] * rank) for name in ("strides", "dilations"))
    extra = attributes.get("output_padding") or [0] * rank
    made = TRANSPOSED[rank](x, w, None, strides, 0, 0, int(attributes.get("group", 1)), dilations)
    size = [length + more for length, more in zip(made.shape[2:], extra, strict=True)]
    same = [length * stride for length, stride in zip(x.shape[2:], strides, strict=True)]
    sides = zip(kept_of(attributes, same, size), made.shape[2:], strict=True)
    return _biased(_padded(made, [(-cut.start, cut.stop - length) for cut, length in sides]), bias)


def _max_pool(attributes: Attributes, x: Tensor) -> Tensor:
    kernel = attributes["kernel_shape"]
    strides, dilations, pads = window_of(attributes, kernel, x.shape[2:])
    return MAX[x.ndim - 2](_padded(x, pads, float("-inf")), list(kernel), strides, 0, dilations)


def _average_pool(attributes: Attributes, x: Tensor) -> Tensor:
    """The sum over each window, and then by how many elements count in it."""
    kernel, channels = attributes["kernel_shape"], x.shape[1]
    strides, dilations, pads = window_of(attributes, kernel, x.shape[2:])
    ones = torch.ones((channels, 1, *kernel), dtype=x.dtype, device=x.device)
    sums = CONV[x.ndim - 2](_padded(x, pads), ones, None, strides, 0, dilations, channels)
    return sums / torch.as_tensor(_counts(attributes, kernel, x.shape[2:]), dtype=x.dtype, device=x.device)


def _counts(attributes: Attributes, kernel: Sequence[int], size: Sequence[int]) -> NDArray[Any]:
    """How many elements count in each window: padding does if it is asked for, what ceil_mode adds never."""
    counted = np.ones((1, 1, *size), np.float32)
    if attributes.get("count_include_pad", 0):
        plain = {name: value for name, value in attributes.items() if name != "ceil_mode"}
        counted = np.pad(counted, [(0, 0), (0, 0), *window_of(plain, kernel, size)[2]], constant_values=1)
        attributes = {name: value for name, value in attributes.items() if name not in ("pads", "auto_pad")}
    axes = tuple(range(counted.ndim, counted.ndim + len(kernel)))
    return np.asarray(windows(attributes, counted, kernel).sum(axis=axes))


WINDOWS: Mapping[str, Callable[..., Tensor]] = {
    "AveragePool": _average_pool,
    "Conv": _conv,
    "ConvTranspose": _conv_transpose,
    "MaxPool": _max_pool,
}
"""By the operator: `(attributes, *operands)` to a tensor."""
