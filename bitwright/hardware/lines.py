# SPDX-License-Identifier: Apache-2.0
"""Sliding windows as taps of a line: pixels in a row, one after the other, the kernel's positions at fixed distances.

Pixel (y, x) has the position y * width + x, in the padding too: there it is a place that the line reaches later, or a
pixel of another row or frame, which a tap does not show.
"""

from __future__ import annotations

from math import prod
from typing import NamedTuple

import numpy as np

from bitwright.ir.weights import Ints
from bitwright.ir.window import Pair, Window


class Line(NamedTuple):
    """Positions of the newest pixel that the first and the last window need, and what follows; all in pixels."""

    span: int  # from the oldest tap to the newest
    first: int
    last: int
    period: int  # from a frame to the next, at least: all of its pixels, and no more windows beyond than it has

    @property
    def alone(self) -> int:
        """The period with places for all windows that reach beyond the pixels, before the next frame."""
        return max(self.period, self.last + 1)


def line(size: Pair, out_size: Pair, window: Window) -> Line | None:
    """The line of a sliding window; None where its windows do not come one after the other on it, or it has one tap."""
    width, (top, left, _, _), strides = size[1], window.pads, window.strides
    rows, cols = window.span
    span = rows * width + cols
    first = span - top * width - left
    last = first + (out_size[0] - 1) * strides[0] * width + (out_size[1] - 1) * strides[1]
    period = max(prod(size), last - first + 1)
    in_order = out_size[0] == 1 or (out_size[1] - 1) * strides[1] < strides[0] * width
    apart = window.kernel[0] == 1 or window.dilations[0] * width > cols  # taps of two rows
    reached = top <= rows and left <= cols and first < period and last < 2 * period - 2
    return Line(span, first, last, period) if window.size > 1 and in_order and apart and reached else None


def out_positions(first: int, width: int, out_size: Pair, strides: Pair) -> Ints:
    """The position of the newest pixel that each window needs, in the order of the windows."""
    rows = np.arange(out_size[0])[:, None] * strides[0] * width
    return np.asarray((first + rows + np.arange(out_size[1]) * strides[1]).reshape(-1))
