# SPDX-License-Identifier: Apache-2.0
"""A module that is trained on for each design: each is trained once, kept, and made again without training."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.explore import check, pick, sweep
from bitwright.explore.sweeping import continued
from bitwright.ir.errors import BitwrightError
from tests.needs import needs_package

torch = pytest.importorskip("torch")
pytestmark = needs_package("torch")
Arrays = dict[str, NDArray[Any]]
TRAINED: list[dict[str, int]] = []


def network() -> Any:
    """Two dense layers of a seed."""
    torch.manual_seed(0)
    return torch.nn.Sequential(torch.nn.Linear(6, 8), torch.nn.ReLU(), torch.nn.Linear(8, 3))


def samples() -> Arrays:
    """Classes by the signs of sums."""
    x = np.random.default_rng(0).normal(size=(300, 6)).astype(np.float32)
    y = (x[:, 0] + x[:, 1] > 0).astype(np.int64) + (x[:, 2] > 0.3)
    return {"calibration": x[:100], "validation": x[100:200], "y_validation": y[100:200], "x": x[200:], "y": y[200:]}


def tune(module: Any, widths: Mapping[str, int], zeros: Mapping[str, float]) -> None:
    """A few steps on the calibration data, whose classes are known here."""
    TRAINED.append(dict(widths))
    x = samples()["calibration"]
    y = torch.from_numpy((x[:, 0] + x[:, 1] > 0).astype(np.int64) + (x[:, 2] > 0.3))
    optimiser = torch.optim.Adam(module.parameters(), 5e-2)
    for _ in range(40):
        optimiser.zero_grad()
        torch.nn.functional.cross_entropy(module(torch.from_numpy(x)), y).backward()
        optimiser.step()


def swept(folder: Path, **asked: Any) -> Any:
    example = torch.zeros(1, 6)
    return sweep(network(), samples(), folder, example=example, weights=(3, 8), activations=(8,), **asked)


def test_each_design_is_trained_once_and_kept(tmp_path: Path) -> None:
    TRAINED.clear()
    plain, tuned = swept(tmp_path / "p"), swept(tmp_path / "t", tune=tune)
    assert [record.figures["accuracy"] for record in tuned.records] > [
        record.figures["accuracy"] + 0.1 for record in plain.records
    ]
    assert [sorted(set(widths.values())) for widths in TRAINED] == [[3, 8], [8]]
    assert {"0.weight", "2.weight"} <= TRAINED[0].keys()
    assert swept(tmp_path / "t", tune=tune, resume=True).outcomes == tuned.outcomes
    for record in tuned.records:
        assert check(tmp_path / "t", record.design.key)["same"]
    pick(tmp_path / "t", tuned.records[0].design.key, tmp_path / "o")
    assert len(TRAINED) == 2
    assert tuned.settings["tune"] == "tests.test_tuning:tune"


def test_what_cannot_be_trained_on(tmp_path: Path) -> None:
    with pytest.raises(BitwrightError) as refusal:
        sweep("net.onnx", samples(), tmp_path / "s", tune=tune)
    assert str(refusal.value) == "tune: no file can be trained on\n  hint: give a torch.nn.Module with its example"

    def other(module: Any, widths: Any, zeros: Any) -> Any:
        return torch.nn.Sequential(torch.nn.Linear(6, 3))

    found = swept(tmp_path / "o", tune=other)
    assert {failure.what for failure in found.failures} == {"gives back a network of other layers"}
    swept(tmp_path / "t", tune=tune)
    with pytest.raises(BitwrightError) as refusal:
        continued(tmp_path / "t")
    assert str(refusal.value) == (
        f"{tmp_path / 't'}: trains designs on, by 'tests.test_tuning:tune'\n"
        "  hint: go on in Python: sweep(..., tune=, resume=True)"
    )
