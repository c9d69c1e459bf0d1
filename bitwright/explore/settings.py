# SPDX-License-Identifier: Apache-2.0
"""What a sweep is of, as JSON: the problem that is searched, beside what else decides what a point comes to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from typing import Any

from bitwright._version import __version__
from bitwright.explore.objectives import Objective, objective
from bitwright.explore.record import Record
from bitwright.explore.space import Axis, Space
from bitwright.explore.strategies import Problem

Settings = Mapping[str, Any]
"""What JSON can hold, by name."""
FOLDED = "folded"
"""The setting that is true where designs differ in their folding alone."""


def settings_of(problem: Problem, strategy: str, others: Settings) -> dict[str, Any]:
    """The settings of a sweep: `search`, how far it goes, may differ when it is gone on with.

    The version of bitwright is one of them, for another may make other designs of the same choices.
    """
    return {
        **others,
        "bitwright": __version__,
        "axes": [asdict(axis) for axis in problem.space.axes],
        "objectives": [asdict(each) for each in problem.objectives],
        "budget": dict(problem.budget),
        "seed": problem.seed,
        "search": {"strategy": strategy, "evaluations": problem.evaluations},
    }


def problem_in(settings: Settings) -> Problem:
    """The problem that these are the settings of, without its ledger."""
    axes = [Axis(**each | {name: tuple(each[name]) for name in ("values", "names")}) for each in settings["axes"]]
    return Problem(
        space=Space(tuple(axes)),
        objectives=tuple(Objective(**each) for each in settings["objectives"]),
        budget=settings["budget"],
        evaluations=settings["search"]["evaluations"],
        seed=settings["seed"],
    )


def is_affordable(problem: Problem, record: Record) -> bool:
    """Whether no figure but the score is over its budget: how good a design is shows when it is looked at closely."""
    score = problem.objectives[0].name
    limits = {name: limit for name, limit in problem.budget.items() if name != score}
    return is_within(replace(problem, budget=limits), record)


def is_within(problem: Problem, record: Record) -> bool:
    """Whether no figure is over its budget; BitwrightError for a budget of what is no objective."""
    asked = {each.name: each for each in problem.objectives}
    limits = ((asked.get(name) or objective(name), limit) for name, limit in problem.budget.items())
    return all(each.within(record.figures[each.name], limit) for each, limit in limits)
