# SPDX-License-Identifier: Apache-2.0
"""Runs the cocotb bench that a generated SystemVerilog project carries, by its own Makefile."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools


def run_bench(project: Path) -> list[str]:
    """The tests of `project`/bench that passed, in order; one that failed is a BitwrightError with its message."""
    bench = project / "bench"
    results = bench / "results.xml"
    results.unlink(missing_ok=True)
    command: list[str | Path] = [tools.make().path, "-s"]
    try:
        tools.run(command, what="running the cocotb bench", cwd=bench, env=tools.verilator_environment())
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
