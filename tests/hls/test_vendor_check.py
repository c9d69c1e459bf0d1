# SPDX-License-Identifier: Apache-2.0
"""`bitwright hls-check` on reports written by hand in the tool's format, and the order in which the tool is called."""

from __future__ import annotations

import json
import re
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console

from bitwright.backends.hls.project import FRAMES_PER_CALL, generate, sized
from bitwright.backends.hls.reports import Module, PipelinedLoop, Synthesised, read_reports
from bitwright.cli.commands import main
from bitwright.compiling import compile_graph
from bitwright.design import Design
from bitwright.folder import design_folder
from bitwright.frontend.build import Net
from bitwright.hardware.kernels.windows import Window
from bitwright.ir.errors import BitwrightError
from bitwright.report.vendor import vendor_check
from bitwright.synthesis import read_design
from bitwright.vendor_check import check_reports, compared, owners
from tests.hls.networks import deep, residual
from tests.hls.programs import write
from tests.hls.test_golden import small
from tests.needs import needs, program

REPORT = (Path(__file__).parent / "reports/csynth.xml").read_text(encoding="utf-8")


def tiny() -> Design:
    """A convolution and its requantiser: a window, a matrix-vector unit, thresholds."""
    net = Net()
    sums = net.conv(net.input("x", (6, 6, 1), "u4"), np.arange(18).reshape(2, 3, 3, 1) - 9, name="conv")
    net.rescale(sums, "u4", multiplier=1 / 64, name="act")
    return compile_graph(net.graph(), cycles=400, name="tiny")


def write_design(folder: Path, design: Design) -> None:
    for path, content in design_folder(design, ("hls",)).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_design(tmp_path / "tiny", tiny())
    return tmp_path / "tiny"


def findings(folder: Path, report: str) -> list[str]:
    """What is said of a report in the place where the tool leaves it."""
    file = folder / "hls/tiny_prj/solution1/syn/report/csynth.xml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(report, encoding="utf-8")
    found = check_reports(folder, folder / "hls/tiny_prj")
    assert found["ok"] == (not found["findings"])
    return list(found["findings"])


def changed(old: str, new: str, after: str = "") -> str:
    """The report with the first `old` behind `after` replaced."""
    at = REPORT.index(old, REPORT.index(after))
    return REPORT[:at] + new + REPORT[at + len(old) :]


