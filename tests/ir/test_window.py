# SPDX-License-Identifier: Apache-2.0
"""The window as a value, against counting by hand."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from bitwright.ir.window import Pair, Window


def windows_along(size: int, kernel: int, stride: int, dilation: int, pads: Pair) -> list[list[int]]:
    """The places that each window along one axis reads, one after the other until one does not fit."""
    found = []
    start = -pads[0]
    while start + (kernel - 1) * dilation < size + pads[1]:
        found.append([start + tap * dilation for tap in range(kernel)])
        start += stride
    return found


@pytest.mark.parametrize(("kernel", "stride", "dilation"), list(product((1, 2, 3), (1, 2, 4), (1, 2))))
def test_sizes_and_taps_are_those_of_a_window_moved_by_hand(kernel: int, stride: int, dilation: int) -> None:
    for size, before, after in product((5, 6), (0, 1), (0, 2)):
        window = Window((kernel, 1), (stride, 3), (dilation, 1), (before, 0, after, 0))
        wanted = windows_along(size, kernel, stride, dilation, (before, after))
        assert window.out((size, 7)) == (len(wanted), 3)
        np.testing.assert_array_equal(window.taps(0, len(wanted)), wanted)
        assert window.reach[0] == wanted[0][-1] - wanted[0][0] + 1 == window.span[0] + 1
        assert window.padded((size, 7)) == (size + before + after, 7)
        assert window.is_padded == bool(before + after) and window.size == kernel


def test_a_window_that_does_not_fit_makes_less_than_one() -> None:
    assert Window((3, 3)).out((2, 5)) == (0, 3)


@pytest.mark.parametrize(
    ("size", "window", "ends"),
    [
        ((5, 5), Window((2, 2), (2, 2)), (1, 1)),  # a last, partial window
        ((4, 5), Window((2, 2), (2, 2)), (0, 1)),
        ((5, 5), Window((1, 1), (3, 3)), (0, 0)),  # the next would start beside the image: at 6
        ((5, 5), Window((1, 2), (4, 4), pads=(0, 1, 0, 0)), (0, 0)),
        ((4, 4), Window((2, 2), (2, 2), pads=(1, 1, 1, 1)), (1, 1)),
    ],
)
def test_a_partial_window_at_the_end_counts_when_it_starts_on_the_image(size: Pair, window: Window, ends: Pair) -> None:
    assert window.ceiled(size).pads == (*window.pads[:2], *ends)
