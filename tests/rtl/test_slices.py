# SPDX-License-Identifier: Apache-2.0
"""What Yosys makes of the arithmetic styles: DSP slices where the plan counts them, and nowhere else."""

from __future__ import annotations

import re

import numpy as np
import pytest

import bitwright as bw
from bitwright.backends.project import Project
from bitwright.backends.verilog.project import generate
from bitwright.hardware.area.resources import resources
from bitwright.ir.types import BIPOLAR, TERNARY, integer
from bitwright.sim import synth
from bitwright.sim.lint import project_sources, yosys_netlist
from tests.needs import needs_yosys
from tests.rtl.graphs import S4, S8, U4, U8, adder, fixed, matrix_vector, project, requantiser, side_by_side

WIDE = integer(20, signed=True)
FACTORS = {
    "one": [1] * 4,
    "zero": [0] * 4,
    "same": [64] * 4,
    "negative": [-64] * 4,
    "distances": [1, 64, 8, 64],
    "signs": [64, -8, 0, 1],
    "constant": [77] * 4,
    "any": [64, 8, 77, 1],
}
SUMS = {
    "ones": (1, 1, 1),
    "wires": (8, -1, 64),
    "nothing": (0, 0, 1),
    "constant": (77, 1, 1),
    "any": (1, [1, 3, -5, 2], -2),
    "distances": ([1, 64, 8, 64], 1, [2, 1, 1, 1]),
    "signs": ([64, -8, 0, 1], -1, [0, 1, 1, 1]),
    "distances_and_any": ([1, 64, 8, 64], [1, 3, -5, 2], 1),
}
"""Factors of three operands, several for one in each channel."""
MULTIPLIED = ["constant", "any", "distances_and_any"]
"""The sums that have multipliers, each one for each of two lanes."""


@needs_yosys
def test_slices_are_those_of_the_plan() -> None:
    """Two 8-bit products or three 4-bit ones share a slice; the other styles take none, at any width."""
    rng = np.random.default_rng(0)
    cases = {
        "pairs": (matrix_vector("pairs", rng, rows=8, cols=2, pe=4, simd=1, x=U8, w=S8, style="dsp"), 2),
        "alone": (matrix_vector("alone", rng, rows=8, cols=4, pe=1, simd=2, x=U8, w=S8, style="dsp"), 2),
        "threes": (matrix_vector("threes", rng, rows=8, cols=2, pe=4, simd=1, x=U4, w=S4, style="dsp"), 2),
        "gates": (matrix_vector("gates", rng, rows=2, cols=2, pe=1, simd=1, x=U8, w=S8, style="lut"), 0),
        "signs": (matrix_vector("signs", rng, rows=2, cols=2, pe=1, simd=2, x=S8, w=TERNARY), 0),
        "bits": (matrix_vector("bits", rng, rows=2, cols=4, pe=1, simd=4, x=BIPOLAR, w=BIPOLAR), 0),
    }
    made = project(side_by_side([graph for graph, _ in cases.values()]), rng, 1, "slices")
    cells = synth.synthesise(generate(made), "slices_top", "xc7").cells
    found = {name: synth.resources(cells[f"u_{name}"])["dsp"] for name in cases}
    assert found == {name: slices for name, (_, slices) in cases.items()}
    assert found == {kernel.name: resources(kernel).dsp for kernel in made.kernels.kernels}


def products(made: Project) -> int:
    """Multipliers that Yosys reads in a design before it maps anything."""
    files = generate(made)
    netlist = yosys_netlist(files, project_sources(files), f"{made.name}_top")
    return len(re.findall(r"[\w)] \* ", netlist))


@needs_yosys
def test_powers_of_two_take_no_multiplier() -> None:
    """Neither a slice nor a product in logic: they are wires, a negation or a shifter."""
    graphs = {name: requantiser(name, fixed(m, WIDE, U8, shift=9), WIDE, U8) for name, m in FACTORS.items()}
    made = project(side_by_side(list(graphs.values())), np.random.default_rng(0), 1, "factors")
    cells = synth.synthesise(generate(made), "factors_top", "xc7").cells
    found = {name: synth.resources(cells[f"u_{name}"])["dsp"] for name in FACTORS}
    assert found == {kernel.name: resources(kernel).dsp for kernel in made.kernels.kernels}
    assert [name for name, slices in found.items() if slices] == ["constant", "any"]
    alone = {name: project(graph, np.random.default_rng(0), 1, name) for name, graph in graphs.items()}
    assert [name for name, one in alone.items() if products(one)] == ["constant", "any"]


@needs_yosys
def test_factors_of_a_sum_that_are_powers_of_two_take_no_multiplier() -> None:
    """What all channels share is wires, what each has is a shifter; other numbers are multiplied by, and they alone."""
    rng, made = np.random.default_rng(0), {}
    for name, factors in SUMS.items():
        made[name] = project(adder(name, rng, WIDE, S8, U8, given=factors), rng, 1, name)
    assert [name for name, one in made.items() if products(one)] == MULTIPLIED
    whole = project(side_by_side([one.kernels for one in made.values()]), rng, 1, "sums")
    cells = synth.synthesise(generate(whole), "sums_top", "xc7").cells
    found = {name: synth.resources(cells[f"u_{name}"])["dsp"] for name in SUMS}
    assert found == {kernel.name: resources(kernel).dsp for kernel in whole.kernels.kernels}
    assert {name: slices for name, slices in found.items() if slices} == dict.fromkeys(MULTIPLIED, 2)


def test_constants_that_all_channels_share_are_in_no_memory() -> None:
    rng, shared = np.random.default_rng(0), fixed([5] * 4, S8, U8, shift=3, c=9)
    kept = fixed([5] * 4, S8, U8, shift=3)
    graphs = [
        requantiser("shared", shared, S8, U8),
        requantiser("offsets", kept, S8, U8),
        adder("ones", rng, S8, U8, given=(1, -4)),
        adder("ones_and_any", rng, S8, U8, given=(1, None)),
    ]
    text = generate(project(side_by_side(graphs), rng, 1, "memories"))["memories_top.sv"]
    assert re.findall(r"^  bw_rom_inline #\(\n.*?\n  \) u_(\w+)_rom \(", text, flags=re.MULTILINE | re.DOTALL) == [
        "offsets", "ones_and_any",
    ]  # fmt: skip


@needs_yosys
@pytest.mark.parametrize(("scale", "multiplies"), [([0.25] * 4, False), ([0.25, 4, 0.5, 2], False), ([0.3] * 4, True)])
def test_a_network_whose_scales_are_powers_of_two_multiplies_weights_alone(
    scale: list[float], multiplies: bool
) -> None:
    net = bw.Net("scales.onnx")
    rows = net.dense(net.input("x", (4,), "u8"), np.random.default_rng(0).choice([-1, 1], (4, 4)))
    net.requantise(rows, "u8", scale=1, gain=scale, bias=[1, 0, -0.25, 7])
    design = bw.compile(net.graph())
    assert bool(products(design.project())) == multiplies


@needs_yosys
@pytest.mark.parametrize(("factors", "multiplies"), [([1, 4, 2, 64], False), ([1, 3, 2, 64], True)])
def test_a_network_whose_sum_has_powers_of_two_in_its_channels_multiplies_weights_alone(
    factors: list[int], multiplies: bool
) -> None:
    net = bw.Net("factors.onnx")
    x = net.input("x", (4,), "u8")
    net.sum(net.dense(x, np.random.default_rng(0).choice([-1, 1], (4, 4))), x, factors=(factors, 2))
    design = bw.compile(net.graph())
    assert bool(products(design.project())) == multiplies
