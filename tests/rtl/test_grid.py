# SPDX-License-Identifier: Apache-2.0
"""A slice of the random points of `grid`: every kernel in the clocks of the plan; `make cycles` runs hundreds."""

from __future__ import annotations

import pytest

from tests.needs import needs_rtl
from tests.rtl.grid import GRID, measure, points

SLICES = {
    "arithmetic": (
        "matrix-vector",
        "select matrix-vector",
        "sparse matrix-vector",
        "depthwise",
        "requantiser",
        "adder",
        "multiplier",
        "reduce",
        "argmax",
    ),
    "order": ("window", "parallel window", "width converter", "fork", "interleave", "reorder", "fifo"),
}
POINTS = 3


def test_the_slices_hold_every_kernel() -> None:
    assert sorted(sum(SLICES.values(), ())) == sorted(GRID)


@needs_rtl
@pytest.mark.parametrize("name", SLICES)
def test_random_points_take_the_clocks_of_the_plan(name: str) -> None:
    timings = list(measure({kernel: points(kernel, POINTS, seed=1) for kernel in SLICES[name]}))
    assert len(timings) == POINTS * len(SLICES[name])
    assert [timing for timing in timings if timing.planned != timing.found] == []
