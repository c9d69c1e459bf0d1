# SPDX-License-Identifier: Apache-2.0
"""Clocks per frame with zeros skipped, as Verilator counts them: single layers by sparsity, and pruned networks.

    python -m benchmarks.sparsity [--models DIR]

Writes its section of `benchmarks/hardware.md`. Every output is compared with the reference engine, every interval with
the plan; a difference is an error. DIR holds FAMILY/NAME/model.onnx, `../shared/models` unless given.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.sections import put
from bitwright import api
from bitwright.backends import generate
from bitwright.backends.project import Project
from bitwright.compiling import compile_graph
from bitwright.design import Design, random_codes
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.hardware.schedule import Zeros
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense
from bitwright.ir.types import integer
from bitwright.ir.weights import Ints, Weights
from bitwright.sim import cpp, reference, rtl
from bitwright.sim.synth import resources, synthesise
from bitwright.sim.tools import yosys
from tests.layers.nets import Net
from tests.rtl.graphs import side_by_side
from tests.rtl.test_random import prefixed

ROOT = Path(__file__).parents[1]
MODELS = ROOT.parent / "shared" / "models"
SPARSITIES = (0, 50, 70, 90)
FRAMES = 6
PART = "xczu3eg-sbva484-1-e"
S4, U4 = integer(4, signed=True), integer(4, signed=False)
TITLE = "Zeros that are skipped"
SECTION = """Clocks per frame of single layers with 4-bit weights, PE x SIMD multipliers, and a share of zeros:
scattered, or in blocks of PE x SIMD. *Dense* multiplies all weights (`"zeros": "multiply"`). Verilator counts the
clocks, which are those of the plan. Written by `benchmarks/sparsity.py`; `docs/sparsity.md` says how zeros are skipped.

{layers}

What these units take with the ROMs of their weights and schedules, at 70 % zeros, as {tool} counts it
(`synth_xilinx -family xcup`):

{costs}

Memories make the difference: shorter ROMs, and for each port a buffer for two vectors, each filled up to a power of two
of beats.

Whole networks at the same lanes, their layers without and with zeros skipped, equal to the reference engine in
SystemVerilog and in HLS C++:

