# SPDX-License-Identifier: Apache-2.0
"""What an executor is: where tasks are evaluated, for as long as its block lasts."""

from __future__ import annotations

import pickle  # noqa: TID251 (written here, and read by what this run itself starts)
from collections.abc import Callable, Iterable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from traceback import extract_tb

from bitwright.explore.record import Evaluate, Failure, Kind, Outcome, Task
from bitwright.explore.search import Evaluated
from bitwright.ir.errors import BitwrightError

CHUNK = 8
"""Neighbours that a worker is given at once at most."""


@dataclass(frozen=True, slots=True)
class Limits:
    """What one point may take: seconds, and bytes of memory beyond what a worker has when it begins; None: anything."""

    seconds: float | None = None
    bytes: int | None = None

    def __bool__(self) -> bool:
        return (self.seconds, self.bytes) != (None, None)


Executor = Callable[[Evaluate, int, Limits], AbstractContextManager[Evaluated]]
"""(what to do with a task, how many at a time, limits of each) -> what evaluates tasks, batch after batch."""


def outcome_of(evaluate: Evaluate, task: Task) -> Outcome:
    """What becomes of a task here: whatever is raised is kept with its design, and the search goes on.

    But for an OSError, told of as such or not: it is the machine's, and another time the design may be evaluated.
    """
    try:
        return evaluate(task)
    except OSError:
        raise
    except BitwrightError as error:
        if isinstance(first := _first(error), OSError):
            raise first from error
        return Failure(design=task.design, kind="refused", what=error.what, where=error.where, hint=error.hint)
    except MemoryError as error:
        return failure(task, "memory", str(error) or "there is not enough memory", _place(error))
    except Exception as error:  # noqa: BLE001 (a metric is anybody's function: what it raises is the point's own)
        return failure(task, "error", f"{type(error).__name__}: {error}", _place(error))


def _first(error: BaseException) -> BaseException:
    """What an error comes from."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def failure(task: Task, kind: Kind, what: str, where: str = "explore", tries: int = 1) -> Failure:
    """Of a task that a limit or an error ended; it is kept, and not tried again."""
    hint = f"remove failed/{task.key} in the folder of the sweep to have it tried again by --resume"
    return Failure(design=task.design, kind=kind, what=what, where=where, hint=hint, tries=tries)


def late(task: Task, limits: Limits) -> Failure:
    """Of a task that takes longer than it may."""
    return failure(task, "time", f"took more than {limits.seconds:g} seconds")


def pickled(evaluate: Evaluate) -> bytes:
    """What evaluates, for other processes; BitwrightError if they cannot have it."""
    try:
        return pickle.dumps(evaluate)
    except (AttributeError, TypeError, pickle.PicklingError) as error:
        hint = "let it be a function of a module that can be imported, or use one job"
        raise BitwrightError(f"cannot be sent to other processes: {error}", where="explore", hint=hint) from error


def _place(error: Exception) -> str:
    """Where an error was raised."""
    last = extract_tb(error.__traceback__)[-1]
    return f"{Path(last.filename).name}, line {last.lineno}, in {last.name}"


def neighbours(tasks: Iterable[Task]) -> list[Task]:
    """The tasks so that those whose designs begin alike stand together: what one computes serves the next."""
    return sorted(tasks, key=lambda task: [(type(value).__name__, value) for _, value in task.design.choices])


def chunks(tasks: Iterable[Task], jobs: int) -> list[Sequence[Task]]:
    """Neighbours in pieces, some for each of the workers."""
    stand = neighbours(tasks)
    size = max(1, min(CHUNK, len(stand) // (2 * jobs)))
    return [stand[start : start + size] for start in range(0, len(stand), size)]
