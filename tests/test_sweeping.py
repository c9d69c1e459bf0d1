# SPDX-License-Identifier: Apache-2.0
"""A sweep from a network and data in their splits: what is found, what is kept, what is refused before any work."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import float_net
from bitwright.data import model_tensors, read_splits
from bitwright.explore.kept import Kept
from bitwright.explore.sweeping import sweep
from bitwright.ir.errors import BitwrightError
from bitwright.planning.target import Target

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
MODEL = DIGITS / "digits_float.onnx"
Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def data() -> Arrays:
    """The test digits, 120 of them to choose designs by."""
    with np.load(DIGITS / "digits_data.npz") as file:
        x, y, calibration = (file[name] for name in ("x", "y", "calibration"))
    return {
        "calibration": calibration[:64],
        "validation": x[:120],
        "y_validation": y[:120],
        "x": x[120:],
        "y": y[120:],
    }


@pytest.fixture(scope="module")
def swept(data: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Kept:
    folder = tmp_path_factory.mktemp("swept") / "s"
    return sweep(MODEL, data, folder, weights=(2, 8), activations=(4,), target=Target(cycles=2000))


def test_a_sweep_finds_all_designs_of_a_small_space(swept: Kept) -> None:
    assert [dict(record.design.choices) for record in swept.records] == [
        {"weights": 2, "activations": 4},
        {"weights": 8, "activations": 4},
    ]
    two, eight = swept.records
    assert two.figures["accuracy"] < eight.figures["accuracy"] and two.figures["cost"] < eight.figures["cost"]
    assert all(
        record.compiled and record.score.total == 120 and record.figures["cycles"] <= 2000 for record in (two, eight)
    )
    assert swept.settings["float"]["accuracy"] == pytest.approx(0.99, abs=0.02)
    assert float_net(swept.folder / "model.onnx") == float_net(MODEL)


def test_a_sweep_that_is_there_is_gone_on_with_and_no_other(swept: Kept, data: Arrays) -> None:
    def again(**asked: Any) -> Kept:
        given: dict[str, Any] = {"weights": (2, 8), "activations": (4,), "target": Target(cycles=2000)}
        return sweep(MODEL, data, swept.folder, **given | asked)

    assert again(resume=True).outcomes == swept.outcomes
    with pytest.raises(BitwrightError) as refusal:
        again()
    assert str(refusal.value) == (
        f"{swept.folder}: holds this sweep already, with 4 outcomes\n"
        "  hint: go on with it by --resume, or choose another folder with -o"
    )
    with pytest.raises(BitwrightError, match=r"holds another sweep: its target\.cycles is 2000, and 1999 here"):
        again(resume=True, target=Target(cycles=1999))


def test_splits_of_a_file(data: Arrays, tmp_path: Path) -> None:
    file, tensors = tmp_path / "d.npz", model_tensors(MODEL)
    np.savez(file, **data, train=data["x"])
    assert {name: len(array) for name, array in read_splits(file, tensors).items()} == {
        "calibration": 64, "validation": 120, "y_validation": 120, "x": 240, "y": 240,
    }  # fmt: skip
    np.savez(file, inputs=data["x"], outputs=data["x"])
    found = read_splits(file, tensors)
    assert found.keys() == {"calibration", "x"} and found["calibration"] is not None
    np.savez(file, y=data["y"])
    with pytest.raises(BitwrightError, match="has no array 'inputs'; it holds 'y'"):
        read_splits(file, tensors)


PLACE = "give a labelled set: x=images, y=labels"


def changed(data: Arrays, **other: NDArray[Any] | None) -> Arrays:
    return {name: array for name, array in (data | other).items() if array is not None}


REFUSED: dict[str, tuple[Callable[[Arrays], Mapping[str, Any]], dict[str, Any], str]] = {
    "no validation data": (
        lambda data: changed(data, validation=None),
        {},
        "data: has no validation data, by which designs are chosen\n"
        "  hint: add 'validation' and 'y_validation'; --score-on test takes 'x' and 'y' for them, and nothing is left"
        " that says how good a chosen design is on new samples",
    ),
    "no test data": (
        lambda data: changed(data, x=None),
        {"score_on": "test"},
        f"data: has no array 'x'\n  hint: {PLACE}",
    ),
    "test data that are no numbers": (
        lambda data: changed(data, x=np.full_like(data["x"], np.nan)),
        {},
        "data 'x': holds numbers that are not finite\n  hint: leave out samples that are NaN or infinite",
    ),
    "test labels of classes that there are not": (
        lambda data: changed(data, y=data["y"] + 7),
        {},
        "data: 'y' holds labels from 7 to 16, where the network has 10 scores\n"
        "  hint: labels are the places of classes, from 0 to 9",
    ),
    "no such split": (
        lambda data: data,
        {"score_on": "x"},
        "explore: no data 'x' to score on\n  hint: choose validation or test",
    ),
    "no strategy": (
        lambda data: data,
        {"strategy": "greed"},
        "explore: no strategy 'greed'\n  hint: choose ",
    ),
    "no objective": (
        lambda data: data,
        {"objectives": ("luts",)},
        "explore: no objective 'luts'\n  hint: did you mean 'lut'? there are accuracy, lut, ff, dsp, bram, uram,"
        " cost, share, cycles, latency, latency_us, weight_bits, bops, ebops, energy",
    ),
    "no budget": (
        lambda data: data,
        {"budget": {"clocks": 3.0}},
        "explore: no objective 'clocks'\n  hint: did you mean 'cost'? there are accuracy, lut, ff, dsp, bram, uram,"
        " cost, share, cycles, latency, latency_us, weight_bits, bops, ebops, energy",
    ),
    "no seed": (lambda data: data, {"seed": -1}, "explore: a seed of -1\n  hint: give a whole number, 0 or more"),
    "another score": (
        lambda data: changed(data, y_validation=None),
        {"budget": {"accuracy": 0.9}},
        "explore: designs have no accuracy\n  hint: their score is agreement; another one is asked for by --metric, and"
        " takes what it wants of samples",
    ),
    "no bits": (
        lambda data: data,
        {"weights": (0, 3)},
        "axis 'weights': 0 cannot be used for weights\n  hint: choose 1 to 16 bits",
    ),
    "no values": (lambda data: data, {"weights": ()}, "axis 'weights': has no values\n  hint: give at least one"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_swept_is_refused_before_any_work(data: Arrays, tmp_path: Path, name: str) -> None:
    made, asked, message = REFUSED[name]
    with pytest.raises(BitwrightError) as refusal:
        sweep(MODEL, made(data), tmp_path / "s", **asked)
    assert str(refusal.value).startswith(message) if name == "no strategy" else str(refusal.value) == message
    assert not list(tmp_path.iterdir())