{networks}
"""


@dataclass(frozen=True)
class Layer:
    """A layer by its name, the lanes and the blocks of zeros; a dense one, or a convolution of 6 x 6 pixels."""

    name: str
    shape: tuple[int, ...]
    pe: int
    simd: int
    zeros: Zeros
    block: tuple[int, int]

    def graph(self, sparsity: int) -> Graph:
        """The layer with `sparsity` percent of zeros, its requantiser, and a matrix that takes what it gives."""
        rng, net = np.random.default_rng([sparsity, self.pe]), Net()
        weights = pruned(rng, self.shape, self.block, sparsity)
        if len(self.shape) == 2:
            made = net.dense(net.input("x0", (self.shape[1],), U4), weights)
            after = rng.integers(-4, 4, (4, self.shape[0]))
            net.dense(net.act(made, U4, rng), after)
        else:
            made = net.conv(net.input("x0", (6, 6, self.shape[-1]), U4), weights, pads=(1, 1, 1, 1))
            after = rng.integers(-4, 4, (4, 1, 1, self.shape[0]))
            net.conv(net.act(made, U4, rng), after)
        return net.graph()

    def design(self, sparsity: int, zeros: Zeros) -> Design:
        """The layer with `sparsity` percent of zeros, compiled."""
        graph = self.graph(sparsity)
        first, _, last = graph.layers
        plan = {first.name: LayerPlan(pe=self.pe, simd=self.simd, zeros=zeros)}
        return compile_graph(graph, plan=Plan(plan | {last.name: LayerPlan(pe=4, simd=16)}))


LAYERS = (
    Layer("dense 128 x 128, scattered", (128, 128), 8, 1, "skip-rows", (1, 1)),
    Layer("dense 128 x 128, blocks of 8 x 8", (128, 128), 8, 8, "skip-blocks", (8, 8)),
    Layer("convolution 32 x 3 x 3 x 16, scattered", (32, 3, 3, 16), 4, 1, "skip-rows", (1, 1)),
    Layer("convolution 32 x 3 x 3 x 16, blocks of 4 x 4", (32, 3, 3, 16), 4, 4, "skip-blocks", (4, 4)),
)
NETWORKS: Mapping[str, Mapping[str, int]] = {
    "examples/digits": {"conv1": 4, "conv2": 8, "dense1": 4, "dense2": 2},
    "brevitas/prune_unstruct70_qonnx": {"/c1/Conv": 4, "/c2/Conv": 8, "/f1/MatMul": 4, "/f2/Gemm": 2},
}
"""The PE of each layer; SIMD is 1."""


def pruned(rng: np.random.Generator, shape: Sequence[int], block: tuple[int, int], sparsity: int) -> Ints:
    """Weights of -7 .. 7 that are zero in `sparsity` percent of the blocks of outputs x inputs, and nowhere else."""
    rows, cols = shape[0], int(np.prod(shape[1:]))
    blocks = rows // block[0], cols // block[1]
    count = blocks[0] * blocks[1]
    kept = rng.permutation(count) >= round(count * sparsity / 100)
    mask = kept.reshape(blocks).repeat(block[0], axis=0).repeat(block[1], axis=1)
    values = rng.integers(1, 8, (rows, cols)) * rng.choice([-1, 1], (rows, cols))
    return np.asarray((values * mask).reshape(shape))


def measured(designs: Sequence[Design]) -> list[int]:
    """Clocks per frame of each design, side by side in one Verilated design; ends the program on a difference."""
    inputs = [codes for design in designs for codes in random_codes(design.graph, FRAMES)]
    wanted = [out for design in designs for out in reference.run(design.graph, random_codes(design.graph, FRAMES))]
    kernels = side_by_side([prefixed(design.kernels, f"n{index}_") for index, design in enumerate(designs)])
    project = Project(
        name="sparsity", version="0.1.0", model="sparsity.onnx", digest="0", graph=Graph((), (), ()), kernels=kernels,
        clock_ns=5.0, part="xc7z020clg400-1", inputs=tuple(map(Weights, inputs)), outputs=tuple(map(Weights, wanted)),
    )  # fmt: skip
    result = rtl.build(generate("verilog", project)).run(inputs)
    clocks = [interval for interval, _ in result.port_cycles]
    same = all(np.array_equal(got, want) for got, want in zip(result.outputs, wanted, strict=True))
    if not same or clocks != [design.kernels.interval for design in designs]:
        sys.exit(f"outputs equal: {same}; clocks {clocks}, planned {[d.kernels.interval for d in designs]}")
    return clocks


def layers() -> str:
    """The table of single layers."""
    designs = [[layer.design(0, "multiply")] + [layer.design(s, layer.zeros) for s in SPARSITIES] for layer in LAYERS]
    clocks = iter(measured([design for row in designs for design in row]))
    head = ("layer", "PE x SIMD", "zeros", "dense", *(f"{s} %" for s in SPARSITIES))
    rows = []
    for layer in LAYERS:
        dense, *skipped = (next(clocks) for _ in range(1 + len(SPARSITIES)))
        cells = (f"{count:,} ({count / dense:.2f})" for count in skipped)
        rows.append((layer.name, f"{layer.pe} x {layer.simd}", layer.zeros, f"{dense:,}", *cells))
    return table(head, rows)


def costs() -> str:
    """The table of what the units take."""
    rows = []
    for layer in LAYERS:
        kinds: tuple[Zeros, ...] = ("multiply", layer.zeros)
        dense, skipped = (synthesised(layer.design(70, zeros)) for zeros in kinds)
        rows.append((layer.name, *(f"{dense[kind]:,} / {skipped[kind]:,}" for kind in ("lut", "ff", "bram"))))
    return table(("layer", "LUT, dense / skipped", "FF", "18-kbit block RAM"), rows)


def synthesised(design: Design) -> Mapping[str, int]:
    """LUTs, FFs and block RAMs of the unit of the first layer and its ROMs."""
    name = design.graph.layers[0].name
    cells = synthesise(design.files("verilog"), f"{design.name}_top", PART).cells
    found = [
        resources(cells[part]) for part in (f"u_{name}", f"u_{name}_rom", f"u_{name}_schedule_rom") if part in cells
    ]
    return {kind: sum(part[kind] for part in found) for kind in ("lut", "ff", "bram")}


def networks(models: Path) -> str:
    """The table of whole networks."""
    rows = []
    for name, lanes in NETWORKS.items():
        path = ROOT / name / "digits.onnx" if name.startswith("examples") else models / name / "model.onnx"
        if not path.is_file():
            sys.exit(f"{path} is missing: give --models")
        net = api.load(path)
        zeros = sum(layer.weights.zeros for layer in net.layers if isinstance(layer, Dense | Conv))
        weights = sum(layer.weights.array.size for layer in net.layers if isinstance(layer, Dense | Conv))
        designs = [compile_graph(net, plan=plan_of(lanes, kind)) for kind in ("multiply", "skip-rows")]
        dense, skipped = measured(designs)
        compare_hls(designs[1])
        rows.append((name, f"{zeros / weights:.0%}", f"{dense:,}", f"{skipped:,}", f"{skipped / dense:.2f}"))
    return table(("network", "zeros", "clocks, dense", "clocks, skipped", "share"), rows)


def plan_of(lanes: Mapping[str, int], zeros: Zeros) -> Plan:
    """One column at a time in every layer."""
    return Plan({name: LayerPlan(pe=pe, simd=1, zeros=zeros) for name, pe in lanes.items()})


def compare_hls(design: Design) -> None:
    """Ends the program if the C++ gives another integer than the reference engine."""
    graph, codes = design.graph, random_codes(design.graph, FRAMES)
    shapes = [layer.shape for layer in graph.inputs], [graph.by_name[name].shape for name in graph.outputs]
    found = cpp.build(design.files("hls"), inputs=shapes[0], outputs=shapes[1]).run(codes)
    if not all(np.array_equal(got, want) for got, want in zip(found, reference.run(graph, codes), strict=True)):
        sys.exit(f"{graph.source.file}: the C++ differs from the reference engine")


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table of Markdown."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ("---",) * len(head), *rows))


def main() -> None:
    """Write the section."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--models", type=Path, default=MODELS)
    options = parser.parse_args()
    tool = f"{yosys().name} {yosys().version_text}"
    text = SECTION.format(layers=layers(), costs=costs(), networks=networks(options.models), tool=tool)
    put(Path(__file__).with_name("hardware.md"), TITLE, text)


if __name__ == "__main__":
    main()
