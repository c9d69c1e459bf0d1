# SPDX-License-Identifier: Apache-2.0
"""What Yosys makes of the RTL computes the same in the same clocks: a construct that tools read differently shows."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bitwright.backends.verilog.project import generate
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.sim.lint import project_sources, yosys_netlist
from bitwright.sim.rtl import build
from tests.needs import needs_rtl, needs_yosys
from tests.rtl.cases import one_of_each, one_of_each_style, windows
from tests.rtl.graphs import project, side_by_side


@needs_rtl
@needs_yosys
@pytest.mark.parametrize("cases", [one_of_each, one_of_each_style, pytest.param(windows, marks=pytest.mark.long)])
def test_the_netlist_is_cycle_equal(cases: Callable[[], list[KernelGraph]]) -> None:
    made = project(side_by_side(cases()), np.random.default_rng(9), 4, "netlist")
    files = generate(made)
    netlist = {name: text for name, text in files.items() if name.startswith("bench/")}
    netlist["netlist.v"] = yosys_netlist(files, project_sources(files), "netlist_top")
    netlist["filelist.f"] = "-Wno-fatal\nnetlist.v\n"
    inputs = [codes.array for codes in made.inputs]
    found = build(netlist).run(inputs)
    for name, want, got in zip(made.kernels.outputs, made.outputs, found.outputs, strict=True):
        np.testing.assert_array_equal(got, want.array, err_msg=name)
    cycles = [kernel.cycles for kernel in made.kernels.kernels for _ in kernel.outputs]
    assert [interval for interval, _ in found.port_cycles[: len(cycles)]] == cycles


@needs_yosys
def test_an_operator_of_a_netlist_is_signed_only_where_it_says_so() -> None:
    """Yosys printed this as x + y between two nets that it declared as signed."""
    text = "module a (input signed [2:0] x, y, output [3:0] z);\n  assign z = {1'b0, x} + {1'b0, y};\nendmodule\n"
    assert " signed" not in yosys_netlist({"a.sv": text}, ["a.sv"], "a")
