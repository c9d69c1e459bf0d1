# SPDX-License-Identifier: Apache-2.0
"""NSGA-II and NSGA-III, by pymoo: populations that are sorted by who dominates whom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bitwright.explore.record import Outcome, Record
from bitwright.explore.space import Design
from bitwright.explore.strategies.archive import Archive, Floats, Places
from bitwright.explore.strategies.strategy import Problem
from bitwright.ir.errors import BitwrightError

POPULATION = 40
STALE = 20
"""Generations without a new design, after which the search is over."""
PARTITIONS = {1: 1, 2: POPULATION - 1, 3: 7, 4: 4, 5: 3}
"""Of each objective's range, so that NSGA-III has about as many directions as there are members."""
WORST = 1e30
"""The loss of a design that failed."""


class _Population:
    """A population of pymoo's, which begins with the uniform designs and some by chance."""

    def __init__(self, problem: Problem, algorithm: str) -> None:
        self._archive = Archive(problem)
        start = self._archive.uniforms()
        start += list(self._archive.draw(max(POPULATION - len(start), 0)))
        self._algorithm = _algorithm(problem, algorithm, np.array(start), self._archive)
        self._asked: Any = None
        self._told: dict[Places, Floats] = {}

    def ask(self) -> Sequence[Design]:
        """The next generation, as far as it is new."""
        for _ in range(STALE if self._archive.left > 0 else 0):
            self._asked = self._algorithm.ask()
            if self._asked is None:  # no child is new
                break
            members = [_places(each) for each in self._asked.get("X")]
            if designs := self._archive.propose(members):
                self._designs = designs
                return designs
            self._tell()
        return []

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """Who survives is decided by what was found."""
        self._archive.learn(outcomes)
        for design, outcome in zip(self._designs, outcomes, strict=True):
            worst = np.full(len(self._archive.figures), WORST)
            losses = self._archive.losses_of(outcome) if isinstance(outcome, Record) else worst
            self._told[self._archive.space.places(design)] = losses
        self._tell()

    def _tell(self) -> None:
        """Members that there is no room left to evaluate are as those that failed."""
        worst = np.full(len(self._archive.figures), WORST)
        losses = np.array([self._told.get(_places(each), worst) for each in self._asked.get("X")])
        self._asked.set("F", losses[:, : len(self._archive.problem.objectives)])
        self._asked.set("G", self._archive.excess(losses)[:, None])
        self._algorithm.tell(infills=self._asked)


class Nsga2(_Population):
    """A population of 40, sorted by fronts and then by how far members are apart, children by crossing and mutation.

    Deb, Pratap, Agarwal, Meyarivan: "A fast and elitist multiobjective genetic algorithm: NSGA-II", IEEE Transactions
    on Evolutionary Computation 6, 2002. Needs pymoo.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, "nsga2")


class Nsga3(_Population):
    """The same with members spread along directions, for more than two objectives.

    Deb, Jain: "An evolutionary many-objective optimization algorithm using reference-point-based nondominated sorting
    approach, part I", IEEE Transactions on Evolutionary Computation 18, 2014. Needs pymoo.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem, "nsga3")


def _places(row: Floats) -> Places:
    return tuple(int(each) for each in np.rint(row))


def _algorithm(problem: Problem, name: str, start: Any, archive: Archive) -> Any:
    """An algorithm of pymoo's, ready to be asked."""
    try:
        from pymoo.algorithms.moo.nsga2 import NSGA2
        from pymoo.algorithms.moo.nsga3 import NSGA3
        from pymoo.config import Config
        from pymoo.core.problem import Problem as Asked
        from pymoo.operators.crossover.sbx import SBX
        from pymoo.operators.mutation.pm import PM
        from pymoo.operators.repair.rounding import RoundingRepair
        from pymoo.util.ref_dirs import get_reference_directions
    except ImportError as error:
        raise BitwrightError(
            f"strategy '{name}' needs pymoo", where="explore", hint="pip install 'bitwright[explore]'"
        ) from error
    Config.warnings["not_compiled"] = False
    count = len(problem.objectives)
    asked = Asked(
        n_var=len(problem.space.axes),
        n_obj=count,
        n_ieq_constr=1,
        xl=np.zeros(len(problem.space.axes)),
        xu=np.array([len(axis.values) - 1 for axis in problem.space.axes], float),
        vtype=int,
    )
    operators: dict[str, Any] = {
        "pop_size": POPULATION,
        "sampling": start,
        "crossover": SBX(prob=0.9, eta=15, vtype=float, repair=RoundingRepair()),
        "mutation": PM(eta=20, vtype=float, repair=RoundingRepair()),
    }
    if name == "nsga3":
        directions = get_reference_directions("das-dennis", count, n_partitions=PARTITIONS.get(count, 2))
        algorithm = NSGA3(ref_dirs=directions, **operators)
    else:
        algorithm = NSGA2(**operators)
    algorithm.setup(asked, termination=("n_gen", 10**9), seed=problem.seed, verbose=False)
    return algorithm


STRATEGIES = {"nsga2": Nsga2, "nsga3": Nsga3}
