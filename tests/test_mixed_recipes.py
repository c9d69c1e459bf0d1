# SPDX-License-Identifier: Apache-2.0
"""Recipes that mix the families of methods, from their file to the integers of C++ and SystemVerilog."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bitwright.cli import main
from bitwright.methods import registries
from tests.needs import needs_cxx, needs_package, needs_rtl

pytest.importorskip("torch")
from tests.mixed import COUNT, Mixed, entries, network, recipes

pytestmark = needs_package("torch")
DIGITS = Path(__file__).parents[1] / "examples" / "digits" / "digits_data.npz"
with np.load(DIGITS) as held:
    X, Y = held["x"][:128], held["y"][:128]
FEW = 6
ENGINES = ("reference", "fast", "hls", "rtl")
USUAL = (1, 14)
"""Recipes that `make test` follows, of dense layers and of convolutions."""


@cache
def mixed() -> tuple[Mixed, ...]:
    return tuple(recipes())


def test_together_they_have_every_method_that_a_recipe_can_name() -> None:
    families = entries()
    unnamed = {"code", "sensitivity", "strategy", "norm"}
    assert unnamed <= registries().keys() - families.keys()
    named = {pair for one in mixed() for pair in one.named}
    left = [(family, name) for family, names in families.items() for name in names if (family, name) not in named]
    assert not left, "give its family more places"
    assert len({one.text() for one in mixed()}) == COUNT


@needs_cxx
@needs_rtl
@pytest.mark.parametrize(
    "number", [pytest.param(n, marks=() if n in USUAL else pytest.mark.long) for n in range(COUNT)]
)
def test_every_engine_has_the_integers_of_the_file(
    number: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = mixed()[number]
    network(one.net, X, number).save(tmp_path / "float.onnx")
    (tmp_path / "r.yaml").write_text(one.text())
    data, few, out = (str(tmp_path / name) for name in ("d.npz", "few.npz", "q.onnx"))
    np.savez(data, calibration=X[:64], train=X[:64], y_train=Y[:64])
    np.savez(few, x=X[64 : 64 + FEW])
    argv = ["compress", str(tmp_path / "float.onnx"), "--data", data, "-o", out, "--recipe", str(tmp_path / "r.yaml")]
    assert main(argv) == 0, one.text() + capsys.readouterr().err
    capsys.readouterr()
    assert main(["verify", out, "--data", few, "--engines", ",".join(ENGINES), "--json"]) == 0, one.text()
    found = json.loads(capsys.readouterr().out)["engines"]
    assert {name: row["mismatches"] for name, row in found.items()} == dict.fromkeys(ENGINES, 0), one.text()
    assert all(row["elements"] == FEW * 10 for row in found.values())
