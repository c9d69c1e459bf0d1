# SPDX-License-Identifier: Apache-2.0
"""A process that evaluates tasks for its parent, which hears of each as soon as it is done, or that the process died.

What evaluates travels in a file, and all that goes through the pipe to a process that may be dead is small: a full one
would have its parent write to it for ever (Python before 3.11.5). The file has no name, so that nobody need remove it.
"""

from __future__ import annotations

import os
import pickle  # noqa: TID251 (of what this run itself wrote, in a folder of its own)
import resource
import signal
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from mmap import ACCESS_READ, mmap
from multiprocessing import get_context, parent_process, resource_tracker
from multiprocessing.connection import Connection
from multiprocessing.reduction import DupFd
from pathlib import Path
from threading import Thread
from time import monotonic
from typing import IO, Any

from bitwright.explore.executors.executor import Limits, outcome_of
from bitwright.explore.record import Evaluate, Failure, Outcome, Task

GONE = (BrokenPipeError, ConnectionResetError, EOFError)
"""What the pipe to a dead process comes to."""


class Worker:
    """One process, and the tasks that it was given and has not answered, in their order."""

    def __init__(self, file: IO[bytes], limits: Limits) -> None:
        # "spawn" and not "fork": a progress display is a thread, and a forked copy of a running thread may hang.
        context = get_context("spawn")
        self.pipe, theirs = context.Pipe()
        self.process = context.Process(target=_work, args=(_Sent(file), limits, theirs), daemon=True)
        self.tasks: deque[Task] = deque()
        self.ready, self.answers = False, 0
        self._seconds = limits.seconds
        self._since = monotonic()
        with deaf():
            self.process.start()
        theirs.close()

    @property
    def idle(self) -> bool:
        """Whether it waits for tasks."""
        return self.ready and not self.tasks

    @property
    def left(self) -> float | None:
        """The seconds that the task it is at may still take; None if that is not limited."""
        if self._seconds is None or not self.tasks:
            return None
        return max(0.0, self._since + self._seconds - monotonic())

    def give(self, tasks: Sequence[Task]) -> None:
        """Have it evaluate tasks, one after the other; one of `GONE` if it is dead."""
        self.tasks.extend(tasks)
        self._since = monotonic()
        self.pipe.send(tasks)

    def hear(self) -> tuple[Task, Outcome | OSError] | None:
        """What it says next: that it is ready, or what became of the first of its tasks; `GONE` if it is dead."""
        said: Outcome | OSError | None = self.pipe.recv()
        self._since = monotonic()
        if said is None:
            self.ready = True
            return None
        self.answers += 1
        return self.tasks.popleft(), said

    def end(self) -> int:
        """Kill it, if it has not ended; how it did."""
        self.process.kill()
        self.process.join()
        code = self.process.exitcode
        self.process.close()
        self.pipe.close()
        return code or 0


@contextmanager
def deaf() -> Iterator[None]:
    """What is started here never hears the interrupt of a terminal: its parent does, and ends it."""
    resource_tracker.ensure_running()  # which would let the signal in again
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


class _Sent:
    """What is in an open file, for a process that is started."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file

    def __reduce__(self) -> tuple[Any, ...]:
        return _read, (DupFd(self._file.fileno()),)


def _read(held: Any) -> Evaluate:
    """What an open file evaluates with; where its other owners stand in it is left as it is."""
    number = held.detach()
    with mmap(number, 0, access=ACCESS_READ) as content:
        os.close(number)
        found: Evaluate = pickle.loads(content)
    return found


def _work(evaluate: Evaluate, limits: Limits, pipe: Connection) -> None:
    """Evaluate what the parent gives, to the end of it."""
    Thread(target=_end_with_parent, daemon=True).start()
    with suppress(*GONE), memory_limited(limits):
        pipe.send(None)
        while True:
            for task in pipe.recv():
                said = _said(evaluate, task)
                pipe.send(said)
                if isinstance(said, Failure) and said.kind == "memory":
                    return  # what is full is not given another


def _said(evaluate: Evaluate, task: Task) -> Outcome | OSError:
    try:
        return outcome_of(evaluate, task)
    except OSError as error:
        return error


def _end_with_parent() -> None:
    """A parent that is killed cannot end its workers."""
    parent = parent_process()
    assert parent is not None
    parent.join()
    os._exit(1)


@contextmanager
def memory_limited(limits: Limits) -> Iterator[None]:
    """No more memory than what is there already and what a point may take."""
    if limits.bytes is None:
        yield
        return
    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    before = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + limits.bytes, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, before)
