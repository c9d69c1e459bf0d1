# SPDX-License-Identifier: Apache-2.0
"""The commands: what they print, what they write, and how they exit."""

from __future__ import annotations

import io
import json
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from rich.console import Console

import bitwright
from bitwright import bench
from bitwright.cli import commands as cli
from bitwright.cli import progress
from bitwright.ir.stages import begins, heard
from bitwright.report import show
from bitwright.sim import tools
from bitwright.sim.fast import native
from tests.frontend.nets import Net, grid, without_form
from tests.needs import needs_cxx, needs_rtl

ROOT = Path(__file__).parents[1]
DIGITS = str(ROOT / "bitwright/demo/digits.onnx")
DATA = str(ROOT / "bitwright/demo/digits.npz")
FLOAT = str(ROOT / "examples/digits/digits_float.onnx")
MODEL = ["--input", "--shape", "--outputs"]
COMMANDS = {
    "demo": [],
    "inspect": MODEL,
    "compile": "--output --backend --part --clock-ns --cycles --fps --plan --front --hls-vendor --fifos".split()
    + MODEL,
    "verify": "--data --engines --samples --plan --cycles --rounding --golden --trace".split() + MODEL,
    "simulate": "--data --output --engine".split() + MODEL,
    "bench": "--data --engines".split() + MODEL,
    "export": "--output --rounding".split() + MODEL,
    "quantize": "--shape --outputs --data --output --weights --activations --per-channel --per-tensor --range".split()
    + "--rounding --correct --scale --zero --exact --config --samples --report".split(),
    "compress": "--shape --outputs --data --output --recipe --samples --report".split(),
    "explore": "--data --output --weights --activations --per-layer --space --strategy --evaluations".split()
    + "--objectives --budget --latency --cycles --fps --clock-ns --part --per-channel --range --rounding".split()
    + "--correct --scale --zero --config --metric --score-on --jobs --executor --point-seconds".split()
    + "--point-memory --seed --resume --status --pick --check --shape --outputs".split(),
    "sensitivity": "--data --output --weights --activations --pairs --per-channel --range --rounding --samples".split(),
    "methods": [],
    "check": [],
    "compare": [],
    "synth": ["--fmax"],
    "hls-check": [],
    "doctor": ["--bundle", "--output"],
}

Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command in this process; gives its exit code, stdout and stderr."""

    def command(*argv: str | Path) -> tuple[int, str, str]:
        code = cli.main([str(part) for part in argv])
        out, err = capsys.readouterr()
        return code, out, err

    return command


def asked(run: Run, *argv: str | Path) -> Any:
    """The JSON of a command that must succeed and print nothing else."""
    code, out, _ = run(*argv, "--json")
    assert code == 0
    return json.loads(out)


def test_the_commands_are_those_of_the_design(run: Run) -> None:
    assert {command.name or command.callback.__name__ for command in cli.app.registered_commands} == COMMANDS.keys()
    code, out, err = run("--help")
    assert (code, err) == (0, "")
    assert all(re.search(rf"\b{name}\b", out) for name in COMMANDS)
    assert run() == (0, out, "")


@pytest.mark.parametrize(("command", "options"), COMMANDS.items(), ids=COMMANDS.keys())
def test_help_names_every_option(run: Run, command: str, options: list[str]) -> None:
    code, out, err = run(command, "--help")
    assert (code, err) == (0, "")
    assert set(re.findall(r"--[a-z-]+", out)) >= {*options, "--json", "--debug", "--help"}


def test_version(run: Run) -> None:
    assert run("--version") == (0, f"bitwright {bitwright.__version__}\n", "")


@needs_rtl
def test_the_demo_ends_with_every_integer_the_same(run: Run) -> None:
    code, out, _ = run("demo")
    assert code == 0
    said = " ".join(out.split())
    assert (
        "All 640 output integers of 64 digits are the same in NumPy, in the compiled HLS C++, in the Verilated" in said
    )
    assert "under cocotb in 5 tests with and without stalls, and in the outputs that the PyTorch module gave" in said
    assert "bw::mvu<" in out and "bw_mvu #(" in out


@needs_rtl
def test_the_demo_says_when_something_differs(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one cocotb test failed, and everything else well, the verdict is no."""
    engine = {"elements": 640, "mismatches": 0, "seconds": 0.0, "build_seconds": 0.0}
    found: dict[str, Any] = {
        "model": "digits.onnx",
        "samples": 64,
        "golden": dict.fromkeys(("boundary", "wide", "unexplained", "max_steps"), 0) | {"elements": 640, "equal": 640},
        "host": [],
        "certificate": {"layers": 1, "proved": 1},
    }

    def verify(*args: object, design: bitwright.Design, **kwargs: object) -> dict[str, Any]:
        counted = {"cycles_per_frame": design.report()["interval_cycles"], "latency_cycles": 1}
        return found | {"engines": {"reference": engine, "hls": engine, "rtl": engine | counted}}

    ran = {"tests": 5, "failed": 0, "frames": 64, "elements": 640, "seconds": 0.0}
    monkeypatch.setattr("bitwright.api.verify", verify)
    monkeypatch.setattr("bitwright.cli.demo.bench", lambda design, inputs: ran)
    assert asked(run, "demo")["verdict"]["same"] is True
    ran["failed"] = 1
    code, out, _ = run("demo", "--json")
    assert code == 1
    assert json.loads(out)["verdict"]["says"] == [
        "The 640 output integers of 64 digits are NOT the same everywhere: see the tables above."
    ]


