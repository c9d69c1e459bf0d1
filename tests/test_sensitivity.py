# SPDX-License-Identifier: Apache-2.0
"""The command that measures what bits do, and what it writes."""

from __future__ import annotations

import csv
from json import loads
from pathlib import Path

import pytest

from bitwright import cli
from bitwright.explore import sensed_file, sensitive
from bitwright.explore.sensing import Effect, Sensed
from bitwright.explore.space import Axis, Space

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
MODEL, DATA = DIGITS / "digits_float.onnx", DIGITS / "digits_data.npz"
MADE = Sensed(
    error="kl",
    metric="accuracy",
    samples=100,
    float_score=0.99,
    best=Effect({}, 0.001, 0.98),
    effects=(
        Effect({"<b>a": 2}, 0.101, 0.9),
        Effect({"<b>a": 4}, 0.011, 0.97),
        Effect({"b": 1}, None, None),
        Effect({"b": 2}, 0.021, 0.96),
    ),
    pairs=(Effect({"<b>a": 4, "b": 2}, 0.05, 0.94), Effect({"<b>a": 2, "b": 1}, None, None)),
)
SPACE = Space((Axis("<b>a", "weights", (2, 4, 8), ("a",)), Axis("b", "weights", (1, 2, 8), ("b",))))


Captured = pytest.CaptureFixture[str]


def run(capsys: Captured, *asked: object) -> tuple[int, str, str]:
    code = cli.main(["sensitivity", *map(str, asked)])
    return code, *capsys.readouterr()


def test_a_pair_errs_beyond_the_sum_of_what_both_do_alone() -> None:
    assert sensitive.beyond(MADE, MADE.pairs[0]) == pytest.approx(0.05 - (0.001 + 0.010 + 0.020))
    assert sensitive.beyond(MADE, MADE.pairs[1]) is None


def test_a_page_has_every_value_of_every_axis_and_names_escaped() -> None:
    told = sensitive.told(MADE, SPACE, "<title>", "100 samples")
    assert told.values == ("2", "4", "8", "1")
    assert [cell.text for cell in told.rows[0].errors] == ["0.101", "0.011", "0.001", ""]
    assert [cell.text for cell in told.rows[1].scores] == ["0.96", "", "0.98", "cannot be"]
    shades = [cell.shade for cell in told.rows[0].errors]
    assert shades[0] == 1.0 > shades[1] >= shades[2] == shades[3] == 0.0
    assert [pair.names for pair in told.pairs] == [("<b>a", "b"), ("<b>a", "b")] and told.pairs[0].beyond == "0.019"
    html = sensitive.page(told)
    assert "&lt;b&gt;a" in html and "<b>a" not in html and "&lt;title&gt;" in html
    assert html.count("<table>") == 3


def test_the_csv_has_a_line_for_each_value_and_each_pair() -> None:
    assert sensitive.csv_of(MADE).splitlines() == [
        "what,value,beside,at,error,score,beyond",
        "<b>a,2,,,0.101,0.9,",
        "<b>a,4,,,0.011,0.97,",
        "b,1,,,,,",
        "b,2,,,0.021,0.96,",
        f"<b>a,4,b,2,0.05,0.94,{sensitive.beyond(MADE, MADE.pairs[0])!r}",
        "<b>a,2,b,1,,,",
    ]


def test_the_command_measures_each_layer_and_neighbours(tmp_path: Path, capsys: Captured) -> None:
    out = tmp_path / "s"
    code, printed, _ = run(
        capsys, MODEL, "--data", DATA, "-o", out, "--weights", "2,8", "--activations", "3,8", "--json"
    )
    assert code == 0
    result = loads(printed)
    assert (result["version"], result["data"], result["error"], result["samples"]) == (1, "x", "kl", 360)
    written = (out / "sensitivity.json").read_text(encoding="utf-8")
    found = sensed_file.of_dict(loads(written))
    assert loads(written) == {name: result[name] for name in loads(written)}
    assert [list(effect.values.items()) for effect in found.effects][:2] == [
        [("weights of conv1.weight", 2)],
        [("weights of conv2.weight", 2)],
    ]
    assert len(found.effects) == 8 and len(found.pairs) == 3
    assert all(effect.error is not None and effect.error > 0 for effect in (*found.effects, *found.pairs))
    with (out / "sensitivity.csv").open(encoding="utf-8") as file:
        assert len(list(csv.DictReader(file))) == 11
    assert "Pairs of neighbours" in (out / "sensitivity.html").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        (
            ["--weights", "0"],
            "error: axis 'weights of conv1.weight': 0 cannot be used for weights\n  hint: choose 1 to 16 bits\n",
        ),
        (
            ["--pairs", "x"],
            "error: --pairs: 'x' is no list of widths\n  hint: for example 2-8, or 2,4,8, or turing or bricks\n",
        ),
        (["--metric", "f1"], "error: explore: no metric 'f1'\n  hint: there are "),
    ],
)
def test_what_cannot_be_measured_is_one_message(
    tmp_path: Path, capsys: Captured, asked: list[str], message: str
) -> None:
    code, printed, said = run(capsys, MODEL, "--data", DATA, "-o", tmp_path / "s", *asked)
    assert (code, printed) == (2, "")
    assert said.startswith(message), said
    assert not (tmp_path / "s").exists()
