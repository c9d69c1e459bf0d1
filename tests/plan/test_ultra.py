# SPDX-License-Identifier: Apache-2.0
"""UltraRAM for deep FIFOs, rings and frame buffers: where a part has it, what is worth it, and while there is some."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bitwright.backends.hls.library import carried
from bitwright.cli import main
from bitwright.compiling import compile_graph
from bitwright.design import Design, to_json
from bitwright.exact.ranges import ranges
from bitwright.hardware.area.parts import fifo_parts
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.kernels.fifos import stream_latency
from bitwright.hardware.modules.memories import block_rams, ultra_rams
from bitwright.hardware.plan import Plan
from bitwright.ir import files
from bitwright.ir.errors import BitwrightError
from bitwright.planning.candidates import candidates
from bitwright.planning.devices import DEVICES, Budget, Device
from bitwright.planning.price import Scale
from bitwright.planning.solver import OverBudget, solve
from bitwright.planning.ultra import WORTH, placed, spared
from bitwright.report.record import Report
from bitwright.sim import cpp, reference, rtl, synth
from tests.hls.networks import deep
from tests.needs import needs_cxx, needs_rtl, needs_yosys
from tests.rtl.graphs import U8, fifo

HAS, HAS_NONE, VERSAL = "xczu7ev", "xczu9eg", "xcvc1902"


@cache
def made(part: str | None) -> Design:
    return compile_graph(deep(), cycles=15_360, part=part)


def in_ultra(graph: KernelGraph) -> list[str]:
    """What of a design is in UltraRAM."""
    kernels = (kernel.name for kernel in graph.kernels if kernel.ultra)
    return [*kernels, *(stream.name for stream in graph.streams if stream.ultra)]


@pytest.mark.parametrize(
    ("words", "bits", "blocks", "ultra", "worth"),
    [
        (2048, 32, 4, 1, True),
        (2048, 27, 3, 1, False),  # one block less
        (1024, 72, 4, 1, True),
        (1024, 54, 3, 1, False),
        (4096, 32, 8, 1, True),
        (4097, 32, 9, 2, True),  # a second one for one word more
        (4096, 73, 18, 2, True),  # and for one bit more
        (16_384, 8, 8, 4, False),  # deep, but narrow
        (512, 288, 8, 4, False),  # wide, but shallow
    ],
)
def test_what_is_worth_an_ultra_ram(words: int, bits: int, blocks: int, ultra: int, worth: bool) -> None:
    found = block_rams(words, bits).blocks, ultra_rams(words, bits).blocks
    assert found == (blocks, ultra) and (blocks >= WORTH * ultra) == worth
    assert spared(words, bits) == (blocks / ultra if worth else 0)


def test_only_a_part_that_has_it_takes_it() -> None:
    names = ["maxpool0_window", "gather1", "x0_fork_1"]
    assert in_ultra(made(HAS).kernels) == in_ultra(made(VERSAL).kernels) == names
    assert in_ultra(made(None).kernels) == in_ultra(made(HAS_NONE).kernels) == []
    assert DEVICES[HAS].budget.uram == 96 and DEVICES[HAS_NONE].budget.uram == 0
    used, free = made(HAS).price.total, made(HAS_NONE).price.total
    assert (used.bram, used.uram) == (2, 4) and (free.bram, free.uram) == (31, 0)


def test_a_report_shows_it_where_the_part_has_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    report = made(HAS).report()
    assert [row["uram"] for row in report["layers"]] == [1, 2, 1, 0] and report["boundary"]["uram"] == 0
    assert report["total"]["uram"] == 4 and report["total"]["share"]["uram"] == round(4 / 96, 4)
    assert Report.from_json(to_json(report), where="report.json") == made(HAS).record
    for part in (None, HAS_NONE):
        others = made(part).report()
        assert not any("uram" in row for row in (*others["layers"], others["boundary"]))
        assert others["total"]["uram"] == 0 and "URAM" not in str(made(part))
    assert "URAM" in str(made(HAS)) and made(HAS).record.totals()["of the part"]["uram"] == "4.2 %"
    model = tmp_path / "deep.bw"
    model.write_bytes(files.to_bytes(deep()))
    for part, seen in ((HAS, True), (HAS_NONE, False)):
        command = ["compile", str(model), "-o", str(tmp_path / part), "--cycles", "15360", "--part", part]
        assert main([*command, "--backend", "verilog"]) == 0
        assert ("URAM" in capsys.readouterr().out) == seen
        assert ("URAM" in (tmp_path / part / "report.html").read_text()) == seen
    assert main(["compare", str(tmp_path / HAS), str(tmp_path / HAS_NONE)]) == 0
    assert "URAM of the part" in capsys.readouterr().out


def test_it_takes_the_clocks_of_block_ram() -> None:
    one, other = made(HAS).kernels, made(HAS_NONE).kernels
    assert one.interval == other.interval == 15_360
    assert made(HAS).record.latency_cycles == made(HAS_NONE).record.latency_cycles
    assert [(s.name, s.depth, stream_latency(s)) for s in one.streams] == [
        (s.name, s.depth, stream_latency(s)) for s in other.streams
    ]


def test_those_that_spare_most_come_first_while_there_are_any() -> None:
    """8, 4 and 7.5 block RAMs for each UltraRAM; of 2 the second goes to the last one that still has room."""
    graphs = [fifo("most", 4096, U8, 4), fifo("least", 2048, U8, 4), fifo("two", 4097, U8, 4), fifo("no", 300, U8, 2)]
    graph = KernelGraph((), tuple(g.streams[0] for g in graphs), ("most",), ("most",))
    expected = {0: [], 1: ["most"], 2: ["most", "least"], 3: ["most", "two"], 4: ["most", "least", "two"]}
    assert {held: in_ultra(placed(graph, held)) for held in expected} == expected
    parts = [part for stream in placed(graph, 3).streams for part in fifo_parts(stream)]
    assert (sum(part.uram for part in parts), sum(part.bram for part in parts)) == (3, 4 + 1)


def test_the_solver_keeps_within_the_ultra_rams() -> None:
    """A ring and a frame buffer: with too few blocks in UltraRAM, with too little of both nowhere."""
    graph = deep()
    offered = candidates(graph, Plan(), ranges(graph))
    held = DEVICES[HAS].budget

    def used(bram: int, uram: int) -> tuple[int, int]:
        found = solve(graph, 15_360, offered, Scale(replace(held, bram=bram, uram=uram), HAS, "xcup")).used
        return found["bram"], found.get("uram", 0)

    needed = used(10_000, 0)[0]
    tight = used(needed - 1, 96)
    assert tight[0] < needed and 0 < tight[1] <= 96
    with pytest.raises(OverBudget, match="BRAM of"):
        used(needed - 1, 0)
    with pytest.raises(OverBudget, match=r"do not fit xczu7ev: the plan closest to it takes \d+ U?.?RAM of 1, \d+ of"):
        used(1, 1)


def test_a_design_that_needs_more_of_them_is_refused_by_name(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    model, out = tmp_path / "deep.bw", tmp_path / "out"
    model.write_bytes(files.to_bytes(deep()))
    held = DEVICES[HAS].budget
    monkeypatch.setitem(DEVICES, HAS, Device("xcup", Budget(held.lut, held.ff, held.dsp, 1, 1)))  # type: ignore[misc]
    assert main(["compile", str(model), "-o", str(out), "--cycles", "15360", "--part", HAS]) == 2
    said = capsys.readouterr().err
    assert "URAM of 1, 2 of them in this layer" in said and "layer 'gather1'" in said and not out.exists(), said


def test_weights_are_never_in_it() -> None:
    """A ROM has an initial content, and an UltraRAM none: the capacity of a part is what it was."""
    from tests.test_planned import wide

    with pytest.raises(BitwrightError) as error:
        compile_graph(wide(2000), part="xczu4ev", cycles=10**7)
    assert "holds 4.7 Mbit in block RAM and 5.6 Mbit in look-up tables" in str(error.value)


@pytest.mark.parametrize("function", ["window", "reorder", "gather"])
def test_a_function_in_ultra_ram_is_another_one_but_for_its_memory(function: str) -> None:
    text, other = carried(f"bw_{function}.hpp"), carried(f"bw_{function}_ultra.hpp")
    memory = "held" if function != "window" else "ring"
    pragma = f"#pragma HLS BIND_STORAGE variable={memory} type=ram_s2p impl=uram\n"
    head, body = other.split("namespace bw {\n\n")
    assert head == (
        "// SPDX-License-Identifier: Apache-2.0\n"
        f"// bw_{function}_ultra.hpp, made of bw_{function}.hpp: the same function, its memory in UltraRAM.\n"
        f'#pragma once\n\n#include "bw_{function}.hpp"\n\n'
    )
    assert body.count(pragma) == 1 and body.count(f"void {function}_ultra(") == 1
    back = body.replace(pragma, "").replace(f"void {function}_ultra(", f"void {function}(")
    assert [" ".join(line.split()) for line in text.splitlines()][-len(back.splitlines()) :] == [
        " ".join(line.split()) for line in back.splitlines()
    ]


@needs_rtl
@needs_cxx
def test_both_engines_compute_with_it_what_the_reference_does() -> None:
    design, rng = made(HAS), np.random.default_rng(9)
    graph = design.graph
    codes = [rng.integers(0, 256, (3, *entry.shape)) for entry in graph.inputs]
    wanted = list(reference.run(graph, codes))
    files_of_it = design.files("verilog")
    assert {"modules/bw_fifo_ultra.sv", "modules/bw_reorder_ultra.sv", "modules/bw_window_ultra.sv"} <= set(files_of_it)
    model = rtl.build(files_of_it)
    for seed in (0, 1):
        found = model.run(codes, seed=seed)
        np.testing.assert_array_equal(found.outputs[0], wanted[0])
    timed = model.run(codes)
    assert (timed.cycles_per_frame, timed.latency_cycles) == (15_360, design.record.latency_cycles)
    shapes = [entry.shape for entry in graph.inputs], [graph.by_name[name].shape for name in graph.outputs]
    compiled = cpp.build(design.files("hls"), inputs=shapes[0], outputs=shapes[1])
    np.testing.assert_array_equal(compiled.run(codes)[0], wanted[0])


@needs_yosys
def test_yosys_counts_as_many() -> None:
    design = made(HAS)
    cells = synth.synthesise(design.files("verilog"), f"{design.name}_top", "xcup").cells.values()
    counted = [synth.resources(found) for found in cells]
    # of two banks of 32 bits it makes one memory of 64; where a tool puts each in its own, there are four
    assert [found["uram"] for found in counted if found["uram"]] == [1, 1, 1] and design.price.total.uram == 4
    assert sum(found["bram"] for found in counted) == design.price.total.bram == 2
