# SPDX-License-Identifier: Apache-2.0
"""`bitwright synth`: every cell counted once, at its layer; what is no compiled design is refused word for word."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import bitwright
from bitwright.backends.verilog.project import generate, instances
from bitwright.cli.commands import main
from bitwright.compiling import compile_graph
from bitwright.folder import design_folder
from bitwright.ir.errors import BitwrightError
from bitwright.sim import synth
from bitwright.synthesis import BOUNDARY, synthesise
from tests.frontend.nets import Net
from tests.needs import needs_nextpnr, needs_yosys


def network() -> bitwright.Graph:
    """A dense layer and its requantiser."""
    net = Net(4)
    net.quant(net.add("MatMul", net.quant(net.x, 0.5), net.weights(np.array([[1, -2], [3, 1], [0, 1], [-1, 2]]))), 0.25)
    return bitwright.load(net.proto())


def compiled(folder: Path) -> Path:
    for path, content in design_folder(compile_graph(network(), name="small_one"), ("verilog",)).items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder


def test_every_instance_of_the_top_has_an_owner() -> None:
    design = compile_graph(network())
    top = generate(design.project())[f"{design.name}_top.sv"]
    owners = instances(design.kernels)
    assert all(f") {name} (" in top for name in owners)
    assert top.count("\n  ) u_") == len(owners)
    assert set(owners.values()) == {"", *(layer.name for layer in design.graph.layers)}


@needs_yosys
def test_cells_of_the_layers_and_the_boundary(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = compiled(tmp_path)
    assert main(["synth", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found == json.loads((folder / "synth.json").read_text())
    names = [row["name"] for row in found["layers"]]
    assert names == [*(layer.name for layer in network().layers), BOUNDARY]
    assert all(row["yosys"]["lut"] > 0 and row["yosys"]["ff"] > 0 for row in found["layers"])
    for key in ("lut", "ff", "dsp", "bram"):
        assert found["total"]["yosys"][key] == sum(row["yosys"][key] for row in found["layers"])
    for row in found["layers"]:
        estimate, counted = row["estimate"], row["yosys"]
        assert (estimate["dsp"], estimate["bram"]) == (counted["dsp"], counted["bram"]), row
        assert all(abs(estimate[key] - counted[key]) <= 0.2 * counted[key] for key in ("lut", "ff")), row
    report = json.loads((folder / "report.json").read_text())
    assert [row["estimate"]["lut"] for row in found["layers"][:-1]] == [row["lut"] for row in report["layers"]]


@needs_yosys
@needs_nextpnr
def test_the_clock_after_place_and_route(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = compiled(tmp_path)
    assert main(["synth", str(folder), "--fmax", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)["fmax"]
    assert found == json.loads((folder / "synth.json").read_text())["fmax"]
    assert 50 < found["mhz"] < 1000 and found["device"].startswith("ECP5")
    assert f"{found['mhz']} MHz" in (folder / "report.html").read_text()


@pytest.mark.parametrize("missing", ["report.json", "graph.bw", "plan.json", "rtl/filelist.f"])
def test_a_folder_that_lacks_a_part(missing: str, tmp_path: Path) -> None:
    (compiled(tmp_path) / missing).unlink()
    with pytest.raises(BitwrightError) as error:
        synthesise(tmp_path)
    hint = "give a folder that `bitwright compile` wrote" + ", with its SystemVerilog" * missing.startswith("rtl")
    assert str(error.value) == f"{tmp_path}: has no {missing}\n  hint: {hint}"


def test_a_report_of_another_design(tmp_path: Path) -> None:
    path = compiled(tmp_path) / "report.json"
    report = json.loads(path.read_text())
    path.write_text(json.dumps(report | {"design": "0123456789ab"}))
    made = compile_graph(network()).digest
    with pytest.raises(BitwrightError) as error:
        synthesise(tmp_path)
    assert str(error.value) == (
        f"{tmp_path}: report.json is of design 0123456789ab, graph.bw and plan.json make {made}\n"
        "  hint: compile it again"
    )
    path.write_text("[]")
    with pytest.raises(BitwrightError) as error:
        synthesise(tmp_path)
    assert str(error.value) == f"{path}: is no report of a compiled design\n  hint: compile the model again"


def test_a_cell_that_is_not_known() -> None:
    cells = {"LUT6": 2, "RAM32M": 1, "FDRE": 3, "RAMB36E2": 1, "DSP48E2": 1, "CARRY8": 9, "URAM288": 4}
    assert synth.resources(cells) == {
        "lut": 6, "ff": 3, "dsp": 1, "bram": 2, "uram": 4,
    }  # fmt: skip
    with pytest.raises(BitwrightError) as error:
        synth.resources({"LATCH": 1})
    assert str(error.value) == "synth: the netlist has cells of type LATCH\n  hint: report this as a bug"


@pytest.mark.parametrize("name", ["report.json", "plan.json"])
def test_a_damaged_text_is_named(name: str, tmp_path: Path) -> None:
    compiled(tmp_path)
    (tmp_path / name).write_bytes(b"\xff\xfe")
    with pytest.raises(BitwrightError) as caught:
        synthesise(tmp_path)
    assert str(caught.value) == f"{tmp_path}/{name}: cannot be read: it is not UTF-8 text\n  hint: compile it again"
