# SPDX-License-Identifier: Apache-2.0
"""A picked design is files that anybody can verify, and every number that is told of it comes out again."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitwright import api
from bitwright.explore.checking import check
from bitwright.explore.kept import kept
from bitwright.explore.picking import pick
from bitwright.explore.record import Record
from bitwright.explore.saved import text_of
from bitwright.explore.space import Axis, Space
from bitwright.explore.sweeping import sweep
from bitwright.hardware.plan import Plan
from bitwright.ir.errors import BitwrightError
from bitwright.planning.target import Target
from tests.swept import FLOAT, splits

SPACE = Space((Axis("weights", "weights", (2, 3, 4)), Axis("activations", "activations", (2, 4))))
TARGET = Target(cycles=2000, part="xc7z020")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A sweep whose folder was moved since."""
    first, place = (tmp_path_factory.mktemp(name) / "swept" for name in ("made", "moved"))
    sweep(FLOAT, splits(), first, space=SPACE, target=TARGET)
    first.rename(place)
    return place


@pytest.fixture
def copied(folder: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(folder, tmp_path / "copy"))


def design_of(out: Path) -> Any:
    """The design that was written, by its plan."""
    plan = Plan.from_json((out / "design/plan.json").read_text(), where="plan.json")
    return api.compile(api.load(out / "model.onnx"), plan=plan, part=TARGET.part)


def test_a_picked_design_is_what_compile_makes_of_its_network(copied: Path, tmp_path: Path) -> None:
    found = pick(copied, "accuracy>=0.9, min cost", tmp_path / "out")
    assert found == json.loads((tmp_path / "out/pick.json").read_text())
    design = api.compile(api.load(tmp_path / "out/model.onnx"), cycles=TARGET.cycles, part=TARGET.part)
    report = json.loads((tmp_path / "out/design/report.json").read_text())
    assert {name: report["total"][name] for name in ("lut", "ff", "dsp", "bram")} == {
        name: found["compiled"][name] for name in ("lut", "ff", "dsp", "bram")
    }
    assert design.record.total == design_of(tmp_path / "out").record.total
    assert found["compiled"]["lut"] == design.price.total.lut and found["compiled"]["cost"] == design.price.cost
    assert report["interval_cycles"] == found["compiled"]["cycles"] == design.kernels.interval <= 2000
    assert set(found["table"]) == set(found["compiled"])
    assert found["design"]["name"] == "digits_float" and report["model"] == "digits_float.onnx"
    assert api.recheck(tmp_path / "out/design")["proved"] == len(
        json.loads((tmp_path / "out/design/certificate.json").read_text())
    )


def test_a_picked_design_is_scored_on_each_split_once(copied: Path, tmp_path: Path) -> None:
    found = pick(copied, "max accuracy", tmp_path / "out")
    record = kept(copied).designs[found["id"]]
    assert isinstance(record, Record) and found["scores"]["validation"]["value"] == record.figures["accuracy"]
    net = api.load(tmp_path / "out/model.onnx")
    with np.load(copied / "data.npz") as file:
        for split, x, y in (("validation", "validation", "y_validation"), ("test", "x", "y")):
            right = api.run(net, file[x], "reference").argmax(axis=1) == file[y]
            assert found["scores"][split]["value"] == right.mean() and found["scores"][split]["samples"] == len(right)
    assert json.loads((copied / "picked" / f"{found['id']}.json").read_text()) == found


def test_every_number_is_found_again_from_the_folder_alone(copied: Path, tmp_path: Path) -> None:
    found = kept(copied)
    best = pick(copied, "max accuracy", tmp_path / "out")["id"]
    for key in (*found.designs, "float"):
        again = check(copied, key)
        assert again["same"], again
    looks = {look["by"]: look for look in check(copied, best[:8])["looks"]}
    assert list(looks) == ["table", "compile", "test"]
    assert looks["compile"]["figures"]["accuracy"]["kept"] == found.designs[best].figures["accuracy"]
    assert {"accuracy", "low", "high", "lut", "cycles", "energy"} <= looks["table"]["figures"].keys()


