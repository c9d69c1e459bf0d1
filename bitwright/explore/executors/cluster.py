# SPDX-License-Identifier: Apache-2.0
"""A cluster of dask: one of this machine, or any that has a scheduler; each design is a task of it.

Its scheduler gives the task of a worker that died to another one; what a worker takes in time or memory it says itself.
"""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pickle import loads  # noqa: TID251 (of what the sweep itself sent)
from threading import Lock, Thread, Timer
from typing import Any

from bitwright.explore.executors.executor import Limits, failure, late, neighbours, outcome_of, pickled
from bitwright.explore.executors.worker import deaf, memory_limited
from bitwright.explore.record import Evaluate, Outcome, Task
from bitwright.explore.search import Evaluated
from bitwright.ir.errors import BitwrightError

TRIES = 2
"""How often a task is sent whose workers die: each time the scheduler tries it on four."""
PATIENCE = 2.0
"""Seconds for the answer of a worker that then ends itself."""
CONNECT = 10.0
"""Seconds for the answer of a scheduler."""


@contextmanager
def dask(evaluate: Evaluate, jobs: int, limits: Limits, address: str = "") -> Iterator[Evaluated]:
    """`jobs` workers of this machine, or those of the scheduler at an address; BitwrightError if there is none."""
    content = pickled(evaluate)
    with _client(address, jobs) as client:
        yield lambda tasks: _run(client, content, tasks, limits)


@contextmanager
def _client(address: str, jobs: int) -> Iterator[Any]:
    try:
        from distributed import Client, LocalCluster
    except ImportError as error:
        hint = "pip install 'bitwright[cluster]'"
        raise BitwrightError("dask.distributed is not installed", where="explore", hint=hint) from error
    if not address:
        options = {"threads_per_worker": 1, "dashboard_address": None, "silence_logs": logging.CRITICAL}
        with deaf():
            cluster = LocalCluster(n_workers=jobs, processes=True, **options)
        with cluster, Client(cluster) as client:
            yield client
        return
    try:
        client = Client(address, timeout=CONNECT)
    except (OSError, ValueError) as error:
        hint = "start one by `dask scheduler`, and workers by `dask worker ADDRESS`"
        raise BitwrightError(f"no scheduler of dask answers: {error}", where=address, hint=hint) from error
    with client:
        yield client


def _run(client: Any, content: bytes, tasks: Sequence[Task], limits: Limits) -> Iterator[tuple[Task, Outcome]]:
    """The tasks with their outcomes, as they are finished."""
    from distributed import KilledWorker, as_completed

    evaluate = client.submit(loads, content)  # a task as well: a worker that has lost it makes it again
    deaths: Counter[str] = Counter()

    def sent(task: Task) -> Any:
        return client.submit(_evaluated, evaluate, task, limits, pure=False)

    waiting = {sent(task): task for task in neighbours(tasks)}
    done = as_completed(list(waiting))
    for future in done:
        task = waiting.pop(future)
        try:
            outcome = future.result()
        except KilledWorker:
            deaths[task.key] += 1
            if deaths[task.key] < TRIES:
                again = sent(task)
                waiting[again] = task
                done.add(again)
                continue
            outcome = failure(task, "died", "each of its workers ended", tries=deaths[task.key])
        if isinstance(outcome, OSError):
            raise outcome
        yield task, outcome


class _Here:
    """What is at work in this worker: one task at a time, whatever threads it has, since tasks share what they find."""

    lock = Lock()
    ends = False


def _evaluated(evaluate: Evaluate, task: Task, limits: Limits) -> Outcome | OSError:
    """What becomes of a task in this worker, within its limits; one that is over its time is left, and ends with it."""
    from distributed import Reschedule

    with _Here.lock:
        if _Here.ends:
            raise Reschedule
        found: list[Outcome | OSError] = []
        thread = Thread(target=lambda: found.append(_limited(evaluate, task, limits)), daemon=True)
        thread.start()
        thread.join(limits.seconds)
        if found:
            return found[0]
        _Here.ends = True
        Timer(PATIENCE, os._exit, [1]).start()
        return late(task, limits)


def _limited(evaluate: Evaluate, task: Task, limits: Limits) -> Outcome | OSError:
    try:
        with memory_limited(limits):
            return outcome_of(evaluate, task)
    except OSError as error:
        return error
