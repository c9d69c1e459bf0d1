# SPDX-License-Identifier: Apache-2.0
"""Windows on a line of pixels: where they lie on it, and which windows cannot."""

from __future__ import annotations

import numpy as np
import pytest

from bitwright.hardware.lines import Line, line, out_positions
from bitwright.ir.window import Window

SAME, NONE = (1, 1, 1, 1), (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("size", "out", "strides", "pads", "wanted"),
    [
        ((5, 6), (5, 6), (1, 1), SAME, Line(14, 7, 36, 30)),
        ((5, 6), (3, 4), (1, 1), NONE, Line(14, 14, 29, 30)),
        ((6, 6), (3, 3), (2, 2), (0, 0, 1, 1), Line(14, 14, 42, 36)),
        ((2, 6), (4, 6), (1, 1), (2, 1, 2, 1), Line(14, 1, 24, 24)),  # more windows than pixels: longer than a frame
        ((2, 2), (2, 2), (1, 1), SAME, None),  # narrower than the kernel
        ((5, 6), (5, 8), (1, 1), (1, 2, 1, 2), None),  # more windows in a row than pixels
        ((5, 6), (6, 6), (1, 1), (3, 1, 0, 1), None),  # the first window ends before the image begins
    ],
)
def test_where_windows_of_3_x_3_lie(
    size: tuple[int, int],
    out: tuple[int, int],
    strides: tuple[int, int],
    pads: tuple[int, int, int, int],
    wanted: Line | None,
) -> None:
    found = line(size, out, Window((3, 3), strides, pads=pads))
    assert found == wanted
    if found:
        positions = out_positions(found.first, size[1], out, strides)
        assert (positions[0], positions[-1], positions.size) == (found.first, found.last, out[0] * out[1])
        assert (np.diff(positions) > 0).all() and found.last - found.first < found.period


def test_one_tap_needs_no_line() -> None:
    assert line((4, 4), (2, 2), Window((1, 1), (2, 2))) is None
