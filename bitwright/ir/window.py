# SPDX-License-Identifier: Apache-2.0
"""The window that convolutions and pools move over an image: where it reads, and how often it fits."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from bitwright.ir.weights import Ints

Pair = tuple[int, int]
"""(down, across): one number for the rows of an image, one for the columns."""
Pads = tuple[int, int, int, int]
"""(top, left, bottom, right)"""


@dataclass(frozen=True, slots=True)
class Window:
    """`kernel` taps, `dilations` apart, moved by `strides` over an image that `pads` make larger."""

    kernel: Pair
    strides: Pair = (1, 1)
    dilations: Pair = (1, 1)
    pads: Pads = (0, 0, 0, 0)

    @property
    def size(self) -> int:
        """How many taps there are."""
        return self.kernel[0] * self.kernel[1]

    @property
    def is_padded(self) -> bool:
        """True if a tap may lie beside the image."""
        return any(self.pads)

    @property
    def is_dense(self) -> bool:
        """True if it moves by one pixel and its taps are neighbours."""
        return {*self.strides, *self.dilations} == {1}

    @property
    def span(self) -> Pair:
        """(rows, columns) from the first tap to the last."""
        (rows, columns), (down, across) = self.kernel, self.dilations
        return (rows - 1) * down, (columns - 1) * across

    @property
    def reach(self) -> Pair:
        """(rows, columns) that one window covers, those between its taps included."""
        rows, columns = self.span
        return rows + 1, columns + 1

    def padded(self, size: Pair) -> Pair:
        """(rows, columns) of an image of `size` with its padding."""
        top, left, bottom, right = self.pads
        return size[0] + top + bottom, size[1] + left + right

    def out(self, size: Pair) -> Pair:
        """(rows, columns) of windows that fit an image of `size`; below 1 where none does."""
        (height, width), (rows, columns), (down, across) = self.padded(size), self.reach, self.strides
        return (height - rows) // down + 1, (width - columns) // across + 1

    def starts(self, axis: int, count: int) -> Ints:
        """Where each of `count` windows begins along `axis`; below 0 is padding."""
        return np.asarray(np.arange(count) * self.strides[axis] - self.pads[axis])

    def taps(self, axis: int, count: int) -> Ints:
        """Where each of `count` windows reads along `axis`, one row a window; below 0 is padding."""
        return np.asarray(self.starts(axis, count)[:, None] + np.arange(self.kernel[axis]) * self.dilations[axis])

    def ceiled(self, size: Pair) -> Window:
        """Padded at the end so that the last, partial window counts; one that starts in the padding does not."""
        ends = []
        for axis, (reach, padded) in enumerate(zip(self.reach, self.padded(size), strict=True)):
            stride, before, after = self.strides[axis], self.pads[axis], self.pads[axis + 2]
            count = -(-(padded - reach) // stride) + 1
            if (count - 1) * stride >= size[axis] + before:
                count -= 1
            ends.append(after + max((count - 1) * stride + reach - padded, 0))
        return replace(self, pads=(*self.pads[:2], ends[0], ends[1]))
