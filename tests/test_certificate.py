# SPDX-License-Identifier: Apache-2.0
"""The table in terms of a space, and the designs that it proves to be best."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from bitwright.compress.allocate import Ledger, Term
from bitwright.explore.additive import Additive, tied
from bitwright.explore.certificate import ladder
from bitwright.explore.space import Axis, Space
from bitwright.explore.strategies.archive import is_front
from tests.synthetic import BITS, Synthetic

MADE = Synthetic(layers=2)


def everything(model: Additive) -> np.ndarray:
    return np.array([model.space.places(each) for each in model.space.designs()])


def test_figures_are_those_of_the_ledger() -> None:
    model = Additive(MADE.space, tied(MADE.space, MADE.ledger))
    places = np.random.default_rng(0).integers(0, len(BITS), (20, 4))
    found = model.figures(places)
    for row, each in enumerate(places):
        widths = dict(zip(("w0", "w1", "t0", "t1"), (BITS[place] for place in each), strict=True))
        for kind, amount in MADE.ledger.predict(widths).items():
            assert found[kind][row] == pytest.approx(amount, rel=1e-12)


def test_names_share_axes_and_what_has_none_is_as_wide_as_can_be() -> None:
    """Of four names two share an axis, one has widths that the ledger has not, one has no axis."""
    space = Space(
        (
            Axis("rounding", "rounding", ("nearest", "gptq")),
            Axis("weights", "weights", (2, 3, 5)),
            Axis("activations of t1", "activations", (1, 4, 9), ("t1",)),
        )
    )
    model = Additive(space, tied(space, MADE.ledger))
    assert model.error == "kl"
    assert set(model.ledger.widths) == {"weights", "activations of t1"}
    found = model.figures(np.array([(0, 2, 0), (1, 2, 2)]))
    for row, t1 in enumerate((2, 8)):
        wanted = MADE.ledger.predict({"w0": 5, "w1": 5, "t0": 8, "t1": t1})
        assert {kind: found[kind][row] for kind in wanted} == pytest.approx(wanted)
    assert model.places({"weights": 1, "activations of t1": 2}, (1, 0, 0)) == (1, 1, 2)


@pytest.mark.parametrize("seed", range(3))
def test_what_is_proved_is_on_the_front_of_all_designs(seed: int) -> None:
    made = Synthetic(layers=2, seed=seed)
    model = Additive(made.space, tied(made.space, made.ledger))
    every = everything(model)
    figures = model.figures(every)
    losses = np.stack([figures["kl"], figures["cost"]], axis=1)
    front = {tuple(each) for each in every[is_front(losses)]}
    proofs = list(ladder(model, "cost", 12))
    assert len(proofs) >= 8
    assert all(proof.proved for proof in proofs)
    assert {model.places(proof.places, (0,) * 4) for proof in proofs} <= front
    costs = [proof.figures["cost"] for proof in proofs]
    assert costs == sorted(costs)
    assert costs[0] == pytest.approx(losses[:, 1].min())


def test_what_the_solver_did_not_close_is_not_proved() -> None:
    model = Additive(MADE.space, tied(MADE.space, MADE.ledger))
    proof = next(ladder(model, "cost", 2))
    assert proof.proved
    assert not replace(proof, certificate={**proof.certificate, "gap": 0.01}).proved


def test_a_ladder_of_designs_that_cost_the_same_has_one_rung() -> None:
    ledger = Ledger(
        {"w0": (2, 8)}, {}, (Term(("w0",), {(2,): {"kl": 1.0, "cost": 3.0}, (8,): {"kl": 0.0, "cost": 3.0}}),)
    )
    space = Space((Axis("weights", "weights", (2, 8)),))
    model = Additive(space, tied(space, ledger))
    assert [dict(proof.places) for proof in ladder(model, "cost", 5)] == [{"weights": 1}]
