# SPDX-License-Identifier: Apache-2.0
"""`compile --front`: every row is the cheapest plan of its speed, up to the fastest, or to what stops it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

import bitwright
from bitwright import explore
from bitwright.cli import commands as cli
from bitwright.compiling import compile_graph
from bitwright.hardware.lanes import fastest, slowest
from bitwright.hardware.plan import Plan
from bitwright.report.front import picture
from bitwright.report.svg import LogAxis, log_ticks
from tests.ir.graphs import random_graph
from tests.plan.test_folding import dense

DIGITS = str(Path(__file__).parents[1] / "bitwright/demo/digits.onnx")
SVG = "{http://www.w3.org/2000/svg}"


@pytest.mark.parametrize("seed", range(4))
def test_every_row_is_the_cheapest_plan_of_its_speed(seed: int) -> None:
    graph = random_graph(seed, joins=True)
    result, files = explore.trade_off(graph, clock_ns=5.0)
    rows = result["rows"]
    intervals, costs = [row["interval_cycles"] for row in rows], [row["objective"] for row in rows]
    assert intervals == sorted(set(intervals), reverse=True) and costs == sorted(set(costs))
    assert fastest(graph) == intervals[-1] and intervals[0] <= slowest(graph)
    assert result["stopped"] == "the last row is as fast as the network can be"
    for row in rows:
        assert row["status"] == "optimal" and row["gap"] == 0 and row["dual_bound"] == row["objective"]
        assert row["cost"] == pytest.approx(sum(row["shares"].values()), abs=0.03)
        assert row["fps"] == pytest.approx(2e8 / row["interval_cycles"], abs=1e-3)
        plan = Plan.from_json(files[f"plans/{row['interval_cycles']}.json"], where="plan")
        assert compile_graph(graph, plan=plan).kernels.interval == row["interval_cycles"]
    assert json.loads(files["front.json"]) == result


def test_a_budget_ends_the_front_and_says_where() -> None:
    graph = dense(512, 512, reach=100)
    free, _ = explore.trade_off(graph)
    bound, _ = explore.trade_off(graph, part="xc7z010")
    assert bound["note"] == "within the budget of xc7z010, costs in its shares"
    assert 1 < len(bound["rows"]) < len(free["rows"])
    assert all(share <= 100 for row in bound["rows"] for share in row["shares"].values())
    assert bound["stopped"].startswith("layer 'fc': ") and " do not fit xc7z010: " in bound["stopped"]


def test_the_picture_has_a_line_for_each_resource_and_one_for_their_sum() -> None:
    result, files = explore.trade_off(dense(32, 32))
    svg = ElementTree.fromstring(files["front.svg"])
    drawn = svg.findall(f"{SVG}polyline")
    used = {kind for row in result["rows"] for kind, share in row["shares"].items() if share}
    words = [text.text for text in svg.findall(f"{SVG}text")]
    assert len(drawn) == len(used) + 1 and {"sum", *map(str.upper, used)} <= {word for word in words if word}
    for line in drawn:
        points = [tuple(map(float, point.split(","))) for point in line.attrib["points"].split()]
        assert len(points) == len(result["rows"])
        assert points == sorted(points, reverse=True), "slow plans are right"
    hover = svg.findall(f"{SVG}circle/{SVG}title")
    assert all(
        text.text and text.text.endswith(" DSP, 0 BRAM, optimal") for text in hover if " 0 BRAM" in str(text.text)
    )


def test_the_picture_takes_any_name() -> None:
    result: dict[str, Any] = explore.trade_off(dense(4, 4))[0] | {"model": "<a & b>"}
    assert ElementTree.fromstring(picture(result)).findtext(f"{SVG}text") == "<a & b>: resources over clocks per frame"
    drawn = picture({**result, "model": "a\udcff\x01"}).encode()
    assert ElementTree.fromstring(drawn).findtext(f"{SVG}text") == "a\\udcff\\x01: resources over clocks per frame"


def test_logarithmic_axes_end_at_powers_of_ten() -> None:
    assert log_ticks(0.02, 350) == pytest.approx((0.01, 0.1, 1, 10, 100, 1000))
    assert log_ticks(10, 10) == (10, 100)
    axis = LogAxis((1.0, 100.0), 0, 200)
    assert [axis.at(value) for value in (1, 10, 100)] == [0, 100, 200]


@pytest.mark.slow
def test_the_command_writes_the_front(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compile", DIGITS, "--front", "-o", str(tmp_path / "f"), "--json"]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert json.loads((tmp_path / "f/front.json").read_text()) == printed
    plans = {f"{row['interval_cycles']}.json" for row in printed["rows"]}
    assert {path.name for path in (tmp_path / "f/plans").iterdir()} == plans
    assert (tmp_path / "f/front.svg").read_text().startswith("<svg")
    middle = printed["rows"][len(printed["rows"]) // 2]
    plan = Plan.from_json((tmp_path / f"f/plans/{middle['interval_cycles']}.json").read_text(), where="plan")
    assert bitwright.compile(bitwright.load(DIGITS), plan=plan).report()["interval_cycles"] == middle["interval_cycles"]


@pytest.mark.slow
def test_the_command_prints_the_front_without_a_folder(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compile", DIGITS, "--front", "--part", "xc7z020"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].strip() == "digits.onnx: the cheapest plan at each speed"
    assert "clocks frames/s LUT FF DSP BRAM cost % proof gap".split() in [line.split() for line in lines]
    assert "within the budget of xc7z020, costs in its shares" in lines


def test_a_front_takes_no_target(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["compile", DIGITS, "--front", "--cycles", "9"]) == 2
    assert capsys.readouterr().err == "error: --cycles and --front: exclude one another\n  hint: give one of them\n"
    assert cli.main(["compile", DIGITS, "--front", "--backend", "hls"]) == 2
    assert capsys.readouterr().err == "error: --backend and --front: exclude one another\n  hint: give one of them\n"
    for option in (["--hls-vendor", "bambu"], ["--force"], ["--overwrite"]):
        assert cli.main(["compile", DIGITS, "--front", *option]) == 2
        assert capsys.readouterr().err.startswith(f"error: {option[0]} and --front: exclude one another\n")
    assert cli.main(["compile", DIGITS, "--front", "--clock-ns", "inf"]) == 2
    assert "--clock-ns: a clock of inf ns" in capsys.readouterr().err
