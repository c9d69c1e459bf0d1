# SPDX-License-Identifier: Apache-2.0
"""The AXI4-Streams of whole designs against an independent peer, cocotbext-axi, in Verilator by cocotb's runner."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest

from bitwright.compiling import compile_graph
from bitwright.design import Design
from bitwright.ir.types import BIPOLAR, integer
from bitwright.sim.tools import verilator_environment
from tests.ir.graphs import random_codes
from tests.needs import needs_rtl
from tests.rtl.networks import Net
from tests.rtl.test_bench import written

pytestmark = needs_rtl
FRAMES = 5  # of boundary_bench, which only cocotb can import


def dense() -> Design:
    """Three bits in a byte; the output has ten bits in two bytes."""
    net = Net(1)
    last = net.dense(net.dense(net.input(12, kind=integer(3, signed=True)), 6), 6, integer(10, signed=True))
    return compile_graph(net.graph(last), cycles=36)


def conv() -> Design:
    """An image of bits, padded; several lanes for each beat."""
    net = Net(2)
    last = net.conv(net.input(5, 5, 4, kind=BIPOLAR), 4, kind=integer(5, signed=False))
    return compile_graph(net.graph(last), cycles=300)


def two_inputs() -> Design:
    """One behind a window, one directly at the sum."""
    net = Net(3)
    a, b = net.input(4, 4, 2), net.input(4, 4, 4, kind=integer(6, signed=False))
    return compile_graph(net.graph(net.add(net.conv(a, 4), b)), cycles=300)


def two_outputs() -> Design:
    """Of different lengths and lanes, from one convolution."""
    net = Net(4)
    both = net.conv(net.input(4, 4, 2), 4)
    return compile_graph(net.graph(both, net.dense(both, 3, integer(9, signed=False))), cycles=300)


TESTS = [
    *(f"back_to_back/sources={p}/sinks={q}" for p in (0.0, 0.5) for q in (0.0, 0.7)),
    *(f"gaps/sinks={q}" for q in (0.0, 0.7)),
    *(f"reset_in_a_frame/part={part}" for part in (0.1, 0.5, 0.9, 1.4, 9.0)),
    *(f"wrong_tlast/cut={cut}" for cut in ("early", "missing")),
    "silent_before_the_first_beat",
]


@pytest.mark.parametrize("made", [dense, conv, two_inputs, two_outputs])
def test_the_streams_of_a_top(made: Callable[[], Design], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pauses, gaps, frames back to back, resets in a frame, tlast at the wrong beat, padding of tdata."""
    from cocotb_tools.runner import get_runner  # where there is Verilator there must be cocotb

    for name, value in verilator_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("VERILATOR_ROOT", raising=False)
    monkeypatch.delenv("PYTEST_CURRENT_TEST")  # with it the runner ends at the first failure, without its message
    design = made()
    folder = written(dict(design.files("verilog", random_codes(design.graph, 1, FRAMES))), tmp_path)
    runner, top = get_runner("verilator"), f"{design.name}_top"
    runner.build(
        sources=[folder / line for line in (folder / "filelist.f").read_text().split()],
        hdl_toplevel=top,
        build_dir=folder / "build",
        build_args=["-Wall"],
        log_file=folder / "build.log",
    )
    results = runner.test(
        test_module="tests.rtl.boundary_bench", hdl_toplevel=top, test_dir=folder, seed=1, log_file=folder / "test.log"
    )
    cases = list(ElementTree.parse(results).iter("testcase"))
    failures = [(case.get("name"), failure.get("message")) for case in cases for failure in case.iter("failure")]
    assert failures == []
    assert [case.get("name") for case in cases] == TESTS
