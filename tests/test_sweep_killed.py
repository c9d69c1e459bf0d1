# SPDX-License-Identifier: Apache-2.0
"""Sweeps that are killed, in a process of their own: what was finished is kept, and the end is an undisturbed one's."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event

import pytest

from bitwright.explore.sweep import Stopped, sweep
from bitwright.ir.errors import BitwrightError
from tests.exploring import Fake, contents, fake_sweep

ROOT = Path(__file__).parents[1]
MOST = 7
"""Bits in the space: 216 designs."""


def main(folder: str, counted: str, jobs: str, seconds: str) -> int:
    """Carry out a sweep, or go on with it, as the command line does."""
    try:
        sweep(fake_sweep(Fake(Path(counted), float(seconds)), most=MOST), Path(folder), jobs=int(jobs), resume=True)
    except (BitwrightError, Stopped) as error:
        print(error, file=sys.stderr)
        return 130 if isinstance(error, Stopped) else 2
    return 0


@dataclass
class Killed:
    """A sweep in a folder, by process after process; how often each design was evaluated before it was stopped."""

    folder: Path
    seconds: float
    jobs: int = 2
    settled: Counter[str] = field(default_factory=Counter)

    @property
    def counted(self) -> Path:
        return self.folder.with_name("counted")

    @contextmanager
    def begun(self) -> Iterator[subprocess.Popen[str]]:
        """The sweep in a process, which has begun to evaluate something."""
        command = [sys.executable, "-m", "tests.test_sweep_killed", str(self.folder), str(self.counted)]
        arguments = [*command, str(self.jobs), str(self.seconds)]
        lines = sum(self.counts().values())
        with subprocess.Popen(arguments, cwd=ROOT, text=True, stderr=subprocess.PIPE) as process:
            try:
                while process.poll() is None and sum(self.counts().values()) == lines:
                    Event().wait(0.02)
                yield process
            finally:
                process.kill()

    def counts(self) -> Counter[str]:
        return Fake(self.counted).counts

    def settle(self) -> None:
        """Nothing that was in the folder at the last stop was evaluated again, or is gone."""
        counts, kept = self.counts(), self.kept()
        assert set(self.settled) <= kept
        assert all(counts[key] == count for key, count in self.settled.items())
        self.settled = Counter({key: counts[key] for key in kept})

    def kept(self) -> set[str]:
        return {entry.name for entry in (self.folder / "points").glob("[!.]*")}

    def ends(self) -> None:
        """It goes on to its end, which is that of a sweep that nobody disturbed."""
        self.seconds = 0
        with self.begun() as process:
            assert process.wait(300) == 0
        self.settle()
        whole = self.folder.with_name("whole")
        sweep(fake_sweep(Fake(whole.with_name("counted0")), most=MOST), whole)
        assert contents(self.folder) == contents(whole)


def children(pid: int) -> list[int]:
    """The workers of a process; the tracker of multiprocessing is none."""
    listed: list[int] = []
    with suppress(FileNotFoundError):  # it may have come to its end
        listed += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split())
    return [child for child in listed if b"spawn_main" in _command(child)]


def _command(pid: int) -> bytes:
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


def kill_workers(process: subprocess.Popen[str], chance: random.Random, times: int, pause: float) -> None:
    """SIGKILL to a worker, again and again."""
    for _ in range(times):
        Event().wait(chance.uniform(0.5, 1.5) * pause)
        if process.poll() is None and (workers := children(process.pid)):
            with suppress(ProcessLookupError):
                os.kill(chance.choice(workers), signal.SIGKILL)


def kill_parent(killed: Killed, process: subprocess.Popen[str]) -> None:
    """SIGKILL to the sweep itself: its workers end as well."""
    workers = children(process.pid)
    process.kill()
    assert process.wait() in (-signal.SIGKILL, 0)
    while any(b"spawn_main" in _command(worker) for worker in workers):
        Event().wait(0.02)
    killed.settle()


def run_killed(killed: Killed, rounds: int, times: int, pause: float) -> None:
    chance = random.Random(0)
    for _ in range(rounds):
        with killed.begun() as process:
            kill_workers(process, chance, times, pause)
            kill_parent(killed, process)
    killed.ends()


@pytest.mark.slow
def test_workers_and_the_sweep_itself_may_be_killed_at_any_time(tmp_path: Path) -> None:
    run_killed(Killed(tmp_path / "s", 0.1), rounds=1, times=5, pause=4)


@pytest.mark.long
def test_ten_minutes_of_kills(tmp_path: Path) -> None:
    run_killed(Killed(tmp_path / "s", 2.5), rounds=5, times=60, pause=2)


def interrupted(killed: Killed, moments: int) -> None:
    """SIGINT at random moments, as a terminal sends it: to the workers as well."""
    chance = random.Random(1)
    for _ in range(moments):
        with killed.begun() as process:
            Event().wait(chance.uniform(0, 0.5))
            heard = [process.pid, *children(process.pid)]
            for pid in heard:
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGINT)
            said = process.communicate(timeout=120)[1]
            assert process.returncode == 130, said
            assert said == (
                f"stopped: {len(killed.kept())} outcomes are kept in '{killed.folder}'\n"
                "  hint: the same with --resume goes on from there\n"
            )
            killed.settle()
    killed.ends()


@pytest.mark.slow
def test_an_interrupt_ends_a_sweep_cleanly(tmp_path: Path) -> None:
    interrupted(Killed(tmp_path / "s", 0.1), moments=1)


@pytest.mark.long
@pytest.mark.parametrize("jobs", [1, 2])
def test_twenty_interrupts(jobs: int, tmp_path: Path) -> None:
    interrupted(Killed(tmp_path / "s", 0.1, jobs), moments=20)


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
