# SPDX-License-Identifier: Apache-2.0
"""Agents that learn how to search: what they are rewarded with, that budgets are kept, and how near they come."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from math import exp, log
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bitwright as bw
from bitwright.compress.allocate import Ledger, Request, Term
from bitwright.compress.allocate.exact import integer_program
from bitwright.explore.additive import Additive, tied
from bitwright.explore.objectives import ACCURACY, OBJECTIVES
from bitwright.explore.record import Record, Score
from bitwright.explore.space import Axis, Design, Space
from bitwright.explore.strategies import STRATEGIES, Problem
from bitwright.explore.strategies.afford import Afford
from bitwright.explore.strategies.anneal import COLD, WARM, Anneal, chance
from bitwright.explore.strategies.archive import Archive
from bitwright.explore.strategies.ddpg import Ddpg, Step
from bitwright.explore.strategies.growing import RATE
from bitwright.explore.strategies.mnasnet import CLIP, EPOCHS, climb_clipped
from bitwright.explore.strategies.policy import Policy
from bitwright.explore.strategies.reward import (
    Worth,
    constrained,
    error_of,
    guaranteed,
    regained,
    soft_budget,
    traded,
)
from bitwright.explore.strategies.tabular import Tabular
from bitwright.planning.target import Target
from tests.synthetic import BITS, Synthetic, searched

DIGITS = Path(__file__).parents[1] / "examples" / "digits"


def separable(seed: int, layers: int = 3) -> tuple[Problem, Callable[[Design], Record], float]:
    """A problem whose errors add up, under a budget of the cost; what evaluates it; the most accuracy there is."""
    made = Synthetic(layers=layers, off=0.0, seed=seed)
    ledger = tied(made.space, made.ledger)
    low, high = (ledger.predict(dict.fromkeys(ledger.widths, place))["cost"] for place in (0, len(BITS) - 1))
    budget = {"cost": (low * high**2) ** (1 / 3)}
    asked = Problem(space=made.space, objectives=(ACCURACY,), budget=budget, evaluations=250, seed=seed, ledger=ledger)

    def evaluate(design: Design) -> Record:
        widths = {name[name.rindex(" ") + 1 :]: int(value) for name, value in design.choices}
        figures = made.ledger.predict(widths)
        return replace(made.record(design), figures={**figures, "accuracy": scored(figures["kl"])})

    best = integer_program(Request(ledger=ledger, least="kl", limits=budget))
    assert best is not None
    return asked, evaluate, scored(ledger.predict(best.widths)["kl"])


def scored(error: float) -> float:
    return 0.1 + 0.88 * exp(-2 * error)


def records_of(problem: Problem, name: str, evaluate: Callable[[Design], Record]) -> list[Record]:
    return [each for each in searched(problem, name, evaluate) if isinstance(each, Record)]


def bandit(seed: int) -> Ddpg:
    """An agent that has played 200 rounds: it sees a number, and the best thing to say is one that goes with that."""
    rng = np.random.default_rng(seed)
    agent = Ddpg(1, rng)
    for _ in range(200):
        state = rng.random(1)
        action = agent.act(state, 0.3)
        agent.keep([Step(state, action, -((action - 0.2 - 0.6 * state[0]) ** 2), None)])
        agent.learn(2)
    return agent


@pytest.mark.rows("R120")
def test_ddpg_learns_a_bandit_by_what_it_sees_and_the_same_again() -> None:
    states = np.linspace(0.1, 0.9, 5)[:, None]
    says = bandit(0).mean(states)
    assert np.abs(says - (0.2 + 0.6 * states[:, 0])).max() < 0.1
    assert np.array_equal(says, bandit(0).mean(states))
    assert not np.array_equal(says, bandit(1).mean(states))


@pytest.mark.rows("R120")
def test_ddpg_learns_to_steer() -> None:
    """A number that is pushed by at most one in each of many steps, and should be nought, cheaply: the law of Riccati.

    With x' = x + u and x^2 + u^2 / 2 a step, worth 0.9 of that a step later, the best is u = -k x.
    """
    rng, gamma, price = np.random.default_rng(0), 0.9, 0.5
    worth = 1.0
    for _ in range(100):
        gain = gamma * worth / (price + gamma * worth)
        worth = 1 + price * gain**2 + gamma * worth * (1 - gain) ** 2
    agent = Ddpg(1, rng, gamma)
    for _ in range(100):
        at, episode = float(rng.uniform(-1, 1)), list[Step]()
        for _ in range(8):
            action = agent.act(np.array([at]), 0.3)
            push = 2 * action - 1
            after = at + push
            episode.append(Step(np.array([at]), action, -(at**2 + price * push**2), np.array([after])))
            at = after
        agent.keep(episode)
        agent.learn(16)
    states = np.linspace(-0.8, 0.8, 9)
    pushes = 2 * agent.mean(states[:, None]) - 1
    assert np.abs(pushes + gain * states).mean() < 0.1
    assert abs(np.polyfit(states, pushes, 1)[0] + gain) < 0.1


def test_the_slopes_of_a_net_are_those_of_its_outputs() -> None:
    from bitwright.explore.strategies.ddpg import Net

    rng = np.random.default_rng(0)
    net, given = Net((3, 5, 4, 1), rng), rng.normal(size=(1, 3))
    _, slope = net.slopes(net.outputs(given), np.ones((1, 1)))
    for column, step in enumerate(np.eye(3) * 1e-6):
        rise = net.outputs(given + step)[-1] - net.outputs(given - step)[-1]
        assert abs(rise.item() / 2e-6 - slope[0, column]) < 1e-6


@pytest.mark.rows("R105")
def test_ten_thousand_actions_of_amc_by_chance_keep_the_budget() -> None:
    """Each is held to what fits with all that follow at their lowest, so that the design at the end fits."""
    asked, _, _ = separable(0, layers=1)
    agent = STRATEGIES["amc"](asked)
    model, rng = Additive(asked.space, asked.ledger), np.random.default_rng(0)  # type: ignore[arg-type]
    rows, low, high = [], *(float(model.figures(np.full((1, 2), place))["cost"][0]) for place in (0, 6))
    for _ in range(5000):
        limits = {"cost": rng.uniform(low, high)}
        before: tuple[int, ...] = ()
        for action in rng.random(2):
            before = (*before, agent._place(action, before, limits))  # type: ignore[attr-defined]
        rows.append((*before, limits["cost"]))
    found = np.array(rows)
    assert (model.figures(found[:, :2].astype(int))["cost"] <= found[:, 2]).all()
    assert len({row[:2] for row in rows}) > 40


@pytest.mark.rows("R105", "R106")
@pytest.mark.parametrize("name", ["amc", "haq"])
def test_agents_come_near_the_optimum_of_the_integer_program(name: str) -> None:
    """Within 2 % where errors add up, with nothing over the budget ever proposed."""
    asked, evaluate, best = separable(0)
    found = records_of(asked, name, evaluate)
    assert all(each.figures["cost"] <= asked.budget["cost"] for each in found)
    scores = [each.figures["accuracy"] for each in found]
    assert 0.98 * best <= max(scores) <= best + 1e-12
    assert np.mean(scores[-50:]) > np.mean(scores[10:60]), "it learns"


@pytest.mark.rows("R106")
def test_what_is_over_a_budget_is_lowered_in_turn_and_no_further_than_it_must() -> None:
    asked, _, _ = separable(1)
    afford, rng = Afford(Archive(asked)), np.random.default_rng(0)
    for _ in range(100):
        design = rng.integers(len(BITS), size=6)
        found = np.array(afford.lowered(tuple(map(int, design)), asked.budget))
        assert afford.fits(found[None], asked.budget)[0]
        taken = design - found
        if not taken.any():
            continue
        assert (found[taken < taken.max() - 1] == 0).all(), "a step an axis in turn"
        last = np.flatnonzero(taken == taken.max())[-1]
        found[last] += 1
        assert not afford.fits(found[None], asked.budget)[0], "one step less is over it"


@pytest.mark.rows("R106")
def test_other_hardware_gets_other_bits() -> None:
    """Two targets, in each of which another layer is dear: the bits for one cost more on the other."""
    asked, evaluate, _ = separable(0, layers=2)
    assert asked.ledger is not None
    names = [axis.name for axis in asked.space.axes]
    targets = []
    for dear in (0, 1):
        prices = [9.0 if at % 2 == dear else 1.0 for at in range(len(names))]
        terms = [
            Term((name,), {(place,): {"cost": price * place, "kl": 4.0**-place} for place in range(len(BITS))})
            for name, price in zip(names, prices, strict=True)
        ]
        targets.append(Ledger(asked.ledger.weights, asked.ledger.tensors, tuple(terms)))

    def policy(ledger: Ledger) -> dict[str, int]:
        def priced(design: Design) -> Record:
            places = dict(zip(names, asked.space.places(design), strict=True))
            figures = ledger.predict(places)
            return replace(evaluate(design), figures={**figures, "accuracy": scored(figures["kl"])})

        there = replace(asked, ledger=ledger, budget={"cost": 30.0}, evaluations=120)
        best = max(records_of(there, "haq", priced), key=lambda each: each.figures["accuracy"])
        return dict(zip(names, asked.space.places(best.design), strict=True))

    policies = list(map(policy, targets))
    for own, other in ((0, 1), (1, 0)):
        at_home = targets[own].predict(policies[own])
        assert at_home["cost"] <= 30 and at_home["cost"] < targets[other].predict(policies[own])["cost"]


@pytest.mark.rows("R127")
def test_twice_the_latency_is_worth_five_percent_of_the_score() -> None:
    assert soft_budget(0.75, {"latency": 78.0}, {"latency": 78.0}) == 0.75
    assert soft_budget(0.75, {"latency": 156.0}, {"latency": 78.0}) == pytest.approx(0.75 * 2**-0.07)
    assert 0.04 < 1 - 2**-0.07 < 0.055
    both = soft_budget(0.5, {"lut": 2.0, "cycles": 4.0}, {"lut": 1.0, "cycles": 1.0})
    assert both == pytest.approx(0.5 * 8**-0.07)
    hard = {"inside": 0.0, "beyond": -1.0}
    assert soft_budget(0.75, {"lut": 5.0}, {"lut": 10.0}, **hard) == 0.75
    assert soft_budget(0.75, {"lut": 20.0}, {"lut": 10.0}, **hard) == 0.375


def test_a_score_worse_than_a_guess_is_worth_nothing_whatever_it_costs() -> None:
    """As a number below zero, what is dearer would make it larger."""
    axis = Axis("a", "weights", (2, 4))
    problem = Problem(
        space=Space((axis,)), objectives=(ACCURACY, OBJECTIVES["lut"]), budget={"lut": 5.0}, evaluations=4
    )
    worth = Worth(Archive(problem))
    bad, good = (rated(problem.space.design((0,)), value) for value in (-0.5, 0.5))
    outcomes = [replace(each, figures={**each.figures, "lut": lut}) for each in (bad, good) for lut in (5.0, 10.0)]
    cheap_bad, dear_bad, cheap, dear = worth(outcomes)
    assert cheap_bad == dear_bad == 0 < dear < cheap == 0.5


@pytest.mark.rows("R105", "R106")
def test_rewards_in_closed_form() -> None:
    assert error_of(ACCURACY, 0.9) == pytest.approx(0.1)
    assert error_of(OBJECTIVES["lut"], 3.0) == 0.75
    assert error_of(replace(ACCURACY, unit="dB"), 20.0) == pytest.approx(0.01)
    assert constrained(0.25) == -0.25
    assert guaranteed(0.25, 99.0) == pytest.approx(-0.25 * log(100))
    assert regained(0.25, 0.05) == pytest.approx(-0.02)


def test_an_agent_searches_the_widths_of_a_network(tmp_path: Path) -> None:
    with np.load(DIGITS / "digits_data.npz") as file:
        data = {"calibration": file["calibration"][:32], "validation": file["x"][:64], "y_validation": file["y"][:64]}
    target, budget = Target(cycles=2000), {"weight_bits": 12_000.0}
    given: dict[str, Any] = {"per_layer": True, "weights": (2, 6), "activations": (6,), "target": target}
    given |= {"objectives": ("weight_bits",), "budget": budget, "evaluations": 8, "strategy": "amc"}
    swept = bw.explore.sweep(DIGITS / "digits_float.onnx", data, tmp_path / "s", **given)
    found = [each for each in swept.explored.outcomes if isinstance(each, Record)]
    assert len(found) == 5, "of the 16 designs those that keep the budget"
    assert all(each.figures["weight_bits"] <= 12_000 for each in found)


@pytest.mark.rows("R134")
def test_a_policy_finds_the_best_arm_of_each_bandit() -> None:
    rng, arms = np.random.default_rng(0), np.array([[0.1, 0.4, 0.8], [0.9, 0.2, 0.3]])
    policy = Policy([np.zeros(3), np.zeros(3)])
    for _ in range(150):
        drawn = np.array([policy.draw(rng) for _ in range(8)])
        worths = arms[[0, 1], drawn].sum(axis=1) + rng.normal(0, 0.1, 8)
        policy.climb(policy.gradient(drawn, worths - worths.mean()), 1.0)
    first, second = policy.chances()
    assert first[2] > 0.9 and second[0] > 0.9


@pytest.mark.rows("R134")
def test_a_baseline_makes_the_slope_vary_less_and_not_another() -> None:
    """Of 4,000 slopes by one draw each: the same mean, within what their spread allows, and less spread."""
    rng, arms = np.random.default_rng(0), np.array([0.6, 0.7, 0.8])
    policy = Policy([np.zeros(3)])
    drawn = np.array([policy.draw(rng) for _ in range(4000)])
    slopes = []
    for baseline in (0.0, arms.mean()):
        each = [policy.gradient(row[None], arms[row] - baseline)[0] for row in drawn]
        slopes.append(np.array(each))
    plain, less = slopes
    exact = (arms - arms.mean()) / 3
    assert np.abs(less.mean(axis=0) - exact).max() < 4 * less.std() / 4000**0.5
    assert np.abs(plain.mean(axis=0) - exact).max() < 4 * plain.std() / 4000**0.5
    assert less.var() < plain.var() / 20


@pytest.mark.rows("R134")
def test_reinforce_splits_its_choices_and_comes_near_the_optimum() -> None:
    asked, evaluate, best = separable(0)
    found = records_of(replace(asked, evaluations=400), "reinforce", evaluate)
    scores = [each.figures["accuracy"] for each in found if each.figures["cost"] <= asked.budget["cost"]]
    assert 0.96 * best <= max(scores) <= best + 1e-12
    kept = [each.figures["cost"] <= asked.budget["cost"] for each in found]
    assert sum(kept[49:99]) + 10 < sum(kept[-50:]), "it learns what is within the budget"
    mixed = [len({value for _, value in each.design.choices}) for each in found]
    assert max(mixed[:49]) == 2 < max(mixed[:70]) <= 4 < max(mixed), "weights, tensors; halves of them; then each"


@pytest.mark.rows("R127")
def test_mnasnet_goes_where_the_soft_budget_is_best() -> None:
    asked, evaluate, _ = separable(1, layers=2)
    found = records_of(asked, "mnasnet", evaluate)

    def worth(record: Record) -> float:
        return soft_budget(record.figures["accuracy"], record.figures, asked.budget)

    best = max(worth(evaluate(design)) for design in asked.space.designs())
    worths = [worth(each) for each in found]
    assert max(worths) >= 0.98 * best
    assert np.mean(worths[-50:]) > np.mean(worths[49:99])
    costs = [each.figures["cost"] / asked.budget["cost"] for each in found]
    assert min(costs) < 1 < max(costs), "the budget is soft"


@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_steps_of_mnasnet_end_where_a_chance_is_a_fifth_from_what_it_was(sign: float) -> None:
    """The first step of one design alone goes beyond that, and is the only one; small advantages take them all."""
    drawn, policies = np.array([[0, 1]]), [Policy([np.zeros(7), np.zeros(7)]) for _ in range(3)]
    clipped, once, small = policies
    before = clipped.likelihoods(drawn)
    climb_clipped(clipped, drawn, np.array([sign]))
    once.climb(once.gradient(drawn, np.array([sign])), RATE / EPOCHS)
    assert np.array_equal(clipped.likelihoods(drawn), once.likelihoods(drawn))
    assert abs(clipped.likelihoods(drawn) / before - 1) > CLIP
    climb_clipped(small, drawn, np.array([sign / 100]))
    assert small.likelihoods(drawn) / before - 1 == pytest.approx(sign * RATE / 100 * 2 * 6 / 7, rel=0.05)


@pytest.mark.rows("R128")
def test_annealing_takes_what_is_worse_by_the_rule_of_metropolis() -> None:
    assert chance(0.0, 0.1) == chance(0.3, 0.1) == 1
    assert chance(-0.1, 0.1) == exp(-1)
    assert chance(-0.2, 0.1) == exp(-2)
    asked, evaluate, _ = separable(0, layers=1)
    search = Anneal(asked)
    assert search.warmth == WARM
    search.tell([evaluate(design) for design in search.ask()])
    search.ask()
    done = 1 - (asked.evaluations - 62 - 8) / asked.evaluations
    assert done < 1 and WARM > search.warmth > COLD


@pytest.mark.rows("R128")
def test_annealing_finds_the_best_of_all_designs() -> None:
    """Of six axes of three values each, whose neighbours meet, in half of as many evaluations: nearly always."""
    assert sum(map(is_best_found, range(10))) >= 9


def is_best_found(seed: int) -> bool:
    rng = np.random.default_rng(seed)
    alone, met = rng.random((6, 3)), rng.random((5, 3, 3))
    space = Space(tuple(Axis(f"weights of w{at}", "weights", (2, 4, 8), (f"w{at}",)) for at in range(6)))

    def evaluate(design: Design) -> Record:
        places = space.places(design)
        errs = sum(alone[at, place] for at, place in enumerate(places))
        errs += sum(met[at, one, other] for at, (one, other) in enumerate(pairwise(places)))
        return rated(design, 1 - float(errs) / 11)

    asked = Problem(space=space, objectives=(ACCURACY,), budget={}, evaluations=365, seed=seed)
    best = max(evaluate(design).figures["accuracy"] for design in space.designs())
    return max(each.figures["accuracy"] for each in records_of(asked, "anneal", evaluate)) == best


@pytest.mark.rows("R132")
def test_a_table_of_values_finds_the_best_of_a_toy() -> None:
    """Of 27 designs, 18 of them evaluated; what it would do then is the best that there is."""
    errs = np.array([[0.3, 0.1, 0.2], [0.0, 0.2, 0.1], [0.2, 0.3, 0.05]])
    space = Space(tuple(Axis(f"weights of w{at}", "weights", (2, 4, 8), (f"w{at}",)) for at in range(3)))
    asked = Problem(space=space, objectives=(ACCURACY,), budget={}, evaluations=18)
    agent = Tabular(asked)
    while designs := agent.ask():
        agent.tell([rated(each, 1 - float(errs[[0, 1, 2], space.places(each)].sum())) for each in designs])
    assert agent.best() == (1, 0, 2)


@pytest.mark.rows("R132")
def test_who_stores_less_is_worth_more_at_equal_errors() -> None:
    assert traded(0.25, 0.5, 0.1) == pytest.approx(-0.3)
    assert traded(0.25, 0.25, 0.1) > traded(0.25, 0.5, 0.1) > traded(0.31, 0.0, 0.1)


@pytest.mark.rows("R132")
def test_a_table_of_values_keeps_what_it_stores_within_a_budget() -> None:
    asked, evaluate, best = separable(0)
    found = records_of(asked, "tabular", evaluate)
    assert len(found) == 250 and all(each.figures["cost"] <= asked.budget["cost"] for each in found)
    assert 0.95 * best <= max(each.figures["accuracy"] for each in found) <= best + 1e-12


@pytest.mark.rows("R133")
def test_a_pipeline_goes_from_how_it_is_made_to_zeros_to_bits() -> None:
    space = Space(
        (
            Axis("sparsity of w0", "sparsity", (0.75, 0.5, 0.0), ("w0",)),
            Axis("weights of w0", "weights", (2, 4, 8), ("w0",)),
            Axis("weights of w1", "weights", (2, 4, 8), ("w1",)),
            Axis("rounding", "rounding", ("nearest", "gptq", "adaround")),
        )
    )

    def evaluate(design: Design) -> Record:
        zeros, *bits, rounding = space.places(design)
        value = 0.2 * (rounding == 1) + 0.1 * (zeros == 1) + 0.3 - 0.05 * ((bits[0] - 1) ** 2 + (bits[1] - 2) ** 2)
        return rated(design, value)

    asked = Problem(space=space, objectives=(ACCURACY,), budget={}, evaluations=12)
    found = records_of(asked, "pipeline", evaluate)
    at = [space.places(each.design) for each in found]
    assert {places[:3] for places in at[:3]} == {(2, 2, 2)} and {places[3] for places in at[:3]} == {0, 1, 2}
    assert {places[1:] for places in at[3:5]} == {(2, 2, 1)} and {places[0] for places in at[3:5]} == {0, 1}
    assert {(places[0], places[3]) for places in at[5:]} == {(1, 1)} and len(set(at[5:])) == 7
    assert at[int(np.argmax([each.figures["accuracy"] for each in found]))] == (1, 1, 2, 1)


@pytest.mark.rows("R136")
def test_a_profile_has_a_design_for_every_limit_of_a_resource() -> None:
    """The best of those within a limit is near the exact one for it."""
    asked, evaluate, _ = separable(0)
    assert asked.ledger is not None
    found = records_of(replace(asked, budget={}, evaluations=40), "profile", evaluate)
    costs = [each.figures["cost"] for each in found]
    for limit in np.quantile(costs, (0.2, 0.5, 0.8)).tolist():
        exact = integer_program(Request(ledger=asked.ledger, least="kl", limits={"cost": limit}))
        assert exact is not None
        reached = max(each.figures["accuracy"] for each in found if each.figures["cost"] <= limit)
        assert reached >= 0.97 * scored(asked.ledger.predict(exact.widths)["kl"])


def rated(design: Design, value: float) -> Record:
    score = Score(value=value, low=value, high=value, samples=1, total=1)
    return Record(design=design, figures={"accuracy": value}, score=score)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("name", ["amc", "haq", "pipeline"])
def test_a_space_of_one_design_is_searched_without_a_warning(name: str) -> None:
    axes = (Axis("a", "weights", (4,)), Axis("b", "activations", (4,)))
    problem = Problem(space=Space(axes), objectives=(ACCURACY,), budget={}, evaluations=3, seed=0)
    (design,) = STRATEGIES[name](problem).ask()
    assert [value for _, value in design.choices] == [4, 4]
