# SPDX-License-Identifier: Apache-2.0
"""Kernels and FIFOs as the modules that the Verilog backend makes of them, with the sizes of each: see `terms.py`."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import cache
from math import prod

from bitwright.exact.forms import Lookup, MultiplyShift, Thresholds
from bitwright.hardware.kernels.base import Kernel, KernelGraph, Stream
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.joins import Adder, Fork, Interleave, Multiplier
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.moves import Reorder, WidthConverter
from bitwright.hardware.kernels.reduce import ArgMaxReduce, MaxReduce, SumReduce
from bitwright.hardware.kernels.requantiser import Requantiser
from bitwright.hardware.kernels.select import SelectMatrixVector
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.kernels.timing import fifo_kind, kernel_credits, kernel_latency, threshold_bits, width_ratios
from bitwright.hardware.kernels.windows import ParallelWindow, Sliding, Window
from bitwright.hardware.modules import streams as terms
from bitwright.hardware.modules import units as unit_terms
from bitwright.hardware.modules import windows as window_terms
from bitwright.hardware.modules.memories import columns, random_columns, varying
from bitwright.hardware.modules.streams import Parts, times
from bitwright.hardware.modules.windows import Geometry
from bitwright.hardware.roms import (
    Rom,
    choice_rom,
    coded,
    constant_rom,
    factor_rom,
    mas_widths,
    order_rom,
    schedule_rom,
    signed_bits,
    weight_rom,
)
from bitwright.ir.types import IntType
from bitwright.ir.weights import Shape, Weights

CONTENT_BITS = 1 << 15
"""Weights of more bits are in block RAM, whatever they are: then it is enough to know which bits vary."""
LISTED_BITS = 1 << 18
"""Orders and schedules of more bits are not looked at: they are in block RAM too."""


def parts(kernel: Kernel, *, contents: bool) -> Parts:
    """The modules of a kernel and of its ROMs.

    With `contents` the words of the ROMs are read: columns that are constant or equal take no logic. Without, or where
    there are no words yet, they count as random.
    """
    match kernel:
        case SelectMatrixVector():
            return _select(kernel, contents)
        case SparseMatrixVector():
            return _sparse(kernel, contents)
        case MatrixVector():
            return (*_flow(kernel), *_mac(kernel, kernel.pe), *_weights(kernel, contents))
        case Depthwise():
            return (*_depthwise(kernel), *_weights(kernel, contents))
        case Requantiser():
            return _requantiser(kernel, contents)
        case Window():
            return window_terms.window(
                at=_geometry(kernel), inner=kernel.inner, lanes=kernel.lanes, x_w=kernel.type.bits, depth=kernel.depth
            )
        case ParallelWindow():
            return window_terms.window_line(
                at=_geometry(kernel), period=kernel.period, lanes=kernel.lanes, x_w=kernel.type.bits
            )
        case MaxReduce() | SumReduce() | ArgMaxReduce():
            return _reduce(kernel)
        case WidthConverter():
            return _width(kernel)
        case _:
            return _branch(kernel)


def fifo_parts(stream: Stream) -> Parts:
    """The FIFO of an edge."""
    match fifo_kind(stream):
        case "wire":
            return ()
        case "register":
            return terms.elastic_reg(width=stream.bits)
        case "shift":
            return terms.fifo_shift(width=stream.bits, depth=stream.depth)
        case "distributed":
            return terms.fifo(width=stream.bits, depth=stream.depth)
        case "block":
            return terms.fifo_block(width=stream.bits, depth=stream.depth)


def boundary_parts(graph: KernelGraph) -> Parts:
    """The AXI4-Stream ends of the streams that enter and leave the design, and the FIFOs of those that leave."""
    found: list[Parts] = []
    for name in graph.inputs:
        stream = graph.stream(name)
        found.append(terms.axis_sink(lanes=stream.lanes, elem_w=stream.type.bits, beats=stream.beats))
    for name in graph.outputs:
        stream = graph.stream(name)
        found += [
            fifo_parts(stream),
            terms.axis_source(lanes=stream.lanes, elem_w=stream.type.bits, beats=stream.beats),
        ]
    return tuple(part for parts_of_end in found for part in parts_of_end)


@cache
def decoded_bits(kind: IntType) -> int:
    """Bits of an element once a module has made it two's complement."""
    return 2 if kind.is_bipolar else kind.bits + (not kind.signed)


def _flow(kernel: MatrixVector) -> Parts:
    return unit_terms.mvu_flow(
        groups=kernel.groups,
        row_fold=kernel.row_fold,
        col_fold=kernel.col_fold,
        beat_w=kernel.simd * kernel.x_type.bits,
        result_w=kernel.pe * kernel.acc_type.bits,
        latency=kernel_latency(kernel) - 1,
    )


