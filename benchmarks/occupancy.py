# SPDX-License-Identifier: Apache-2.0
"""How full each FIFO of a network gets in Verilator, beside the depth that was computed for it.

python -m benchmarks.occupancy MODEL [--cycles N] [--frames 5]

Source and sink never stall. The design's modules are as they are; for this simulation alone each FIFO notes its highest
level in a file. Elastic registers, which every other edge has, hold two words and are left out.
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import bitwright
from bitwright.backends.verilog.project import generate
from bitwright.design import random_codes
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.kernels.fifos import fifo_kind
from bitwright.sim.rtl import RtlModel, build

MODULES = ("bw_fifo", "bw_fifo_shift", "bw_fifo_block")
LEVELS = "levels.txt"
MONITOR = f"""
  int highest = 0, noted;
  always @(posedge clk) if (32'(level) > highest) begin
    highest <= 32'(level);
    noted = $fopen("{LEVELS}", "a");
    $fdisplay(noted, "%m %0d", level);
    $fclose(noted);
  end
endmodule
"""


def watched(files: Mapping[str, str]) -> dict[str, str]:
    """The project `files` with FIFOs that note their levels."""
    paths = [f"modules/{name}.sv" for name in MODULES if f"modules/{name}.sv" in files]
    return dict(files) | {path: MONITOR.join(files[path].rsplit("endmodule\n", 1)) for path in paths}


def highest_levels(model: RtlModel, kernels: KernelGraph) -> dict[str, int]:
    """The highest level of each FIFO since the model was built, by its stream; 0 for one that stayed empty."""
    text = (model.folder / LEVELS).read_text()
    found = {stream.name: 0 for stream in kernels.streams if fifo_kind(stream) in ("shift", "distributed", "block")}
    for name, level in re.findall(r"^\w+\.\w+_top\.u_(\w+)_fifo (\d+)$", text, re.MULTILINE):
        found[name] = max(found[name], int(level))
    return found


def main(arguments: Sequence[str]) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("--cycles", type=int)
    parser.add_argument("--frames", type=int, default=5)
    options = parser.parse_args(arguments)
    design = bitwright.compile(bitwright.load(options.model), cycles=options.cycles)
    model = build(watched(generate(design.project())))
    result = model.run(random_codes(design.graph, options.frames))
    print(f"{design.name}: {result.cycles_per_frame} clocks per frame, planned {design.kernels.interval}")
    print(f"{'FIFO':50} {'memory':12} {'bits':>6} {'depth':>6} {'highest':>8}")
    for name, highest in highest_levels(model, design.kernels).items():
        stream = design.kernels.stream(name)
        print(f"{name:50} {fifo_kind(stream):12} {stream.bits:6} {stream.depth:6} {highest:8}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
