# SPDX-License-Identifier: Apache-2.0
"""The search: a strategy proposes, what evaluates answers, and those on the front are looked at once more, closely."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from bitwright.explore.objectives import Objective
from bitwright.explore.pareto import front_of
from bitwright.explore.record import Outcome, Record, Task
from bitwright.explore.strategies import Problem, Strategy

Evaluated = Callable[[Sequence[Task]], Iterator[tuple[Task, Outcome]]]
"""Tasks in, each with its outcome out as it is finished: from a store, or by an executor."""


def search(
    strategy: Strategy, problem: Problem, evaluated: Evaluated, within: Callable[[Record], bool] = lambda record: True
) -> dict[str, Outcome]:
    """What became of every design, by its key; those on the front are final.

    The front is of records `within` the budget. Rivals are chosen between batches, and a strategy is told in the order
    in which it asked, so that nothing depends on who is finished first.
    """
    known: dict[str, Outcome] = {}
    while designs := strategy.ask():
        rivals = tuple(each for each in _front(known, problem.objectives, within) if each.score.complete)
        fresh = {design.key: Task(design, rivals) for design in designs if design.key not in known}
        known |= _outcomes(evaluated, list(fresh.values()))
        strategy.tell([known[design.key] for design in designs])
    return finished(known, problem, evaluated, within)


def finished(
    known: dict[str, Outcome],
    problem: Problem,
    evaluated: Evaluated,
    within: Callable[[Record], bool] = lambda record: True,
) -> dict[str, Outcome]:
    """The same, once every record on the front is final: a closer look may bring others to the front.

    So is what would be on it if there were only uniform designs, which others are compared with.
    """
    found, uniform = dict(known), {design.key for design in problem.space.uniforms()} & known.keys()
    while True:
        plain = {key: outcome for key, outcome in found.items() if key in uniform}
        best = [each for some in (found, plain) for each in _front(some, problem.objectives, within)]
        waiting = {each.design: None for each in best if not _is_final(each)}
        if not waiting:
            return found
        found |= _outcomes(evaluated, [Task(design, final=True) for design in waiting])


def _is_final(record: Record) -> bool:
    return record.compiled and record.score.complete


def _outcomes(evaluated: Evaluated, tasks: Sequence[Task]) -> dict[str, Outcome]:
    """In the order of the tasks, whoever is finished first: of equal records the first one is on the front."""
    found = {task.key: outcome for task, outcome in evaluated(tasks)}
    return {task.design.key: found[task.key] for task in tasks}


def _front(
    known: dict[str, Outcome], objectives: Sequence[Objective], within: Callable[[Record], bool]
) -> list[Record]:
    records = (each for each in known.values() if isinstance(each, Record))
    return front_of((each for each in records if within(each)), objectives)
