# SPDX-License-Identifier: Apache-2.0
"""A search from a network that is quantised: as wide as it came it is what it was, and it can only become narrower."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bitwright
from bitwright.compress import quantize
from bitwright.compress.started import Start, network, started
from bitwright.explore import pick, sweep
from bitwright.explore.again import again
from bitwright.explore.starting import check_same
from bitwright.ir.errors import BitwrightError

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
Arrays = dict[str, NDArray[Any]]


@pytest.fixture(scope="module")
def data() -> Arrays:
    with np.load(DIGITS / "digits_data.npz") as file:
        x, y, calibration = (file[name] for name in ("x", "y", "calibration"))
    return {"calibration": calibration[:64], "validation": x[:100], "y_validation": y[:100], "x": x[100:], "y": y[100:]}


@pytest.fixture(scope="module")
def file(data: Arrays, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("start") / "q.onnx"
    quantize(DIGITS / "digits_float.onnx", data["calibration"], weights=4, activations=5).save(path)
    return path


def test_as_wide_as_it_came_a_design_is_the_file(file: Path, data: Arrays, tmp_path: Path) -> None:
    found = sweep(file, data, tmp_path / "s", weights=(2, 8), activations=(3, 5))
    assert [dict(record.design.choices) for record in found.records] == [
        {"weights": bits, "activations": wide} for bits in (2, 8) for wide in (3, 5)
    ]
    whole = found.records[-1]
    answers = [bitwright.run(bitwright.load(file), data[split]).argmax(axis=1) for split in ("validation", "x")]
    assert whole.figures["accuracy"] == np.mean(answers[0] == data["y_validation"])
    assert found.settings["float"]["accuracy"] > 0.95  # what bends between its layers are the ends of its quantisers
    picked = pick(tmp_path / "s", whole.design.key, tmp_path / "p")
    np.testing.assert_array_equal(
        *(bitwright.run(bitwright.load(path), data["x"], codes=True) for path in (file, tmp_path / "p/model.onnx"))
    )
    assert picked["scores"]["test"]["value"] == np.mean(answers[1] == data["y"])
    made = again(tmp_path / "s").evaluation.maker.made(found.records[0].design)
    assert set(made.widths.values()) == {2, 3}
    assert {bases[0].type.bits for bases in made.state.weights.values()} == {2}


def test_each_layer_has_no_more_bits_to_choose_from_than_it_came_with(file: Path, data: Arrays, tmp_path: Path) -> None:
    found = sweep(file, data, tmp_path / "s", weights=(3, 4, 6, 8), activations=(8,), per_layer=True, evaluations=2)
    axes = {axis["name"]: axis["values"] for axis in found.settings["axes"]}
    assert {tuple(values) for name, values in axes.items() if name.startswith("weights")} == {(3, 4)}
    assert {tuple(values) for name, values in axes.items() if name.startswith("activations")} == {(5,)}


def test_only_folding_is_searched(file: Path, data: Arrays, tmp_path: Path) -> None:
    space = {"network": {"cycles": [600, 3000]}}
    found = sweep(file, data, tmp_path / "s", space=space, objectives=("lut", "cycles"))
    slow, fast = found.records
    assert slow.figures["accuracy"] == fast.figures["accuracy"] and slow.figures["lut"] < fast.figures["lut"]
    assert fast.figures["cycles"] <= 600 < slow.figures["cycles"] <= 3000


def test_a_start_that_answers_otherwise_than_its_file_is_refused(file: Path, data: Arrays) -> None:
    start = network(file)
    assert isinstance(start, Start)
    check_same(start, [data["calibration"]])
    name, act = next(iter(start.acts.items()))
    other = replace(start, acts={**start.acts, name: replace(act, scale=act.scale * np.float32(1.5))})
    with pytest.raises(BitwrightError) as refusal:
        check_same(other, [data["calibration"]])
    assert str(refusal.value) == (
        "q.onnx: output 'output_0': is quantised in a way whose widths cannot be searched: the integers that are read"
        " from it answer otherwise\n"
        "  hint: give the float model, or a file of Quant, BipolarQuant, or QuantizeLinear and DequantizeLinear"
    )
    check_same(started(DIGITS / "digits.onnx"), [data["calibration"]])  # with a quantiser at its end