def test_inspect(run: Run) -> None:
    result = asked(run, "inspect", DIGITS)
    assert result["inputs"] == [{"name": "image", "shape": [1, 8, 8], "dtype": "float32"}]
    assert {"name", "op", "shape", "type", "range", "accumulator_bits", "sparsity", "macs"} <= result["layers"][
        0
    ].keys()
    assert result["macs"] == sum(layer["macs"] for layer in result["layers"]) > 0
    code, out, _ = run("inspect", DIGITS)
    assert code == 0 and all(layer["name"] in out for layer in result["layers"])


def test_compile_writes_a_whole_design(run: Run, tmp_path: Path) -> None:
    report = asked(run, "compile", DIGITS, "-o", tmp_path / "out", "--cycles", "2000")
    assert {entry.name for entry in (tmp_path / "out").iterdir()} == {
        "graph.bw",
        "plan.json",
        "certificate.json",
        "files.json",
        "report.html",
        "report.json",
        "hls",
        "rtl",
        "vectors",
    }
    assert json.loads((tmp_path / "out/report.json").read_text()) == report
    assert report["interval_cycles"] <= 2000
    assert report["fps"] == pytest.approx(1e9 / (report["clock_ns"] * report["interval_cycles"]), rel=1e-6)
    keys = {"name", "op", "shape", "bits", "sparsity", "pe", "simd", "style", "cycles", "lut", "ff", "dsp", "bram"}
    assert all(layer.keys() >= keys | {"requantiser", "fifo_depth"} for layer in report["layers"])
    vectors = np.load(tmp_path / "out/vectors/inputs.npy")
    net = bitwright.load(DIGITS)
    assert vectors.shape[1:] == net.inputs[0].shape
    assert len(np.load(tmp_path / "out/vectors/outputs.npy")) == len(vectors)


def test_compile_of_one_backend(run: Run, tmp_path: Path) -> None:
    assert run("compile", DIGITS, "-o", tmp_path / "out", "--backend", "hls")[0] == 0
    assert (tmp_path / "out/hls").is_dir() and not (tmp_path / "out/rtl").exists()


