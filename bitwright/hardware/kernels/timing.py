# SPDX-License-Identifier: Apache-2.0
"""Latencies of the hardware kernels in clocks: facts of `hls_templates/verilog`, which `tests/rtl` measures.

A kernel's latency counts from the handshake of the input beat that completes an output beat to the clock in which that
output beat is valid, its downstream FIFO not included; a Reorder's from the clock after the frame's last input beat,
that of a unit that skips zeros from the clock of the last word of a row fold.
"""

from __future__ import annotations

from math import lcm
from typing import Literal

from bitwright.exact.forms import Lookup, MultiplyShift, Thresholds
from bitwright.hardware.kernels.base import Kernel, Stream
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.joins import Adder, Fork, Interleave, Multiplier
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.moves import Reorder, WidthConverter
from bitwright.hardware.kernels.reduce import ArgMaxReduce, MaxReduce, SumReduce
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.kernels.select import SelectMatrixVector
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.kernels.windows import ParallelWindow, Window

SHIFT_FIFO_WORDS = 16
"""A FIFO of no more words is a shift register: a look-up table holds 16 words of two bits of it and there are no
pointers; of a dual-port memory it holds 32 words of one and a half bits."""

BLOCK_FIFO_WORDS, BLOCK_FIFO_BITS = 64, 4096
"""A FIFO beyond both is in block RAM: a smaller one would leave most of a block of 512 words unused, and takes fewer
look-up tables than a block is worth."""

FifoKind = Literal["wire", "register", "shift", "distributed", "block"]

BOUNDARY_LATENCY = 2
"""The elastic registers of the AXI4-Stream sink and source together."""


def kernel_latency(kernel: Kernel) -> int:
    """Clocks from the input beat that completes an output beat to that output beat."""
    match kernel:
        case Window() | Multiplier() | Reorder():
            return 3
        case Depthwise() | Adder() | ArgMaxReduce():
            return _tree_latency(kernel)
        case MatrixVector() | SparseMatrixVector():
            return _matrix_latency(kernel)
        case Requantiser():
            return _requantiser_latency(kernel)
        case MaxReduce() | SumReduce() | Fork() | Interleave():
            return 1
        case ParallelWindow():
            return 2
        case WidthConverter():
            return sum(1 for ratio in width_ratios(kernel) if ratio > 1)
        case _:
            raise AssertionError(f"no hardware for {type(kernel).__name__}")


def kernel_credits(kernel: Kernel) -> int:
    """Beats that a kernel's pipeline and the buffer behind it hold: it decides no further one while they are there."""
    match kernel:
        case MatrixVector():
            return kernel_latency(kernel) // kernel.col_fold + 2
        case SparseMatrixVector():
            return kernel.most_ends(kernel_latency(kernel) + 1) + 1
        case Depthwise() | ArgMaxReduce():
            return kernel_latency(kernel) // kernel.fold + 2
        case Window():
            return 3
        case ParallelWindow():
            return 2
        case _:
            return kernel_latency(kernel) + 1


def stream_latency(stream: Stream) -> int:
    """Clocks through the FIFO of an edge."""
    return {"wire": 0, "register": 1, "shift": 1, "distributed": 1, "block": 2}[fifo_kind(stream)]


def fifo_words(stream: Stream) -> int:
    """Words that the FIFO of an edge holds: an elastic register two, also where one would do."""
    return max(stream.depth, 2) if stream.depth else 0


def fifo_kind(stream: Stream) -> FifoKind:
    """What an edge of `depth` words becomes: a wire (0), an elastic register (up to 2), or the cheapest memory."""
    if stream.depth <= 2:
        return "register" if stream.depth else "wire"
    if stream.depth <= SHIFT_FIFO_WORDS:
        return "shift"
    large = stream.depth > BLOCK_FIFO_WORDS and stream.depth * stream.bits > BLOCK_FIFO_BITS
    return "block" if large else "distributed"


def tree_latency(operands: int) -> int:
    """Levels of the pipelined adder tree: one for every factor of four."""
    levels = 0
    while 4**levels < operands:
        levels += 1
    return levels


def width_ratios(kernel: WidthConverter) -> tuple[int, int]:
    """(words gathered into one, parts that one is then cut into): through the least common multiple of the lanes."""
    middle = lcm(kernel.in_lanes, kernel.out_lanes)
    return middle // kernel.in_lanes, middle // kernel.out_lanes


def threshold_bits(form: Thresholds) -> int:
    """Steps of the search for the number of thresholds reached, at least one."""
    return max(1, int(form.t.array.shape[1]).bit_length())


def _matrix_latency(kernel: MatrixVector | SparseMatrixVector) -> int:
    """A multiplier takes one clock, in a DSP slice three; bits that agree are counted in threes before their tree.

    A schedule is read one clock before the vector; elements are selected in one before they are multiplied.
    """
    more = int(isinstance(kernel, SparseMatrixVector | SelectMatrixVector))
    match kernel.style:
        case "lut" | "ternary":
            return 4 + more + tree_latency(kernel.products)
        case "dsp":
            return 6 + more + tree_latency(kernel.products)
        case "xnor":
            return 4 + tree_latency(-(-kernel.simd // 3))


def _tree_latency(kernel: Depthwise | Adder | ArgMaxReduce) -> int:
    """Sums have a level for every factor of four operands, comparisons for every factor of two."""
    match kernel:
        case Depthwise():
            return 4 + tree_latency(kernel.simd)
        case Adder():
            return 3 + tree_latency(len(kernel.inputs))
        case ArgMaxReduce():
            return 2 + (kernel.lanes - 1).bit_length()


def _requantiser_latency(kernel: Requantiser) -> int:
    match kernel.form:
        case MultiplyShift():
            return 5
        case Thresholds():
            return 2 + threshold_bits(kernel.form)
        case Lookup():
            return 2
