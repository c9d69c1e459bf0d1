# SPDX-License-Identifier: Apache-2.0
"""Open synthesis: what Yosys makes of a generated SystemVerilog project, and where nextpnr places and routes it."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools
from bitwright.sim.lint import project_sources, written

CELL_LUTS = {
    **{f"LUT{inputs}": 1 for inputs in range(1, 7)},
    **{"SRL16E": 1, "SRLC16E": 1, "SRLC32E": 1},
    **{"RAM32X1S": 1, "RAM64X1S": 1, "RAM128X1S": 2, "RAM256X1S": 4, "RAM512X1S": 8},
    **{"RAM32X1D": 2, "RAM64X1D": 2, "RAM128X1D": 4, "RAM256X1D": 8},
    **{"RAM32M": 4, "RAM64M": 4, "RAM32M16": 8, "RAM64M8": 8, "RAM64X8SW": 8, "RAM32X16DR8": 8},
}
"""Look-up tables of each Xilinx cell: logic, shift registers, distributed memory."""
CELL_FFS = dict.fromkeys(("FDRE", "FDSE", "FDCE", "FDPE", "LDCE", "LDPE"), 1)
CELL_DSPS = dict.fromkeys(("DSP48E1", "DSP48E2"), 1)
CELL_BRAMS = {"RAMB18E1": 1, "RAMB18E2": 1, "RAMB36E1": 2, "RAMB36E2": 2}
CELL_URAMS = {"URAM288": 1}
COSTS = {"lut": CELL_LUTS, "ff": CELL_FFS, "dsp": CELL_DSPS, "bram": CELL_BRAMS, "uram": CELL_URAMS}
FREE = re.compile(r"CARRY\d|MUXF[789]|INV|GND|VCC|BUF.*")
"""Cells that sit beside the look-up tables and are not counted."""
ECP5_SPEED = 8


@dataclass(frozen=True)
class Synthesis:
    """Cells of each instance of the top, by instance name, of `tool`; the cells of the top itself are under ""."""

    tool: str
    family: str
    cells: Mapping[str, Mapping[str, int]]


def synthesise(files: Mapping[str, str], top: str, family: str) -> Synthesis:
    """`synth_xilinx` for a family over a project's files (path -> text); hierarchy stays, to count each instance."""
    tool = tools.yosys()
    read = f"read_verilog -sv {' '.join(project_sources(files))}"
    make = f"synth_xilinx -family {family} -noiopad -noclkbuf -top {top}; write_json netlist.json"
    with written(files) as folder:
        tools.run([tool.path, "-q", "-p", f"{read}; {make}"], what=f"synthesising {top}", cwd=folder)
        modules = json.loads((folder / "netlist.json").read_text(encoding="utf-8"))["modules"]
    return Synthesis(f"{tool.name} {tool.version_text}", family, _by_instance(modules, top))


def resources(cells: Mapping[str, int]) -> dict[str, int]:
    """LUTs, flip-flops, DSPs, 18-kbit block RAMs and UltraRAMs of `cells`; a cell that is not known is an error."""
    for cell in cells:
        if not FREE.fullmatch(cell) and not any(cell in cost for cost in COSTS.values()):
            raise BitwrightError(f"the netlist has cells of type {cell}", where="synth", hint="report this as a bug")
    return {name: sum(cost.get(cell, 0) * n for cell, n in cells.items()) for name, cost in COSTS.items()}


def fmax(files: Mapping[str, str], top: str, seed: int = 1) -> tuple[float, str]:
    """The clock in MHz that nextpnr reaches for the top on an ECP5 (85k, speed 8), out of context; and the tools."""
    yosys, place = tools.yosys(), tools.nextpnr_ecp5()
    read = f"read_verilog -sv {' '.join(project_sources(files))}"
    with written(files) as folder:
        script = f"{read}; synth_ecp5 -noabc9 -top {top} -json netlist.json"
        tools.run([yosys.path, "-q", "-p", script], what=f"synthesising {top} for ECP5", cwd=folder)
        command: list[str | Path] = [place.path, "--85k", "--speed", str(ECP5_SPEED), "--json", "netlist.json"]
        command += ["--out-of-context", "--seed", str(seed), "--report", "report.json", "--timing-allow-fail", "-q"]
        tools.run(command, what=f"placing and routing {top}", cwd=folder)
        report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    reached = [float(clock["achieved"]) for clock in report["fmax"].values()]
    return min(reached), f"{yosys.name} {yosys.version_text}, {place.name} {place.version_text}"


def _by_instance(modules: Mapping[str, Any], top: str) -> dict[str, Counter[str]]:
    """The leaf cells below each instance of `top`."""
    totals: dict[str, Counter[str]] = {}

    def below(module: str) -> Counter[str]:
        if module not in totals:
            totals[module] = Counter()
            for cell in modules[module]["cells"].values():
                totals[module].update(_leaf(modules, cell["type"]) or below(cell["type"]))
        return totals[module]

    found: dict[str, Counter[str]] = {"": Counter()}
    for name, cell in modules[top]["cells"].items():
        leaf = _leaf(modules, cell["type"])
        if leaf is None:
            found[name] = below(cell["type"])
        else:
            found[""].update(leaf)
    return found


def _leaf(modules: Mapping[str, Any], kind: str) -> dict[str, int] | None:
    """The cell itself if it is a primitive, None if it is a module of the design."""
    return {kind: 1} if kind not in modules or is_primitive(modules[kind]) else None


def is_primitive(module: Mapping[str, Any]) -> bool:
    """True for a module of a netlist that is a cell of the family."""
    return any(int(module["attributes"].get(mark, "0"), 2) for mark in ("blackbox", "whitebox"))
