# SPDX-License-Identifier: Apache-2.0
"""Kernels as instances of the Verilog module library: the blocks that `top.sv.j2` prints."""

from __future__ import annotations

from bitwright.backends.verilog.branches import branch_block
from bitwright.backends.verilog.parts import Block, Instance, Place, assigned, instance, nets, with_rom
from bitwright.backends.verilog.select import select_block
from bitwright.backends.verilog.sparse import packed, sparse_block
from bitwright.backends.verilog.words import code_name, literal
from bitwright.exact.forms import Lookup, MultiplyShift, Thresholds
from bitwright.hardware.kernels.base import Kernel
from bitwright.hardware.kernels.depthwise import Depthwise
from bitwright.hardware.kernels.joins import Fork, Join
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.moves import Reorder, WidthConverter
from bitwright.hardware.kernels.reduce import ArgMaxReduce, MaxReduce, SumReduce
from bitwright.hardware.kernels.requantiser import Requantiser, mas_widths, threshold_bits, threshold_fields
from bitwright.hardware.kernels.select import SelectMatrixVector
from bitwright.hardware.kernels.sparse import SparseMatrixVector
from bitwright.hardware.kernels.windows import ParallelWindow, Window
from bitwright.hardware.roms import signed_bits
from bitwright.ir.errors import BitwrightError


def kernel_block(kernel: Kernel, at: Place) -> Block:
    """The instances of `kernel` in its place."""
    match kernel:
        case MatrixVector() | SparseMatrixVector():
            return _matrix_vector(kernel, at)
        case Depthwise():
            return _depthwise(kernel, at)
        case Window():
            return _window(kernel, at)
        case ParallelWindow():
            return _parallel_window(kernel, at)
        case MaxReduce() | SumReduce():
            return _reduce(kernel, at)
        case ArgMaxReduce():
            return _argmax_reduce(kernel, at)
        case Requantiser():
            return _requantiser(kernel, at)
        case WidthConverter():
            return _width_converter(kernel, at)
        case Fork() | Join() | Reorder():
            return branch_block(kernel, at)
        case _:
            raise AssertionError(f"no module for {type(kernel).__name__}")


def _matrix_vector(kernel: MatrixVector | SparseMatrixVector, at: Place) -> Block:
    if isinstance(kernel, SparseMatrixVector):
        return sparse_block(kernel, at)
    if isinstance(kernel, SelectMatrixVector):
        return select_block(kernel, at)
    assert not kernel.acc_type.is_bipolar, f"{kernel.name}: an accumulator is two's complement"
    comment: tuple[str, ...] = (
        f"y[{kernel.rows}] = W[{kernel.rows}][{kernel.cols}] x[{kernel.cols}], {_count(kernel.groups, 'group')}, "
        f"{_count(kernel.vectors, 'vector')} per frame",
        f"weights {kernel.weight_type}, a word of PE x SIMD per clock, row fold major; accumulators {kernel.acc_type}",
    )
    folds = {"Groups": kernel.groups, "RowFold": kernel.row_fold, "ColFold": kernel.col_fold}
    own: dict[str, object] = {**folds, "PE": kernel.pe, "SIMD": kernel.simd}
    if kernel.style != "xnor":
        own |= {"XW": kernel.x_type.bits, "XCode": f"bw_pkg::{code_name(kernel.x_type)}"}
        own |= {"WW": kernel.weight_type.bits, "WCode": f"bw_pkg::{code_name(kernel.weight_type)}"}
    own["AccW"] = kernel.acc_type.bits
    if kernel.style == "dsp":
        shared = kernel.packing
        own |= packed(shared, "Lanes")
        comment += (f"{_count(shared.lanes, 'row')} to a multiplier, products {shared.stride} bits apart",)
    unit = _unit(f"bw_mvu_{kernel.style}", kernel, assigned(**own), at)
    return with_rom(unit, "w", kernel.weight_rom(), comment, at.names)


