# SPDX-License-Identifier: Apache-2.0
"""Targets and budgets: exact hits, what does not fit and where; and a plan that comes back gives the same design."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import bitwright
from bitwright.cli import commands as cli
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir import files
from bitwright.ir.graph import Graph
from bitwright.ir.types import integer
from bitwright.planning.devices import DEVICES
from tests.layers.nets import Net

DIGITS = str(Path(__file__).parents[1] / "bitwright/demo/digits.onnx")


def wide(size: int) -> Graph:
    """A dense layer of size x size weights of 8 bits, a third of them zero."""
    rng, net = np.random.default_rng(0), Net()
    weights = rng.integers(-100, 100, (size, size)) * (rng.random((size, size)) < 0.67)
    net.act(net.dense(net.input("x0", (size,), integer(8, signed=False)), weights), integer(8, signed=False), rng)
    return net.graph()


def contents(folder: Path) -> Mapping[str, bytes]:
    """Every file of a design but its reports, which say who made the plan, and the list of all files' hashes."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "files.json")
    paths = (path for path in files if not path.name.startswith("report."))
    return {str(path.relative_to(folder)): path.read_bytes() for path in paths}


@pytest.mark.parametrize("cycles", [64, 300, 1000])
def test_a_plan_given_back_is_the_same_design(tmp_path: Path, cycles: int) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert cli.main(["compile", DIGITS, "-o", str(first), "--cycles", str(cycles)]) == 0
    assert cli.main(["compile", DIGITS, "-o", str(second), "--plan", str(first / "plan.json")]) == 0
    assert contents(first) == contents(second)
    one, two = (json.loads((folder / "report.json").read_text()) for folder in (first, second))
    assert one.pop("plan")["made_by"].startswith("HiGHS") and two.pop("plan") == {"made_by": "--plan"}
    assert one == two


def test_an_edited_plan_overrides_the_solver() -> None:
    graph = wide(16)
    design = bitwright.compile(graph, cycles=16)
    (name,) = (name for name, layer in design.plan.layers.items() if layer.pe * layer.simd > 1)
    edited = Plan(dict(design.plan.layers) | {name: LayerPlan(pe=2, simd=4, memory="block", style="lut")}, 16)
    (layer,) = (entry for entry in bitwright.compile(graph, plan=edited).report()["layers"] if entry["name"] == name)
    assert (layer["pe"], layer["simd"], layer["style"], layer["zeros"]) == (2, 4, "lut", "multiply")
    assert layer["cycles"] == 16 * 16 // 8 and layer["bram"] > 0


@pytest.mark.parametrize("cycles", [4, 8, 16, 32, 64, 128, 256])
def test_targets_that_divide_the_work_are_hit_exactly(cycles: int) -> None:
    net = Net()
    net.dense(net.input("x0", (16,), integer(4, signed=False)), np.arange(1, 257).reshape(16, 16))
    report = bitwright.compile(net.graph(), cycles=cycles).report()
    assert (
        report["interval_cycles"] == cycles and report["layers"][0]["pe"] * report["layers"][0]["simd"] * cycles == 256
    )


@pytest.mark.parametrize("part", ["xc7z010", "xc7a35t", "xczu3eg"])
def test_a_part_is_a_budget(part: str) -> None:
    graph, limit = wide(128), DEVICES[part].budget
    free, bound = (bitwright.compile(graph, cycles=128, part=name).report()["plan"] for name in (None, part))
    assert all(used <= getattr(limit, kind) for kind, used in bound["used"].items())
    assert bound["status"] == free["status"] == "optimal"
    assert bound["cost"] == f"within the budget of {part}, costs in its shares"


def test_what_does_not_fit_is_named_with_its_resource(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = tmp_path / "wide.bw", tmp_path / "out"
    model.write_bytes(files.to_bytes(wide(128)))
    assert cli.main(["compile", str(model), "-o", str(out), "--cycles", "16", "--part", "xc7z010"]) == 2
    said = capsys.readouterr().err
    pattern = (
        r"error: layer 'dense0': 16 clocks per frame do not fit xc7z010: the plan closest to it takes (\d+) (LUT|DSP)"
        r" of (\d+), (\d+) of them in this layer\n"
        r"  hint: ask for more clocks per frame, or for a larger part; --force writes it all the same\n"
    )
    found = re.fullmatch(pattern, said)
    assert found is not None, said
    used, kind, limit, mine = found.groups()
    assert int(limit) == getattr(DEVICES["xc7z010"].budget, kind.lower()) < int(mine) <= int(used)
    assert not out.exists()
