# SPDX-License-Identifier: Apache-2.0
"""Which programs and packages are here, in which version, and how to install what is missing."""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools
from bitwright.sim.engines import ENGINES


@dataclass(frozen=True, slots=True)
class Finding:
    """One program or package: what it is for, and either its version and place or the way to install it."""

    name: str
    purpose: str
    found: bool
    version: str
    detail: str  # the path of a program that was found; how to install what is missing


def _engines(*programs: Callable[[], tools.Tool]) -> str:
    """The engines that cannot do without one of `programs`."""
    return ", ".join(f"engine {name}" for name, engine in ENGINES.items() if {*programs} & {*engine.programs})


PROGRAMS: tuple[tuple[str, str, Callable[[], tools.Tool]], ...] = (
    ("g++", _engines(tools.cxx, tools.any_cxx), tools.cxx),
    ("make", _engines(tools.make), tools.make),
    ("perl", _engines(tools.perl), tools.perl),
    ("verilator", _engines(tools.verilator), tools.verilator),
    ("yosys", "checks and synthesis of the SystemVerilog", tools.yosys),
    ("nextpnr-ecp5", "the clock of `bitwright synth --fmax`", tools.nextpnr_ecp5),
)
PACKAGES: tuple[tuple[str, str, str], ...] = (
    ("numpy", "core", "bitwright"),
    ("onnx", "core", "bitwright"),
    ("jinja2", "core", "bitwright"),
    ("mpmath", "core", "bitwright"),
    ("scipy", "core", "bitwright"),
    ("cocotb", "the benches of generated projects", "bitwright[rtl]"),
    ("plotly", "exploration", "bitwright[explore]"),
    ("torch", "training and compression", "bitwright[torch]"),
)


def examine() -> dict[str, Any]:
    """`core`: whether models can be read, compiled and run in NumPy; `findings`: a row for each tool and package."""
    findings = [Finding("python", "core", True, sys.version.split()[0], sys.executable)]
    findings += [_package(*package) for package in PACKAGES]
    findings += [_program(*program) for program in PROGRAMS]
    core = all(finding.found for finding in findings if finding.purpose == "core")
    return {"core": core, "findings": [asdict(finding) for finding in findings]}


def _package(name: str, purpose: str, requirement: str) -> Finding:
    version = tools.package_version(name)
    if version is None:
        return Finding(name, purpose, False, "", f"pip install '{requirement}'")
    return Finding(name, purpose, True, version, "")


def _program(name: str, purpose: str, find: Callable[[], tools.Tool]) -> Finding:
    try:
        tool = find()
    except BitwrightError as error:
        return Finding(name, purpose, False, "", f"{error.what}; {error.hint}")
    return Finding(name, purpose, True, tool.version_text, str(tool.path))
