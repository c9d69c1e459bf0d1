# SPDX-License-Identifier: Apache-2.0
"""Where the points of a sweep are evaluated: one function per place, by name in `EXECUTORS`."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context

from bitwright.explore.evaluate import Result
from bitwright.explore.space import Point

Evaluate = Callable[[Point], Result]
Executor = Callable[[Evaluate, Iterable[Point], int], Iterator[Result]]
"""(what to do with a point, the points, how many at a time) -> the results, in the order of the points."""


def serial(evaluate: Evaluate, points: Iterable[Point], jobs: int) -> Iterator[Result]:
    """One point after the other in this process, whatever `jobs` says."""
    return map(evaluate, points)


def processes(evaluate: Evaluate, points: Iterable[Point], jobs: int) -> Iterator[Result]:
    """`jobs` processes on this machine; `evaluate` and its data travel to each of them once."""
    # "spawn" and not "fork": a progress display is a thread, and a forked copy of a running thread may hang.
    with ProcessPoolExecutor(jobs, get_context("spawn"), _Worker.start, (evaluate,)) as pool:
        yield from pool.map(_Worker.evaluate_here, points)


class _Worker:
    """What one worker process keeps between points."""

    evaluate: Evaluate

    @classmethod
    def start(cls, evaluate: Evaluate) -> None:
        cls.evaluate = staticmethod(evaluate)

    @classmethod
    def evaluate_here(cls, point: Point) -> Result:
        return cls.evaluate(point)


EXECUTORS: dict[str, Executor] = {"serial": serial, "processes": processes}
"""The executors by name."""