def tampered(folder: Path, key: str, change: Callable[[Record], Record]) -> None:
    file = folder / "points" / key / "record.json"
    record = kept(folder).outcomes[key]
    assert isinstance(record, Record)
    file.write_text(text_of(change(record)))


def test_a_number_that_does_not_come_out_again_is_told_with_both(copied: Path) -> None:
    key = next(iter(kept(copied).designs))
    tampered(copied, key, lambda record: replace(record, figures={**record.figures, "lut": 1.0}))
    (look, *_) = check(copied, key)["looks"]
    lut = look["figures"]["lut"]
    assert not look["same"] and lut["kept"] == 1.0 and lut["found"] > 1000
    assert all(pair["kept"] == pair["found"] for name, pair in look["figures"].items() if name != "lut")


def test_a_score_of_few_samples_is_found_again_on_these(copied: Path) -> None:
    """What a design that stopped early is told to score is its score on the samples that it has seen."""
    key = next(iter(kept(copied).designs))
    full = check(copied, key)["looks"][0]["figures"]["accuracy"]["kept"]
    some = replace_samples(copied, key, 30)
    assert check(copied, key)["looks"][0]["same"] and some != full


def replace_samples(folder: Path, key: str, samples: int) -> float:
    """A record as it is after so many samples, in place of the one there."""
    from bitwright.explore.again import again
    from bitwright.explore.checking import score_of

    swept = again(folder)
    record = swept.kept.outcomes[key]
    assert isinstance(record, Record)
    score = score_of(swept.evaluation.scoring, swept.evaluation.maker.glimpsed(record.design).state.graph(), samples)
    figures = {**record.figures, "accuracy": score.value}
    tampered(folder, key, lambda record: replace(record, figures=figures, score=score))
    return score.value


def test_a_folder_that_is_full_or_a_wish_that_nothing_grants_writes_nothing(copied: Path, tmp_path: Path) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    with pytest.raises(BitwrightError, match="the folder exists and is not empty"):
        pick(copied, "knee", tmp_path / "full")
    with pytest.raises(BitwrightError, match="none of 6 designs has lut <= 10"):
        pick(copied, "lut<=10", tmp_path / "none")
    assert [path.name for path in (tmp_path / "full").iterdir()] == ["mine"]
    assert not (tmp_path / "none").exists() and not (copied / "picked").exists()


def test_without_its_network_a_folder_makes_no_design(copied: Path, tmp_path: Path) -> None:
    (copied / "data.npz").unlink()
    with pytest.raises(BitwrightError) as error:
        pick(copied, "knee", tmp_path / "out")
    assert str(error.value) == (
        f"{copied}/data.npz: cannot be read: No such file or directory\n"
        "  hint: put it back, or sweep anew: designs are made again from it"
    )


def test_there_is_nothing_to_check_of_a_design_that_is_not_there(copied: Path) -> None:
    with pytest.raises(BitwrightError) as error:
        check(copied, "ffff")
    assert str(error.value) == (
        "--check: there is no design 'ffff'\n  hint: 6 designs have been evaluated; their keys are in results.csv"
    )


def test_test_data_without_what_is_wanted_of_them_score_nothing(tmp_path: Path) -> None:
    """The accuracy of unlabelled samples would be another metric by the same name."""
    arrays = {name: array for name, array in splits(20).items() if name != "y"}
    sweep(FLOAT, arrays, tmp_path / "swept", weights=(4,), activations=(4,))
    found = pick(tmp_path / "swept", "knee", tmp_path / "out")
    assert list(found["scores"]) == ["validation"]


def test_the_tour_runs_as_written(tmp_path: Path) -> None:
    file = Path(__file__).parents[1] / "examples/explore/tour.py"
    done = subprocess.run([sys.executable, file, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "the same again: True" in done.stdout and "'fast': 0" in done.stdout