def test_a_plan_given_back_is_the_plan(run: Run, tmp_path: Path) -> None:
    first = asked(run, "compile", DIGITS, "-o", tmp_path / "a", "--cycles", "2000")
    second = asked(run, "compile", DIGITS, "-o", tmp_path / "b", "--plan", tmp_path / "a/plan.json")
    assert first["layers"] == second["layers"]
    assert (tmp_path / "a/plan.json").read_text() == (tmp_path / "b/plan.json").read_text()


def test_a_saved_graph_is_a_model(run: Run, tmp_path: Path) -> None:
    assert run("compile", DIGITS, "-o", tmp_path / "out")[0] == 0
    result = asked(run, "verify", tmp_path / "out/graph.bw", "--data", DATA)
    assert result["golden"]["equal"] == 640


@needs_cxx
def test_verify_reports_engines_golden_host_and_certificate(run: Run) -> None:
    result = asked(run, "verify", DIGITS, "--data", DATA, "--engines", "reference,hls", "--samples", "8")
    assert set(result) == {"version", "model", "samples", "engines", "golden", "host", "certificate"}
    assert (result["model"], result["samples"]) == ("digits.onnx", 8)
    assert list(result["engines"]) == ["reference", "hls"]
    for engine in result["engines"].values():
        assert set(engine) == {"elements", "mismatches", "seconds", "build_seconds"}
        assert (engine["elements"], engine["mismatches"]) == (80, 0)
    golden = result["golden"]
    assert set(golden) == {"elements", "equal", "boundary", "wide", "unexplained", "max_steps"}
    assert (golden["elements"], golden["equal"], golden["unexplained"]) == (80, 80, 0)
    assert result["certificate"] == {"layers": 8, "proved": 8}  # the max-pools and reshapes claim nothing
    assert all(set(step) == {"node", "op", "side", "reason"} for step in result["host"])


def test_verify_exits_1_when_a_claim_is_not_proved(run: Run, tmp_path: Path) -> None:
    (tmp_path / "m.onnx").write_bytes(without_form().proto().SerializeToString())
    np.savez(tmp_path / "d.npz", inputs=grid(4, 4, span=1))
    argv = ("verify", tmp_path / "m.onnx", "--data", tmp_path / "d.npz", "--engines", "reference")
    code, out, _ = run(*argv, "--json")
    result = json.loads(out)
    assert (code, result["engines"]["reference"]["mismatches"]) == (1, 0)
    assert result["certificate"] == {"layers": 2, "proved": 1}
    assert "1 of 2 layers that make a claim proved again" in run(*argv)[1]


def test_a_trace_names_where_float32_parts_first(run: Run) -> None:
    argv = ("verify", DIGITS, "--data", DATA, "--samples", "4", "--trace")
    assert asked(run, *argv)["trace"] == [None] * 4
    code, out, _ = run(*argv)
    assert code == 0 and "4 of 4 samples never part" in out


def test_what_explains_a_difference_is_shown() -> None:
    part = {"sample": 3, "layer": "pool\x1b[2J", "element": [0, 7], "ours": -4, "theirs": -3, "value": -17901.49975}
    result = {
        "model": "[bold]m.onnx",
        "samples": 4,
        "engines": {"reference": {"elements": 4, "mismatches": 0, "seconds": 0.1, "build_seconds": 0.0}},
        "golden": {"elements": 4, "equal": 3, "boundary": 1, "wide": 0, "unexplained": 0, "max_steps": 1},
        "audit": {"parts": [part | {"distance": 0.0, "verdict": "boundary"}]},
        "host": [],
        "certificate": {"layers": 2, "proved": 2},
    }
    drawn = io.StringIO()
    Console(width=120, file=drawn).print(show.verification(result))
    said = drawn.getvalue()
    assert "[bold]m.onnx: 4 samples" in said
    assert re.search(r" 3 +pool\\x1b\[2J +\[0, 7\] +-4 +-3 +-17901.49975 +0 +boundary", said)


