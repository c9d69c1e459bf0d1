# SPDX-License-Identifier: Apache-2.0
"""How deep the streams of the C++ project must be, from the order in which its kernels read and write.

The plan's depths are those of the RTL. A C++ kernel is a loop that stops as a whole: it takes the next frame when this
one is done, a window reads whole rows before it writes fields, and what it cannot write holds up what it reads.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.loops import Loop, Loops
from bitwright.ir.weights import Ints

STAGES = 16
"""Stages of a loop's pipeline, assumed: so many iterations are in flight.

With more of them a pipeline that flushes costs clocks, never a deadlock.
"""
FRAMES = 8
"""Frames in a row whose words are followed: more than are under way at once."""
MARGIN = 2
"""Words beyond the computed occupancy."""


def size_streams(graph: KernelGraph, stages: int = STAGES) -> KernelGraph:
    """`graph` with streams as deep as the C++ kernels need, where the plan has less.

    Deeper are those into windows and out of windows that leave out pixels, into matrix-vector units that no window
    feeds, and into joins.
    """
    interval = max([graph.interval, *(kernel.iterations for kernel in graph.kernels)])
    depths = {stream.name: stream.depth for stream in graph.streams}
    fields = {kernel.output for kernel in graph.kernels if kernel.is_ring}  # come as fast as they are read
    for kernel in graph.kernels:
        if kernel.reads_in_bursts and kernel.input not in fields:
            depths[kernel.input] = max(depths[kernel.input], demand(kernel.loops()[0], interval, stages))
        if kernel.writes_in_bursts:
            depths[kernel.output] = max(depths[kernel.output], burst(kernel.loops()[-1]))
    entering = [name for kernel in graph.kernels if len(kernel.inputs) > 1 for name in kernel.inputs]
    if entering:
        orders = {kernel.name: kernel.loops() for kernel in graph.kernels}
        held = [_held(graph, orders, interval + stages, clock, stages) for clock in (0, 1)]
        for name in entering:
            depths[name] = max(depths[name], *(found[name] + MARGIN for found in held))
    return replace(graph, streams=tuple(replace(s, depth=depths[s.name]) for s in graph.streams))


def demand(loop: Loop, interval: int, stages: int = STAGES) -> int:
    """Words that must wait in front of a loop that reads in bursts, so that an even supply never stops it.

    The loop spreads over `interval` clocks as its writes do: so far its reads stray from even. To that come the words
    that arrive while its pipeline drains between frames.
    """
    writes = np.zeros(loop.iterations, dtype=bool)
    writes[loop.writes] = True
    pace = max(1.0, (interval - loop.iterations + loop.writes.size) / loop.writes.size)
    times = np.cumsum(np.where(writes, pace, 1.0))
    reads = loop.reads[0]
    return int(np.ceil(_stray(times[reads], times[-1]) + stages * reads.size / times[-1])) + MARGIN


def burst(loop: Loop) -> int:
    """Words that must find room behind a loop that writes in bursts, so that an even reader never stops it."""
    return int(np.ceil(_stray(loop.writes, loop.iterations))) + MARGIN


def _stray(moments: NDArray[np.float64] | Ints, frame: float) -> float:
    """How many words apart from an even flow those get that move at `moments` of a frame of that length."""
    ahead = np.arange(moments.size) - moments * moments.size / frame
    return float(ahead.max() + 1 - ahead.min())


def _held(graph: KernelGraph, orders: Mapping[str, Loops], interval: int, clock: int, stages: int) -> dict[str, int]:
    """The most words on each stream when an iteration takes `clock` clocks, frames come at `interval`, none is blocked.

    With clock 0, kernels take no time, only words: with so much room in front of joins, branches cannot wait for each
    other in a circle. With clock 1 no branch waits for the other one.
    """
    frames = np.arange(FRAMES)[:, None] * interval
    arrive, held = {}, {}
    for name in graph.inputs:
        beats = graph.stream(name).beats
        arrive[name] = frames + np.arange(beats) * interval // beats
    for kernel in graph.kernels:
        words = [arrive[name] for name in kernel.inputs]
        first, *others = orders[kernel.name]
        taken, made = _run(first, words, clock, stages)
        for other in others:
            made = _run(other, [made], clock, stages)[1]
        for name, come, go in zip(kernel.inputs, words, taken, strict=True):
            held[name] = _occupancy(come, go, clock)
        arrive |= dict.fromkeys(kernel.outputs, made)
    return held


def _run(loop: Loop, arrive: list[Ints], clock: int, stages: int) -> tuple[list[Ints], Ints]:
    """When a loop takes the words that arrive (frame, word), and when its own words come out of its pipeline."""
    ready = np.zeros((FRAMES, loop.iterations + stages), dtype=np.int64)
    for words, reads in zip(arrive, loop.reads, strict=True):
        ready[:, reads] = np.maximum(ready[:, reads], words)
    index = clock * np.arange(ready.size).reshape(ready.shape)
    times = np.maximum.accumulate((ready - index).reshape(-1)).reshape(ready.shape) + index
    return [times[:, reads] for reads in loop.reads], times[:, loop.writes + stages]


def _occupancy(arrive: Ints, leave: Ints, clock: int) -> int:
    """The most words between arriving and leaving; without a clock those that leave as they arrive do not count."""
    left = np.searchsorted(leave.reshape(-1), arrive.reshape(-1), side="left" if clock else "right")
    return int((np.arange(1, arrive.size + 1) - left).max())
