# SPDX-License-Identifier: Apache-2.0
"""Runs the cocotb bench that a generated SystemVerilog project carries, by its own Makefile."""

from __future__ import annotations

import os
import sys
from importlib.util import find_spec
from pathlib import Path
from xml.etree import ElementTree

from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools
from bitwright.sim.places import PLAIN, copied, plain

PACKAGES = ("cocotb", "cocotb_tools", "pygpi")


def run_bench(project: Path) -> list[str]:
    """The tests of `project`/bench that passed, in order; one that failed is a BitwrightError with its message."""
    bench = project / "bench"
    results = bench / "results.xml"
    results.unlink(missing_ok=True)
    try:
        make(bench)
    except BitwrightError:
        if not results.exists():
            raise
    passed = []
    for case in ElementTree.parse(results).iter("testcase"):
        name, failure = str(case.get("name")), case.find("failure")
        if failure is not None:
            message = (failure.get("message") or failure.text or "").strip()
            raise BitwrightError(message, where=f"cocotb test '{name}'", hint=f"run make in {bench} to see the log")
        passed.append(name)
    if not passed:
        raise BitwrightError("no test ran", where=str(bench), hint="run make there to see the log")
    return passed


def make(bench: Path) -> None:
    """Runs the Makefile of a bench with the cocotb of this interpreter, wherever both are; it writes `results.xml`."""
    python, env = Path(sys.executable), tools.verilator_environment()
    env["PYTHON"] = str(plain(python.parents[1]) / python.parent.name / python.name)
    found = [Path(spec.origin).parent for name in PACKAGES if (spec := find_spec(name)) and spec.origin]
    if not all(PLAIN.fullmatch(str(package)) for package in found):  # a link will not do: cocotb gives its true path
        env["PYTHONPATH"] = os.pathsep.join(filter(None, (str(copied(tuple(found))), env.get("PYTHONPATH"))))
    tools.run([tools.make().path, "-s"], what="running the cocotb bench", cwd=bench, env=env)
