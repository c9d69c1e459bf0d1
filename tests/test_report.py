# SPDX-License-Identifier: Apache-2.0
"""The report as a value: what it holds comes back from its file, a bad file is one message, designs are compared."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

import bitwright
from bitwright.cli import main
from bitwright.design import Design, to_json
from bitwright.ir.columns import NAME, WIDTH, aligned, tail
from bitwright.ir.errors import BitwrightError
from bitwright.report.compare import compare, read_report
from bitwright.report.record import Report
from tests.plan.test_design import network

LONG = "model/block_{}/batch_normalization/FusedBatchNormV3;model/conv2d_{}/Conv2D"


@cache
def design(cycles: int = 16) -> Design:
    return bitwright.compile(network(), cycles=cycles)


def long_names() -> Design:
    """Two matrices whose names begin alike, as exporters write them."""
    net = bitwright.Net("long")
    x = net.input("x", (8,), "s4")
    for index in range(2):
        x = net.dense(x, np.eye(8, dtype=np.int64), name=LONG.format(index, index))
        x = net.requantise(x, "s4", scale=1, name=LONG.format(index, index) + "_quantize")
    net.output(x)
    return bitwright.compile(net.graph())


@pytest.mark.parametrize("plan", ["solver", "default", "given"])
def test_a_report_comes_back_from_its_file(plan: str) -> None:
    made = {
        "solver": design,
        "default": lambda: bitwright.compile(network()),
        "given": lambda: bitwright.compile(network(), plan=design().plan),
    }[plan]()
    text = to_json(made.report())
    assert Report.from_json(text, where="report.json") == made.record
    assert json.loads(text)["version"] == 2


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (lambda d: [], "is no report of a compiled design"),
        (lambda d: d | {"version": 1}, "is a report of version 1, where 2 is read"),
        (lambda d: {k: v for k, v in d.items() if k != "version"}, "is a report of version None, where 2 is read"),
        (lambda d: {k: v for k, v in d.items() if k != "fps"}, "the field 'fps' is missing"),
        (lambda d: d | {"speed": 1}, "the field 'speed' is not known"),
        (lambda d: d | {"interval_cycles": "16"}, "interval_cycles: expected a whole number, found '16'"),
        (lambda d: d | {"interval_cycles": True}, "interval_cycles: expected a whole number, found True"),
        (lambda d: d | {"clock_ns": None}, "clock_ns: expected a number, found None"),
        (lambda d: d | {"layers": {}}, "layers: expected a list, found {}"),
        (lambda d: d | {"layers": [3]}, "layers[0]: expected a table, found 3"),
        (lambda d: d | {"plan": {"made_by": 1}}, "plan: made_by: expected a text, found 1"),
        (lambda d: d | {"interval_cycles": 0}, "interval_cycles: expected a positive number, found 0"),
        (lambda d: d | {"clock_ns": 0.0}, "clock_ns: expected a positive number, found 0.0"),
        (lambda d: d | {"part": "xc6slx9"}, "part: expected a part that is known, found 'xc6slx9'"),
        (
            lambda d: d | {"total": d["total"] | {"share": {"lut": 0.5}}},
            "total: share: expected the shares lut, ff, dsp, bram, uram, found 'lut'",
        ),
        (lambda d: d | {"boundary": d["boundary"] | {"uram": 0}}, "the field 'uram' is there in some rows only"),
        (
            lambda d: d | {"plan": d["plan"] | {"used": {"lut": "x"}}},
            "plan: used: lut: expected a whole number, found 'x'",
        ),
    ],
)
def test_a_file_that_is_no_report_is_refused(change: object, what: str) -> None:
    changed = change(json.loads(to_json(design().report())))  # type: ignore[operator]
    with pytest.raises(BitwrightError) as error:
        Report.from_json(json.dumps(changed), where="report.json")
    assert str(error.value) == f"report.json: {what}\n  hint: compile the model again"


def test_what_is_printed_fits_a_terminal() -> None:
    made = long_names()
    for text in (str(made.graph), str(made.plan), str(made), str(made.kernels)):
        lines = text.splitlines()
        assert max(map(len, lines)) <= WIDTH
        assert len(lines) >= len(made.graph.layers) // 2
        assert LONG.format(0, 0) not in text
    assert ";model/conv2d_1/Conv2D\n" in str(made.graph) and "…model/conv2d_1/Conv2D_quantize" in str(made)


@pytest.mark.parametrize(
    ("name", "room", "shown"),
    [
        ("short", 8, "short"),
        ("a/model/conv2d_4/Conv2D", 20, "…conv2d_4/Conv2D"),
        ("no_separator_in_sight_at_all", 12, "…ight_at_all"),
        ("x" * 40, NAME, "…" + "x" * 31),
        ("abc/d", 1, "…d"),
    ],
)
def test_a_name_is_cut_in_front(name: str, room: int, shown: str) -> None:
    assert tail(name, room) == shown


def test_columns_are_aligned_and_cut() -> None:
    assert aligned([("a", "n"), ("bb", "10"), ("\x1b[1m", "7")], numbers=(1,)) == (
        "a         n\nbb       10\n\\x1b[1m   7"
    )
    assert len(aligned([("x" * 300,)])) == WIDTH


def test_two_designs_side_by_side() -> None:
    fast, slow = design(16), design(4)
    result = compare(fast.record, slow.record)
    assert [one["interval_cycles"] for one in result["designs"]] == [16, 4]
    (changed,) = (row["fields"] for row in result["layers"] if row["name"] == "fc/1")
    assert changed["cycles"] == [16, 4] and "op" not in changed
    same = compare(fast.record, fast.record)
    assert (same["layers"], same["equal"]) == ([], len(fast.record.layers))


def test_a_layer_of_one_design_only_is_said() -> None:
    result = compare(design().record, long_names().record)
    assert {row["name"]: row["fields"] for row in result["layers"]}["fc/1"] == {}


def test_two_reports_of_one_design_are_told_apart(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """As two versions write them."""
    other = design().report() | {"latency_cycles": 99}
    for name, report in (("a", design().report()), ("b", other)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(to_json(report))
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    printed, digest = capsys.readouterr().out, design().digest
    assert f"first {digest}" in printed and f"second {digest}" in printed
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "a")]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["first", digest, "second", digest, "ratio"] in lines


def test_a_damaged_report_is_one_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "report.json").write_text(to_json(design().report() | {"interval_cycles": 0}))
    said = (
        f"{tmp_path}/report.json: interval_cycles: expected a positive number, found 0\n  hint: compile the model again"
    )
    for command in (["compare", str(tmp_path), str(tmp_path)], ["synth", str(tmp_path)]):
        assert main(command) == 2
        assert capsys.readouterr().err == f"error: {said}\n"


def test_the_command_compares_folders(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for name, cycles in (("a", 16), ("b", 4)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "report.json").write_text(to_json(design(cycles).report()))
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b")]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["interval_cycles", "16", "4", "0.25"] in lines and ["fc/1", "clocks", "16", "4"] in lines
    assert main(["compare", str(tmp_path / "a"), str(tmp_path / "b"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads(json.dumps(compare(*(read_report(tmp_path / name) for name in "ab"))))
    assert main(["compare", str(tmp_path / "a"), str(tmp_path)]) == 2
    assert capsys.readouterr().err == (
        f"error: {tmp_path}: has no report.json\n  hint: give a folder that `bitwright compile` wrote\n"
    )
