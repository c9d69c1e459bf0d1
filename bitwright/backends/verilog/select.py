# SPDX-License-Identifier: Apache-2.0
"""The matrix-vector unit for n-of-m weights in the Verilog project, beside the ROMs of its weights and its choices."""

from __future__ import annotations

from dataclasses import replace

from bitwright.backends.verilog.parts import Block, Place, assigned, instance, with_rom
from bitwright.backends.verilog.words import code_name
from bitwright.hardware.kernels.select import SelectMatrixVector


def select_block(kernel: SelectMatrixVector, at: Place) -> Block:
    """The instances of `kernel` in its place."""
    assert not kernel.acc_type.is_bipolar, f"{kernel.name}: an accumulator is two's complement"
    comment = (
        f"y[{kernel.rows}] = W[{kernel.rows}][{kernel.cols}] x[{kernel.cols}] of which {kernel.kept} of {kernel.group} "
        f"are not zero, groups: {kernel.groups}, vectors per frame: {kernel.vectors}",
        f"weights {kernel.weight_type}, a word of PE x {kernel.products} per clock, row fold major; accumulators "
        f"{kernel.acc_type}",
    )
    own: dict[str, object] = {"Groups": kernel.groups, "RowFold": kernel.row_fold, "ColFold": kernel.col_fold}
    own |= {"PE": kernel.pe, "Sets": kernel.simd // kernel.group, "Of": kernel.group, "Kept": kernel.kept}
    own |= {"XW": kernel.x_type.bits, "XCode": f"bw_pkg::{code_name(kernel.x_type)}"}
    own |= {"WW": kernel.weight_type.bits, "WCode": f"bw_pkg::{code_name(kernel.weight_type)}"}
    own["AccW"] = kernel.acc_type.bits
    if kernel.style == "dsp":
        shared = kernel.packing
        own |= {"Stride": shared.stride, "PackW": shared.width, "Bias": f"{shared.stride}'d{shared.bias}"}
    unit = instance(f"bw_select_{kernel.style}", at.names.new(kernel.name), assigned(**own), at.source, at.sink)
    chosen = with_rom(unit, "k", kernel.choice_rom(), (), at.names, "choices")
    *rom, unit = chosen.instances
    made = with_rom(unit, "w", kernel.weight_rom(), comment, at.names)
    return replace(
        made, nets=(*chosen.nets, *made.nets), instances=(*rom, *made.instances), hexes={**chosen.hexes, **made.hexes}
    )
