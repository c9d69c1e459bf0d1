# SPDX-License-Identifier: Apache-2.0
"""A sweep: a search whose outcomes are kept in a folder as they come, and whose folder can be gone on with."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from time import monotonic

from bitwright.explore.executors import Limits, executor_named
from bitwright.explore.gathered import CERTIFICATE, LAYERS
from bitwright.explore.pareto import front_of
from bitwright.explore.progress import Progress
from bitwright.explore.proofs import certificate
from bitwright.explore.record import Evaluate, Outcome, Record, Task
from bitwright.explore.search import Evaluated, search
from bitwright.explore.settings import Settings, is_affordable, is_within, settings_of
from bitwright.explore.space import Design
from bitwright.explore.store import Store, opened
from bitwright.explore.strategies import STRATEGIES, Problem
from bitwright.explore.swept import Swept, layers_json, swept, views
from bitwright.ir.errors import BitwrightError


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """What is searched, and how.

    `settings` are what else decides what a point comes to, as JSON: digests of the network and the data, the recipe,
    the target, the method's version; a folder whose settings differ is another sweep's. `files` go into the folder.
    `layers` has what a design takes layer by layer, for the report.
    """

    problem: Problem
    evaluate: Evaluate
    strategy: str = "grid"
    settings: Settings = field(default_factory=dict)
    files: Mapping[str, bytes] = field(default_factory=dict)
    layers: Callable[[Design], Mapping[str, Mapping[str, float]]] | None = None


class Stopped(KeyboardInterrupt):
    """The interrupt of a sweep, which says what is kept and how to go on."""


def sweep(
    asked: Sweep,
    folder: Path,
    *,
    executor: str = "",
    jobs: int = 1,
    limits: Limits | None = None,
    resume: bool = False,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> Swept:
    """Carry out a sweep in a folder, or where `resume` go on with it: nothing that is there is evaluated again.

    `executor` is one of `EXECUTORS`, or an address: without one, this process; for several `jobs`, or `limits` of a
    point, others. BitwrightError if the folder is not for this sweep. `Stopped` by an interrupt.
    """
    limits = limits or Limits()
    executor = executor or ("processes" if jobs > 1 or limits else "serial")
    problem = asked.problem
    settings = settings_of(problem, asked.strategy, asked.settings)
    with opened(folder, settings, asked.files, resume=resume) as store:
        try:
            with executor_named(executor)(asked.evaluate, jobs, limits) as run:
                keeping = _Keeping(problem, store, run, progress)
                strategy = STRATEGIES[asked.strategy](problem)
                search(strategy, problem, keeping.evaluated, partial(is_affordable, problem))
        except KeyboardInterrupt as error:
            kept_here = f"{len(store.known)} outcomes are kept in '{folder}'"
            raise Stopped(f"stopped: {kept_here}\n  hint: the same with --resume goes on from there") from error
        except OSError as error:
            hint = "what was finished is kept: mend that, and go on with --resume"
            raise BitwrightError(f"a design could not be evaluated: {error}", where=str(folder), hint=hint) from error
        store.asked(keeping.keys)
        if problem.ledger is not None:
            store.write(CERTIFICATE, certificate(problem))
        if asked.layers is not None:
            store.write(LAYERS, layers_json(swept(store.folder), asked.layers))
        for name, content in views(swept(store.folder)).items():
            store.write(name, content)
    return swept(store.folder)


class _Keeping:
    """What evaluates tasks by looking them up, and keeps the outcomes of the others."""

    def __init__(self, problem: Problem, store: Store, run: Evaluated, progress: Callable[[Progress], None]) -> None:
        self.keys: list[str] = []
        self._problem, self._store, self._run, self._progress = problem, store, run, progress
        self._total = min(problem.evaluations, problem.space.size)
        self._begun = monotonic()
        self._seen: dict[str, Outcome] = {}
        self._front: list[Record] = []
        self._fresh = self._looks = 0

    def evaluated(self, tasks: Sequence[Task]) -> Iterator[tuple[Task, Outcome]]:
        """The tasks with their outcomes: first of those that are known."""
        self.keys += [task.key for task in tasks]
        known = self._store.known
        done, fresh = [task for task in tasks if task.key in known], [task for task in tasks if task.key not in known]
        yield from ((task, self._met(task, known[task.key])) for task in done)
        if fresh:
            self._store.asked(self.keys)
        for task, outcome in self._run(fresh) if fresh else ():
            self._store.put(task, outcome)
            self._fresh, self._looks = self._fresh + (not task.final), self._looks + task.final
            yield task, self._met(task, outcome)
            self._progress(self._now())

    def _met(self, task: Task, outcome: Outcome) -> Outcome:
        """Of a closer look the figures are others, and what they ruled out may come back."""
        before, self._seen[task.design.key] = self._seen.get(task.design.key), outcome
        looked = (*self._front, outcome) if before is None else self._seen.values()
        within = (each for each in looked if isinstance(each, Record) and is_within(self._problem, each))
        self._front = front_of(within, self._problem.objectives)
        return outcome

    def _now(self) -> Progress:
        """How far it is."""
        return Progress(
            done=len(self._seen),
            total=self._total,
            fresh=self._fresh,
            looks=self._looks,
            failed=sum(1 for each in self._seen.values() if not isinstance(each, Record)),
            seconds=monotonic() - self._begun,
            front=self._front,
        )
