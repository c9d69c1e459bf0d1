# SPDX-License-Identifier: Apache-2.0
"""Static checks of SystemVerilog, for generated projects and for single modules: Verilator's lint and Yosys."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools


def verilator_lint(files: Mapping[str, str], sources: Sequence[str], top: str) -> None:
    """`verilator --lint-only -Wall` of `top` over `sources` (paths in `files`, in order); any warning is an error."""
    with written(files) as folder:
        command: list[str | Path] = [tools.verilator().path, "--lint-only", "-Wall", "--top-module", top, *sources]
        tools.run(command, what=f"linting {top}", cwd=folder, env=tools.verilator_environment())


def yosys_check(files: Mapping[str, str], sources: Sequence[str], tops: Sequence[str]) -> None:
    """Yosys reads `sources`, and finds every module of `tops` complete, without latch, loop or conflict of drivers."""
    read = f"read_verilog -sv {' '.join(sources)}"
    checks = [f"design -load all; hierarchy -check -top {top}; proc; check -assert" for top in tops]
    with written(files) as folder:
        script = "; ".join([read, "design -save all", *checks])
        tools.run([tools.yosys().path, "-q", "-p", script], what=f"checking {', '.join(tops)}", cwd=folder)


def yosys_netlist(files: Mapping[str, str], sources: Sequence[str], top: str) -> str:
    """`top` as Yosys understands it: one flat Verilog module of registers, memories and operators."""
    read = f"read_verilog -sv {' '.join(sources)}"
    with written(files) as folder:
        script = f"{read}; prep -top {top} -flatten; memory; opt; write_verilog -noattr netlist.v"
        tools.run([tools.yosys().path, "-q", "-p", script], what=f"making a netlist of {top}", cwd=folder)
        return unsigned_nets((folder / "netlist.v").read_text(encoding="utf-8"))


def unsigned_nets(netlist: str) -> str:
    """A netlist of Yosys with no net declared as signed.

    Yosys declares nets as they were written, and says `$signed` where an operator is; but an unsigned operator between
    signed nets would be a signed one to whoever reads the netlist.
    """
    return re.sub(r"\b(input|output|wire|reg) signed\b", r"\1", netlist)


def project_sources(files: Mapping[str, str]) -> list[str]:
    """The sources of a generated project, in the order of its filelist."""
    return files["filelist.f"].split()


@contextmanager
def written(files: Mapping[str, str]) -> Iterator[Path]:
    """`files` in a temporary folder below the user's own: the sandbox of the wheel of Yosys has a /tmp of its own."""
    try:
        scratch = Path.home() / ".cache" / "bitwright"
        scratch.mkdir(parents=True, exist_ok=True)
        folder = tempfile.TemporaryDirectory(dir=scratch, prefix="lint-")
    except (OSError, RuntimeError) as error:
        raise BitwrightError(
            "has no place for the files that Yosys reads",
            where="the home folder",
            hint="set HOME to a folder that can be written",
        ) from error
    with folder as name:
        for path, text in files.items():
            target = Path(name, path)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_text(text, encoding="utf-8")
        yield Path(name)
