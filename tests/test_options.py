# SPDX-License-Identifier: Apache-2.0
"""What is read from an option's text, and the message for each text that cannot be read."""

from __future__ import annotations

from pathlib import Path

import pytest

from bitwright.cli.options import only_one, parse_bits, parse_pairs, parse_plan
from bitwright.ir.errors import BitwrightError


def test_a_name_may_hold_anything_even_an_equals_sign() -> None:
    assert parse_pairs("--input", ["a;b/c:0=s16.8", "x=y=u8/255", "input.1=bipolar"]) == {
        "a;b/c:0": "s16.8",
        "x=y": "u8/255",
        "input.1": "bipolar",
    }
    assert parse_pairs("--input", None) == {}


@pytest.mark.parametrize("text", ["x", "x=", "=u8"])
def test_a_type_needs_a_name_and_a_type(text: str) -> None:
    with pytest.raises(BitwrightError) as error:
        parse_pairs("--input", [text])
    assert str(error.value) == f"--input {text}: is not NAME=TYPE\n  hint: for example --input x=s16.8"


def test_one_type_for_each_input() -> None:
    with pytest.raises(BitwrightError) as error:
        parse_pairs("--input", ["x=u8", "x=s8"])
    assert str(error.value) == "--input x: is given twice\n  hint: give each input one type"


@pytest.mark.parametrize(
    ("text", "widths"),
    [("2-8", (2, 3, 4, 5, 6, 7, 8)), ("4", (4,)), ("8,2,4,2", (2, 4, 8)), ("3-3", (3,)), ("turing", (1, 4, 8))],
)
def test_widths(text: str, widths: tuple[int, ...]) -> None:
    assert parse_bits("--weights", text) == widths


@pytest.mark.parametrize("text", ["", "8-2", "two", "2..8", "2-4-8", "-3"])
def test_widths_that_are_none(text: str) -> None:
    with pytest.raises(BitwrightError) as error:
        parse_bits("--weights", text)
    hint = "for example 2-8, or 2,4,8, or turing or bricks"
    assert str(error.value) == f"--weights: {text!r} is no list of widths\n  hint: {hint}"


def test_only_one_option_chooses_the_plan() -> None:
    only_one(cycles=100, fps=None, plan=None)
    only_one(cycles=None)
    with pytest.raises(BitwrightError) as error:
        only_one(cycles=100, fps=1e3, plan=None)
    assert str(error.value) == "--cycles and --fps: exclude one another\n  hint: give one of them"


def test_a_plan_that_cannot_be_read(tmp_path: Path) -> None:
    assert parse_plan(None) is None
    with pytest.raises(BitwrightError) as error:
        parse_plan(tmp_path / "plan.json")
    assert str(error.value) == (
        f"{tmp_path}/plan.json: cannot be read: No such file or directory\n"
        "  hint: give the plan.json of a compiled design"
    )
    (tmp_path / "plan.json").write_bytes(b"\xff\xfe")
    with pytest.raises(BitwrightError) as error:
        parse_plan(tmp_path / "plan.json")
    assert error.value.what == "cannot be read: it is not UTF-8 text"