def _mac(kernel: MatrixVector | SparseMatrixVector, pe: int) -> Parts:
    """The arithmetic of `pe` accumulators that share their inputs."""
    products, acc_w = kernel.products, kernel.acc_type.bits
    x_bits, w_bits = decoded_bits(kernel.x_type), decoded_bits(kernel.weight_type)
    match kernel.style:
        case "lut":
            return unit_terms.mac_lut(pe=pe, simd=products, x_bits=x_bits, w_bits=w_bits, acc_w=acc_w)
        case "ternary":
            return unit_terms.mac_ternary(pe=pe, simd=products, term_w=kernel.x_type.bits + 1, acc_w=acc_w)
        case "xnor":
            return unit_terms.mac_xnor(pe=pe, simd=products, acc_w=acc_w)
        case "dsp":
            shared = kernel.packing
            packed = shared.lanes, shared.stride, shared.width
            each = isinstance(kernel, SparseMatrixVector)
            return unit_terms.mac_dsp(
                pe=pe, simd=products, x_bits=x_bits, w_bits=w_bits, acc_w=acc_w, packed=packed, each=each
            )


def _weights(kernel: MatrixVector | SparseMatrixVector | Depthwise, contents: bool) -> Parts:
    words, width = len(kernel.weights.array), prod(kernel.weights.array.shape[1:]) * kernel.weight_type.bits
    known, block = contents and not isinstance(kernel.weights, Shape), kernel.memory == "block"
    if not known or (not block and words * width <= CONTENT_BITS):
        return _rom(words, width, lambda: weight_rom(kernel), known, block=block)
    count = varying(coded(kernel.weights.array, kernel.weight_type), kernel.weight_type.bits)
    held = replace(random_columns(words, count), varying=count)
    return terms.rom(words=words, width=width, block=block, columns=held)


def _rom(words: int, width: int, make: Callable[[], Rom], contents: bool, *, ports: int = 1, block: bool) -> Parts:
    """A ROM; what it holds is looked at if that is asked for."""
    known = contents and words * width <= LISTED_BITS
    held = columns(make().bits) if known else random_columns(words, width)
    return terms.rom(words=words, width=width, ports=ports, block=block, columns=held)


def _select(kernel: SelectMatrixVector, contents: bool) -> Parts:
    count = kernel.pe * kernel.products
    words = kernel.groups * kernel.row_fold * kernel.col_fold
    own = unit_terms.select_flow(products=count, of=kernel.group, x_w=kernel.x_type.bits, words=words)
    macs = times(kernel.pe, _mac(kernel, 1))
    width, block = count * (kernel.group - 1).bit_length(), kernel.memory == "block"
    choices = _rom(words, width, lambda: choice_rom(kernel), contents, block=block)
    return (*own, *_flow(kernel), *macs, *choices, *_weights(kernel, contents))


def _sparse(kernel: SparseMatrixVector, contents: bool) -> Parts:
    flow = unit_terms.sparse_flow(
        col_fold=kernel.col_fold,
        words=kernel.words,
        ports=kernel.ports,
        beat_w=kernel.simd * kernel.x_type.bits,
        result_w=kernel.pe * kernel.acc_type.bits,
        latency=kernel_latency(kernel) - 1,
        depth=kernel_credits(kernel),
    )
    macs = times(kernel.ports, _mac(kernel, kernel.lanes))
    width = kernel.ports * max(1, (kernel.col_fold - 1).bit_length()) + 1
    schedule = _rom(kernel.words, width, lambda: schedule_rom(kernel), contents, block=kernel.memory == "block")
    return (*flow, *macs, *schedule, *_weights(kernel, contents))


def _depthwise(kernel: Depthwise) -> Parts:
    return unit_terms.depthwise(
        blocks=kernel.blocks,
        fold=kernel.fold,
        lanes=kernel.lanes,
        multiplier=kernel.multiplier,
        simd=kernel.simd,
        x_w=kernel.x_type.bits,
        x_bits=decoded_bits(kernel.x_type),
        w_bits=decoded_bits(kernel.weight_type),
        acc_w=kernel.acc_type.bits,
    )