def _depthwise(kernel: Depthwise, at: Place) -> Block:
    comment = (
        f"{kernel.blocks * kernel.lanes} channels, {kernel.lanes} at a time, each times {kernel.multiplier} x "
        f"{kernel.fold * kernel.simd} of its own, {_count(kernel.vectors, 'pixel')} per frame",
        f"weights {kernel.weight_type}, a word of PE x SIMD per clock, block major; accumulators {kernel.acc_type}",
    )
    parameters = assigned(
        Blocks=kernel.blocks,
        Fold=kernel.fold,
        Lanes=kernel.lanes,
        Multiplier=kernel.multiplier,
        SIMD=kernel.simd,
        XW=kernel.x_type.bits,
        XCode=f"bw_pkg::{code_name(kernel.x_type)}",
        WW=kernel.weight_type.bits,
        WCode=f"bw_pkg::{code_name(kernel.weight_type)}",
        AccW=kernel.acc_type.bits,
    )
    unit = _unit("bw_depthwise", kernel, parameters, at)
    return with_rom(unit, "w", kernel.weight_rom(), comment, at.names)


def _requantiser(kernel: Requantiser, at: Place) -> Block:
    x, y, form = kernel.x_type, kernel.y_type, kernel.form
    channels = {"Lanes": kernel.lanes, "Folds": kernel.folds, "XW": x.bits, "XCode": f"bw_pkg::{code_name(x)}"}
    match form:
        case MultiplyShift():
            module = "bw_mas"
            u_bits = signed_bits(form.product.lo, form.product.hi)
            sizes = dict(zip(("MW", "CW", "WinW", "BoundW"), mas_widths(form), strict=False))
            own = {**channels, **sizes, "UW": u_bits, "Shift": form.s, "Odd": f"1'b{form.odd}", "YW": y.bits}
            own["YCode"] = f"bw_pkg::{code_name(y)}"
            meaning = f"{form.kind}: code = clip((m*x + c) >> {form.s}, low, high)"
        case Thresholds():
            module, (_, t_bits) = "bw_thresholds", threshold_fields(form, x, y)[0]
            own = {**channels, "TW": t_bits, "Bits": threshold_bits(form), "YW": y.bits}
            meaning = f"{form.kind}: code = first + the number of thresholds reached"
        case Lookup():
            module, own = "bw_lookup", {"Lanes": kernel.lanes, "XW": x.bits, "YW": y.bits}
            meaning = "table: code = entries[x]"
    comment = (f"{meaning}; {x} to {y}",)
    unit = _unit(module, kernel, assigned(**own), at)
    return with_rom(unit, "k", kernel.constant_rom(), comment, at.names)


def _window(kernel: Window, at: Place) -> Block:
    (kh, kw), (sh, sw), (dh, dw) = kernel.kernel, kernel.strides, kernel.dilations
    top, left, _, _ = kernel.pads
    if (kernel.out_height - 1) * sh - top >= kernel.height or (kernel.out_width - 1) * sw - left >= kernel.width:
        raise BitwrightError(
            f"pads {kernel.pads} reach a whole kernel beyond the image",
            where=f"layer '{kernel.layer}'",
            hint="pad by less than the dilated kernel",
        )
    parameters = assigned(
        Lanes=kernel.lanes,
        XW=kernel.type.bits,
        Height=kernel.height,
        Width=kernel.width,
        OutHeight=kernel.out_height,
        OutWidth=kernel.out_width,
        Blocks=kernel.blocks,
        Inner=kernel.inner,
        KernelH=kh,
        KernelW=kw,
        StrideH=sh,
        StrideW=sw,
        DilationH=dh,
        DilationW=dw,
        Top=top,
        Left=left,
        Depth=kernel.depth,
        PadValue=literal(kernel.pad_value, kernel.type),
    )
    comment = (
        f"{kh} x {kw} windows of {kernel.height} x {kernel.width} pixels, strides {sh} {sw}, pads {top} {left}",
        f"ring of {kernel.depth} beats of {kernel.lanes} x {kernel.type}",
    )
    return _plain("bw_window", kernel, parameters, comment, at)


