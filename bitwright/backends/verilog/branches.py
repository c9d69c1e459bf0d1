# SPDX-License-Identifier: Apache-2.0
"""Kernels where streams part and meet, and the one that reorders a frame, as instances of the module library."""

from __future__ import annotations

from bitwright.backends.verilog.parts import (
    CLOCK,
    Block,
    Instance,
    Place,
    assigned,
    instance,
    joined,
    master,
    slave,
    vector,
    with_rom,
)
from bitwright.backends.verilog.words import code_name, literal
from bitwright.hardware.kernels.joins import Adder, Fork, Interleave, Join, Multiplier
from bitwright.hardware.kernels.moves import Reorder


def branch_block(kernel: Fork | Join | Reorder, at: Place) -> Block:
    """The instances of `kernel` in its place."""
    match kernel:
        case Fork():
            return _fork(kernel, at)
        case Adder():
            return _adder(kernel, at)
        case Multiplier():
            return _multiplier(kernel, at)
        case Interleave():
            return _interleave(kernel, at)
        case Reorder():
            return _reorder(kernel, at)
        case _:
            raise AssertionError(f"no module for {type(kernel).__name__}")


def _fork(kernel: Fork, at: Place) -> Block:
    parameters = assigned(Width=kernel.lanes * kernel.type.bits, Copies=len(at.sinks))
    ports = ((*CLOCK, *slave(at.source)), master(*at.sinks))
    return Block((), (), (Instance("bw_fork", at.names.new(kernel.name), parameters, ports),))


def _adder(kernel: Adder, at: Place) -> Block:
    """Every operand is extended to the widest one, so that the adder sees signed lanes of one width."""
    operands = _operands(kernel, kernel.operand_bits, at)
    parameters = assigned(
        Operands=len(at.sources),
        Lanes=kernel.lanes,
        Folds=kernel.folds,
        XW=kernel.operand_bits,
        FW=kernel.factor_bits,
        YW=kernel.y_type.bits,
    )
    reader = _join("bw_adder", kernel, parameters, operands, at)
    unit = with_rom(reader, "k", kernel.factor_rom(), ("sum of operands",), at.names)
    return Block(unit.comment, (*operands.nets, *unit.nets), (*operands.instances, *unit.instances), unit.hexes)


def _multiplier(kernel: Multiplier, at: Place) -> Block:
    bits = kernel.operand_bits
    operands = _operands(kernel, bits, at)
    first, second = (f"{bits}'d{zero % (1 << bits)}" for zero in kernel.zeros)
    parameters = assigned(Lanes=kernel.lanes, XW=bits, YW=kernel.y_type.bits, Zero0=first, Zero1=second)
    unit = _join("bw_multiplier", kernel, parameters, operands, at)
    return Block(("product of operands",), operands.nets, (*operands.instances, unit))


def _interleave(kernel: Interleave, at: Place) -> Block:
    operands = _operands(kernel, kernel.y_type.bits, at)
    parts = joined([f"32'd{part}" for part in kernel.parts])
    width = kernel.lanes * kernel.y_type.bits
    parameters = assigned(Operands=len(at.sources), Width=width, Parts=parts)
    unit = _join("bw_interleave", kernel, parameters, operands, at)
    comment = f"beats of the operands in turn: {', '.join(map(str, kernel.parts))}"
    return Block((comment,), operands.nets, (*operands.instances, unit))


def _operands(kernel: Join, bits: int, at: Place) -> Block:
    """A decoder for each operand: lanes of `bits` bits in two's complement (a bipolar result keeps its bit)."""
    nets, instances = [], []
    for source, kind in zip(at.sources, kernel.x_types, strict=True):
        name = at.names.new(f"{source}_wide")
        code = "Unsigned" if kernel.y_type.is_bipolar and bits == 1 else code_name(kind)
        parameters = assigned(Lanes=kernel.lanes, W=kind.bits, Code=f"bw_pkg::{code}", OutW=bits)
        nets.append(f"{vector(kernel.lanes * bits)} {name}_data;")
        instances.append(Instance("bw_decode", name, parameters, ((f".coded({source}_data)", f".value({name}_data)"),)))
    return Block((), tuple(nets), tuple(instances))


def _join(module: str, kernel: Join, parameters: tuple[str, ...], operands: Block, at: Place) -> Instance:
    """An instance that takes a beat of its sources, as `operands` extends their data."""
    valid, ready, _ = slave(*at.sources)
    data = f".s_data({joined([f'{decoder.name}_data' for decoder in operands.instances])})"
    ports = ((*CLOCK, valid, ready, data), master(at.sink))
    return Instance(module, at.names.new(kernel.name), parameters, ports)


def _reorder(kernel: Reorder, at: Place) -> Block:
    parameters = assigned(
        Lanes=kernel.lanes,
        XW=kernel.type.bits,
        InBeats=kernel.in_beats,
        OutBeats=kernel.out_beats,
        Fill=literal(kernel.fill, kernel.type),
    )
    unit = instance("bw_reorder", at.names.new(kernel.name), parameters, at.source, at.sink)
    comment = (f"{kernel.in_beats} beats in, {kernel.out_beats} beats out in the order of its list",)
    return with_rom(unit, "k", kernel.order_rom(), comment, at.names)