@needs_rtl
def test_the_predicted_interval_is_the_counted_one(run: Run, tmp_path: Path) -> None:
    report = asked(run, "compile", DIGITS, "-o", tmp_path / "out", "--cycles", "1000")
    options = ("--engines", "rtl", "--samples", "3", "--cycles", "1000")
    rtl = asked(run, "verify", DIGITS, "--data", DATA, *options)["engines"]["rtl"]
    assert rtl["mismatches"] == 0
    assert rtl["cycles_per_frame"] == report["interval_cycles"]
    assert rtl["latency_cycles"] > 0


def test_verify_exits_1_when_an_output_differs(run: Run, tmp_path: Path) -> None:
    held = np.load(DATA)
    wrong = held["outputs"].copy()
    wrong[0, 3] += 1
    np.savez(tmp_path / "wrong.npz", inputs=held["inputs"], outputs=wrong)
    code, out, _ = run("verify", DIGITS, "--data", tmp_path / "wrong.npz", "--json")
    assert code == 1
    assert json.loads(out)["golden"] | {"max_steps": None} == {
        "elements": 640,
        "equal": 639,
        "boundary": 0,
        "wide": 0,
        "unexplained": 1,
        "max_steps": None,
    }


def test_without_outputs_there_is_nothing_golden(run: Run, tmp_path: Path) -> None:
    np.savez(tmp_path / "d.npz", inputs=np.load(DATA)["inputs"])
    assert asked(run, "verify", DIGITS, "--data", tmp_path / "d.npz")["golden"] is None
    code, out, _ = run("verify", DIGITS, "--data", tmp_path / "d.npz")
    assert code == 0 and "nothing golden to compare with" in out


def test_simulate_saves_what_run_gives(run: Run, tmp_path: Path) -> None:
    result = asked(run, "simulate", DIGITS, "--data", DATA, "-o", tmp_path / "y.npz", "--samples", "5")
    assert result["outputs"] == [{"name": "outputs", "shape": [5, 10], "dtype": "float32"}]
    want = bitwright.run(bitwright.load(DIGITS), np.load(DATA)["inputs"][:5])
    np.testing.assert_array_equal(np.load(tmp_path / "y.npz")["outputs"], want)


@pytest.mark.parametrize(("command", "read"), [("simulate", "m.onnx"), ("simulate", "d.npz"), ("export", "m.onnx")])
def test_no_file_that_is_read_is_replaced(run: Run, tmp_path: Path, command: str, read: str) -> None:
    model, data = tmp_path / "m.onnx", tmp_path / "d.npz"
    model.write_bytes(Path(DIGITS).read_bytes())
    data.write_bytes(Path(DATA).read_bytes())
    before, given = (tmp_path / read).read_bytes(), ("--data", data) if command == "simulate" else ()
    said = "is read here, and would be replaced\n  hint: give the name of another file with -o"
    assert run(command, model, *given, "-o", tmp_path / read) == (2, "", f"error: {tmp_path / read}: {said}\n")
    assert (tmp_path / read).read_bytes() == before


def test_simulate_prints_the_accuracy_where_there_are_labels(run: Run, tmp_path: Path) -> None:
    data = np.load(DATA)
    labels = bitwright.run(bitwright.load(DIGITS), data["inputs"][:8]).argmax(axis=1)
    labels[0] += 1
    np.savez(tmp_path / "d.npz", inputs=data["inputs"][:8], y=labels)
    argv = ("simulate", DIGITS, "--data", tmp_path / "d.npz", "-o", tmp_path / "y.npz")
    assert asked(run, *argv)["accuracy"] == 7 / 8
    assert "accuracy 0.8750" in run(*argv)[1]


