# SPDX-License-Identifier: Apache-2.0
"""The certificate of a sweep: designs that are proved best at a ladder of budgets, by the table that the search had."""

from __future__ import annotations

from collections.abc import Iterator
from json import dumps
from typing import Any

from bitwright.explore.additive import Additive
from bitwright.explore.certificate import ladder
from bitwright.explore.explored import Proven
from bitwright.explore.strategies import Problem

VERSION = 1
"""Of `certificate.json`."""
STEPS = 16
"""Budgets of each cost."""


def certificate(problem: Problem) -> bytes:
    """What is proved of a problem, as JSON that `proven` reads."""
    proofs = [] if problem.ledger is None else list(_proofs(problem, Additive(problem.space, problem.ledger)))
    return (dumps({"version": VERSION, "proofs": proofs}, indent=1) + "\n").encode()


def proven(said: dict[str, Any]) -> tuple[Proven, ...]:
    """What a certificate says."""
    return tuple(Proven(**each) for each in said["proofs"])


def _proofs(problem: Problem, model: Additive) -> Iterator[dict[str, Any]]:
    """For each objective that adds up; axes that the table does not know are at their last values."""
    others = [len(axis.values) - 1 for axis in problem.space.axes]
    costs = [each.name for each in problem.objectives[1:] if each.name in model.kinds]
    for cost in costs if model.error else ():
        for proof in ladder(model, cost, STEPS):
            design = problem.space.design(model.places(proof.places, others))
            figures = {"cost": cost, "budget": proof.budget, "takes": proof.figures[cost]}
            errs = {"error": model.error, "errs": proof.figures[model.error], "gap": float(proof.certificate["gap"])}
            yield {"key": design.key, **figures, **errs, "proved": proof.proved}