def test_a_report_as_planned(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert findings(folder, REPORT) == []
    assert main(["hls-check", str(folder), str(folder / "hls"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["version"] == 1 and found["tool"] == "2023.2" and found["ok"]
    assert found["part"]["report"] == "xc7z020-clg400-1"
    assert found["interval"] == {"plan": 288, "cpp": 288, "report": 288}
    assert found["clock_ns"] == {
        "plan": 10.0,
        "report": 7.284,
    }
    assert found["resources"]["lut"]["report"] == 847 and found["resources"]["dsp"] == {"plan": 0, "report": 1}
    assert [(row["name"], row["interval"], row["depth"]["report"]) for row in found["kernels"]] == [
        ("conv_window", {"plan": 144, "report": 144}, 5),
        ("conv", {"plan": 288, "report": 288}, 9),
        ("act", {"plan": 32, "report": 32}, 7),
    ]
    declared = re.findall(r"STREAM variable=(\w+) depth=(\d+)", (folder / "hls/tiny.cpp").read_text(encoding="utf-8"))
    depths = {row["name"]: row["depth"] for row in found["streams"]}
    assert depths == {name: int(depth) for name, depth in declared}
    assert all(row["needed"] == row["depth"] for row in found["streams"])


def test_the_clocks_of_the_cpp_are_not_called_those_of_the_plan(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Were the loop of a window longer than planned, only more than that would be worse."""
    monkeypatch.setattr(Window, "iterations", property(lambda window: 16_896))
    design = compile_graph(deep(), cycles=15_360)
    for interval, said in (
        (16_896, []),
        (16_897, ["interval: 16897 clocks where the loops of the C++ have 16896 and the plan has 15360"]),
    ):
        whole = Synthesised(None, None, None, None, 5.0, interval, None, {}, ())
        found = compared(design.record, design, whole)
        assert found["interval"] == {"plan": 15_360, "cpp": 16_896, "report": interval}
        assert [finding for finding in found["findings"] if finding.startswith("interval")] == said
    Console(width=120).print(vendor_check(found))
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert "interval, clocks 15 360" in lines and "interval of the C++, clocks 16 896 16 897" in lines


def of_a_call(report: str) -> str:
    """The same of as many frames as the scripts give to a call, which takes ten clocks more than its frames."""

    def times(found: re.Match[str]) -> str:
        return f"<{found[1]}>{FRAMES_PER_CALL * int(found[2]) + (0 if found[1] == 'TripCount' else 10)}</"

    return re.sub(r"<(TripCount|Interval-m\w\w|Worst-caseLatency)>(\d+)</", times, report)


def test_a_report_of_several_frames_in_a_call(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A window may take longer where no frame follows: its loop ends by itself, and is reported at its most."""
    assert findings(folder, of_a_call(REPORT)) == []
    assert main(["hls-check", str(folder), str(folder / "hls"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["interval"] == {"plan": 288, "cpp": 288, "report": 288}
    assert {row["name"]: row["interval"]["report"] for row in found["kernels"]} == {
        "conv_window": 144,
        "conv": 288,
        "act": 32,
    }
    said = findings(folder, of_a_call(changed("<TripCount>288<", "<TripCount>289<")))
    assert said == ["kernel 'conv': 289 iterations where the plan has 288"]


def test_the_report_of_another_design_or_part(folder: Path) -> None:
    with pytest.raises(BitwrightError, match="is the report of 'other_top', the design's top is 'tiny_top'"):
        findings(folder, changed("tiny_top", "other_top", "<TopModelName>"))
    write_design(folder, replace(tiny(), part="xc7z020clg400-1"))
    assert findings(folder, REPORT) == []
    said = "part: the report is for xczu3eg-sbva484-1-e where the plan has xc7z020clg400-1"
    assert findings(folder, changed("xc7z020-clg400-1", "xczu3eg-sbva484-1-e")) == [said]


def test_it_is_shown_line_by_line(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    findings(folder, changed("<PipelineII>1<", "<PipelineII>3<", "mvu_lut_tiny_conv"))
    assert main(["hls-check", str(folder), str(folder / "hls/tiny_prj/solution1/syn/report/csynth.xml")]) == 1
    shown = capsys.readouterr().out
    assert "beside the report of Vitis HLS 2023.2 for xc7z020-clg400-1" in shown
    for words in (("conv_window", "1", "1", "144", "144", "16", "5"), ("conv", "1", "3", "288", "864", "16", "9")):
        assert re.search(r"\W+".join(words), shown), words
    assert "kernel 'conv': one iteration in 3 clocks where the plan has one a clock" in shown
    assert "Nothing is worse" not in shown


@pytest.mark.parametrize(
    ("report", "said"),
    [
        (
            changed("<PipelineII>1<", "<PipelineII>2<", "requantise_tiny_act"),
            ["kernel 'act': one iteration in 2 clocks where the plan has one a clock"],
        ),
        (
            changed("<TripCount>162<", "<TripCount>180<"),
            ["kernel 'conv_window': 180 iterations where the plan has 144"],
        ),
        (
            changed("<Interval-max>288<", "<Interval-max>301<"),
            ["interval: 301 clocks where the plan has 288"],
        ),
        (changed("<Interval-max>288<", "<Interval-max>undef<"), ["interval: the report has none"]),
        (
            changed(">7.284<", ">11.5<"),
            ["clock: 11.5 ns where the plan has 10"],
        ),
        (
            changed("<TargetClockPeriod>10.00<", "<TargetClockPeriod>5.00<"),
            ["target clock: 5 ns where the plan has 10"],
        ),
        (
            changed("<PipelineDepth>9<", "<PipelineDepth>-<"),
            ["kernel 'conv': the report does not say how deep its pipeline is"],
        ),
        (
            re.sub(r"(?s)    <Module>\s*<Name>mvu_lut.*?</Module>\n", "", REPORT),
            ["kernel 'conv': no module of the report is its loop"],
        ),
        (
            re.sub(r"(?s)  <ModuleInformation>.*</ModuleInformation>\n", "", REPORT),
            [f"kernel '{name}': no module of the report is its loop" for name in ("conv_window", "conv", "act")],
        ),
    ],
)
def test_what_is_worse_or_missing(folder: Path, report: str, said: list[str]) -> None:
    assert report != REPORT
    assert findings(folder, report) == said


def test_resources_may_be_missing(folder: Path) -> None:
    assert findings(folder, re.sub(r"(?s)  <AreaEstimates>.*</AreaEstimates>\n", "", REPORT)) == []


@pytest.mark.parametrize(("stages", "holds"), [(16, True), (40, False)])
def test_pipelines_deeper_than_the_streams_allow(tmp_path: Path, stages: int, holds: bool) -> None:
    """The pragmas that are named are in the project, and what they become is what such pipelines need."""
    design = compile_graph(residual(), cycles=2500)
    write_design(tmp_path, design)
    write(tmp_path, {"report.xml": REPORT})
    kernels = sized(design.kernels).kernels
    loops = [PipelinedLoop("L", 1, stages, kernel.iterations) for kernel in kernels]
    modules = [Module(f"model_{kernel.name}_s", (loop,)) for kernel, loop in zip(kernels, loops, strict=True)]
    found = compared(*read_design(tmp_path), replace(read_reports(tmp_path / "report.xml"), modules=tuple(modules)))
    said = [finding for finding in found["findings"] if finding.startswith("stream")]
    text = (tmp_path / "hls/model.cpp").read_text(encoding="utf-8")
    wanted = {stream.name: stream.depth for stream in sized(design.kernels, stages).streams}
    now = {stream.name: stream.depth for stream in sized(design.kernels).streams}
    assert said == [
        f"stream '{name}': pipelines of {stages} stages need depth {wanted[name]}; in model.cpp "
        f"change `#pragma HLS STREAM variable={name} depth={depth}` to depth={wanted[name]}"
        for name, depth in now.items()
        if wanted[name] > depth
    ]
    assert all(re.search("`(.*?)`", finding)[1] in text for finding in said)
    assert bool(said) != holds


def test_a_module_of_another_name_is_known_by_its_trip_count() -> None:
    """Where the tool leaves namespaces out; two kernels of one count stay unknown."""
    kernels = tiny().kernels.kernels
    loops = {count: (PipelinedLoop("L", 1, 4, count),) for count in (144, 288, 32)}
    shapes = [Module(f"kernel_Shape_{count}", loops[count]) for count in loops]
    found = owners("tiny", kernels, shapes)
    assert {name: [m.name for m in modules] for name, modules in found.items()} == {
        "conv_window": ["kernel_Shape_144"],
        "conv": ["kernel_Shape_288"],
        "act": ["kernel_Shape_32"],
    }
    assert "conv" not in owners("tiny", kernels, [*shapes, Module("another", loops[288])])


def refused(path: Path) -> str:
    with pytest.raises(BitwrightError) as error:
        read_reports(path)
    return str(error.value).replace(str(path), "PATH")


def test_a_truncated_report_is_one_error(tmp_path: Path) -> None:
    path = tmp_path / "csynth.xml"
    path.write_text(REPORT[: REPORT.index("<ModuleInformation>")], encoding="utf-8")
    assert re.sub(r"line \d+, column \d+", "line N, column N", refused(path)) == (
        "PATH: is no whole XML file: no element found: line N, column N\n"
        "  hint: let the tool finish: run `make vendor-check` again"
    )
    path.write_bytes(b"")
    assert refused(path).startswith("PATH: is no whole XML file: no element found")
    path.write_bytes(b"\xff\xfe\x00junk")
    assert refused(path).startswith("PATH: is no whole XML file: ")


def test_what_is_no_report(tmp_path: Path) -> None:
    hint = "\n  hint: run `make vendor-check` in hls/ first"
    assert refused(tmp_path / "none") == "PATH: is neither a file nor a folder" + hint
    assert refused(tmp_path) == "PATH: has no csynth.xml" + hint
    (tmp_path / "csynth.xml").write_text("<profile/>", encoding="utf-8")
    assert refused(tmp_path / "csynth.xml") == (
        "PATH: is no report of csynth_design\n  hint: give csynth.xml, or the solution's folder"
    )
    write(tmp_path, {"b/csynth.xml": REPORT})
    assert refused(tmp_path) == "PATH: has 2 csynth.xml\n  hint: give one of them: PATH/b/csynth.xml, PATH/csynth.xml"


# The order of the calls, with programs that only write down how they were called


def made(folder: Path, *tools: str, code: int = 0) -> tuple[int, str, list[str]]:
    """Exit code and messages of `make vendor-check`, and the calls, where only these tools are on PATH."""
    write(folder, generate(small()))
    (folder / "bin").mkdir()
    for name in (*tools, "bitwright"):
        script = folder / "bin" / name
        script.write_text(f'#!/bin/sh\necho "{name} $*" >> "$CALLS"\nexit {code if name in tools else 1}\n')
        script.chmod(0o755)
    for name in ("make", "sh"):
        (folder / "bin" / name).symlink_to(program(name).path)
    environment = {"PATH": str(folder / "bin"), "CALLS": str(folder / "calls"), "SHELL": "/bin/sh"}
    done = subprocess.run(
        [folder / "bin/make", "vendor-check"], cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    calls = folder / "calls"
    return done.returncode, done.stderr, calls.read_text().splitlines() if calls.exists() else []


@needs(lambda: program("make"))
@pytest.mark.parametrize(
    ("tools", "call"),
    [
        (("vitis-run", "vitis_hls"), "vitis-run --mode hls --tcl vendor_check.tcl"),
        (("vitis_hls",), "vitis_hls -f vendor_check.tcl"),
    ],
)
def test_the_tool_then_the_comparison(tmp_path: Path, tools: tuple[str, ...], call: str) -> None:
    code, _, calls = made(tmp_path, *tools)
    assert calls == [call, "bitwright hls-check .. small_prj"]
    assert code == 2, "a comparison that fails is a target that fails"


@needs(lambda: program("make"))
def test_a_tool_that_fails_ends_it(tmp_path: Path) -> None:
    code, said, calls = made(tmp_path, "vitis-run", code=3)
    assert calls == ["vitis-run --mode hls --tcl vendor_check.tcl"]
    assert code == 2 and "Error 3" in said


@needs(lambda: program("make"))
def test_without_a_tool_it_says_so(tmp_path: Path) -> None:
    code, said, calls = made(tmp_path)
    assert (code, calls) == (2, [])
    assert said.splitlines()[0] == (
        "vendor-check: no vitis-run and no vitis_hls on PATH; source settings64.sh of Vitis first"
    )


@needs(lambda: program("tclsh"))
def test_every_step_in_order(tmp_path: Path) -> None:
    """Run by tclsh with the vendor's commands replaced by ones that print themselves."""
    write(tmp_path, generate(small()))
    fake = """
        proc unknown {name args} { puts $name }
        rename exit quit
        proc exit {} {}
        source vendor_check.tcl
    """
    done = subprocess.run(["tclsh"], input=fake, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    steps = [line for line in done.stdout.splitlines() if line.endswith("_design")]
    assert steps == ["csim_design", "csynth_design", "cosim_design", "export_design"]
