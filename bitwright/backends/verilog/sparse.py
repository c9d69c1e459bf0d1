# SPDX-License-Identifier: Apache-2.0
"""The matrix-vector unit that skips zeros in the Verilog project, beside the ROMs of its weights and its schedule."""

from __future__ import annotations

from dataclasses import replace

from bitwright.backends.verilog.parts import Block, Place, assigned, instance, with_rom
from bitwright.backends.verilog.words import code_name
from bitwright.hardware.arithmetic import Packing
from bitwright.hardware.kernels.sparse import SparseMatrixVector


def sparse_block(kernel: SparseMatrixVector, at: Place) -> Block:
    """The instances of `kernel` in its place."""
    assert not kernel.acc_type.is_bipolar, f"{kernel.name}: an accumulator is two's complement"
    dense, port = kernel.row_fold * kernel.col_fold, "each" if kernel.lanes == 1 else f"every {kernel.lanes}"
    comment = (
        f"y[{kernel.rows}] = W[{kernel.rows}][{kernel.cols}] x[{kernel.cols}], {kernel.words} words of {dense}: zeros "
        f"are skipped; vectors per frame: {kernel.vectors}",
        f"weights {kernel.weight_type}, a word of PE x SIMD per clock, a port for {port} PE; accumulators "
        f"{kernel.acc_type}",
    )
    own: dict[str, object] = {"ColFold": kernel.col_fold, "Words": kernel.words}
    own |= {"Ports": kernel.ports, "Lanes": kernel.lanes, "SIMD": kernel.simd}
    own |= {"XW": kernel.x_type.bits, "XCode": f"bw_pkg::{code_name(kernel.x_type)}"}
    own |= {"WW": kernel.weight_type.bits, "WCode": f"bw_pkg::{code_name(kernel.weight_type)}"}
    own["AccW"] = kernel.acc_type.bits
    if kernel.style == "dsp":
        own |= packed(kernel.packing, "Shared")
    own |= {"Depth": kernel.credits, "FirstLast": f"1'b{int(kernel.ends.array[0] == 0)}"}
    unit = instance(f"bw_sparse_{kernel.style}", at.names.new(kernel.name), assigned(**own), at.source, at.sink)
    listed = with_rom(unit, "k", kernel.schedule_rom(), (), at.names, "schedule")
    *rom, unit = listed.instances
    made = with_rom(unit, "w", kernel.weight_rom(), comment, at.names)
    return replace(
        made, nets=(*listed.nets, *made.nets), instances=(*rom, *made.instances), hexes={**listed.hexes, **made.hexes}
    )


def packed(shared: Packing, lanes: str) -> dict[str, object]:
    """The parameters of multipliers that `lanes`, as the module calls them, share."""
    sizes: dict[str, object] = {lanes: shared.lanes, "Stride": shared.stride, "PackW": shared.width}
    return sizes | {"Bias": f"{shared.stride}'d{shared.bias}"}
