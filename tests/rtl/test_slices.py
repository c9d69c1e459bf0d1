# SPDX-License-Identifier: Apache-2.0
"""What Yosys makes of the arithmetic styles: DSP slices where the plan counts them, and nowhere else."""

from __future__ import annotations

import numpy as np

from bitwright.backends.verilog.project import generate
from bitwright.hardware.area.resources import resources
from bitwright.ir.types import BIPOLAR, TERNARY
from bitwright.sim import synth
from tests.needs import needs_yosys
from tests.rtl.graphs import S4, S8, U4, U8, matrix_vector, project, side_by_side


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
