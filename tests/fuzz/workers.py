# SPDX-License-Identifier: Apache-2.0
"""Cases in forked processes with little memory and a clock, so that a crash or a hang is a result and not the end."""

from __future__ import annotations

import multiprocessing
import os
import resource
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tests.fuzz.cases import make_case
from tests.fuzz.judge import judge

SECONDS = 10.0
"""Of processor time that a case may take; on a busy machine they are many more on the clock."""
PATIENCE = 60.0
"""Seconds on the clock after which a case hangs whatever it computed."""
LOOK = 1.0
"""Seconds between two looks at the time that the cases took."""
MEMORY = 1 << 31
"""Bytes that a case may take beyond what the process holds when it starts."""
DEEP = 8
"""One case in so many is compiled when it loads."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What became of a case: "loaded", "refused" or "finding"."""

    index: int
    kind: str
    details: str
    seconds: float


@dataclass(slots=True)
class _Worker:
    process: Any
    pipe: Connection
    index: int = -1
    since: float = field(default_factory=time.monotonic)
    used: float = 0.0

    def start(self, index: int) -> None:
        self.index, self.since, self.used = index, time.monotonic(), _processor_seconds(self.process.pid)
        self.pipe.send(index)

    def overdue(self) -> str:
        """What is wrong with a case that has not answered; nothing, if it has time left."""
        if time.monotonic() - self.since >= PATIENCE:
            return f"no answer within {PATIENCE:g} s on the clock"
        if _processor_seconds(self.process.pid) - self.used >= SECONDS:
            return f"no answer within {SECONDS:g} s of processor time"
        return ""


def run_cases(seed: int, indices: Iterable[int], models: Mapping[str, bytes], jobs: int) -> Iterator[Verdict]:
    """The verdicts on the cases of `seed`, as they come."""
    waiting = iter(indices)
    with tempfile.TemporaryDirectory() as folder:
        idle = [_start(seed, models, Path(folder)) for _ in range(jobs)]
        busy: list[_Worker] = []
        try:
            while True:
                while idle and (index := next(waiting, None)) is not None:
                    busy.append(idle.pop())
                    busy[-1].start(index)
                if not busy:
                    return
                for worker, verdict in _collect(busy):
                    busy.remove(worker)
                    idle.append(worker if worker.process.is_alive() else _start(seed, models, Path(folder)))
                    yield verdict
        finally:
            for worker in (*idle, *busy):
                worker.process.kill()
                worker.process.join()


def _collect(busy: list[_Worker]) -> Iterator[tuple[_Worker, Verdict]]:
    """The workers that answered, died, or took too long, each with its verdict; waits a while for the first."""
    ready = set(wait([worker.pipe for worker in busy], LOOK))
    for worker in list(busy):
        seconds = time.monotonic() - worker.since
        if worker.pipe in ready:
            try:
                kind, details = worker.pipe.recv()
            except EOFError:
                worker.process.join()
                kind, details = "finding", f"the process ended with exit code {worker.process.exitcode}"
            yield worker, Verdict(worker.index, kind, details, seconds)
        elif details := worker.overdue():
            worker.process.kill()
            worker.process.join()
            yield worker, Verdict(worker.index, "finding", details, seconds)


def _processor_seconds(pid: int) -> float:
    """What a process computed, in user and in kernel mode (fields 14 and 15 of its stat line); 0 if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _start(seed: int, models: Mapping[str, bytes], folder: Path) -> _Worker:
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    process = context.Process(
        target=_work, args=(seed, models, Path(tempfile.mkdtemp(dir=folder)), theirs), daemon=True
    )
    process.start()
    theirs.close()
    return _Worker(process, ours)


def _work(seed: int, models: Mapping[str, bytes], folder: Path, pipe: Connection) -> None:
    inside = surroundings(folder)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    limit = pages * resource.getpagesize() + MEMORY
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    with suppress(EOFError):
        while True:
            index = pipe.recv()
            pipe.send(judge(make_case(seed, index, models).data, inside, deep=index % DEEP == 0))


def surroundings(folder: Path) -> Path:
    """A folder for a model, with a data file beside it, and outside it one that no model may read."""
    inside = folder / "inside"
    (inside / "folder").mkdir(parents=True)
    (folder / "outside.data").write_bytes(bytes(4096))
    (inside / "beside.data").write_bytes(bytes(range(256)) * 16)
    (inside / "link.data").symlink_to(folder / "outside.data")
    (inside / "loop").symlink_to(inside / "loop")
    return inside
