# SPDX-License-Identifier: Apache-2.0
"""Kernels as instances of the Verilog module library: the blocks that `top.sv.j2` prints."""

from __future__ import annotations

from bitwright.backends.verilog_parts import (
    CLOCK,
    Block,
    Instance,
    Place,
    assigned,
    instance,
    master,
    nets,
    slave,
    vector,
)
from bitwright.backends.verilog_words import (
    Rom,
    code_name,
    constant_rom,
    mas_fields,
    signed_bits,
    threshold_fields,
    weight_rom,
)
from bitwright.exact.forms import Lookup, MultiplyShift, Thresholds
from bitwright.ir.errors import BitwrightError
from bitwright.plan.kernels import Kernel, MatrixVector, MaxReduce, Requantiser, WidthConverter, Window
from bitwright.plan.timing import width_ratios

INLINE_BITS = 4096
"""A ROM of more bits is read from a .hex file, a smaller one stands in the text."""


def kernel_block(kernel: Kernel, at: Place) -> Block:
    """The instances of `kernel` in its place."""
    match kernel:
        case MatrixVector():
            return _matrix_vector(kernel, at)
        case Window():
            return _window(kernel, at)
        case MaxReduce():
            return _max_reduce(kernel, at)
        case Requantiser():
            return _requantiser(kernel, at)
        case WidthConverter():
            return _width_converter(kernel, at)
        case _:
            raise AssertionError(f"no module for {type(kernel).__name__}")


def _matrix_vector(kernel: MatrixVector, at: Place) -> Block:
    assert not kernel.acc_type.is_bipolar, f"{kernel.name}: an accumulator is two's complement"
    comment = (
        f"y[{kernel.rows}] = W[{kernel.rows}][{kernel.cols}] x[{kernel.cols}], {_count(kernel.groups, 'group')}, "
        f"{_count(kernel.vectors, 'vector')} per frame",
        f"weights {kernel.weight_type}, a word of PE x SIMD per clock, row fold major; accumulators {kernel.acc_type}",
    )
    parameters = assigned(
        Groups=kernel.groups,
        RowFold=kernel.row_fold,
        ColFold=kernel.col_fold,
        PE=kernel.pe,
        SIMD=kernel.simd,
        XW=kernel.x_type.bits,
        XCode=f"bw_pkg::{code_name(kernel.x_type)}",
        WW=kernel.weight_type.bits,
        WCode=f"bw_pkg::{code_name(kernel.weight_type)}",
        AccW=kernel.acc_type.bits,
    )
    return _with_rom("bw_mvu", "w", kernel, parameters, weight_rom(kernel), comment, at)


def _requantiser(kernel: Requantiser, at: Place) -> Block:
    x, y, form = kernel.x_type, kernel.y_type, kernel.form
    channels = {"Lanes": kernel.lanes, "Folds": kernel.folds, "XW": x.bits, "XCode": f"bw_pkg::{code_name(x)}"}
    match form:
        case MultiplyShift():
            assert not y.is_bipolar, f"{kernel.name}: a bipolar output takes thresholds"
            module, widths = "bw_mas", [width for _, width in mas_fields(form)]
            u_bits = signed_bits(form.product.lo, form.product.hi)
            sizes = dict(zip(("MW", "CW", "WinW", "BoundW"), widths, strict=False))
            own = {**channels, **sizes, "UW": u_bits, "Shift": form.s, "Odd": f"1'b{form.odd}", "YW": y.bits}
            meaning = f"{form.kind}: code = clip((m*x + c) >> {form.s}, low, high)"
        case Thresholds():
            module, widths = "bw_thresholds", [width for _, width in threshold_fields(form, y)]
            own = {**channels, "TW": widths[0], "Steps": form.t.array.shape[1], "YW": y.bits}
            meaning = f"{form.kind}: code = first + the number of thresholds reached"
        case Lookup():
            module, own = "bw_lookup", {"Lanes": kernel.lanes, "XW": x.bits, "YW": y.bits}
            meaning = "table: code = entries[x]"
    comment = (f"{meaning}; {x} to {y}",)
    return _with_rom(module, "k", kernel, assigned(**own), constant_rom(kernel), comment, at)


