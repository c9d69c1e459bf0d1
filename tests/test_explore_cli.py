# SPDX-License-Identifier: Apache-2.0
"""`bitwright explore`: a search, what is asked of its folder, and every refusal as one message."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from signal import SIGINT
from typing import Any

import numpy as np
import pytest

import bitwright
from bitwright import cli
from bitwright.explore.kept import kept

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
FLOAT = DIGITS / "digits_float.onnx"
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs `explore` in this process; gives its exit code, stdout and stderr."""

    def command(*argv: str | Path) -> tuple[int, str, str]:
        code = cli.main(["explore", *map(str, argv)])
        out, err = capsys.readouterr()
        return code, out, err

    return command


def split(**changes: Any) -> dict[str, Any]:
    """The digits, 100 of them to choose designs by."""
    with np.load(DIGITS / "digits_data.npz") as file:
        x, y, calibration = (file[name] for name in ("x", "y", "calibration"))
    made = {"calibration": calibration[:64], "validation": x[:100], "y_validation": y[:100], "x": x[100:], "y": y[100:]}
    return {name: array for name, array in (made | changes).items() if array is not None}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "d.npz"
    np.savez(path, **split())
    return path


@pytest.fixture(scope="module")
def swept(data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a sweep of four designs."""
    folder = tmp_path_factory.mktemp("swept") / "s"
    small = ("--weights", "2,6", "--activations", "3,5", "--cycles", "2000", "--part", "xc7z020")
    assert cli.main(["explore", str(FLOAT), "--data", str(data), "-o", str(folder), *small]) == 0
    return folder


def test_a_search_says_what_it_found_and_keeps_it(run: Run, swept: Path) -> None:
    code, out, _ = run(swept, "--status", "--json")
    found = json.loads(out)
    assert code == 0 and (found["version"], found["designs"], found["of"], found["running"]) == (1, 4, 4, None)
    assert found["float"]["samples"] == 100 and 0.95 < found["float"]["value"] <= 1
    accuracies = [each["figures"]["accuracy"] for each in found["front"]]
    assert accuracies == sorted(accuracies) and all(each["compiled"] for each in found["front"])
    assert all(each["figures"]["cycles"] <= 2000 and each["figures"]["share"] <= 100 for each in found["front"])
    assert (swept / "results.csv").read_text().count("\n") == 6  # titles, the float network, four designs
    assert "<html" in (swept / "report.html").read_text()
    code, out, _ = run(swept, "--status")
    assert code == 0 and "4 of 4 designs" in out and "float" in out


def test_a_picked_design_is_the_one_that_was_scored(run: Run, swept: Path, tmp_path: Path) -> None:
    code, out, _ = run(swept, "--pick", "accuracy>=0.5, min lut", "-o", tmp_path / "p", "--json")
    found = json.loads(out)
    assert code == 0 and found["scores"].keys() == {"validation", "test"}
    net, arrays = bitwright.load(tmp_path / "p/model.onnx"), split()
    right = bitwright.run(net, arrays["x"]).argmax(axis=1) == arrays["y"]
    assert right.mean() == found["scores"]["test"]["value"] and len(right) == found["scores"]["test"]["samples"]
    report = json.loads((tmp_path / "p/design/report.json").read_text())
    assert (
        report["total"]["lut"] == found["compiled"]["lut"] and report["interval_cycles"] == found["compiled"]["cycles"]
    )


def test_every_number_is_found_again_or_the_exit_code_says_so(run: Run, swept: Path, tmp_path: Path) -> None:
    key = kept(swept).records[0].design.key
    code, out, _ = run(swept, "--check", key)
    assert code == 0 and "by the table of prices: the same again" in out
    other = tmp_path / "s"
    subprocess.run(["cp", "-r", swept, other], check=True)
    record = other / "points" / key / "record.json"
    held = json.loads(record.read_text())
    held["figures"]["accuracy"] += 0.01
    record.write_text(json.dumps(held))
    code, out, _ = run(other, "--check", key)
    assert code == 1 and "NOT the same" in out and "accuracy:" in out


def test_a_search_that_is_done_is_gone_on_with_by_its_folder_alone(run: Run, swept: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in (swept / "points").rglob("*.json")}
    code, out, _ = run(swept, "--resume", "--json")
    assert code == 0 and json.loads(out)["designs"] == 4
    assert {path: path.stat().st_mtime_ns for path in (swept / "points").rglob("*.json")} == before


def test_a_space_of_a_file_with_zeros_signs_and_parts(run: Run, data: Path, tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(
        "network: {weights: 3, activations: 4, part: [xc7z020, xczu3eg]}\n"
        "layers:\n"
        "  dense1: {sparsity: [0, 0.5]}\n"
        "  dense2: {weights: [1, 3]}\n"
    )
    asked = (
        "--space",
        tmp_path / "s.yaml",
        "--budget",
        "accuracy=0.2",
        "--objectives",
        "lut,cycles",
        "--samples",
        "50",
    )
    code, out, _ = run(FLOAT, "--data", data, "-o", tmp_path / "out", *asked, "--json")
    found = json.loads(out)
    assert code == 0 and (found["designs"], found["failed"]) == (8, {})
    assert {each["choices"]["part"] for each in found["front"]} <= {"xc7z020", "xczu3eg"}
    assert all(each["figures"]["accuracy"] >= 0.2 and each["score"]["total"] == 50 for each in found["front"])


@pytest.mark.slow
def test_an_interrupt_keeps_what_is_finished_and_says_how_to_go_on(data: Path, tmp_path: Path) -> None:
    argv = [sys.executable, "-m", "bitwright", "explore", str(FLOAT), "--data", str(data), "-o", "out"]
    argv += ["--activations", "4,8"]
    running = subprocess.Popen(argv, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    while not list(tmp_path.glob("out/points/*/record.json")):
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"ended before it could be stopped: {running.wait(0.02)}")
    running.send_signal(SIGINT)
    _, said = running.communicate(timeout=60)
    assert running.returncode == 130 and said.splitlines()[-1] == "stopped" and "Traceback" not in said
    assert "outcomes are kept in 'out'; the same with --resume goes on from there" in said
    assert not list(tmp_path.glob("out/.partial-*"))
    assert cli.main(["explore", str(tmp_path / "out"), "--status"]) == 0


AXIS = "hint: choose 1 to 16 bits"
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("--weights 0-3", {}, f"axis 'weights': 0 cannot be used for weights\n  {AXIS}"),
    ("--weights 2-x", {},
     "--weights: '2-x' is no list of widths\n  hint: for example 2-8, or 2,4,8, or turing or bricks"),
    ("--activations 1", {}, "axis 'activations': 1 cannot be used for activations\n  hint: choose 2 to 16 bits"),
    ("--space s.yaml", {}, "s.yaml: layers 'conv9': 'conv9' names nothing that is quantised\n"
     "  hint: the nearest are 'conv2', 'conv1', 'conv2.weight'"),
    ("--space s.yaml --weights 3", {}, "--weights and --space: exclude one another\n  hint: give one of them"),
    ("--cycles 9 --fps 9", {}, "--cycles and --fps: exclude one another\n  hint: give one of them"),
    ("--part xc7z02", {}, "--part: the part 'xc7z02' is not known\n"
     "  hint: the nearest names are xc7z020, xc7z012s, xc7z100, xc7z045; name a part or its device, or a board"),
    ("--executor moon", {}, "executor: no executor 'moon'\n  hint: choose "),
    ("--strategy moon", {}, "explore: no strategy 'moon'\n  hint: choose "),
    ("--metric moon", {}, "explore: no metric 'moon'\n  hint: there are "),
    ("--objectives lutt", {}, "explore: no objective 'lutt'\n  hint: did you mean 'lut'? there are "),
    ("--budget lut", {}, "budget: 'lut' limits nothing\n  hint: for example lut=9000"),
    ("--budget lutt=3", {}, "explore: no objective 'lutt'\n  hint: did you mean 'lut'? there are "),
    ("", {"validation": None, "y_validation": None}, "data: has no validation data, by which designs are chosen\n"
     "  hint: add 'validation' and 'y_validation'; --score-on test takes 'x' and 'y' for them, and nothing is left"
     " that says how good a chosen design is on new samples"),
    ("", {"y_validation": np.arange(3)}, "d.npz: 'y_validation' has shape (3), but 'validation' holds 100 samples\n"
     "  hint: stack one sample per row on axis 0 of every array"),
    ("", {"y_validation": np.full(100, 10)}, "data: 'y_validation' holds labels from 10 to 10, where the network has 10"
     " scores\n  hint: labels are the places of classes, from 0 to 9"),
    ("", {"validation": np.full((100, 1, 8, 8), np.nan, np.float32)}, "data 'validation': holds numbers that are not"
     " finite\n  hint: leave out samples that are NaN or infinite"),
    ("", {"calibration": np.full((9, 1, 8, 8), np.nan, np.float32)}, "digits_float.onnx: tensor 'image': holds values"
     " that are not finite on the calibration data\n  hint: check the float model and how the data is scaled"),
    ("--samples 200", {}, "d.npz: holds 100 samples, 200 were asked for\n  hint: use --samples 100 or less"),
]  # fmt: skip


@pytest.mark.parametrize(("asked", "changes", "message"), REFUSED)
def test_what_cannot_be_searched_is_one_message(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: str, changes: dict[str, Any], message: str
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.yaml").write_text("layers: {conv9: {weights: 2-8}}")
    np.savez("d.npz", **split(**changes))
    code, out, said = run(FLOAT, "--data", "d.npz", "-o", "out", *asked.split())
    whole = f"error: {message}\n" if not message.endswith(("choose ", "are ")) else f"error: {message}"
    assert (code, out) == (2, "") and said.startswith(whole) and said.count("\n") == 2
    assert not Path("out").exists()


def test_what_is_asked_of_no_sweep(run: Run, swept: Path, data: Path, tmp_path: Path) -> None:
    def message(*argv: str | Path) -> str:
        code, out, said = run(*argv)
        assert (code, out) == (2, "")
        return said.removeprefix("error: ").rstrip("\n")

    assert message(FLOAT, "--status") == (
        f"--status {FLOAT}: is asked of no folder of a sweep\n"
        "  hint: for example bitwright explore DIR --status; DIR is what a search wrote"
    )
    assert message(swept) == (
        f"{swept}: is a folder, and nothing is asked of it\n"
        "  hint: give --status, --pick WHAT -o OUT, --check ID or --resume"
    )
    assert message(tmp_path, "--status") == (
        f"{tmp_path}: holds no sweep\n  hint: give the folder of `bitwright explore MODEL --data F -o DIR`"
    )
    assert message(swept, "--resume", "--weights", "2-4") == (
        f"--weights {swept}: is of a search that begins, and this one is there\n"
        "  hint: leave it out; or give the model, and another folder with -o"
    )
    assert message(swept, "--pick", "knee") == (
        "--output: is missing\n  hint: say where to write with -o; see `bitwright explore --help`"
    )
    assert message(FLOAT, "-o", "x") == (
        "--data: is missing\n  hint: a search takes --data F.npz; see `bitwright explore --help`"
    )
    assert message(swept, "--pick", "knee", "--status") == (
        "--status and --pick: exclude one another\n  hint: give one of them"
    )
    other = message(FLOAT, "--data", data, "-o", swept, "--weights", "2")
    assert other.startswith(f"{swept}: holds another sweep: ")
    assert other.endswith("hint: ask for the same, or choose another folder with -o")
