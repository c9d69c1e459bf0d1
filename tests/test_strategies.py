# SPDX-License-Identifier: Apache-2.0
"""Search strategies: what each of them must do, and how good the default is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp

import pytest

from bitwright.explore.additive import tied
from bitwright.explore.hypervolume import hypervolume
from bitwright.explore.objectives import OBJECTIVES
from bitwright.explore.pareto import front_of, losses
from bitwright.explore.record import Failure, Outcome, Record
from bitwright.explore.space import Axis, Design, Space
from bitwright.explore.strategies import DEFAULT, STRATEGIES, Problem
from tests.synthetic import ASKED, Synthetic, searched

MADE = Synthetic()
SMALL = Space(
    (
        Axis("weights of w0", "weights", (2, 4, 8), ("w0",)),
        Axis("weights of w1", "weights", (2, 4), ("w1",)),
        Axis("rounding", "rounding", ("nearest", "gptq")),
    )
)
NEEDS = {"nsga2": "pymoo", "nsga3": "pymoo", "tpe": "optuna"}
GUIDED = ("bananas", "conas", "evolve", "nsga2", "nsga3", "tpe")
WALKS = ("netadapt", "slim")
"""Those that go from one design to the next, and end where they come to an end."""


@pytest.fixture(params=STRATEGIES)
def name(request: pytest.FixtureRequest) -> str:
    strategy: str = request.param
    if strategy in NEEDS:
        pytest.importorskip(NEEDS[strategy])
    return strategy


def problem(evaluations: int, seed: int = 0, made: Synthetic = MADE, **others: object) -> Problem:
    asked = Problem(
        space=made.space,
        objectives=ASKED,
        budget={},
        evaluations=evaluations,
        seed=seed,
        ledger=tied(made.space, made.ledger),
    )
    return replace(asked, **others)


def small(design: Design) -> Record:
    bits = [value for _, value in design.choices if isinstance(value, int)]
    better = 0.1 * (design["rounding"] == "gptq")
    found = MADE.record(next(MADE.space.designs()))
    figures = {"accuracy": 1 - 1 / sum(bits) + better, "cost": float(bits[0] + 3 * bits[1])}
    return replace(found, design=design, figures=figures)


def worth(outcomes: Sequence[Outcome], made: Synthetic = MADE) -> float:
    """The hypervolume up to the worst uniform designs."""
    records = [each for each in outcomes if isinstance(each, Record)]
    uniform = [losses(made.record(each), ASKED) for each in made.space.uniforms()]
    return hypervolume((losses(each, ASKED) for each in records), tuple(map(max, zip(*uniform, strict=True))))


def test_a_strategy_proposes_as_many_designs_as_it_may_and_the_same_again(name: str) -> None:
    found = searched(problem(90), name, MADE.record)
    assert len(found) == 90
    assert [each.design for each in found] == [each.design for each in searched(problem(90), name, MADE.record)]


def test_a_strategy_ends_when_the_space_does(name: str) -> None:
    asked, every = problem(100, space=SMALL, ledger=None), list(map(small, SMALL.designs()))
    found = [each for each in searched(asked, name, small) if isinstance(each, Record)]
    if name in (*NEEDS, *WALKS):
        assert 5 <= len(found) <= SMALL.size
        return
    assert len(found) == SMALL.size or name == "dominance"
    front, reached = ([losses(each, ASKED) for each in front_of(some, ASKED)] for some in (every, found))
    assert reached == front


def test_designs_that_fail_are_no_reason_to_stop(name: str) -> None:
    def some(design: Design) -> Outcome:
        if sum(value for _, value in design.choices if isinstance(value, int)) % 2:
            return Failure(design=design, kind="refused", what="w", where="x", hint="h")
        return MADE.record(design)

    assert len(searched(problem(80), name, some)) == 80


def test_where_all_designs_fail_the_search_ends(name: str) -> None:
    def none(design: Design) -> Outcome:
        return Failure(design=design, kind="died", what="w", where="x", hint="h")

    assert (1 if name in WALKS else 35) <= len(searched(problem(80), name, none)) <= 80


@pytest.mark.parametrize("name", GUIDED)
def test_uniform_designs_come_first(name: str) -> None:
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    uniforms = list(MADE.space.uniforms())
    found = [each.design for each in searched(problem(200), name, MADE.record)]
    assert found[: len(uniforms)] == uniforms


@pytest.mark.parametrize("name", GUIDED)
def test_a_budget_is_kept_to(name: str) -> None:
    """Far below all uniform designs but the narrowest, and of a figure that is no objective."""
    if name in NEEDS:
        pytest.importorskip(NEEDS[name])
    objectives = (OBJECTIVES["accuracy"], OBJECTIVES["weight_bits"])

    def weighed(design: Design) -> Record:
        bits = sum(value for name, value in design.choices if name.startswith("weights") and isinstance(value, int))
        found = MADE.record(design)
        return replace(found, figures={**found.figures, "weight_bits": float(bits)})

    costs = sorted(weighed(each).figures["cost"] for each in MADE.space.uniforms())
    asked = problem(160, objectives=objectives, budget={"cost": costs[0] * 1.2, "accuracy": 0.2}, ledger=None)
    found = [each for each in searched(asked, name, weighed) if isinstance(each, Record)]
    kept = [each for each in found if each.figures["cost"] <= costs[0] * 1.2 and each.figures["accuracy"] >= 0.2]
    assert len(kept) >= (1 if name in NEEDS else 20)
    by_chance = [each for each in searched(asked, "random", weighed) if isinstance(each, Record)]
    assert not any(each.figures["cost"] <= costs[0] * 1.2 for each in by_chance)


@pytest.mark.parametrize("seed", range(3))
def test_the_default_reaches_in_a_quarter_of_its_evaluations_what_nsga2_ends_with(seed: int) -> None:
    pytest.importorskip("pymoo")
    made = Synthetic(seed=seed)
    ours = worth(searched(problem(200, seed, made), DEFAULT, made.record), made)
    theirs = worth(searched(problem(800, seed, made), "nsga2", made.record), made)
    assert ours >= theirs


def test_the_default_needs_no_table() -> None:
    without = worth(searched(problem(120, ledger=None), "evolve", MADE.record))
    assert worth(searched(problem(800), "random", MADE.record)) < without


@pytest.mark.rows("R110")
def test_what_is_left_out_by_order_was_not_on_the_front() -> None:
    """Of all designs of four axes of four places; more of an axis scores no less, and costs no less."""
    made = Synthetic(layers=2, off=0.0)
    space = Space(tuple(replace(axis, values=(2, 3, 5, 8)) for axis in made.space.axes))

    def monotone(design: Design) -> Record:
        widths = {name[name.rindex(" ") + 1 :]: int(value) for name, value in design.choices}
        figures = made.ledger.predict(widths)
        return replace(
            made.record(design), figures={"accuracy": round(exp(-figures["kl"]), 2), "cost": figures["cost"]}
        )

    every = list(map(monotone, space.designs()))
    found = searched(problem(1000, space=space, ledger=None), "dominance", monotone)
    records = [each for each in found if isinstance(each, Record)]
    fronts = [[losses(each, ASKED) for each in front_of(some, ASKED)] for some in (every, records)]
    assert fronts[0] == fronts[1]
    assert len(records) < len(every) / 2


def test_steps_are_of_the_axis_that_loses_least_for_what_it_saves() -> None:
    """One layer has a weight that errs a thousand times less than its tensor: it is narrowed to its end first."""
    made = Synthetic(layers=1, off=0.0)

    def evaluate(design: Design) -> Record:
        weights, tensors = (int(value) for _, value in design.choices)
        figures = {"accuracy": 1 - 0.001 * (8 - weights) - (8 - tensors), "cost": float(weights + tensors)}
        return replace(made.record(design), figures=figures)

    found = searched(problem(100, made=made), "netadapt", evaluate)
    trail = [tuple(value for _, value in each.design.choices) for each in found]
    assert trail[0] == (8, 8)
    assert trail[1:12:2] == [(7, 8), (6, 8), (5, 8), (4, 8), (3, 8), (2, 8)]
    assert trail[-1] == (2, 2)
