# SPDX-License-Identifier: Apache-2.0
"""Processes of this machine: any of them may die at any time, and costs no more than the task that it was at."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from multiprocessing.connection import wait
from signal import SIGKILL, Signals
from tempfile import TemporaryFile, gettempdir
from typing import IO

from bitwright.explore.executors.executor import Limits, chunks, failure, late, pickled
from bitwright.explore.executors.worker import GONE, Worker
from bitwright.explore.record import Evaluate, Failure, Outcome, Task
from bitwright.explore.search import Evaluated
from bitwright.ir.errors import BitwrightError

TRIES = 3
"""How often a task is tried that its worker dies of."""
KILLED = 50
"""How often one is tried whose worker somebody else kills: a point has no means to do that but to fill the memory."""
UNBORN = 100
"""Workers in a row that are killed before they are ready, at most."""

PATIENCE = 5.0
"""Seconds for a process whose pipe is closed to end by itself, and to say how."""


@contextmanager
def processes(evaluate: Evaluate, jobs: int, limits: Limits) -> Iterator[Evaluated]:
    """`jobs` processes, which stay from batch to batch; BitwrightError if they cannot be started."""
    with TemporaryFile() as file:
        _write(file, pickled(evaluate))
        pool = _Pool(file, jobs, limits)
        try:
            yield pool.run
        finally:
            pool.end()


def _write(file: IO[bytes], content: bytes) -> None:
    try:
        file.write(content)
        file.flush()
    except OSError as error:
        hint = "make room there, or choose another folder by TMPDIR"
        raise BitwrightError(f"cannot be written: {error.strerror}", where=gettempdir(), hint=hint) from error


@dataclass
class _Batch:
    """Tasks that wait for a worker, how often each had one that died, and the keys of those that want a new one."""

    waiting: deque[Sequence[Task]]
    deaths: Counter[str] = field(default_factory=Counter)
    kills: Counter[str] = field(default_factory=Counter)
    apart: set[str] = field(default_factory=set)

    def again(self, tasks: Sequence[Task]) -> None:
        """The first of the tasks alone, so that it is known whose fault it is, and then the others."""
        self.waiting.extendleft(part for part in (tasks[1:], tasks[:1]) if part)

    def died(self, tasks: Sequence[Task], code: int) -> Iterator[tuple[Task, Outcome]]:
        """A worker ended with these tasks unanswered: the first is tried again, and after so many times given up."""
        task, killed = tasks[0], code == -SIGKILL
        count = self.kills if killed else self.deaths
        count[task.key] += 1
        if count[task.key] < (KILLED if killed else TRIES):
            self.again(tasks)
            return
        self.again(tasks[1:])
        how = Signals(-code).name if code < 0 else f"exit code {code}"
        tries = self.deaths[task.key] + self.kills[task.key]
        yield task, failure(task, "died", f"its process ended with {how}, {tries} times", tries=tries)


class _Pool:
    """The workers."""

    def __init__(self, file: IO[bytes], jobs: int, limits: Limits) -> None:
        self._file, self._jobs, self._limits = file, jobs, limits
        self._workers: list[Worker] = []
        self._unborn = 0

    def run(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """The tasks with their outcomes, as they are finished."""
        batch = _Batch(deque(chunks(tasks, self._jobs)))
        try:
            while batch.waiting or any(worker.tasks for worker in self._workers):
                yield from self._step(batch)
        finally:
            for worker in [worker for worker in self._workers if worker.tasks]:
                self._remove(worker)

    def end(self) -> None:
        """Kill all workers."""
        while self._workers:
            self._remove(self._workers[0])

    def _remove(self, worker: Worker) -> int:
        self._workers.remove(worker)
        return worker.end()

    def _step(self, batch: _Batch) -> Iterator[tuple[Task, Outcome]]:
        """Give out what waits, and hear what is said next."""
        busy = sum(1 for worker in self._workers if worker.tasks)
        while len(self._workers) < min(self._jobs, busy + len(batch.waiting)):
            self._workers.append(Worker(self._file, self._limits))
        for worker in list(self._workers):
            if worker.idle and batch.waiting:
                self._give(worker, batch)
        lefts = [left for worker in self._workers if (left := worker.left) is not None]
        ready = wait([worker.pipe for worker in self._workers], min(lefts, default=None))
        for worker in list(self._workers):
            if worker.pipe in ready:
                yield from self._hear(worker, batch)
            elif worker.left == 0:
                yield from self._late(worker, batch)

    def _give(self, worker: Worker, batch: _Batch) -> None:
        if worker.answers and batch.waiting[0][0].key in batch.apart:
            self._remove(worker)
            return
        with suppress(*GONE):  # its end of the pipe is closed, which is heard next
            worker.give(batch.waiting.popleft())

    def _hear(self, worker: Worker, batch: _Batch) -> Iterator[tuple[Task, Outcome]]:
        try:
            said = worker.hear()
        except GONE:
            yield from self._dead(worker, batch)
            return
        if said is None:
            self._unborn = 0
            return
        task, outcome = said
        if isinstance(outcome, OSError):
            raise outcome
        was_full = isinstance(outcome, Failure) and outcome.kind == "memory" and self._was_full(worker, batch, task)
        if not was_full:
            yield task, outcome

    def _was_full(self, worker: Worker, batch: _Batch, task: Task) -> bool:
        """End a worker that has no memory for a task; whether others filled it: the task then has a new one."""
        others, left = worker.answers > 1, list(worker.tasks)
        self._remove(worker)
        batch.again([task, *left] if others else left)
        if others:
            batch.apart.add(task.key)
        return others

    def _dead(self, worker: Worker, batch: _Batch) -> Iterator[tuple[Task, Outcome]]:
        tasks, ready = list(worker.tasks), worker.ready
        worker.process.join(PATIENCE)
        code = self._remove(worker)
        if tasks:
            yield from batch.died(tasks, code)
        elif not ready:
            self._unborn += 1
            if code >= 0 or self._unborn >= UNBORN:
                raise BitwrightError(
                    "a worker process died as it started",
                    where=f"explore with {self._jobs} jobs",
                    hint="use one job; a script must call explore below `if __name__ == '__main__':`",
                )

    def _late(self, worker: Worker, batch: _Batch) -> Iterator[tuple[Task, Outcome]]:
        """End a worker whose task takes longer than it may."""
        task, *others = worker.tasks
        self._remove(worker)
        batch.again(others)
        yield task, late(task, self._limits)
