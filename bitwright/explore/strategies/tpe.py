# SPDX-License-Identifier: Apache-2.0
"""Tree-structured Parzen estimators, by optuna."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

from bitwright.explore.record import Outcome, Record
from bitwright.explore.space import Design
from bitwright.explore.strategies.archive import Archive, Places
from bitwright.explore.strategies.strategy import Problem
from bitwright.explore.strategies.surrogate import is_ordered
from bitwright.ir.errors import BitwrightError

BATCH = 16
"""Designs that are asked for at once."""
STALE = 20
"""Proposals for each of them, after which the search is over: all that it proposes is known."""
OVER = "over"
"""What a trial of optuna's keeps of the budget."""


class Tpe:
    """Designs that are likely under a density of good ones and unlikely under one of the rest, by optuna's sampler.

    Uniform designs come first. A proposal takes tens of milliseconds: for designs that take longer (Bergstra, Bardenet,
    Bengio, Kégl: "Algorithms for hyper-parameter optimization", NeurIPS 2011; Ozaki, Tanigaki, Watanabe, Nomura,
    Onishi: "Multiobjective tree-structured Parzen estimator", JAIR 73, 2022). PocketFlow puts it, or an agent, above
    pruning and quantisation, as a search over zeros and widths does here (Wu, Zhang, Bai, Zhong, Hou, Liu, Huang,
    Huang: "PocketFlow: an automated framework for compressing and accelerating deep neural networks", NeurIPS 2018
    workshop; R129). Needs optuna.
    """

    def __init__(self, problem: Problem) -> None:
        self._archive = Archive(problem)
        self._study, self._axes = _study(problem)
        for places in self._archive.uniforms():
            self._study.enqueue_trial(
                {name: place for (name, _), place in zip(self._axes.items(), places, strict=True)}
            )
        self._trials: list[Any] = []
        self._told: dict[Places, Outcome] = {}

    def ask(self) -> Sequence[Design]:
        """The next ones that are new; what is not is told again."""
        self._trials, fresh = [], dict[Places, None]()
        for _ in range(BATCH * STALE):
            if len(fresh) >= min(BATCH, self._archive.left):
                break
            trial = self._study.ask(self._axes)
            places = tuple(trial.params[name] for name in self._axes)
            if places in self._told:
                self._tell(trial, self._told[places])
            elif places not in fresh:
                fresh[places] = None
                self._trials.append(trial)
        return self._archive.propose(fresh)

    def tell(self, outcomes: Sequence[Outcome]) -> None:
        """What became of them."""
        self._archive.learn(outcomes)
        for trial, outcome in zip(self._trials, outcomes, strict=True):
            self._told[self._archive.space.places(outcome.design)] = outcome
            self._tell(trial, outcome)

    def _tell(self, trial: Any, outcome: Outcome) -> None:
        from optuna.trial import TrialState

        if not isinstance(outcome, Record):
            self._study.tell(trial, state=TrialState.FAIL)
            return
        losses = self._archive.losses_of(outcome)
        trial.set_user_attr(OVER, [float(over) for over in self._archive.excess(losses[None])])
        self._study.tell(trial, losses[: len(self._archive.problem.objectives)].tolist())


def _study(problem: Problem) -> tuple[Any, dict[str, Any]]:
    """A study of optuna's, and the places of each axis as it knows them."""
    try:
        import optuna
        from optuna.distributions import CategoricalDistribution, IntDistribution
    except ImportError as error:
        hint = "pip install 'bitwright[explore]'"
        raise BitwrightError("strategy 'tpe' needs optuna", where="explore", hint=hint) from error
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that several axes are sampled together is called an experiment
        sampler = optuna.samplers.TPESampler(
            seed=problem.seed,
            multivariate=True,
            constant_liar=True,
            constraints_func=lambda trial: trial.user_attrs.get(OVER, [0.0]),
        )
    study = optuna.create_study(directions=["minimize"] * len(problem.objectives), sampler=sampler)
    axes = {
        axis.name: IntDistribution(0, len(axis.values) - 1)
        if is_ordered(axis)
        else CategoricalDistribution(list(range(len(axis.values))))
        for axis in problem.space.axes
    }
    return study, axes


STRATEGIES = {"tpe": Tpe}
