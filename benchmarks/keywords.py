# SPDX-License-Identifier: Apache-2.0
"""The keyword spotting network with 3-bit weights at 392 clocks: estimate, Yosys' count and FINN's estimate.

    python benchmarks/keywords.py

Some minutes. Writes its section of `benchmarks/hardware.md`; the networks lie in ../shared/models.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path

from sections import put

import bitwright as bw
from bitwright.planning.devices import device
from bitwright.sim.synth import resources, synthesise

MODEL = Path(__file__).parents[2] / "shared/models/qonnx_zoo/kwsmlp_w3a3/model.onnx"
PART = "xc7z020clg400-1"
CYCLES, RUNS = 392, 10
KINDS = ("lut", "ff", "dsp", "bram")
FINN = {"lut": "31,600", "bram": "72"}
"""FINN's own estimate of this network at this interval: look-up tables and block RAMs of 18 Kbit."""
TIMED = f"""
import json, time
start = time.perf_counter()
import bitwright as bw
marks, work = [time.perf_counter()], time.process_time()
design = bw.compile(bw.load({str(MODEL)!r}), cycles={CYCLES})
design.report()
marks.append(time.perf_counter())
print(json.dumps([marks[0] - start, marks[1] - marks[0], time.process_time() - work]))
"""
TITLE = "Keyword spotting beside FINN"
SECTION = """`kwsmlp_w3a3` (490, 256, 256, 256, 12 features; weights and codes of 3 bits) at {cycles} clocks per
frame, 255,102 frames per second at 100 MHz, on an {part}. The plan is the one that `bitwright compile --cycles
{cycles}` takes. Written by `benchmarks/keywords.py` with {tool}, `synth_xilinx -family {family}`, the hierarchy kept.

{table}

FINN's row is what its estimate says before any synthesis. From the ONNX file to plan and report, with no file
written, takes {work:.2f} s of processor time and {wall:.2f} s on the clock, the best of {runs} fresh processes;
importing the package takes {load:.2f} s more. FINN's estimate reports take 1.3 s.
"""


def main() -> None:
    """Write the section."""
    design = bw.compile(bw.load(MODEL), cycles=CYCLES, part=PART)
    report = design.report()
    assert report["interval_cycles"] == CYCLES, report["interval_cycles"]
    found = synthesise(design.files("verilog"), f"{design.name}_top", device(PART).family)
    cells = sum((Counter(cells) for cells in found.cells.values()), Counter[str]())
    rows = [
        ("", "LUT", "FF", "DSP", "BRAM of 18 Kbit"),
        ("---",) * 5,
        ("estimate", *counts(estimate(report["layers"]))),
        ("Yosys", *counts(resources(cells))),
        ("FINN's estimate", *(FINN.get(kind, "") for kind in KINDS)),
    ]
    load, wall, work = (min(column) for column in zip(*(timed() for _ in range(RUNS)), strict=True))
    text = SECTION.format(
        cycles=CYCLES,
        part=PART,
        tool=found.tool,
        family=found.family,
        table="\n".join("| " + " | ".join(row) + " |" for row in rows),
        load=load,
        wall=wall,
        work=work,
        runs=RUNS,
    )
    put(Path(__file__).with_name("hardware.md"), TITLE, text)


def estimate(layers: list[Mapping[str, int | None]]) -> dict[str, int | None]:
    """The sums over the layers; None of what nothing is known of."""
    columns = {kind: [count for layer in layers if (count := layer[kind]) is not None] for kind in KINDS}
    return {kind: sum(column) if column else None for kind, column in columns.items()}


def counts(found: Mapping[str, int | None]) -> tuple[str, ...]:
    """The cells of a row."""
    return tuple("" if (count := found[kind]) is None else f"{count:,}" for kind in KINDS)


def timed() -> list[float]:
    """Seconds of one fresh process: to import, from the file to the report, and of the processor for that."""
    done = subprocess.run([sys.executable, "-c", TIMED], capture_output=True, text=True, check=True)
    seconds: list[float] = json.loads(done.stdout)
    return seconds


if __name__ == "__main__":
    main()
