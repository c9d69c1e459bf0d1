# SPDX-License-Identifier: Apache-2.0
"""Icarus as a second opinion: the library compiles, and each flow-control module and its netlist mean the same."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path

from cocotb_tools.check_results import get_results
from cocotb_tools.runner import get_runner

from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools
from bitwright.sim.lint import unsigned_nets
from formal.library import LIBRARY, ROOT, parts
from formal.streams import Stream

PACKAGE = LIBRARY / "bw_pkg.sv"
LOG = "log.txt"


def find_icarus() -> None:
    """Fails with what to install where Icarus is missing."""
    if shutil.which("iverilog") is None:
        raise BitwrightError("not found on PATH", where="iverilog", hint="apt-get install -y iverilog")


def compile_library() -> list[str]:
    """What Icarus says of each library module alone that it cannot compile."""
    modules = sorted(path for path in LIBRARY.glob("bw_*.sv") if path != PACKAGE)
    said = []
    for module in modules:
        command = ["iverilog", "-g2012", "-t", "null", "-s", module.stem, str(PACKAGE), *map(str, modules)]
        done = subprocess.run(command, env=tools.environment(), capture_output=True, text=True, check=False)
        if done.returncode:
            said.append(f"{module.stem}: {done.stderr}")
    return said


def faults(stream: Stream, folder: Path) -> list[str]:
    """What the bench finds wrong with the module, with its netlist, or between the two, in words."""
    written = _trace(stream, folder / "written", [PACKAGE, *_sources(stream)], stream.size)
    netlist = _trace(stream, folder / "netlist", [_netlist(stream, folder / "yosys")], {})
    said = [
        f"see {folder / name / LOG}" for name, trace in (("written", written), ("netlist", netlist)) if trace is None
    ]
    return said or ([] if written == netlist else ["the netlist does not give the same words in the same clocks"])


def _sources(stream: Stream) -> list[Path]:
    return [LIBRARY / f"{name}.sv" for name in reversed(parts(stream.module))]


def _trace(stream: Stream, folder: Path, sources: list[Path], size: Mapping[str, int]) -> str | None:
    """The words that leave `sources` in Icarus, with their clocks, as text; None if the bench found a fault."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    runner, trace = get_runner("icarus"), folder / "trace.json"
    runner.build(
        sources=sources,
        hdl_toplevel=stream.module,
        parameters=size,
        build_args=["-g2012"],
        timescale=("1ns", "1ps"),
        build_dir=folder,
        log_file=folder / "build.txt",
    )
    results = runner.test(
        hdl_toplevel=stream.module,
        test_module="formal.bench",
        plusargs=[f"+stream={stream.name}", f"+trace={trace}"],
        build_dir=folder,
        test_dir=ROOT,
        results_xml=str(folder / "results.xml"),
        log_file=folder / LOG,
    )
    tests, failed = get_results(results)
    return trace.read_text(encoding="utf-8") if tests and not failed else None


def _netlist(stream: Stream, folder: Path) -> Path:
    """The module as one flat Verilog module of registers, memories and operators."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    sources = [PACKAGE, *_sources(stream)]
    for path in sources:
        shutil.copy(path, folder)
    size = "".join(f" -chparam {name} {value}" for name, value in stream.size.items())
    script = f"read_verilog -sv {' '.join(path.name for path in sources)}; hierarchy -top {stream.module}{size}; "
    script += f"prep -flatten; memory; opt; rename -top {stream.module}; write_verilog -noattr netlist.v"
    tools.run([tools.yosys().path, "-q", "-p", script], what=f"making a netlist of {stream.module}", cwd=folder)
    netlist = folder / "netlist.v"
    netlist.write_text(unsigned_nets(netlist.read_text(encoding="utf-8")), encoding="utf-8")
    return netlist
