# SPDX-License-Identifier: Apache-2.0
"""Searches by agents on the digits, from the data to designs that are exact and take the clocks that the table says."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bitwright import api
from bitwright.explore.picking import pick
from bitwright.explore.record import Record
from bitwright.explore.sweeping import sweep
from bitwright.explore.swept import Swept
from bitwright.planning.target import Target
from tests.needs import needs_package, needs_rtl
from tests.swept import FLOAT, splits

TARGET = Target(cycles=600)


def searched(strategy: str, folder: Path, **more: Any) -> Swept:
    space = {
        "layers": {
            "conv1": {"weights": [3, 6], "sparsity": [0, 0.5]},
            "dense1": {"weights": [2, 4], "sparsity": [0, 0.8]},
        }
    }
    given: dict[str, Any] = {"space": space, "strategy": strategy, "target": TARGET, "evaluations": 8}
    return sweep(FLOAT, splits(), folder, **given | more)


def exact(out: Path, engines: tuple[str, ...], target: Target = TARGET) -> dict[str, Any]:
    """What verification says of a design that was picked: nothing differs."""
    with np.load(out / "samples.npz") as file:
        inputs = [file[name] for name in sorted(file)]
    net = api.load(out / "model.onnx")
    design = api.compile(net, cycles=target.cycles)
    said: dict[str, Any] = api.verify(design.graph, inputs, engines=engines, design=design, samples=6)["engines"]
    assert {name: said[name]["mismatches"] for name in engines} == dict.fromkeys(engines, 0)
    return said


def check_found(strategy: str, folder: Path) -> None:
    """Zeros and bits under an optimiser of both: what is picked is exact, and has the score that is told."""
    swept = searched(strategy, folder / "s")
    assert len(swept.explored.outcomes) == 8
    found = pick(folder / "s", "max accuracy", folder / "out")
    assert exact(folder / "out", ("reference", "fast"))
    assert found["scores"]["validation"]["value"] == max(each.score.value for each in swept.explored.front)


@needs_package("optuna")
@pytest.mark.rows("R129")
def test_pruning_and_quantisation_under_tpe_from_end_to_end(tmp_path: Path) -> None:
    check_found("tpe", tmp_path)


@pytest.mark.rows("R133")
def test_pruning_and_then_quantisation_by_agents_from_end_to_end(tmp_path: Path) -> None:
    check_found("pipeline", tmp_path)


@pytest.mark.rows("R105")
def test_amc_sets_the_zeros_of_each_layer_within_a_budget(tmp_path: Path) -> None:
    """The table knows what zeros save, so that nothing over the budget is proposed."""
    zeros = {"sparsity": [0, 0.5, 0.75]}
    space = {"network": {"weights": 4, "activations": 4}, "layers": {"conv2": zeros, "dense1": zeros}}
    swept = searched("amc", tmp_path / "s", space=space, objectives=("bops",), budget={"bops": 300e3})
    found = [each for each in swept.explored.outcomes if isinstance(each, Record)]
    assert len(found) == 6, "of the nine, those with zeros where most of the work is"
    assert max(each.figures["bops"] for each in found) <= 300e3


@needs_rtl
@pytest.mark.rows("R136")
@pytest.mark.parametrize("place", [0, pytest.param(-1, marks=pytest.mark.long)])
def test_a_profile_says_the_clocks_that_are_simulated_and_each_design_is_exact(place: int, tmp_path: Path) -> None:
    """Within 5 %, of both ends of the front of a small network, which one may switch between."""
    rng = np.random.default_rng(0)
    data = {name: rng.normal(size=(32, 8)).astype(np.float32) for name in ("calibration", "validation", "x")}
    small(tmp_path / "net.onnx", rng)
    given: dict[str, Any] = {"weights": (2, 6), "activations": (3, 6), "objectives": ("lut", "cycles")}
    given |= {"strategy": "profile", "evaluations": 4, "target": Target(cycles=30)}
    swept = sweep(tmp_path / "net.onnx", data, tmp_path / "s", **given)
    assert len(swept.explored.front) > 1
    found = pick(tmp_path / "s", swept.explored.front[place].design.key, tmp_path / "out")
    simulated = exact(tmp_path / "out", ("reference", "rtl"), Target(cycles=30))["rtl"]["cycles_per_frame"]
    assert abs(found["table"]["cycles"] / simulated - 1) < 0.05


def small(path: Path, rng: np.random.Generator) -> None:
    """Two dense layers."""
    shapes = {"w0": (8, 6), "b0": (6,), "w1": (6, 3), "b1": (3,)}
    constants = [numpy_helper.from_array(rng.normal(size=of).astype(np.float32), name) for name, of in shapes.items()]
    nodes = [
        helper.make_node("Gemm", ["x", "w0", "b0"], ["h"]),
        helper.make_node("Relu", ["h"], ["r"]),
        helper.make_node("Gemm", ["r", "w1", "b1"], ["y"]),
    ]
    x, y = (helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size]) for name, size in (("x", 8), ("y", 3)))
    onnx.save(helper.make_model(helper.make_graph(nodes, "small", [x], [y], constants)), path)
