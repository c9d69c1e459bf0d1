# SPDX-License-Identifier: Apache-2.0
"""`quantize --budget`: the widths, the certificate in the table, the JSON and the page, and what it refuses."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import bitwright as bw
from bitwright.cli import main
from bitwright.explore.evaluate import weight_memory

ROOT = Path(__file__).parents[1]
FLOAT = str(ROOT / "examples/digits/digits_float.onnx")
DATA = str(ROOT / "examples/digits/digits_data.npz")
Run = Callable[..., tuple[int, str, str]]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Runs `quantize` on the digits network, at most three bits; gives its exit code, stdout and stderr."""

    def command(*argv: str | Path, data: str | Path = DATA) -> tuple[int, str, str]:
        most = ("--weights", "3", "--activations", "3")
        code = main(["quantize", FLOAT, "--data", str(data), "-o", str(tmp_path / "q.onnx"), *most, *map(str, argv)])
        out, err = capsys.readouterr()
        return code, out, err

    return command


def test_the_network_is_within_the_budget_and_the_certificate_is_part_of_the_report(run: Run, tmp_path: Path) -> None:
    target = ("--cycles", "1000", "--part", "xc7z020")
    code, out, _ = run("--budget", "weight_bits=10_000", *target, "--json", "--report", tmp_path / "about")
    assert code == 0
    found = json.loads(out)
    assert (found["version"], found["options"]["weights"]) == (3, 3)
    assert (
        found["options"] | {"budget": {"weight_bits": 10_000.0}, "cycles": 1000, "part": "xc7z020"} == found["options"]
    )
    told = found["allocation"]
    assert (told["method"], told["least"], told["budget"]) == ("ilp", "kl", {"weight_bits": 10_000.0})
    assert told["limits"] == {"lut": 53200, "ff": 106400, "dsp": 220, "bram": 280, "uram": 0, "weight_bits": 10_000}
    assert told["certificate"]["status"] == "optimal"
    (best,) = [each for each in told["candidates"] if each["label"] == told["chosen"]]
    assert best["within"] and best["widths"] == told["widths"] and set(told["widths"].values()) == {2, 3}
    net = bw.load(tmp_path / "q.onnx")
    design = bw.compile(net, cycles=1000, part="xc7z020")
    assert best["measured"]["weight_bits"] == weight_memory(net) <= 10_000
    assert best["measured"]["lut"] == design.price.total.lut
    assert best["measured"]["cost"] == design.price.cost
    bits = {row["name"]: row["weight_bits"] for row in found["layers"]}
    assert set(bits.values()) == {2, 3}
    page = (tmp_path / "about/quantize.html").read_text()
    assert "least kl within weight_bits 10,000" in page
    assert "by the table no widths within the budget have kl below" in page


def test_the_certificate_is_printed(run: Run) -> None:
    code, out, _ = run("--budget", "weight_bits=10000", "--budget", "cycles=1000", "--rounding", "nearest")
    lines = [line.strip() for line in out.splitlines()]
    assert code == 0
    assert lines[1] == "least kl within weight_bits 10,000"
    assert lines[3].split()[:5] == ["design", "within", "kl", "by", "table"]
    assert "chosen" in lines[5].split()
    said = " ".join(lines)
    assert " quantised, run and compiled; chosen: " in said
    assert "by the table no widths within the budget have kl below " in said
    assert "(optimal, gap 0.00 %, " in said


def test_the_error_is_measured_on_validation_data_where_there_is_some(run: Run, tmp_path: Path) -> None:
    with np.load(DATA) as held:
        arrays = dict(held)
    np.savez(tmp_path / "d.npz", **arrays, validation=arrays["x"][:100])
    budget = ("--budget", "weight_bits=10000", "--cycles", "1000", "--json", "--rounding", "nearest")
    one, other = (json.loads(run(*budget, data=data)[1])["allocation"] for data in (tmp_path / "d.npz", DATA))
    by_label = [{each["label"]: each["measured"]["kl"] for each in told["candidates"]} for told in (one, other)]
    assert by_label[0]["w2a3"] != by_label[1]["w2a3"]


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (
            ("--cycles", "100"),
            "--cycles: is of a budget, and none is given\n"
            "  hint: for example --budget lut=5000; `bitwright compile` takes the target of a design",
        ),
        (
            ("--widths", "turing"),
            "--widths: is of a budget, and none is given\n"
            "  hint: for example --budget lut=5000; `bitwright compile` takes the target of a design",
        ),
        (
            ("--widths", "2;4", "--budget", "lut=5000"),
            "--widths: '2;4' is no list of widths\n  hint: for example 2-8, or 2,4,8, or turing or bricks",
        ),
        (("--budget", "lut"), "--budget lut: is not K=V, V a number\n  hint: for example --budget lut=5000"),
        (("--budget", "lut=x"), "--budget lut=x: is not K=V, V a number\n  hint: for example --budget lut=5000"),
        (("--budget", "lut=5", "--budget", "lut=6"), "--budget lut: is given twice\n  hint: give each kind one budget"),
        (
            ("--budget", "cycles=5", "--cycles", "6"),
            "--budget cycles= and --cycles: exclude one another\n  hint: give one of them",
        ),
        (
            ("--budget", "cycles=1.5"),
            "--budget cycles: is no number of clocks\n  hint: for example --budget cycles=1000",
        ),
        (
            ("--budget", "luts=5000"),
            "budget: nothing is known of 'luts'\n"
            "  hint: did you mean 'lut'? choose bops, bram, cost, dsp, ff, kl, loss, lut, noise, uram, weight_bits",
        ),
        (("--budget", "cycles=1000"), "budget: limits nothing\n  hint: for example lut=9000, or name a part"),
    ],
)
def test_what_is_no_budget_is_one_message_and_nothing_is_written(
    run: Run, tmp_path: Path, argv: tuple[str, ...], message: str
) -> None:
    code, out, err = run(*argv, "--report", tmp_path / "about")
    assert (code, out) == (2, "")
    assert err.endswith(f"error: {message}\n")
    assert list(tmp_path.iterdir()) == []


def test_an_impossible_budget_says_what_can_be_reached_and_nothing_is_written(run: Run, tmp_path: Path) -> None:
    code, out, err = run("--budget", "weight_bits=50", "--rounding", "nearest")
    assert (code, out) == (2, "")
    said = re.search(
        r"error: budget: no widths come down to weight_bits 50, the least is weight_bits ([0-9,]+)\n"
        r"  hint: give at least that\n$",
        err,
    )
    assert said is not None
    assert 3_000 < int(said[1].replace(",", "")) <= 2 * 3_592, "two bits for each of the weights, or less"
    assert list(tmp_path.iterdir()) == []
