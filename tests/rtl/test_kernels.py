# SPDX-License-Identifier: Apache-2.0
"""Every kernel in Verilator against its NumPy model, and the clocks that the plan counts with, over many shapes."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from bitwright.backends.project import Project
from bitwright.backends.verilog.project import generate
from bitwright.hardware.clocks.interval import latency
from bitwright.sim.rtl import RtlModel, build
from tests.needs import needs_rtl
from tests.rtl.cases import GROUPS
from tests.rtl.graphs import project, side_by_side

pytestmark = needs_rtl
FRAMES = 6


@cache
def built(group: str) -> tuple[Project, RtlModel]:
    """One design that holds every case of a group, and its model: one build for all tests."""
    made = project(side_by_side(GROUPS[group]()), np.random.default_rng(4), FRAMES, group)
    return made, build(generate(made))


def expect_outputs(made: Project, found: list[np.ndarray]) -> None:
    for name, want, got in zip(made.kernels.outputs, made.outputs, found, strict=True):
        np.testing.assert_array_equal(got, want.array, err_msg=name)


@pytest.mark.parametrize("group", GROUPS)
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_outputs_are_those_of_the_model(group: str, seed: int) -> None:
    """Seed 0 never stalls, the others stall source and sink at random."""
    made, model = built(group)
    expect_outputs(made, model.run([codes.array for codes in made.inputs], seed=seed).outputs)


@pytest.mark.parametrize("group", GROUPS)
def test_a_frame_takes_the_clocks_of_the_plan(group: str) -> None:
    """In steady state, neither starved nor blocked: no bubble between frames, rows or folds."""
    made, model = built(group)
    timed = model.run([codes.array for codes in made.inputs]).port_cycles
    found = {name: interval for name, (interval, _) in zip(made.kernels.outputs, timed, strict=True)}
    want = {name: kernel.cycles for kernel in made.kernels.kernels for name in kernel.outputs}
    want |= {s.name: s.beats for s in made.kernels.streams if s.name in made.kernels.inputs and s.name in found}
    assert found == want


@pytest.mark.parametrize("group", GROUPS)
def test_the_first_frame_has_the_latency_of_the_plan(group: str) -> None:
    made, model = built(group)
    timed = model.run([codes.array for codes in made.inputs]).port_cycles
    found = {name: clocks for name, (_, clocks) in zip(made.kernels.outputs, timed, strict=True)}
    graphs = GROUPS[group]()
    assert found == {name: latency(graph) for graph in graphs for name in graph.outputs}
