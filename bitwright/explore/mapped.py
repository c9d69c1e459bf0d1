# SPDX-License-Identifier: Apache-2.0
"""Where the points of a sweep are evaluated: one function per place, by name in `EXECUTORS`."""

from __future__ import annotations

import pickle  # noqa: TID251 (of what this run itself wrote, in a folder of its own)
import signal
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from functools import cache, partial
from multiprocessing import active_children, get_context
from pathlib import Path
from tempfile import TemporaryDirectory

from bitwright.explore.points import Result
from bitwright.explore.space import Point
from bitwright.ir.errors import BitwrightError

Evaluate = Callable[[Point], Result]
Executor = Callable[[Evaluate, Iterable[Point], int], Iterator[Result]]
"""(what to do with a point, the points, how many at a time) -> the results, in the order of the points."""


def serial(evaluate: Evaluate, points: Iterable[Point], jobs: int) -> Iterator[Result]:
    """One point after the other in this process, whatever `jobs` says."""
    return map(evaluate, points)


def processes(evaluate: Evaluate, points: Iterable[Point], jobs: int) -> Iterator[Result]:
    """`jobs` processes on this machine; BitwrightError if one of them dies."""
    # "spawn" and not "fork": a progress display is a thread, and a forked copy of a running thread may hang.
    died = yield from _mapped(evaluate, points, jobs)
    if died:  # raised out here, where no traceback holds the pool and its semaphores until the interpreter is gone
        raise BitwrightError(
            "a worker process died",
            where=f"explore with {jobs} jobs",
            hint="use one job; a script must call explore below `if __name__ == '__main__':`",
        )


def _mapped(evaluate: Evaluate, points: Iterable[Point], jobs: int) -> Generator[Result, None, bool]:
    """The results; whether a process died.

    `evaluate` travels in a file, once for each process, and points are small: a process that dies would else leave its
    parent writing to a full pipe for ever (Python before 3.11.5).
    """
    with TemporaryDirectory(prefix="bitwright-sweep-") as folder:
        file = Path(folder, "evaluate")
        file.write_bytes(pickle.dumps(evaluate))
        try:
            with ProcessPoolExecutor(jobs, get_context("spawn"), initializer=_deaf) as pool, _ending():
                yield from pool.map(partial(_evaluated, file), points)
        except BrokenProcessPool:
            return True
    return False


@cache
def _read(file: Path) -> Evaluate:
    found: Evaluate = pickle.loads(file.read_bytes())
    return found


def _evaluated(file: Path, point: Point) -> Result:
    """What the function in a file of this run makes of a point."""
    return _read(file)(point)


def _deaf() -> None:
    """A worker leaves the interrupt of a terminal to its parent, which hears it as well."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


@contextmanager
def _ending() -> Iterator[None]:
    """The workers end with the block if it fails: the pool would wait for what they are at."""
    try:
        yield
    except BaseException:
        for worker in active_children():
            worker.terminate()
        raise


EXECUTORS: dict[str, Executor] = {"serial": serial, "processes": processes}
"""The executors by name."""