def _with_rom(
    module: str,
    prefix: str,
    kernel: Kernel,
    parameters: tuple[str, ...],
    rom: Rom,
    comment: tuple[str, ...],
    at: Place,
) -> Block:
    """An instance that reads its constants from a ROM beside it, by ports `prefix`_en, _addr and _word."""
    stem, name = at.names.new(f"{kernel.name}_rom"), at.names.new(kernel.name)
    inline = rom.words * rom.width <= INLINE_BITS
    ports = () if rom.ports == 1 else (f".Ports({rom.ports})",)
    memory = Instance(
        "bw_rom_inline" if inline else "bw_rom_hex",
        stem,
        (
            f".Words({rom.words})",
            f".Width({rom.width})",
            *ports,
            f'.Style("{rom.style}")',
            *_content(rom, name, inline),
        ),
        ((".clk(aclk)", f".en({stem}_en)", f".addr({stem}_addr)", f".word({stem}_word)"),),
    )
    reader = Instance(
        module,
        name,
        parameters,
        (
            (*CLOCK, *slave(at.source)),
            tuple(f".{prefix}_{port}({stem}_{port})" for port in ("en", "addr", "word")),
            master(at.sink),
        ),
    )
    address = rom.ports * max(1, (rom.words - 1).bit_length())
    declared = (
        f"logic {stem}_en;",
        f"{vector(address)} {stem}_addr;",
        f"{vector(rom.ports * rom.width)} {stem}_word;",
    )
    hexes = {} if inline else {f"weights/{name}.hex": "\n".join(rom.lines) + "\n"}
    return Block(comment, declared, (memory, reader), hexes)


def _content(rom: Rom, name: str, inline: bool) -> list[str]:
    """The parameter that gives a ROM its words, in pieces between which a line may break."""
    if not inline:
        return [f'.File({{WeightDir, "/{name}.hex"}})']
    first, *rest = [*rom.literals]
    pieces = [f".Init({{{first}", *rest]
    return [*pieces[:-1], pieces[-1] + "})"]


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
        PadValue=_literal(kernel),
    )
    comment = (
        f"{kh} x {kw} windows of {kernel.height} x {kernel.width} pixels, strides {sh} {sw}, pads {top} {left}",
        f"ring of {kernel.depth} beats of {kernel.lanes} x {kernel.type}",
    )
    return _plain("bw_window", kernel, parameters, comment, at)


def _max_reduce(kernel: MaxReduce, at: Place) -> Block:
    parameters = assigned(
        Fold=kernel.fold, Lanes=kernel.lanes, XW=kernel.type.bits, XCode=f"bw_pkg::{code_name(kernel.type)}"
    )
    comment = (f"largest of {kernel.fold} beats, lane by lane",)
    return _plain("bw_max_reduce", kernel, parameters, comment, at)


def _width_converter(kernel: WidthConverter, at: Place) -> Block:
    """Up to the least common multiple of the lanes, then down; a converter with a ratio of one is left out."""
    up, down = width_ratios(kernel)
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


def _plain(
    module: str,
    kernel: Kernel,
    parameters: tuple[str, ...],
    comment: tuple[str, ...],
    at: Place,
) -> Block:
    return Block(comment, (), (instance(module, at.names.new(kernel.name), parameters, at.source, at.sink),))


def _literal(kernel: Window) -> str:
    """The pad value as the stream codes it."""
    bits = kernel.type.bits
    raw = (kernel.pad_value + 1) // 2 if kernel.type.is_bipolar else kernel.pad_value
    return f"{bits}'d{raw % (1 << bits)}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("s" if number != 1 else "")
