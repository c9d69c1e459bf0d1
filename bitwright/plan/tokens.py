# SPDX-License-Identifier: Apache-2.0
"""Token curves: at which clock each beat of each stream moves when nothing is blocked; latency follows from them."""

from __future__ import annotations

from collections.abc import Mapping
from math import lcm
from typing import NamedTuple

import numpy as np

from bitwright.ir.weights import Ints
from bitwright.plan.kernels import (
    Depthwise,
    Fork,
    Interleave,
    Join,
    Kernel,
    KernelGraph,
    MatrixVector,
    MaxReduce,
    Reorder,
    Requantiser,
    SumReduce,
    WidthConverter,
    Window,
)
from bitwright.plan.timing import BOUNDARY_LATENCY, kernel_latency, stream_latency


class Curve(NamedTuple):
    """Clocks at which the beats of one stream enter its FIFO and at which its reader takes them."""

    arrive: Ints
    leave: Ints


def latency(kernels: KernelGraph) -> int:
    """Clocks from the first input beat to the last output beat of the first frame, source and sink always ready."""
    found = curves(kernels, {name: np.arange(kernels.stream(name).beats) for name in kernels.inputs})
    return max(int(found[name].leave[-1]) for name in kernels.outputs) + BOUNDARY_LATENCY


def curves(kernels: KernelGraph, sources: Mapping[str, Ints]) -> dict[str, Curve]:
    """The curve of every stream for one frame whose input beats arrive at the clocks of `sources`."""
    streams = {stream.name: stream for stream in kernels.streams}
    arrive = dict(sources)
    found: dict[str, Curve] = {}
    for kernel in kernels.kernels:
        ready = [arrive[name] + stream_latency(streams[name]) for name in kernel.inputs]
        taken, decided = _run(kernel, ready)
        for name, times in zip(kernel.inputs, taken, strict=True):
            found[name] = Curve(arrive[name], times)
        for name in kernel.outputs:
            arrive[name] = decided + kernel_latency(kernel)
    for name in kernels.outputs:
        found[name] = Curve(arrive[name], arrive[name] + stream_latency(streams[name]))
    return found


def _run(kernel: Kernel, ready: list[Ints]) -> tuple[list[Ints], Ints]:
    """When a kernel takes each input beat, and when each output beat is decided, before its pipeline."""
    match kernel:
        case Interleave():
            return _interleave(kernel, ready)
        case Join():
            together = _paced(np.maximum.reduce(ready))
            return [together] * len(ready), together
        case MatrixVector():
            return _matrix(kernel, ready[0])
        case Window():
            taken = _paced(ready[0])
            return [taken], _paced(taken[_needed(kernel)])
        case Reorder():
            taken = _paced(ready[0])
            return [taken], taken[-1] + 1 + np.arange(kernel.out_beats)
        case _:
            taken = _paced(ready[0])
            return [taken], _one_to_one(kernel, taken)


def _one_to_one(kernel: Kernel, taken: Ints) -> Ints:
    """Kernels that decide output beats by counting input beats."""
    match kernel:
        case MaxReduce() | SumReduce() | Depthwise():
            return taken[kernel.fold - 1 :: kernel.fold]
        case WidthConverter():
            whole = lcm(kernel.in_lanes, kernel.out_lanes)  # gathered before it is cut
            ends = np.arange(whole, kernel.elements + 1, whole) // kernel.in_lanes - 1
            return _paced(np.repeat(taken[ends], whole // kernel.out_lanes))
        case Requantiser() | Fork():
            return taken
        case _:
            raise AssertionError(f"no token curve for {type(kernel).__name__}")


def _paced(times: Ints) -> Ints:
    """The earliest times, at most one a clock and in order, at which events that are ready at `times` can happen."""
    index = np.arange(len(times))
    return np.maximum.accumulate(times - index) + index


def _matrix(kernel: MatrixVector, ready: Ints) -> tuple[list[Ints], Ints]:
    """Only the first row fold of a vector takes input; each row fold ends in one output beat."""
    steps = np.zeros((kernel.vectors * kernel.groups, kernel.row_fold, kernel.col_fold), dtype=np.int64)
    steps[:, 0] = ready.reshape(-1, kernel.col_fold)
    times = _paced(steps.reshape(-1))
    taken = times.reshape(steps.shape)[:, 0].reshape(-1)
    return [taken], times[kernel.col_fold - 1 :: kernel.col_fold]


def _interleave(kernel: Interleave, ready: list[Ints]) -> tuple[list[Ints], Ints]:
    rows = [times.reshape(kernel.pixels, part) for times, part in zip(ready, kernel.parts, strict=True)]
    times = _paced(np.concatenate(rows, axis=1).reshape(-1))
    parts = np.split(times.reshape(kernel.pixels, -1), np.cumsum(kernel.parts)[:-1], axis=1)
    return [part.reshape(-1) for part in parts], times


def _needed(kernel: Window) -> Ints:
    """For each output beat the input beat it shows; a beat of padding needs what came before it in the frame."""
    rows = np.arange(kernel.out_height)[:, None] * kernel.strides[0] - kernel.pads[0]
    rows = rows + np.arange(kernel.kernel[0]) * kernel.dilations[0]
    cols = np.arange(kernel.out_width)[:, None] * kernel.strides[1] - kernel.pads[1]
    cols = cols + np.arange(kernel.kernel[1]) * kernel.dilations[1]
    y, x = rows[:, None, None, :, None, None], cols[None, :, None, None, :, None]
    block, inner = np.arange(kernel.blocks)[:, None, None, None], np.arange(kernel.inner)
    inside = (y >= 0) & (y < kernel.height) & (x >= 0) & (x < kernel.width)
    place = ((y * kernel.width + x) * kernel.blocks + block) * kernel.inner + inner
    return np.asarray(np.maximum.accumulate(np.where(inside, place, 0).reshape(-1)))