def test_bench_times_every_engine_and_layer(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "PATIENCE", 0.001)
    data = np.load(DATA)
    np.savez(tmp_path / "d.npz", inputs=data["inputs"][:8], y=np.zeros(8, dtype=np.int64))
    result = asked(run, "bench", DIGITS, "--data", tmp_path / "d.npz", "--engines", "reference")
    names = [rate["name"] for rate in result["rates"]]
    assert names[:2] == ["reference", "reference, codes to codes"]
    assert all(rate["samples_per_second"] > 0 and rate["batch"] == 1 for rate in result["rates"])
    assert 0 <= result["accuracy"] <= 1
    if not bitwright.engines()["fast"]:
        assert [row["op"] for row in result["layers"]].count("conv") == 2 and result["peak_macs_per_second"] > 0
    assert "samples per second" in run("bench", DIGITS, "--engines", "reference")[1]


@pytest.mark.parametrize("asked_for", [(), ("--engines", "fast")])
def test_bench_and_simulate_say_when_the_reference_stands_in(
    asked_for: tuple[str, ...], run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bench, "PATIENCE", 0.001)
    monkeypatch.setattr(bench, "BATCHES", (1,))
    monkeypatch.setattr(native, "failure", lambda: "no compiler")
    result = asked(run, "bench", DIGITS, *asked_for)
    assert result["computed_by"] == "reference, no compiler"
    assert result["layers"] == []
    assert "computed by the reference, no compiler" in " ".join(run("bench", DIGITS, *asked_for)[1].split())
    argv = ("simulate", DIGITS, "--data", DATA, "-o", tmp_path / "y.npz", "--samples", "2", "--engine", "fast")
    assert asked(run, *argv)["computed_by"] == "reference, no compiler"
    assert "computed_by" not in asked(run, "bench", DIGITS, "--engines", "reference")


def test_check_proves_a_design_and_refuses_a_changed_one(run: Run, tmp_path: Path) -> None:
    assert run("compile", DIGITS, "-o", tmp_path / "out")[0] == 0
    result = asked(run, "check", tmp_path / "out")
    assert result["proved"] == result["layers"] == len(result["verdicts"]) > 0
    path = tmp_path / "out/certificate.json"
    path.write_text(path.read_text().replace('"s": ', '"s": 1', 1))
    code, out, _ = run("check", tmp_path / "out", "--json")
    assert code == 1
    assert json.loads(out)["proved"] == result["layers"] - 1


