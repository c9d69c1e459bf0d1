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
    window = layer.window
    if window.is_padded:
        top, left, bottom, right = window.pads
        images = np.pad(images, ((0, 0), (top, bottom), (left, right), (0, 0)), constant_values=pad)
    (dh, dw), (sh, sw) = window.dilations, window.strides
    fields = sliding_window_view(images, window.reach, axis=(1, 2))
    return fields[:, ::sh, ::sw, :, ::dh, ::dw].transpose(0, 1, 2, 4, 5, 3)
