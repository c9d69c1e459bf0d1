# SPDX-License-Identifier: Apache-2.0
"""How deep the streams of the C++ project must be, from the order in which its kernels read and write.

The plan's depths are those of the RTL. A C++ kernel is a loop that stops as a whole: a window reads whole rows before
it writes fields, and what it cannot write holds up what it reads.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from bitwright.hardware.indices import lean, where
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.loops import Loop
from bitwright.ir.weights import Ints

STAGES = 16
"""Stages of a loop's pipeline, assumed: so many iterations are in flight.

With more of them a pipeline that flushes costs clocks, never a deadlock.
"""
FRAMES = 8
"""Frames in a row whose words count: more than are under way at once."""
FIRST = 3
"""Of them those that are followed, where the last one repeats the one before: then so do all behind it."""
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
            depths[kernel.input] = max(depths[kernel.input], demand(kernel.loops()[0], interval))
        if kernel.writes_in_bursts:
            depths[kernel.output] = max(depths[kernel.output], burst(kernel.loops()[-1]))
    entering = [name for kernel in graph.kernels if len(kernel.inputs) > 1 for name in kernel.inputs]
    for clock in (0, 1) if entering else ():
        held = _held(graph, interval, clock, stages)
        for name in entering:
            depths[name] = max(depths[name], held[name] + MARGIN)
    return replace(graph, streams=tuple(replace(s, depth=depths[s.name]) for s in graph.streams))


def demand(loop: Loop, interval: int) -> int:
    """Words that must wait in front of a loop that reads in bursts, so that an even supply never stops it.

    The loop spreads over `interval` clocks as its writes do: so far its reads stray from even.
    """
    writes = np.zeros(loop.iterations, dtype=bool)
    writes[loop.writes % loop.iterations] = True
    pace = max(1.0, (interval - loop.iterations + loop.writes.size) / loop.writes.size)
    times = np.cumsum(np.where(writes, pace, 1.0))
    reads = loop.reads[0]
    return int(np.ceil(_stray(times[reads], times[-1]))) + MARGIN


def burst(loop: Loop) -> int:
    """Words that must find room behind a loop that writes in bursts, so that an even reader never stops it."""
    return int(np.ceil(_stray(loop.writes, loop.iterations))) + MARGIN


def _stray(moments: NDArray[np.float64] | Ints, frame: float) -> float:
    """How many words apart from an even flow those get that move at `moments` of a frame of that length."""
    ahead = np.arange(moments.size) - moments * moments.size / frame
    return float(ahead.max() + 1 - ahead.min())


def _held(graph: KernelGraph, interval: int, clock: int, stages: int) -> dict[str, int]:
    """The most words on each stream into a join, frames coming at `interval`, none blocked.

    An iteration takes `clock` clocks. With clock 0, kernels take no time, only words: with so much room in front of
    joins, branches cannot wait for each other in a circle. With clock 1 no branch waits for the other one.
    """
    try:
        return _followed(graph, _Pace(FIRST, interval, clock, stages))
    except _Unsteady:
        return _followed(graph, _Pace(FRAMES, interval, clock, stages))


class _Pace(NamedTuple):
    """Of how many frames words are followed, how fast they and iterations come, and the stages of a pipeline."""

    frames: int
    interval: int
    clock: int
    stages: int


class _Unsteady(Exception):
    """Of so few frames the last one does not yet repeat the one before."""


def _followed(graph: KernelGraph, pace: _Pace) -> dict[str, int]:
    """`_held`, by so many frames; each stream is forgotten where it is read."""
    frames = np.arange(pace.frames)[:, None] * pace.interval
    arrive, held = dict[str, Ints](), dict[str, int]()
    for name in graph.inputs:
        beats = graph.stream(name).beats
        arrive[name] = frames + np.arange(beats) * pace.interval // beats
    for kernel in graph.kernels:
        words = [arrive.pop(name) for name in kernel.inputs]
        first, *others = kernel.loops()
        taken, made = _run(first, words, pace)
        for other in others:
            made = _run(other, [made], pace)[1]
        if len(words) > 1:
            for name, come, go in zip(kernel.inputs, words, taken, strict=True):
                held[name] = _occupancy(_all(come, pace), _all(go, pace), pace.clock)
        arrive |= dict.fromkeys(kernel.outputs, made)
    return held


def _run(loop: Loop, arrive: list[Ints], pace: _Pace) -> tuple[list[Ints], Ints]:
    """When a loop takes the words that arrive (frame, word), and when its own words come out of its pipeline."""
    size = loop.iterations
    made = loop.writes + pace.stages
    behind = int(made[-1]) // size  # frames that bring the last words of one out, as they come in its course
    ready = np.zeros((pace.frames + behind, size), dtype=np.int64)
    reads = [where(lean(places)) for places in loop.reads]
    for words, places in zip(arrive, reads, strict=True):
        later = words[-1] + np.arange(1, behind + 1)[:, None] * pace.interval
        ready[:, places] = np.maximum(ready[:, places], np.concatenate([words, later]))
    index = pace.clock * np.arange(ready.size).reshape(ready.shape)
    ready -= index
    times = np.maximum.accumulate(ready.reshape(-1)).reshape(ready.shape)
    times += index
    own = times[: pace.frames]
    if pace.frames < FRAMES and not np.array_equal(own[-1], own[-2] + pace.interval):
        raise _Unsteady
    parts = [(late, made[made // size == late] - late * size) for late in range(behind + 1)]
    out = [times[late : late + pace.frames, where(lean(places))] for late, places in parts if places.size]
    return [own[:, places] for places in reads], np.concatenate(out, axis=1)


def _all(moments: Ints, pace: _Pace) -> Ints:
    """The moments of all frames: those behind the ones that were followed repeat the last one."""
    later = np.arange(1, FRAMES - pace.frames + 1)[:, None] * pace.interval
    return np.concatenate([moments, moments[-1] + later])


def _occupancy(arrive: Ints, leave: Ints, clock: int) -> int:
    """The most words between arriving and leaving; without a clock those that leave as they arrive do not count."""
    left = np.searchsorted(leave.reshape(-1), arrive.reshape(-1), side="left" if clock else "right")
    return int((np.arange(1, arrive.size + 1) - left).max())