def test_quantize_keeps_no_file_that_is_read_as_another_network(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = bitwright.quantize(FLOAT, np.load(DATA)["inputs"], weights=2).onnx()
    monkeypatch.setattr(bitwright.State, "onnx", lambda state: other)
    code, _, told = run("quantize", FLOAT, "--data", DATA, "-o", tmp_path / "q.onnx")
    assert (code, list(tmp_path.iterdir())) == (2, [])
    assert told == (
        f"error: {tmp_path / 'q.onnx'}: would be read as another network\n"
        "  hint: please report it with the model and the data; bitwright.quantize gives the network without a file\n"
    )


def test_doctor(run: Run) -> None:
    result = asked(run, "doctor")
    assert result["core"] is True
    found = {finding["name"]: finding for finding in result["findings"]}
    assert {"python", "numpy", "onnx", "g++", "make", "perl", "verilator", "yosys", "cocotb", "torch"} <= found.keys()
    assert found["numpy"]["version"] == np.__version__
    code, out, _ = run("doctor")
    assert code == 0 and "verilator" in out


def test_doctor_says_how_to_install_what_is_missing(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    version = tools.package_version
    monkeypatch.setattr(tools, "package_version", lambda name: None if name == "torch" else version(name))
    found = {finding["name"]: finding for finding in asked(run, "doctor")["findings"]}
    assert found["torch"] == {
        "name": "torch",
        "purpose": "training and compression",
        "found": False,
        "version": "",
        "detail": "pip install 'bitwright[torch]'",
    }


def test_what_takes_long_says_so_on_stderr(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    load = bitwright.load

    def slow(*args: Any, **kwargs: Any) -> bitwright.Graph:
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join()
        return load(*args, **kwargs)

    code, out, err = run("inspect", DIGITS, "--json")
    assert (code, err) == (0, "")
    monkeypatch.setattr(progress, "PATIENCE", 0)
    monkeypatch.setattr("bitwright.api.load", slow)
    assert run("inspect", DIGITS, "--json") == (0, out, f"reading {DIGITS} ...\n")


def test_a_stage_that_takes_long_says_so_on_stderr(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def passes() -> None:
        for thread in threading.enumerate():
            if isinstance(thread, threading.Timer):
                thread.join()

    monkeypatch.setattr(progress, "PATIENCE", 0)
    with progress.progress("compiling x"):
        passes()
        begins("a")
        passes()
        monkeypatch.setattr(progress, "PATIENCE", 3600)
        begins("b")
        monkeypatch.setattr(progress, "PATIENCE", 0)
        begins("c")
        passes()
    begins("d")
    assert capsys.readouterr().err == "compiling x ...\ncompiling x: a ...\ncompiling x: c ...\n"


def test_compile_names_its_stages() -> None:
    stages: list[str] = []
    with heard(stages.append):
        design = bitwright.compile(bitwright.load(DIGITS), cycles=5000)
        design.report()
        for backend in ("hls", "verilog"):
            design.files(backend)  # type: ignore[arg-type]
    assert stages == [
        "proving requantisers",
        "planning for 5000 clocks",
        "sizing FIFOs",
        "counting clocks",
        "computing test vectors",
        "printing the C++ project",
        "printing the Verilog project",
    ]


def test_open_sizes_and_a_cut_on_the_command_line(run: Run, tmp_path: Path) -> None:
    net = Net(4)
    net.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "C"])]
    first = net.quant(net.add("MatMul", net.quant(net.x, 0.25), net.weights(grid(4, 3, step=1, span=3))), 2.0)
    net.add("Det", first)
    model, data = tmp_path / "net.onnx", tmp_path / "d.npz"
    onnx.save(net.proto(), model)
    np.savez(data, inputs=np.ones((2, 4), np.float32))
    asked = ("--shape", "C=4", "--outputs", "quant3")
    code, out, err = run("verify", model, "--data", data, *asked, "--json")
    assert (code, err) == (0, "")
    assert json.loads(out)["host"][-1] == {
        "node": "det4",
        "op": "Det",
        "side": "output",
        "reason": "left off: it lies behind the outputs that were asked for",
    }
    for command in (["inspect"], ["compile", "-o", tmp_path / "d"], ["export", "-o", tmp_path / "e.onnx"]):
        code, out, err = run(command[0], model, *command[1:], *asked)
        assert (code, err) == (0, "")
    assert "left off" in (tmp_path / "d/report.html").read_text()
    assert run("inspect", model, "--shape", "4") == (
        2,
        "",
        "error: --shape 4: is not NAME=SIZES\n  hint: for example --shape x=1x3x96x96\n",
    )


def test_a_float_network_is_quantised_as_far_as_asked(run: Run, tmp_path: Path) -> None:
    net = Net(4)
    net.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "C"])]
    first = net.add("Relu", net.add("MatMul", net.x, net.const(grid(4, 3))))
    net.add("Det", first)
    model, data, out = tmp_path / "net.onnx", tmp_path / "d.npz", tmp_path / "q.onnx"
    onnx.save(net.proto(), model)
    np.savez(data, inputs=np.random.default_rng(0).normal(size=(16, 4)).astype(np.float32))
    code, _, err = run("quantize", model, "--data", data, "-o", out)
    assert (code, err.partition("\n")[0]) == (2, "error: net.onnx: input 'x': has an unknown size: ['N', 'C']")
    code, _, err = run("quantize", model, "--data", data, "-o", out, "--shape", "C=4", "--outputs", "relu1")
    assert (code, err) == (0, "")
    assert bitwright.load(out).entry.specs[0].shape == (4,)