def _requantiser(kernel: Requantiser, contents: bool) -> Parts:
    form, lanes, folds = kernel.form, kernel.lanes, kernel.folds
    x_w, x_bits, y_w = kernel.x_type.bits, decoded_bits(kernel.x_type), kernel.y_type.bits
    match form:
        case MultiplyShift():
            m_w, c_w, win_w, bound_w, _ = widths = mas_widths(form)
            lane = m_w, c_w, win_w, bound_w, signed_bits(form.product.lo, form.product.hi), form.s
            unit = unit_terms.mas(lanes=lanes, folds=folds, x_w=x_w, x_bits=x_bits, y_w=y_w, lane=lane)
            width, varying = sum(widths), sum(_varying(field) for field in (form.m, form.c, form.window))
        case Thresholds():
            bits = threshold_bits(form)
            never = max(kernel.x_type.hi, ~kernel.x_type.lo) + 1
            filled = form.t.array.shape[1] < (1 << bits) - 1
            t_w = signed_bits(form.t.type.lo, max(form.t.type.hi, never) if filled else form.t.type.hi)
            unit = unit_terms.thresholds(lanes=lanes, folds=folds, x_w=x_w, x_bits=x_bits, t_w=t_w, bits=bits, y_w=y_w)
            width = ((1 << bits) - 1) * t_w + y_w + 1
            varying = form.t.array.shape[1] * _varying(form.t)
        case Lookup():
            table = _rom(1 << x_w, y_w, lambda: constant_rom(kernel), contents, ports=lanes, block=False)
            return (*unit_terms.lookup(lanes=lanes, y_w=y_w), *table)
    held = columns(constant_rom(kernel).bits) if contents else random_columns(folds, lanes * varying)
    return (*unit, *terms.rom(words=folds, width=lanes * width, columns=held))


def _varying(field: Weights) -> int:
    """Bits of a constant that are not the same for all channels."""
    return (field.type.lo ^ field.type.hi).bit_length()


def _geometry(kernel: Sliding) -> Geometry:
    return Geometry(
        height=kernel.height,
        width=kernel.width,
        out_height=kernel.out_height,
        out_width=kernel.out_width,
        blocks=kernel.blocks,
        kernel=kernel.kernel,
        strides=kernel.strides,
        dilations=kernel.dilations,
        top=kernel.pads[0],
        left=kernel.pads[1],
    )


def _reduce(kernel: MaxReduce | SumReduce | ArgMaxReduce) -> Parts:
    match kernel:
        case MaxReduce():
            return unit_terms.max_reduce(fold=kernel.fold, lanes=kernel.lanes, x_w=kernel.type.bits)
        case SumReduce():
            return unit_terms.sum_reduce(fold=kernel.fold, lanes=kernel.lanes, y_w=kernel.y_type.bits)
        case ArgMaxReduce():
            return unit_terms.argmax_reduce(
                fold=kernel.fold, lanes=kernel.lanes, x_w=kernel.x_type.bits, y_w=kernel.y_type.bits
            )


def _width(kernel: WidthConverter) -> Parts:
    up, down = width_ratios(kernel)
    bits = kernel.type.bits
    gather = terms.width_up(width=kernel.in_lanes * bits, ratio=up) if up > 1 else ()
    return (*gather, *(terms.width_down(width=kernel.out_lanes * bits, ratio=down) if down > 1 else ()))


def _branch(kernel: Kernel) -> Parts:
    match kernel:
        case Fork():
            return terms.fork(width=kernel.lanes * kernel.type.bits, copies=len(kernel.outputs))
        case Adder():
            return _adder(kernel)
        case Multiplier():
            return unit_terms.multiplier(lanes=kernel.lanes, x_w=_difference_bits(kernel), y_w=kernel.y_type.bits)
        case Interleave():
            width = kernel.lanes * kernel.y_type.bits
            return terms.interleave(operands=len(kernel.inputs), width=width, longest=max(kernel.parts))
        case Reorder():
            unit = terms.reorder(
                lanes=kernel.lanes, x_w=kernel.type.bits, in_beats=kernel.in_beats, out_beats=kernel.out_beats
            )
            width = max(1, (kernel.in_beats - 1).bit_length()) + 1
            return (*unit, *_rom(kernel.out_beats, width, lambda: order_rom(kernel), contents=True, block=False))
        case _:
            raise AssertionError(f"no parts for {type(kernel).__name__}")


def _difference_bits(kernel: Multiplier) -> int:
    """Bits of an operand less its zero point."""
    zeros = zip(kernel.x_types, kernel.zeros, strict=True)
    reach = [value for kind, zero in zeros for value in (kind.lo, kind.hi, zero, kind.lo - zero, kind.hi - zero)]
    return signed_bits(min(reach), max(reach))


def _adder(kernel: Adder) -> Parts:
    factors = kernel.factors.type
    unit = unit_terms.adder(
        operands=len(kernel.inputs),
        lanes=kernel.lanes,
        folds=kernel.folds,
        x_w=max(signed_bits(kind.lo, kind.hi) for kind in kernel.x_types),
        f_w=signed_bits(factors.lo, factors.hi),
        y_w=kernel.y_type.bits,
    )
    width = kernel.lanes * len(kernel.inputs) * signed_bits(factors.lo, factors.hi)
    return (*unit, *_rom(kernel.folds, width, lambda: factor_rom(kernel), contents=True, block=False))
