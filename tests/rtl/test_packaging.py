# SPDX-License-Identifier: Apache-2.0
"""What carries a project into other tools: FuseSoC runs the core, tclsh runs the Tcl, the driver meets Verilator."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.backends.project import Project
from bitwright.backends.verilog.project import generate
from bitwright.sim import tools
from bitwright.sim.rtl import RtlModel, build
from tests.hls.test_golden import small
from tests.needs import needs, needs_rtl, program
from tests.rtl.cases import GROUPS
from tests.rtl.graphs import project, side_by_side

Bytes = NDArray[np.uint8]
VIVADO = """
proc record {name args} {puts "$name $args"; return "<$name>"}
foreach name {create_project add_files set_property get_files current_fileset update_compile_order close_project
    ipx::package_project ipx::current_core ipx::infer_bus_interface ipx::associate_bus_interfaces
    ipx::update_checksums ipx::check_integrity ipx::save_core} {
  namespace eval [namespace qualifiers ::$name] {}
  interp alias {} ::$name {} record $name
}
source vivado/package_ip.tcl
"""
"""Every command of Vivado that the script may call, recorded; another one is an error."""


def wide() -> Project:
    """Two inputs, two outputs, weights in files."""
    return project(side_by_side(GROUPS["requantisers"]()[:2]), np.random.default_rng(2), 3, "wide")


def written(made: Project, folder: Path) -> Mapping[str, str]:
    files = generate(made)
    for path, text in files.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")
    return files


@needs_rtl
@needs(lambda: program("fusesoc"))
@pytest.mark.parametrize("made", [small(), wide()], ids=lambda made: made.name)
def test_fusesoc_lints_the_core(made: Project, tmp_path: Path) -> None:
    written(made, tmp_path)
    command: list[str | Path] = [
        program("fusesoc").path,
        "--cores-root",
        ".",
        "run",
        "--target=lint",
        f"bitwright::{made.name}",
    ]
    tools.run(command, what="running FuseSoC", cwd=tmp_path, env=tools.verilator_environment())
    (made_list,) = tmp_path.glob("build/*/lint/*.vc")
    assert made_list.read_text().count(".sv") == (tmp_path / "filelist.f").read_text().count(".sv")


@needs(lambda: program("tclsh"))
@pytest.mark.parametrize("made", [small(), wide()], ids=lambda made: made.name)
def test_tclsh_runs_the_ip_script(made: Project, tmp_path: Path) -> None:
    files = written(made, tmp_path)
    ran = subprocess.run(["tclsh"], input=VIVADO, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ran.returncode, ran.stderr) == (0, "")
    added = re.findall(r"^add_files -norecurse (\S+)$", ran.stdout, flags=re.MULTILINE)
    carried = [path for path in files if not path.startswith("bench/") and path.endswith((".sv", ".hex"))]
    assert sorted(Path(path).relative_to(tmp_path.resolve()).as_posix() for path in added) == sorted(carried)
    streams = re.findall(r"^ipx::associate_bus_interfaces -busif (\S+)", ran.stdout, flags=re.MULTILINE)
    top = files[f"{made.name}_top.sv"]
    assert streams == re.findall(r"(\w+)_tvalid,", top.partition(");")[0])
    assert ran.stdout.endswith("ipx::save_core <ipx::current_core>\nclose_project \n")


class Dma:
    """An AXI DMA of a simulated overlay: what is sent and what is to be received, until a wait runs the model."""

    def __init__(self, overlay: Overlay, prefix: str) -> None:
        self.overlay, self.prefix, self.buffer = overlay, prefix, np.zeros(0, dtype=np.uint8)
        self.sendchannel = SimpleNamespace(transfer=self.transfer, wait=lambda: None)
        self.recvchannel = SimpleNamespace(transfer=self.transfer, wait=overlay.settle)

    def transfer(self, buffer: Bytes) -> None:
        self.buffer = buffer


class Overlay:
    """The accelerator in Verilator behind one DMA for each stream."""

    def __init__(self, model: RtlModel) -> None:
        self.model = model
        self.dmas = {port.prefix: Dma(self, port.prefix) for port in (*model.inputs, *model.outputs)}

    def __getattr__(self, name: str) -> Dma:
        return self.dmas[name]

    def settle(self) -> None:
        sent = [port.unpack(self.dmas[port.prefix].buffer.tobytes()) for port in self.model.inputs]
        for port, codes in zip(self.model.outputs, self.model.run(sent).outputs, strict=True):
            self.dmas[port.prefix].buffer[:] = np.frombuffer(port.pack(codes), dtype=np.uint8)


def driver(made: Project, folder: Path) -> ModuleType:
    (folder / "driver.py").write_text(generate(made)[f"pynq/{made.name}_driver.py"], encoding="utf-8")
    spec = spec_from_file_location("driver", folder / "driver.py")
    assert spec is not None and spec.loader is not None
    module = module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@needs_rtl
@pytest.mark.parametrize("made", [small(), wide()], ids=lambda made: made.name)
def test_the_driver_takes_and_gives_what_the_simulator_does(made: Project, tmp_path: Path) -> None:
    model = build(generate(made))
    accelerator = driver(made, tmp_path).Accelerator(Overlay(model), np.zeros)
    inputs = [codes.array for codes in made.inputs]
    found: Any = accelerator.run(*inputs)
    for got, want in zip(found if len(made.outputs) > 1 else [found], made.outputs, strict=True):
        np.testing.assert_array_equal(got, want.array)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.zeros((1, 4, 4), dtype=int), "s_axis: give integers of shape (samples, 16)"),
        (np.zeros((1, 16)), "s_axis: give integers of shape (samples, 16)"),
        (np.full((1, 16), 16), "s_axis: give integers from 0 to 15"),
        (np.zeros((0, 16), dtype=int), "give 1 arrays of as many samples, at least one"),
    ],
)
def test_the_driver_refuses_what_the_accelerator_does_not_take(x: Any, message: str, tmp_path: Path) -> None:
    accelerator = driver(small(), tmp_path).Accelerator(None, np.zeros)
    with pytest.raises(ValueError, match=re.escape(message)):
        accelerator.run(x)
