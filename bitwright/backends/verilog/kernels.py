# SPDX-License-Identifier: Apache-2.0
"""Kernels as instances of the Verilog module library: the blocks that `top.sv.j2` prints.

A kernel's interface says what its module is told; the head of the module, in which order and how.
"""

from __future__ import annotations

from bitwright.backends.verilog.library import Parameter, parameters_of
from bitwright.backends.verilog.parts import (
    CLOCK,
    Block,
    Instance,
    Place,
    assigned,
    instance,
    joined,
    master,
    nets,
    slave,
    vector,
    with_rom,
    without_rom,
)
from bitwright.backends.verilog.words import code_name, literal, style_name
from bitwright.hardware.arithmetic import Style
from bitwright.hardware.kernels.base import Kernel
from bitwright.hardware.kernels.interface import Interface, Told
from bitwright.hardware.kernels.joins import Join
from bitwright.hardware.kernels.moves import WidthConverter
from bitwright.ir.types import IntType

CAPITALS = {"Pe": "PE", "Simd": "SIMD"}
"""Sizes that the modules spell otherwise than the C++ does."""


def kernel_block(kernel: Kernel, at: Place) -> Block:
    """The instances of `kernel` in its place: its module, beside its ROMs, and behind a decoder for each operand.

    A width converter is one module or two.
    """
    if isinstance(kernel, WidthConverter):
        return _width_converter(kernel, at)
    told = kernel.interface()
    if isinstance(kernel, Join):
        block = _operands(kernel, at)
        valid, ready, _ = slave(*at.sources)
        read: tuple[str, ...] = (
            valid,
            ready,
            f".s_data({joined([f'{decoder.name}_data' for decoder in block.instances])})",
        )
    else:
        block = Block((), (), ())
        read = slave(*at.sources)
    ports = ((*CLOCK, *read), master(*at.sinks))
    unit = Instance(told.unit.module, at.names.new(kernel.name), parameters(told), ports)
    block = Block(told.notes, block.nets, (*block.instances, unit))
    for port in told.roms:
        *before, unit = block.instances
        if port.words is None:
            made = without_rom(unit, port.prefix, told.notes, at.names)
        else:
            made = with_rom(unit, port.prefix, port.words(), told.notes, at.names, port.called)
        hexes = {**block.hexes, **made.hexes}
        block = Block(told.notes, (*block.nets, *made.nets), (*before, *made.instances), hexes)
    return block


def parameters(told: Interface) -> tuple[str, ...]:
    """What the module of an interface is told, in the order of its head; what other styles look at is left as it is."""
    own = ("", style_name(told.style)) if told.style else ("",)
    heads = [head for head in parameters_of(told.unit.module) if head.style in own]
    return assigned(**{head.name: _spelled(head, _told(head.name, told), told) for head in heads})


def _told(name: str, told: Interface) -> Told | IntType | Style:
    """What `name` is; an element's type where its code is asked for."""
    known: dict[str, Told | IntType | Style] = {"Style": told.style} if told.style else {}
    for each, kind in (*told.elements.items(), *told.numbers.items()):
        stem = {"Weight": "W", "T": "X"}.get(each, each)
        known |= {f"{stem}W": kind.bits, f"{stem}Code": kind}
    if told.packing:
        shared = told.packing
        known |= {"Lanes": shared.lanes, "Stride": shared.stride, "PackW": shared.width, "Bias": shared.bias}
    for group in told.sizes:
        known |= {CAPITALS.get(size, size): value for size, value in group.items()}
    return {**known, **told.more}[name]


def _spelled(head: Parameter, value: Told | IntType | Style, told: Interface) -> str:
    """A value as the head's type is written; one in the bits of an element, as that codes it."""
    if isinstance(value, str):
        return f"bw_pkg::{style_name(value)}"
    if isinstance(value, IntType):
        return f"bw_pkg::{code_name(value)}"
    if isinstance(value, tuple):
        each = head.width.rpartition("*")[2]
        width = int(each) if each.isdecimal() else _width(each, told)
        return joined([f"{width}'d{part % (1 << width)}" for part in value])
    if not head.width:
        return f"1'b{value}" if head.is_bit else str(value)
    if head.width == "XW" and "T" in told.elements:
        return literal(value, told.elements["T"])
    bits = _width(head.width, told)
    return f"{bits}'d{value % (1 << bits)}"


def _width(name: str, told: Interface) -> int:
    """The parameter that says how wide another one is."""
    bits = _told(name, told)
    assert isinstance(bits, int), f"{name} is no width"
    return bits


def _operands(kernel: Join, at: Place) -> Block:
    """A decoder for each operand: lanes in two's complement, all as wide (a bipolar result keeps its bit)."""
    declared, instances, bits = [], [], kernel.operand_bits
    for source, kind in zip(at.sources, kernel.x_types, strict=True):
        name = at.names.new(f"{source}_wide")
        code = "Unsigned" if kernel.y_type.is_bipolar and bits == 1 else code_name(kind)
        own = assigned(Lanes=kernel.lanes, W=kind.bits, Code=f"bw_pkg::{code}", OutW=bits)
        declared.append(f"{vector(kernel.lanes * bits)} {name}_data;")
        instances.append(Instance("bw_decode", name, own, ((f".coded({source}_data)", f".value({name}_data)"),)))
    return Block((), tuple(declared), tuple(instances))


def _width_converter(kernel: WidthConverter, at: Place) -> Block:
    """Up to the least common multiple of the lanes, then down; a converter with a ratio of one is left out."""
    (up, down), told, bits = kernel.ratios, kernel.interface(), kernel.type.bits
    gather = assigned(Width=kernel.in_lanes * bits, Ratio=up)
    cut = assigned(Width=kernel.out_lanes * bits, Ratio=down)
    if down == 1 or up == 1:
        unit = instance(told.unit.module, at.names.new(kernel.name), gather if down == 1 else cut, at.source, at.sink)
        return Block(told.notes, (), (unit,))
    whole = at.names.new(f"{kernel.name}_whole")
    first = instance("bw_width_up", at.names.new(f"{kernel.name}_up"), gather, at.source, whole)
    second = instance("bw_width_down", at.names.new(f"{kernel.name}_down"), cut, whole, at.sink)
    return Block(told.notes, nets(whole, up * kernel.in_lanes * bits), (first, second))
