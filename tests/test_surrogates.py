# SPDX-License-Identifier: Apache-2.0
"""Strategies of papers against all designs: greedy steps, evolution, networks and sparse sums that predict."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from math import exp

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import spearmanr

from bitwright.compress import float_net
from bitwright.compress.prune.channels import without
from bitwright.explore.additive import Additive, tied
from bitwright.explore.objectives import OBJECTIVES
from bitwright.explore.pareto import front_of, losses
from bitwright.explore.record import Outcome, Record
from bitwright.explore.space import Axis, Design, Space
from bitwright.explore.strategies import STRATEGIES, Problem
from bitwright.explore.strategies.archive import Archive
from bitwright.explore.strategies.bananas import MEMBERS, Ensemble, path
from bitwright.explore.strategies.conas import Sums, sparse, terms
from bitwright.explore.strategies.predicted import Predicted
from tests.compress.nets import graph, node, normal
from tests.synthetic import ASKED, Synthetic, searched

MADE = Synthetic()
Floats = NDArray[np.float64]


def problem(space: Space, evaluations: int, seed: int = 0, **others: object) -> Problem:
    return replace(Problem(space=space, objectives=ASKED, budget={}, evaluations=evaluations, seed=seed), **others)  # type: ignore[arg-type]


def records(outcomes: Sequence[Outcome]) -> list[Record]:
    return [each for each in outcomes if isinstance(each, Record)]


def places_of(space: Space, count: int, seed: int) -> NDArray[np.int64]:
    rng = np.random.default_rng(seed)
    return np.stack([rng.integers(len(axis.values), size=count) for axis in space.axes], axis=1)


def told(space: Space, places: NDArray[np.int64], **others: object) -> Archive:
    """An archive that was told of designs."""
    archive = Archive(problem(space, 10_000, **others))
    archive.learn([MADE.record(space.design(row)) for row in places])
    return archive


@pytest.mark.rows("R121")
def test_a_few_designs_make_the_table_a_predictor_that_ranks_all_others() -> None:
    """What the table is to the score is learned from 40 designs; evolution by it keeps to a budget and beats chance."""
    known, others = places_of(MADE.space, 40, 1), places_of(MADE.space, 300, 2)
    ledger = tied(MADE.space, MADE.ledger)
    archive = told(MADE.space, known)
    said = Predicted(archive, Additive(MADE.space, ledger))(others)[:, 0]
    found = [-MADE.record(MADE.space.design(row)).figures["accuracy"] for row in others]
    assert spearmanr(said, found).statistic > 0.8
    costs = [MADE.record(MADE.space.design(row)).figures["cost"] for row in others]
    budget = {"cost": float(np.quantile(costs, 0.2))}
    best = {}
    for name in ("evolve", "random"):
        asked = problem(MADE.space, 80, budget=budget, ledger=ledger)
        within = [
            each for each in records(searched(asked, name, MADE.record)) if each.figures["cost"] <= budget["cost"]
        ]
        best[name] = max(each.figures["accuracy"] for each in within)
    assert best["evolve"] > best["random"]


def five() -> Space:
    """4^5 designs: of five layers how many channels stay."""
    return Space(tuple(Axis(f"zeros of w{i}", "sparsity", (0.75, 0.5, 0.25, 0), (f"w{i}",)) for i in range(5)))


def pruned(design: Design) -> Record:
    """Layers of other sizes, which miss what goes more or less; each is read by the next, so that work is a product."""
    left = np.array([1 - float(value) for _, value in design.choices])
    work = float((np.array([3.0, 8.0, 8.0, 4.0]) * left[:-1] * left[1:]).sum())
    lost = float((np.array([1.0, 0.2, 0.7, 0.4, 0.1]) * (1 - left) ** 2).sum())
    return replace(
        MADE.record(next(MADE.space.designs())), design=design, figures={"accuracy": exp(-lost), "cost": work}
    )


@pytest.mark.rows("R122")
@pytest.mark.parametrize("seed", range(2))
def test_the_best_of_all_within_a_limit_of_work_is_found_by_breeding(seed: int) -> None:
    """Of 4^5 designs, from 120 that are looked at; no parent is beyond the limit as soon as one is within."""
    space, most = five(), 9.0
    every = list(map(pruned, space.designs()))
    best = max(each.figures["accuracy"] for each in every if each.figures["cost"] <= most)
    asked = problem(space, 120, seed, budget={"cost": most})
    search, kept = STRATEGIES["evolve"](asked), list[Record]()
    while designs := search.ask():
        search.tell(list(map(pruned, designs)))
        archive: Archive = search._archive  # type: ignore[attr-defined]
        kept = [pruned(space.design(archive.places[row])) for row in archive.best()]
        assert all(each.figures["cost"] <= most for each in kept)
    assert max(each.figures["accuracy"] for each in kept) == best


@pytest.mark.rows("R122")
def test_one_networks_weights_are_those_of_each_width_cut_to_size() -> None:
    """What stands for the weights that a network of its own would make: those there are, of the channels that stay."""
    weights = {"a": normal(6, 3, 1, 1), "b": normal(6), "w": normal(2, 6, 1, 1, seed=3)}
    nodes = [node("Conv", "x a b", "h"), node("Relu", "h", "r"), node("Conv", "r w", "y")]
    net = float_net(graph(nodes, weights, sample=[3, 4, 4]))
    for width in range(1, 7):
        kept = [np.arange(each.size) < width if each.size == 6 else np.ones(each.size, bool) for each in net.groups]
        cut = without(net, kept)
        np.testing.assert_array_equal(cut.constants["a"], net.constants["a"][:width])
        np.testing.assert_array_equal(cut.constants["w"], net.constants["w"][:, :width])


@pytest.mark.rows("R130")
def test_the_fittest_masks_are_bred_from_and_never_lost() -> None:
    """Ten units that stay or go: the best so far never falls, and ends at the best of all, above what chance finds."""
    space = Space(tuple(Axis(f"zeros of u{i}", "sparsity", (0.9, 0), (f"u{i}",)) for i in range(10)))
    worth = np.random.default_rng(3).normal(size=(10, 10))

    def fitness(design: Design) -> Record:
        mask = np.array([value == 0 for _, value in design.choices], float)
        return replace(
            MADE.record(next(MADE.space.designs())), design=design, figures={"accuracy": mask @ worth @ mask}
        )

    asked = problem(space, 120, objectives=(OBJECTIVES["accuracy"],))
    search, best = STRATEGIES["evolve"](asked), -np.inf
    while designs := search.ask():
        found = list(map(fitness, designs))
        search.tell(found)
        best = max(best, *(each.figures["accuracy"] for each in found))
        archive: Archive = search._archive  # type: ignore[attr-defined]
        assert [archive.losses[row][0] for row in archive.best()] == [-best], "the fittest of all is the next parent"
    every = max(fitness(each).figures["accuracy"] for each in space.designs())
    chance = max(each.figures["accuracy"] for each in records(searched(asked, "random", fitness)))
    assert best == every > chance


@pytest.mark.rows("R112")
@pytest.mark.parametrize("name", ["evolve", "nsga2"])
def test_of_zeros_and_widths_the_front_is_that_of_all_designs(name: str) -> None:
    """Three objectives of 225 designs, of which 180 are looked at: quality, bits and work."""
    if name == "nsga2":
        pytest.importorskip("pymoo")
    zeros = [Axis(f"zeros of w{i}", "sparsity", (0.9, 0.5, 0), (f"w{i}",)) for i in range(2)]
    widths = [Axis(f"weights of w{i}", "weights", (2, 3, 4, 6, 8), (f"w{i}",)) for i in range(2)]
    space = Space((*zeros, *widths))
    objectives = (OBJECTIVES["accuracy"], OBJECTIVES["weight_bits"], OBJECTIVES["cost"])

    def scored(design: Design) -> Record:
        gone, bits = np.array([float(value) for _, value in design.choices]).reshape(2, 2)
        error = float((np.array([0.6, 0.3]) * gone**3 + 4.0 * 4.0**-bits).sum())
        size = float((np.array([3.0, 5.0]) * bits).sum())
        figures = {"accuracy": round(1 - error, 2), "weight_bits": size, "cost": float(((1 - gone) * bits).sum())}
        return replace(MADE.record(next(MADE.space.designs())), design=design, figures=figures)

    wanted = {losses(each, objectives) for each in front_of(list(map(scored, space.designs())), objectives)}
    found = records(searched(problem(space, 180, objectives=objectives), name, scored))
    reached = {losses(each, objectives) for each in front_of(found, objectives)}
    if name == "evolve":
        assert reached == wanted
    assert len(reached & wanted) >= 0.8 * len(wanted)


@pytest.mark.rows("R123")
def test_the_slimmest_steps_are_those_that_lose_least_until_the_budget_is_met() -> None:
    """Held against a search of its own of all steps; again it is the same, and ends where the budget is met."""
    made = Synthetic(layers=3, off=0.0)
    space = made.space
    most = made.record(space.design([6] * 6)).figures["cost"] * 0.45
    asked = problem(space, 10_000, budget={"cost": most})
    found = records(searched(asked, "slim", made.record))
    assert [each.design for each in found] == [each.design for each in searched(asked, "slim", made.record)]
    at, trail = (6,) * 6, [(6,) * 6]
    while made.record(space.design(at)).figures["cost"] > most:
        steps = [(*at[:i], at[i] - 1, *at[i + 1 :]) for i in range(6) if at[i] > 0]
        trail += steps
        at = max(steps, key=lambda step: made.record(space.design(step)).figures["accuracy"])
    assert [space.places(each.design) for each in found] == list(dict.fromkeys(trail))
    assert found and made.record(space.design(at)).figures["cost"] <= most
    assert sum(each.figures["cost"] <= most for each in found) >= 1


@pytest.mark.rows("R125")
def test_different_designs_have_different_paths() -> None:
    space = five()
    every = path(space, np.array([space.places(each) for each in space.designs()]))
    assert every.shape == (1024, 20) and (every.sum(axis=1) == 5).all()
    assert len(np.unique(every, axis=0)) == space.size


@pytest.mark.rows("R125")
def test_an_ensemble_beats_chance_at_sixty_evaluations() -> None:
    """In the mean of ten seeds, by more than three standard errors."""
    space, best = five(), {name: list[float]() for name in ("bananas", "random")}
    objectives = (OBJECTIVES["accuracy"],)
    for seed in range(10):
        rng = np.random.default_rng(seed)
        alone, met = rng.normal(size=(5, 4)), rng.normal(size=(5, 4, 4))

        def scored(design: Design, alone: Floats = alone, met: Floats = met) -> Record:
            at = space.places(design)
            pairs = sum(met[i, at[i], at[(i + 1) % 5]] for i in range(5))
            figures = {"accuracy": float(alone[range(5), at].sum() + 0.5 * pairs)}
            return replace(MADE.record(next(MADE.space.designs())), design=design, figures=figures)

        asked = problem(space, 60, seed, objectives=objectives)
        for name, found in best.items():
            found.append(max(each.figures["accuracy"] for each in records(searched(asked, name, scored))))
    gained = np.array(best["bananas"]) - np.array(best["random"])
    assert gained.mean() > 3 * gained.std(ddof=1) / np.sqrt(10)


@pytest.mark.rows("R125")
def test_members_agree_on_what_was_measured_and_one_is_drawn_for_each_design() -> None:
    """Elsewhere they differ, and yet rank designs in the mean; the search hears one member or another."""
    known, others = places_of(MADE.space, 60, 1), places_of(MADE.space, 200, 2)
    opinions = {name: Ensemble(told(MADE.space, known)).opinions(some) for name, some in (("k", known), ("o", others))}
    apart = [float(each[:, :, 0].std(axis=0).mean()) for each in opinions.values()]
    assert len(opinions["k"]) == MEMBERS and apart[0] < apart[1]
    found = [-MADE.record(MADE.space.design(row)).figures["accuracy"] for row in others]
    assert spearmanr(opinions["o"][:, :, 0].mean(axis=0), found).statistic > 0.6
    drawn = Ensemble(told(MADE.space, known))(others)
    places = (drawn == opinions["o"]).argmax(axis=0)
    assert (drawn == np.take_along_axis(opinions["o"], places[None], axis=0)[0]).all()
    assert set(places.ravel()) == set(range(MEMBERS))


@pytest.mark.rows("R126")
@pytest.mark.parametrize("seed", range(5))
def test_five_terms_of_two_signs_are_found_by_two_hundred_designs(seed: int) -> None:
    """Of 30 axes of two values, so of 466 terms: places, signs and sizes come back, and the best design with them."""
    space = Space(tuple(Axis(f"a{i}", "per_channel", (False, True), (f"a{i}",)) for i in range(30)))
    rng = np.random.default_rng(seed)
    known = terms(space, places_of(space, 200, seed))
    assert known.shape == (200, 1 + 30 + 435)
    planted = np.zeros(known.shape[1])
    chosen = np.append(rng.choice(np.arange(1, 31), 2, replace=False), rng.choice(np.arange(31, 466), 3, replace=False))
    planted[chosen] = rng.choice((-1, 1), 5) * rng.uniform(0.5, 1.5, 5)
    found = sparse(known, known @ planted)
    assert set(np.flatnonzero(found)) == {0, *chosen}
    np.testing.assert_allclose(found, planted, atol=1e-3)
    others = terms(space, places_of(space, 5000, seed + 100))
    assert (others @ found).argmax() == (others @ planted).argmax()


@pytest.mark.rows("R126")
def test_a_sparse_sum_leads_to_better_designs_than_chance() -> None:
    asked = problem(MADE.space, 150, objectives=(OBJECTIVES["accuracy"],), budget={"cost": 8.0})
    found = {name: records(searched(asked, name, MADE.record)) for name in ("conas", "random")}
    best = {
        name: max((each.figures["accuracy"] for each in some if each.figures["cost"] <= 8.0), default=0.0)
        for name, some in found.items()
    }
    assert best["conas"] > best["random"]
    others = places_of(MADE.space, 300, 2)
    said = Sums(told(MADE.space, places_of(MADE.space, 60, 1)))(others)[:, 0]
    actual = [-MADE.record(MADE.space.design(row)).figures["accuracy"] for row in others]
    assert spearmanr(said, actual).statistic > 0.8
