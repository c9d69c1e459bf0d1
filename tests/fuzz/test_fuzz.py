# SPDX-License-Identifier: Apache-2.0
"""A slice of `make fuzz`, and proof that it would see what it looks for."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import bitwright as bw
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from tests.fuzz import judge as judging
from tests.fuzz import workers
from tests.fuzz.cases import make_case
from tests.fuzz.judge import complaint_of, judge
from tests.fuzz.seeds import BUILT, seeds
from tests.fuzz.workers import run_cases, surroundings

MODELS = seeds(real=False)


@pytest.mark.slow
def test_five_hundred_mutated_models_load_or_are_refused_in_place() -> None:
    verdicts = list(run_cases(2, range(500), MODELS, jobs=2))
    assert [v for v in verdicts if v.kind == "finding"] == []
    counts = Counter(v.kind for v in verdicts)
    assert counts["loaded"] > 75 and counts["refused"] > 150


def test_a_case_is_the_same_every_time() -> None:
    assert [make_case(3, k, MODELS) for k in range(40)] == [make_case(3, k, MODELS) for k in range(40)]


@pytest.mark.parametrize("name", [build.__name__ for build in BUILT])
def test_the_models_themselves_are_sound(name: str, tmp_path: Path) -> None:
    assert judge(MODELS[name], surroundings(tmp_path), deep=True) == ("loaded", "")


def crash(path: Path) -> Graph:
    raise IndexError("list index out of range")


def spin(path: Path) -> Graph:
    while True:
        pass


def hang(path: Path) -> Graph:
    time.sleep(60)
    raise AssertionError


def hoard(path: Path) -> Graph:
    raise AssertionError(len(bytearray(workers.MEMORY * 2)))


def vanish(path: Path) -> Graph:
    raise SystemExit(3)


def mumble(path: Path) -> Graph:
    raise BitwrightError("is wrong", where="somewhere", hint="look")


@pytest.mark.parametrize(
    ("load", "said"),
    [
        (crash, "IndexError: list index out of range"),
        (spin, "no answer within 0.2 s of processor time"),
        (hang, "no answer within 2 s on the clock"),
        (hoard, "MemoryError"),
        (vanish, "the process ended with exit code 3"),
        (mumble, "the error does not name the file\nsomewhere: is wrong\n  hint: look"),
    ],
)
def test_what_counts_as_a_finding(load: Callable[[Path], Graph], said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bw, "load", load)
    monkeypatch.setattr(workers, "SECONDS", 0.2)
    monkeypatch.setattr(workers, "PATIENCE", 2.0 if load is hang else 60.0)
    (verdict,) = run_cases(0, [0], MODELS, jobs=1)
    assert verdict.kind == "finding"
    assert said in verdict.details


@pytest.mark.parametrize(
    ("error", "complaint"),
    [
        (BitwrightError("is wrong", where="net.onnx: node 'a'", hint="look"), ""),
        (BitwrightError("is wrong", where="node 'a'", hint="look"), "the error does not name the file"),
        (BitwrightError(" ", where="net.onnx", hint="look"), "the error lacks its fact or its hint"),
        (BitwrightError("is wrong", where="net.onnx", hint=""), "the error lacks its fact or its hint"),
    ],
)
def test_what_an_error_must_say(error: BitwrightError, complaint: str) -> None:
    assert complaint_of(error) == complaint


def test_what_an_error_must_not_hold() -> None:
    error = BitwrightError("is wrong", where="net.onnx", hint="look")
    error.args = ("net.onnx: \x1b[31mred\n  hint: look",)
    assert complaint_of(error) == "the error holds '\\x1b', which a terminal obeys"
    error.args = ("x" * (judging.LONGEST_MESSAGE + 1),)
    assert complaint_of(error) == "the error has 5001 characters"
