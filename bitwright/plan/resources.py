# SPDX-License-Identifier: Apache-2.0
"""A first estimate of LUTs, block RAMs and DSPs per kernel, before anything is fitted to a synthesis tool.

The constants are those of `exact/cost.py` for requantisers, those of `benchmarks/hardware.md` for matrix-vector units,
and simple counts elsewhere. FF are not modelled yet, and reports say null for them.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np

from bitwright.exact.cost import cost
from bitwright.plan.arithmetic import multipliers
from bitwright.plan.kernels import (
    Adder,
    ArgMaxReduce,
    Depthwise,
    Fork,
    Interleave,
    Kernel,
    MatrixVector,
    MaxReduce,
    Memory,
    Multiplier,
    ParallelWindow,
    Reorder,
    Requantiser,
    Stream,
    SumReduce,
    WidthConverter,
    Window,
)
from bitwright.plan.selecting import SelectMatrixVector
from bitwright.plan.skipping import SparseMatrixVector

BRAM18_BITS = 18 * 1024


@dataclass(frozen=True, slots=True)
class Resources:
    """LUTs, 18-kbit block RAMs and DSPs."""

    lut: int = 0
    bram: int = 0
    dsp: int = 0

    def __add__(self, other: Resources) -> Resources:
        return Resources(self.lut + other.lut, self.bram + other.bram, self.dsp + other.dsp)


def resources(kernel: Kernel) -> Resources:
    """The estimate for one kernel."""
    match kernel:
        case MatrixVector():
            return _matrix(kernel)
        case SparseMatrixVector():
            return _sparse_matrix(kernel)
        case Depthwise():
            return _depthwise(kernel)
        case ParallelWindow():
            width = kernel.lanes * kernel.type.bits
            return _memory(kernel.span, width) + Resources(60 + kernel.taps * width)
        case Window():
            return _memory(kernel.depth, kernel.lanes * kernel.type.bits) + Resources(60)
        case MaxReduce():
            return Resources(2 * kernel.lanes * kernel.type.bits)
        case ArgMaxReduce():
            return Resources(2 * kernel.lanes * (kernel.x_type.bits + kernel.y_type.bits))
        case Requantiser():
            one = cost(kernel.form, lanes=kernel.lanes)
            memory = _memory(kernel.folds, round(one.memory_bits) // max(kernel.folds, 1))
            return Resources(round(one.lut), dsp=one.dsp) + memory
        case WidthConverter():
            return Resources(2 * max(kernel.in_lanes, kernel.out_lanes) * kernel.type.bits)
        case _:
            return _join(kernel)


def fifo_resources(stream: Stream) -> Resources:
    """The estimate for the FIFO of one edge."""
    return _memory(stream.depth, stream.bits)


def _matrix(kernel: MatrixVector) -> Resources:
    """The arithmetic, the weight memory and the buffer for the vector."""
    buffer = _memory(kernel.col_fold, kernel.simd * kernel.x_type.bits) if kernel.row_fold > 1 else Resources()
    selectors = _selectors(kernel) if isinstance(kernel, SelectMatrixVector) else Resources()
    return _arithmetic(kernel) + Resources(40) + buffer + selectors


def _selectors(kernel: SelectMatrixVector) -> Resources:
    """A selector of bits in front of each multiplier, four to a look-up table, and the memory of its indices."""
    count, words = kernel.pe * kernel.products, len(kernel.choices.array)
    selectors = count * kernel.x_type.bits * -(-(kernel.group - 1) // 3)
    return Resources(selectors) + _rom(words, count * (kernel.group - 1).bit_length(), kernel.memory)


def _sparse_matrix(kernel: SparseMatrixVector) -> Resources:
    """The arithmetic, the weight memory, the schedule, and for each port a buffer for two vectors."""
    beat = max(1, (kernel.col_fold - 1).bit_length())
    buffer = _memory(2 << beat, kernel.simd * kernel.x_type.bits)
    buffers = Resources(kernel.ports * buffer.lut, kernel.ports * buffer.bram)
    return _arithmetic(kernel) + Resources(60) + _rom(kernel.words, kernel.ports * beat + 1, kernel.memory) + buffers


def _arithmetic(kernel: MatrixVector | SparseMatrixVector) -> Resources:
    """The products, the adder trees, the accumulators and the weight memory."""
    products, terms, bits = _products(kernel)
    adders = kernel.pe * ((terms - 1) * (bits + 1) + kernel.acc_type.bits)
    words, width = len(kernel.weights.array), kernel.pe * kernel.products * kernel.weight_type.bits
    return products + Resources(adders) + _rom(words, width, kernel.memory)


def _rom(words: int, width: int, memory: Memory) -> Resources:
    """A read-only memory of `words` x `width` bits in look-up tables, or in block RAM."""
    return _memory(words, width) if memory == "lut" else Resources(0, -(-words * width // BRAM18_BITS))


def _products(kernel: MatrixVector | SparseMatrixVector) -> tuple[Resources, int, int]:
    """What the products of a beat take, into how many terms of how many bits for each PE.

    A W x X multiplier in logic takes about 2*W*X LUTs; weights that share a slice are added up before it.
    """
    w, x, count = kernel.weight_type.bits, kernel.x_type.bits, kernel.pe * kernel.products
    match kernel.style:
        case "lut":
            return Resources(count * (2 * w * x if min(w, x) > 1 else max(w, x) + 1)), kernel.products, w + x
        case "dsp":
            shared = kernel.packing
            units = -(-kernel.pe // shared.lanes) * kernel.products
            packers = Resources(units * (shared.lanes - 1) * w, dsp=units * multipliers(shared, kernel.x_type))
            return packers, kernel.products, shared.stride
        case "ternary":
            return Resources(count * (x + 1)), kernel.products, x + 1
        case "xnor":
            groups = -(-kernel.simd // 3)
            return Resources(2 * kernel.pe * groups), groups, 2


def _depthwise(kernel: Depthwise) -> Resources:
    """Multipliers, the adders of `simd` products, the accumulators and the weight memory."""
    w, x, acc = kernel.weight_type.bits, kernel.x_type.bits, kernel.acc_type.bits
    products = kernel.pe * kernel.simd * (w * x if min(w, x) > 1 else max(w, x))
    adders = kernel.pe * ((kernel.simd - 1) * (w + x) + acc)
    words, width = len(kernel.weights.array), kernel.pe * kernel.simd * w
    weights = _memory(words, width) if kernel.memory == "lut" else Resources(0, -(-words * width // BRAM18_BITS))
    return Resources(products + adders + 30) + weights


def _memory(words: int, width: int) -> Resources:
    """A memory of `words` x `width` bits: 64 bits a LUT, or block RAM beyond 4 Kbit and 64 words."""
    if words > 64 and words * width > 4096:
        return Resources(0, -(-words * width // BRAM18_BITS))
    return Resources(-(-words // 64) * width)


def _join(kernel: Kernel) -> Resources:
    """The estimate for a kernel that forks, joins or reorders."""
    match kernel:
        case SumReduce():
            return Resources(kernel.lanes * kernel.y_type.bits)
        case Fork():
            return Resources(len(kernel.outputs))
        case Adder():
            factors = max(int(np.abs(kernel.factors.array).max()).bit_length() - 1, 0)
            return Resources(kernel.lanes * (kernel.y_type.bits + sum(x.bits for x in kernel.x_types) * factors))
        case Multiplier():
            return Resources(kernel.lanes * prod(x.bits for x in kernel.x_types))
        case Interleave():
            return Resources(kernel.lanes * kernel.y_type.bits)
        case Reorder():
            order = _memory(kernel.out_beats, max(kernel.in_beats.bit_length(), 1))
            return _memory(2 * kernel.in_beats, kernel.lanes * kernel.type.bits) + order
        case _:
            raise AssertionError(f"no estimate for {type(kernel).__name__}")
