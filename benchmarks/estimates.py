# SPDX-License-Identifier: Apache-2.0
"""What six networks take under their default plan: the estimate of the whole design, and Yosys' count of it.

    python -m benchmarks.estimates [NAME ...] [--models DIR]

Writes the rows of the networks that are named, or of all, in `benchmarks/hardware.md`; an hour for all. The design is
synthesised whole by `synth_xilinx`, the hierarchy kept, as `bitwright synth` does. DIR holds FAMILY/NAME/model.onnx and
meta.json, `../shared/models` unless given; the digits are the demonstration's.
"""

from __future__ import annotations

import argparse
import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import bitwright
from benchmarks.sections import put
from bitwright.ir.graph import Graph
from bitwright.planning.devices import cells_of
from bitwright.sim import synth, tools

MODELS = Path(__file__).parents[1].parent / "shared/models"
PAGE = Path(__file__).with_name("hardware.md")
DIGITS = "digits"
NETWORKS = (
    DIGITS,
    "brevitas/prune_unstruct70_qonnx",
    "qonnx_zoo/kwsmlp_w3a3",
    "tflite/ad_autoenc_int8",
    "tflite/kws_dscnn_int8",
    "tflite/ic_resnet8_int8",
)
HEAD = ("network", "clocks", "LUT", "Yosys", "error", "FF", "Yosys", "DSP", "Yosys", "BRAM18", "Yosys")
TITLE = "Whole networks: estimate and count"
SECTION = """The total that `bitwright compile` reports under its default plan, beside what Yosys counts in all of the
design: `synth_xilinx -family {family}`, the hierarchy kept. *error* is that of the look-up tables. Written by
`python -m benchmarks.estimates` with {tool}; a test holds the error to 5 %, and slices and block RAMs to none.

{table}
"""

Cells = Mapping[str, int]


def main() -> None:
    """Measure and write."""
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    asked.add_argument("names", nargs="*", help="networks of the page, all unless named")
    asked.add_argument("--models", type=Path, default=MODELS)
    args = asked.parse_args()
    rows = known()
    for name in args.names or NETWORKS:
        rows[name] = row(name, *measured(graph_of(name, args.models)))
        print(rows[name], flush=True)
        head = f"| {' | '.join(HEAD)} |\n|{'---|' * len(HEAD)}"
        table = "\n".join([head, *(rows[each] for each in NETWORKS if each in rows)])
        tool = f"{tools.yosys().name} {tools.yosys().version_text}"
        put(PAGE, TITLE, SECTION.format(family=cells_of(None), tool=tool, table=table))


def graph_of(name: str, models: Path = MODELS) -> Graph:
    """One of `NETWORKS`."""
    if name == DIGITS:
        return bitwright.load(Path(bitwright.__file__).parent / "demo/digits.onnx")
    meta = json.loads((models / name / "meta.json").read_text(encoding="utf-8"))
    return bitwright.load(models / name / "model.onnx", inputs=meta.get("input_types", {}))


def measured(graph: Graph) -> tuple[int, Cells, Cells]:
    """The clocks per frame of the default plan, the estimate of the whole design, and what Yosys counts of it."""
    design = bitwright.compile(graph)
    made = synth.synthesise(design.files("verilog"), f"{design.name}_top", cells_of(None))
    whole = sum((Counter(cells) for cells in made.cells.values()), Counter[str]())
    return design.record.interval_cycles, asdict(design.price.total), synth.resources(whole)


def error(estimate: Cells, counted: Cells) -> float:
    """The relative error of the look-up tables."""
    return (estimate["lut"] - counted["lut"]) / counted["lut"]


def row(name: str, clocks: int, estimate: Cells, counted: Cells) -> str:
    """A line of the table."""
    pairs = [f"{estimate[kind]} | {counted[kind]}" for kind in ("lut", "ff", "dsp", "bram")]
    return f"| {name} | {clocks} | {pairs[0]} | {error(estimate, counted):+.1%} | {' | '.join(pairs[1:])} |"


def known() -> dict[str, str]:
    """The lines that stand on the page, by network."""
    section = PAGE.read_text(encoding="utf-8").partition(f"## {TITLE}\n")[2].partition("\n## ")[0]
    return {found[2]: found[1] for found in re.finditer(r"^(\| (\S+) \| \d.*)$", section, flags=re.MULTILINE)}


if __name__ == "__main__":
    main()
