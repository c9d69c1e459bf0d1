# SPDX-License-Identifier: Apache-2.0
"""Latency of the first frame, from token curves: at which clock each beat of each stream moves when nothing stalls."""

from __future__ import annotations

import numpy as np

from bitwright.ir.weights import Ints
from bitwright.plan.kernels import Kernel, KernelGraph, MatrixVector, MaxReduce, Requantiser, WidthConverter, Window
from bitwright.plan.timing import BOUNDARY_LATENCY, kernel_latency


def latency(kernels: KernelGraph) -> int:
    """Clocks from the first input beat to the last output beat of the first frame, source and sink always ready."""
    curves: dict[str, Ints] = {name: np.arange(kernels.stream(name).beats) for name in kernels.inputs}
    for kernel in kernels.kernels:
        curves[kernel.output] = _emit(kernel, curves[kernel.input]) + kernel_latency(kernel)
    return max(int(curves[name][-1]) for name in kernels.outputs) + BOUNDARY_LATENCY


def _emit(kernel: Kernel, arrivals: Ints) -> Ints:
    """When each output beat is decided, before the pipeline's latency."""
    match kernel:
        case MatrixVector():
            return _matrix(kernel, arrivals)
        case Window():
            return _paced(arrivals[_needed(kernel)])
        case MaxReduce():
            return _paced(arrivals)[kernel.fold - 1 :: kernel.fold]
        case WidthConverter():
            outputs = np.arange(kernel.elements // kernel.out_lanes)
            return _paced(arrivals[((outputs + 1) * kernel.out_lanes - 1) // kernel.in_lanes])
        case Requantiser():
            return _paced(arrivals)
        case _:
            raise AssertionError(f"no token curve for {type(kernel).__name__}")


def _paced(times: Ints) -> Ints:
    """The earliest times, at most one a clock and in order, at which events that are ready at `times` can happen."""
    index = np.arange(len(times))
    return np.maximum.accumulate(times - index) + index


def _matrix(kernel: MatrixVector, arrivals: Ints) -> Ints:
    """The last step of each row fold; only the first row fold waits for its input."""
    steps = np.zeros((kernel.vectors * kernel.groups, kernel.row_fold, kernel.col_fold), dtype=np.int64)
    steps[:, 0] = arrivals.reshape(-1, kernel.col_fold)
    return _paced(steps.reshape(-1))[kernel.col_fold - 1 :: kernel.col_fold]


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
    return np.maximum.accumulate(np.where(inside, place, 0).reshape(-1))
