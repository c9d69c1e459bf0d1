# SPDX-License-Identifier: Apache-2.0
"""LUTs of a channel in every form of a requantiser, by width, as Yosys counts them.

    python benchmarks/requantisers.py

A quarter of an hour. Writes its section of `benchmarks/hardware.md`. Each cell is one requantiser, compiled with a plan
that names its form and synthesised whole; the unit and the memory of its constants are counted.
"""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
from numpy.random import Generator
from numpy.typing import NDArray
from sections import put

from bitwright.compiling import compile_graph
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Input, Requantise, Rounding, Table
from bitwright.ir.per_channel import ONES, ZEROS, PerChannel
from bitwright.ir.types import IntType, integer
from bitwright.ir.verify import verify
from bitwright.ir.weights import Weights
from bitwright.sim.synth import resources, synthesise
from bitwright.sim.tools import yosys

Floats = NDArray[np.float64]
PART = "xczu3eg-sbva484-1-e"
WIDTHS = (1, 2, 3, 4, 6, 8)
FORMS = ("shift", "shift_even", "mas", "mas_window", "thresholds", "table")
CHANNELS, LANES = 64, 4
UNIT = ("u_q", "u_q_rom")
REAL: dict[str, Any] = {"scale": ONES, "zero": ZEROS}
TITLE = "Requantisers"
SECTION = """LUTs, DSP slices and block RAMs of 18 Kbit for each of {lanes} lanes, which takes an accumulator in each
clock, by the width of the codes. Accumulators are signed and have six bits more than twice that width; a *table* has
as many bits in as out. A lane serves {folds} of {channels} channels, whose constants are in a memory that is counted
too. Written by `benchmarks/requantisers.py` with {tool}, `synth_xilinx -family xcup`, the hierarchy kept.

{table}

- *shift* and *shift_even* have scales that are powers of two, with ties upwards and to even. *mas* has free float32
  scales, *mas_window* rational ones whose ties go to even; *thresholds* has the scales of *mas*.
- At one bit a comparison is cheaper than any line, and a requantiser has no other form.
- The multiplier of a *shift* is one of any two numbers to Yosys, as the constants come from a memory.
"""


def main() -> None:
    """Write the section."""
    head = ("bits", *FORMS)
    body = [(str(bits), *(cell(bits, form) for form in FORMS)) for bits in WIDTHS]
    table = "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *body))
    tool, folds = f"{yosys().name} {yosys().version_text}", CHANNELS // LANES
    text = SECTION.format(lanes=LANES, folds=folds, channels=CHANNELS, tool=tool, table=table)
    put(Path(__file__).with_name("hardware.md"), TITLE, text)


def cell(bits: int, form: str) -> str:
    """What one lane takes; nothing where such a requantiser has no such form."""
    if bits == 1 and form not in ("thresholds", "table"):
        return ""
    plan = Plan({"q": LayerPlan(form=form)}, target_cycles=CHANNELS // LANES)
    design = compile_graph(network(bits, form), plan=plan, part=PART)
    found = synthesise(design.files("verilog"), f"{design.name}_top", PART)
    unit = [resources(cells) for name, cells in found.cells.items() if name in UNIT]
    lut, dsp, bram = (sum(part[kind] for part in unit) / LANES for kind in ("lut", "dsp", "bram"))
    return f"{lut:.1f}" + (f" + {dsp:.2g} DSP" if dsp else "") + (f" + {bram:.2g} BRAM" if bram else "")


def network(bits: int, form: str) -> Graph:
    """One requantiser that has the form, or one table."""
    y = integer(bits, signed=False)
    x = y if form == "table" else integer(2 * bits + 6, signed=True)
    entry = Input(name="x", inputs=(), shape=(CHANNELS,), type=x, **REAL)
    layer = a_table(x, y) if form == "table" else requantiser(form, x, y)
    return verify(Graph((entry,), (layer,), ("q",)))


def a_table(x: IntType, y: IntType) -> Table:
    """A hyperbolic tangent, which no line has."""
    codes = np.arange(x.lo, x.hi + 1)
    entries = np.rint(np.tanh(2 * codes / x.hi) * y.hi).astype(np.int64)
    function = (("affine", f"2/{x.hi}", "0"), ("tanh",), ("affine", str(y.hi), "0"))
    return Table(
        name="q", inputs=("x",), shape=(CHANNELS,), type=y, entries=Weights(entries), function=function,
        rounding=Rounding.HALF_EVEN, low=y.lo, high=y.hi, **REAL,
    )  # fmt: skip


def requantiser(form: str, x: IntType, y: IntType) -> Requantise:
    """Scales per channel that spread the accumulators over up to three times the codes."""
    rng = np.random.default_rng(0)
    multiplier, offset = scales(rng, form, Fraction(y.count, x.count), y)
    return Requantise(
        name="q", inputs=("x",), shape=(CHANNELS,), type=y,
        multiplier=PerChannel.made(multiplier), offset=PerChannel.made(offset),
        rounding=Rounding.HALF_UP if form == "shift" else Rounding.HALF_EVEN, low=(y.lo,), high=(y.hi,), **REAL,
    )  # fmt: skip


def scales(rng: Generator, form: str, unit: Fraction, y: IntType) -> tuple[list[Fraction], list[Fraction]]:
    """(multipliers, offsets) of the channels; `unit` maps all accumulators to all codes."""
    if form in ("mas", "thresholds"):
        factors, middles = rng.uniform(1, 3, CHANNELS) * float(unit), rng.uniform(0, y.hi, CHANNELS)
        return _float32(factors), _float32(middles)
    wholes = [Fraction(number) for number in rng.integers(0, y.count, CHANNELS).tolist()]
    if form == "mas_window":
        return [unit * Fraction(k, 6) for k in rng.integers(5, 18, CHANNELS).tolist()], wholes
    return [unit * (1 << k) for k in rng.integers(0, 2, CHANNELS).tolist()], wholes


def _float32(numbers: Floats) -> list[Fraction]:
    """The exact values of the nearest float32."""
    return [Fraction(float(number)) for number in numbers.astype(np.float32)]


if __name__ == "__main__":
    main()
