# SPDX-License-Identifier: Apache-2.0
"""One task after the other, in this process."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from bitwright.explore.executors.executor import Limits, neighbours, outcome_of
from bitwright.explore.record import Evaluate, Outcome, Task
from bitwright.explore.search import Evaluated
from bitwright.ir.errors import BitwrightError


@contextmanager
def serial(evaluate: Evaluate, jobs: int, limits: Limits) -> Iterator[Evaluated]:
    """In this process, whatever `jobs` says; BitwrightError if there are limits, which only another can keep."""
    if limits:
        hint = "choose the executor 'processes', with one job or more"
        raise BitwrightError("the executor 'serial' cannot limit what a point takes", where="explore", hint=hint)

    def run(tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        return ((task, outcome_of(evaluate, task)) for task in neighbours(tasks))

    yield run
