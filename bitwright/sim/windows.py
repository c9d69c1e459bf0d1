# SPDX-License-Identifier: Apache-2.0
"""What a layer with a kernel sees at each place of its output."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from bitwright.ir.layers import Windowed

Array = NDArray[Any]


def windows(images: Array, layer: Windowed, pad: float) -> Array:
    """Receptive fields (n, out h, out w, kernel h, kernel w, channels) of images (n, h, w, channels), int64 or float.

    `pad` stands around the images; the result is a view of them.
    """
    top, left, bottom, right = layer.pads
    if any(layer.pads):
        images = np.pad(images, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=pad)
    (kh, kw), (dh, dw), (sh, sw) = layer.kernel, layer.dilations, layer.strides
    fields = sliding_window_view(images, ((kh - 1) * dh + 1, (kw - 1) * dw + 1), axis=(1, 2))
    return fields[:, ::sh, ::sw, :, ::dh, ::dw].transpose(0, 1, 2, 4, 5, 3)
