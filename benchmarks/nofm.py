# SPDX-License-Identifier: Apache-2.0
"""What n-of-m weights save: units that select beside units that multiply every weight, as Yosys counts them.

    python benchmarks/nofm.py

A few minutes. Writes its section of `benchmarks/hardware.md`. Each cell is one dense layer, compiled with a plan and
synthesised whole; the unit and the memories of its weights and choices are counted.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from sections import put

from bitwright.compiling import compile_graph
from bitwright.hardware.arithmetic import Style
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.hardware.schedule import Zeros
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Dense, Input
from bitwright.ir.per_channel import ONES, ZEROS
from bitwright.ir.types import IntType, integer
from bitwright.ir.verify import verify
from bitwright.ir.weights import Ints, Weights
from bitwright.sim.synth import resources, synthesise
from bitwright.sim.tools import yosys

ROWS, COLS, PE, SIMD = 16, 32, 4, 8
PART = "xczu3eg-sbva484-1-e"
UNITS: tuple[tuple[int, Style], ...] = ((2, "ternary"), (4, "lut"), (8, "lut"), (4, "dsp"), (8, "dsp"), (12, "dsp"))
PATTERNS = ((4, 4), (2, 4), (1, 4), (4, 8))
UNIT = ("u_fc", "u_fc_rom", "u_fc_choices_rom")
TITLE = "n-of-m weights"
SECTION = """A dense layer of {rows} x {cols} with PE {pe} and SIMD {simd}: LUTs and DSP slices of the unit and its
memories. *All* multiplies every weight; the others are pruned to n of m neighbours and select (`"zeros": "select"`), at
the same clocks. Inputs are unsigned, weights signed, both as wide as the row says; with *ternary* inputs have 8 bits.
Written by `benchmarks/nofm.py` with {tool}, `synth_xilinx -family xcup`.

{table}

- In logic, and from 9 bits on in slices, 2 of 4 takes a little more than half, 1 of 4 a little more than a quarter: a
  selector of one of four takes a LUT for each bit.
- Rows that select have no element in common: a slice does one product, where *all* shares it among two rows at 8 bits.
  So 2 of 4 takes as many slices there, with fewer LUTs around them. Yosys makes no slice of a single product of 4 bits.
- 4 of 8 prunes as much as 2 of 4 and selects one of eight; ternary weights are too cheap for that.
"""


def main() -> None:
    """Write the section."""
    head = ("bits", "style", "all", *(f"{n} of {m}" for n, m in PATTERNS[1:]))
    body = [(str(bits), style, *(cell(bits, style, n, m) for n, m in PATTERNS)) for bits, style in UNITS]
    table = "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *body))
    tool = f"{yosys().name} {yosys().version_text}"
    text = SECTION.format(rows=ROWS, cols=COLS, pe=PE, simd=SIMD, tool=tool, table=table)
    put(Path(__file__).with_name("hardware.md"), TITLE, text)


def cell(bits: int, style: Style, kept: int, group: int) -> str:
    """LUTs and DSP slices of one unit."""
    zeros: Zeros = "select" if kept < group else "multiply"
    plan = Plan({"fc": LayerPlan(pe=PE, simd=SIMD, style=style, zeros=zeros)})
    design = compile_graph(network(bits, style, kept, group), plan=plan, part=PART)
    found = synthesise(design.files("verilog"), f"{design.name}_top", PART)
    unit = [resources(cells) for name, cells in found.cells.items() if name in UNIT]
    lut, dsp = (sum(part[kind] for part in unit) for kind in ("lut", "dsp"))
    return f"{lut}" + (f" + {dsp} DSP" if dsp else "")


def network(bits: int, style: Style, kept: int, group: int) -> Graph:
    """One dense layer whose weights are `kept` of `group`, their signs and sizes drawn."""
    w, x = integer(bits, signed=True, narrow=True), integer(8 if style == "ternary" else bits, signed=False)
    weights = pruned(w, kept, group)
    reach = x.hi * int(np.abs(weights).sum(axis=1).max())
    entry = Input(name="x", inputs=(), shape=(COLS,), type=x, scale=ONES, zero=ZEROS)
    layer = Dense(
        name="fc", inputs=("x",), shape=(ROWS,), type=IntType(-reach, reach), scale=ONES, zero=ZEROS,
        weights=Weights(weights),
    )  # fmt: skip
    return verify(Graph((entry,), (layer,), ("fc",)))


def pruned(kind: IntType, kept: int, group: int) -> Ints:
    """Weights of `kind`, each end of which occurs, of which exactly `kept` of `group` neighbours are not zero."""
    rng = np.random.default_rng(0)
    weights = rng.integers(1, kind.hi + 1, (ROWS, COLS)) * rng.choice([-1, 1], (ROWS, COLS))
    weights[0, : 2 * group] = kind.hi
    weights[1, : 2 * group] = kind.lo
    rows = weights.reshape(-1, group)
    ranks = rng.permuted(np.tile(np.arange(group), (len(rows), 1)), axis=1)
    return np.asarray((rows * (ranks < kept)).reshape(ROWS, COLS))


if __name__ == "__main__":
    main()
