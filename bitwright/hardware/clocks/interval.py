# SPDX-License-Identifier: Apache-2.0
"""The cycle model: clocks per frame and of the first frame, with every FIFO and buffer as large as it is."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from bitwright.hardware.clocks.net import Net, leaving
from bitwright.hardware.events import digest, earliest, unrolled
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.ir.kept import Kept
from bitwright.ir.stages import begins

BOUNDARY_LATENCY = 2
"""The elastic registers of the AXI4-Stream sink and source together."""

LATENCIES: Kept[int] = Kept(1 << 9)
"""What was found, by the events that it depends on: designs that differ in widths alone have the same."""

STEADY_FRAMES = 5
"""Frames after which the interval is taken between the last two, as the RTL engine does."""


class Timing(NamedTuple):
    """Clocks per frame in steady state, and from the first beat in to the first frame's last beat out."""

    interval: int
    latency: int


def latency(kernels: KernelGraph, *, endless: bool = False) -> int:
    """Clocks from the first input beat to the last output beat of the first frame, source and sink always ready.

    With `endless` as if no FIFO were ever full.
    """
    begins("counting clocks")
    unbounded = frozenset(stream.name for stream in kernels.streams) if endless else frozenset[str]()
    sequences = Net(kernels, unbounded=unbounded).sequences

    def find() -> int:
        found = earliest(unrolled(sequences, 1))
        assert found is not None, "the kernels wait for each other"
        return max(int(found[leaving(name)][-1]) for name in kernels.outputs) + BOUNDARY_LATENCY

    return LATENCIES.get((digest(sequences), kernels.outputs), find)


def timing(kernels: KernelGraph) -> Timing | None:
    """What a run of `STEADY_FRAMES` counts, source and sink always ready; None if the kernels wait for each other."""
    found = earliest(unrolled(Net(kernels).sequences, STEADY_FRAMES))
    if found is None:
        return None
    ends = np.max([found[leaving(name)].reshape(STEADY_FRAMES, -1)[:, -1] for name in kernels.outputs], axis=0)
    return Timing(int(ends[-1] - ends[-2]), int(ends[0]) + BOUNDARY_LATENCY)
