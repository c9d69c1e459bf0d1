# SPDX-License-Identifier: Apache-2.0
"""What is said of a sweep while it runs, and what its folder says of itself afterwards."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest

from bitwright.compress.allocate import Ledger, Term
from bitwright.explore.drawing import drawing
from bitwright.explore.layered import layers_of
from bitwright.explore.making import Made
from bitwright.explore.objectives import OBJECTIVES
from bitwright.explore.page import page
from bitwright.explore.prices import Change, Pace, PriceTable
from bitwright.explore.progress import Progress, lasting, line
from bitwright.explore.record import Failure, Record, Score, Task
from bitwright.explore.space import Axis, Design, Space
from bitwright.explore.status import status
from bitwright.explore.strategies import Problem
from bitwright.explore.sweep import Sweep, sweep
from bitwright.explore.swept import Swept, rewritten, swept
from bitwright.ir.errors import BitwrightError
from bitwright.planning.target import Target
from tests.explored import HOSTILE, SPACE, layers, record

ASKED = (OBJECTIVES["accuracy"], OBJECTIVES["lut"], OBJECTIVES["cycles"])
FLOAT = {"accuracy": 0.97, "low": 0.96, "high": 0.98, "samples": 1000, "total": 1000}
SETTINGS = {"model": f"{HOSTILE}.onnx", "score_on": "validation", "target": {"part": "xc7z020", "cycles": None}}


def evaluate(task: Task) -> Record:
    if task.design["activations:dense2"] == 4 and task.design["sparsity"] == 0.5:
        raise BitwrightError("is refused", where="here", hint="ask for another")
    return record(task.design, random.Random(task.design.key), compiled=task.final)


@pytest.fixture(scope="module")
def found(tmp_path_factory: pytest.TempPathFactory) -> Swept:
    problem = Problem(space=SPACE, objectives=ASKED, budget={"lut": 2700.0}, evaluations=100, seed=3)
    asked = Sweep(problem=problem, evaluate=evaluate, settings={**SETTINGS, "float": FLOAT})
    return sweep(asked, tmp_path_factory.mktemp("sweep") / "folder")


def test_a_line_says_how_fast_it_goes_what_is_best_and_how_long_it_takes() -> None:
    best = record(SPACE.design([4] * 12 + [0]), random.Random(1))
    at = Progress(done=300, total=1000, fresh=290, looks=10, failed=2, seconds=10.0, front=(best,))
    assert line(at, *ASKED[:2]) == (
        "300 of 1,000 designs, 30 a second, 1 on the front, best accuracy 97.60 % at 11,900 LUT, 2 failed, 23 s left"
    )
    begun = Progress(done=0, total=1000, fresh=0, looks=0, failed=0, seconds=0.0, front=())
    assert line(begun, *ASKED[:2]) == "0 of 1,000 designs"
    ended = replace(at, done=1000, failed=0)
    assert line(ended, *ASKED[:2]).endswith("at 11,900 LUT, looking closely at the front")


@pytest.mark.parametrize(
    ("seconds", "said"), [(0.4, "0 s"), (59, "59 s"), (59.6, "1 min 0 s"), (3599, "59 min 59 s"), (7385, "2 h 3 min")]
)
def test_a_time_is_said_in_two_units(seconds: float, said: str) -> None:
    assert lasting(seconds) == said


def test_the_folder_says_how_far_it_is_and_what_its_front_is(found: Swept) -> None:
    lines = str(found).splitlines()
    assert lines[:2] == [
        f"{HOSTILE}.onnx: 100 of 100 designs in '{found.folder}'",
        "grid, at most 100 designs, seed 3; scored on the validation data; part xc7z020",
    ]
    refused = sum(isinstance(each, Failure) for each in found.outcomes.values())
    assert lines[2] == f"{refused} failed: {refused} refused"
    assert lines[4].split() == "design accuracy between LUT cycles price kind what".split()
    assert lines[5].startswith("float              97.00 %  96.0 to 98.0")
    assert [row.split()[0] for row in lines[6:]] == [each.design.key for each in found.explored.front]
    assert all(each.figures["lut"] <= 2700 for each in found.explored.front)


def test_status_is_json(found: Swept) -> None:
    said = json.loads(json.dumps(status(found, found.explored), allow_nan=False))
    assert (said["version"], said["designs"], said["of"], said["running"]) == (1, 100, 100, None)
    assert said["failed"] == {"refused": sum(isinstance(each, Failure) for each in found.outcomes.values())}
    assert [row["id"] for row in said["front"]] == [each.design.key for each in found.explored.front]
    assert said["front"][0]["choices"] == dict(found.explored.front[0].design.choices)
    assert said["float"] == {"value": 0.97, **{name: FLOAT[name] for name in ("low", "high", "samples", "total")}}


def test_the_views_are_in_the_folder_and_can_be_made_of_it_again(found: Swept) -> None:
    again = swept(found.folder)
    assert (found.folder / "report.html").read_text(encoding="utf-8").startswith("<!DOCTYPE html>")
    assert (found.folder / "front.svg").read_text(encoding="utf-8") == drawing(again.explored)
    text = again._repr_html_()
    assert "<script" not in text
    assert all(each.design.key in text for each in again.explored.front)


def test_what_was_picked_is_told_by_both_scores(found: Swept) -> None:
    key = found.explored.front[0].design.key
    folder = found.folder / "picked"
    folder.mkdir()
    test = {"value": 0.9, "low": 0.88, "high": 0.92, "samples": 500, "total": 500}
    (folder / f"{key}.json").write_text(json.dumps({"id": key, "scores": {"test": test}, "compiled": {"lut": 99.0}}))
    (pick,) = swept(found.folder).explored.picked
    assert (pick.key, pick.figures) == (key, {"lut": 99.0})
    assert pick.test is not None
    assert pick.test.value == 0.9


def test_layers_of_the_front_are_kept_for_its_report(tmp_path: Path) -> None:
    problem = Problem(space=SPACE, objectives=ASKED, budget={}, evaluations=20)
    found = sweep(Sweep(problem=problem, evaluate=evaluate, layers=layers), tmp_path / "s")
    assert found.explored.layers == {each.design.key: layers(each.design) for each in found.explored.front}


def test_layers_take_what_the_table_says_of_their_widths_and_zeros() -> None:
    terms = (
        Term(("a",), {(2,): {"lut": 20.0}, (4,): {"lut": 40.0}}),
        Term(("b", "t"), {(2, 4): {"lut": 5.0, "error": 1.0}, (4, 4): {"lut": 7.0, "dsp": 0.0}}),
        Term((), {(): {"lut": 1.0}}),
    )
    slow = Term(("a",), {(2,): {"cycles": 9.0}, (4,): {"cycles": 8.0}})
    paces = (Pace(("a",), slow), Pace(("b", "t"), Term((), {(): {"cycles": 3.0}})))
    fewer = Term(("b",), {(4,): {"lut": -10.0, "cycles": -1.0}})
    changes = (Change("sparsity", "0.5", ("b", "t"), fewer), Change("sparsity", "0.5", ("a",), fewer))
    table = PriceTable(Ledger({"a": (2, 4), "b": (2, 4)}, {"t": (4,)}, terms), paces, changes)
    patterns: dict[str, Any] = {"a": 0.0, "b": 0.5}
    made = Made(cast("Any", None), {"a": 2, "b": 4, "t": 4}, patterns, Target())
    assert layers_of(table, made) == {
        "a": {"lut": 20.0, "cycles": 9.0},
        "b": {"lut": 0.0, "cycles": 2.0},
        "all else": {"lut": 1.0},
    }


def test_sensitivities_that_were_measured_before_the_search_are_told_axis_by_axis(tmp_path: Path) -> None:
    problem = Problem(space=SPACE, objectives=ASKED, budget={}, evaluations=2)
    done = sweep(Sweep(problem=problem, evaluate=evaluate), tmp_path / "s")
    effects = [
        {"values": {"weights:conv1": bits}, "error": 0.1, "score": None if bits == 2 else bits / 10}
        for bits in range(2, 8)
    ]
    said = {"version": 1, "samples": 512, "float_score": 0.97, "best": {"values": {}, "score": 0.9}, "effects": effects}
    (done.folder / "sensitivity.json").write_text(json.dumps(said))
    found = swept(done.folder).explored.sensitivity
    assert (found.samples, found.reference) == (512, 0.97)
    (curve,) = found.curves
    assert curve.axis == "weights:conv1"
    assert curve.points == ((2, None), (3, 0.3), (4, 0.4), (5, 0.5), (6, 0.6), (7, 0.7), (8, 0.9))


def test_views_are_made_anew_where_the_folder_can_be_written(found: Swept) -> None:
    (found.folder / "report.html").unlink()
    rewritten(swept(found.folder))
    assert (found.folder / "report.html").exists()


def test_what_is_proved_of_the_table_that_a_search_began_with_is_told(tmp_path: Path) -> None:
    """Of two axes the second costs as much and helps less: only the first is worth it at a small budget."""
    space = Space((Axis("a", "weights", (2, 4), ("a",)), Axis("b", "weights", (2, 4), ("b",))))
    terms = (
        Term(("a",), {(0,): {"lut": 10.0, "kl": 4.0}, (1,): {"lut": 20.0, "kl": 1.0}}),
        Term(("b",), {(0,): {"lut": 10.0, "kl": 2.0}, (1,): {"lut": 20.0, "kl": 1.0}}),
    )
    ledger = Ledger({"a": (0, 1), "b": (0, 1)}, {}, terms)
    problem = Problem(space=space, objectives=ASKED[:2], budget={}, evaluations=4, ledger=ledger)

    def measured(task: Task) -> Record:
        lut = 10.0 * sum(int(value) for _, value in task.design.choices)
        score = Score(value=lut / 100, low=0.0, high=1.0, samples=9, total=9)
        return Record(design=task.design, figures={"accuracy": lut / 100, "lut": lut}, score=score, compiled=task.final)

    found = sweep(Sweep(problem=problem, evaluate=measured, strategy="grid"), tmp_path / "s").explored
    designs = [Design((("a", a), ("b", b))) for a, b in ((2, 2), (4, 2), (4, 4))]
    assert [(each.key, each.takes, each.errs) for each in found.proofs] == [
        (design.key, lut, errs) for design, lut, errs in zip(designs, (20.0, 30.0, 40.0), (6.0, 3.0, 2.0), strict=True)
    ]
    assert found.proved == {design.key for design in designs}
    assert "The certificate" in page(found)