def _parallel_window(kernel: ParallelWindow, at: Place) -> Block:
    (kh, kw), (sh, sw), (dh, dw) = kernel.kernel, kernel.strides, kernel.dilations
    top, left, _, _ = kernel.pads
    parameters = assigned(
        Lanes=kernel.lanes,
        XW=kernel.type.bits,
        Height=kernel.height,
        Width=kernel.width,
        OutHeight=kernel.out_height,
        OutWidth=kernel.out_width,
        Blocks=kernel.blocks,
        KernelH=kh,
        KernelW=kw,
        StrideH=sh,
        StrideW=sw,
        DilationH=dh,
        DilationW=dw,
        Top=top,
        Left=left,
        First=kernel.first,
        Period=kernel.period,
        PadValue=literal(kernel.pad_value, kernel.type),
    )
    comment = (
        f"{kh} x {kw} windows of {kernel.height} x {kernel.width} pixels at once, strides {sh} {sw}, pads {top} {left}",
        f"line of {kernel.span + 1} beats of {kernel.lanes} x {kernel.type}, {kernel.taps} taps",
    )
    return _plain("bw_window_line", kernel, parameters, comment, at)


def _reduce(kernel: MaxReduce | SumReduce, at: Place) -> Block:
    x_type = kernel.x_type
    sizes = assigned(Fold=kernel.fold, Lanes=kernel.lanes, XW=x_type.bits, XCode=f"bw_pkg::{code_name(x_type)}")
    if isinstance(kernel, MaxReduce):
        return _plain("bw_max_reduce", kernel, sizes, (f"largest of {kernel.fold} beats, lane by lane",), at)
    sizes += (f".YW({kernel.y_type.bits})",)
    return _plain("bw_sum_reduce", kernel, sizes, (f"sum of {kernel.fold} beats, lane by lane",), at)


def _argmax_reduce(kernel: ArgMaxReduce, at: Place) -> Block:
    x, y = kernel.x_type, kernel.y_type
    sizes = {"Fold": kernel.fold, "Lanes": kernel.lanes, "XW": x.bits, "XCode": f"bw_pkg::{code_name(x)}"}
    parameters = assigned(**sizes, YW=y.bits, Last=f"1'b{kernel.last}")
    comment = (
        f"place of the largest of {_count(kernel.fold * kernel.lanes, 'channel')}, "
        f"the {'last' if kernel.last else 'first'} of equals; {_count(kernel.groups, 'pixel')} per frame",
    )
    return _plain("bw_argmax_reduce", kernel, parameters, comment, at)


def _width_converter(kernel: WidthConverter, at: Place) -> Block:
    """Up to the least common multiple of the lanes, then down; a converter with a ratio of one is left out."""
    up, down = kernel.ratios
    comment = (f"{kernel.in_lanes} lanes to {kernel.out_lanes}",)
    bits = kernel.type.bits
    gather = assigned(Width=kernel.in_lanes * bits, Ratio=up)
    cut = assigned(Width=kernel.out_lanes * bits, Ratio=down)
    if down == 1:
        return _plain("bw_width_up", kernel, gather, comment, at)
    if up == 1:
        return _plain("bw_width_down", kernel, cut, comment, at)
    whole = at.names.new(f"{kernel.name}_whole")
    first = instance("bw_width_up", at.names.new(f"{kernel.name}_up"), gather, at.source, whole)
    second = instance("bw_width_down", at.names.new(f"{kernel.name}_down"), cut, whole, at.sink)
    return Block(comment, nets(whole, up * kernel.in_lanes * bits), (first, second))


def _plain(module: str, kernel: Kernel, parameters: tuple[str, ...], comment: tuple[str, ...], at: Place) -> Block:
    return Block(comment, (), (_unit(module, kernel, parameters, at),))


def _unit(module: str, kernel: Kernel, parameters: tuple[str, ...], at: Place) -> Instance:
    return instance(module, at.names.new(kernel.name), parameters, at.source, at.sink)


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")
