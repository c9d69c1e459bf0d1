# SPDX-License-Identifier: Apache-2.0
"""Odds of widths that are learnt: mixtures against the networks they are of, costs in closed form, and the answers."""

from __future__ import annotations

from itertools import product
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bitwright as bw
from bitwright.compress.allocate import ALLOCATORS, Ledger, Request, Widths
from bitwright.explore import Tabled, allocate, table
from tests.compress.nets import graph, node, normal
from tests.compress.test_allocate import designs, drawn
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch.mixed import Drawn, Mixed, Summed, expected, learnt  # noqa: E402

pytestmark = needs_package("torch")
DIGITS = Path(__file__).parents[3] / "examples" / "digits"
X = normal(200, 6, seed=3)
WAYS = {"dnas": Drawn(), "darc": Summed()}


def linear(*, exact: bool = False) -> Tabled:
    """Three layers of unlike sizes, each of 2, 3 or 5 bits; if `exact`, these are all the same codes."""
    shapes = {"a": (12, 6), "b": (10, 12), "c": (3, 10)}
    weights = {name: normal(*shape, seed=seed) for seed, (name, shape) in enumerate(shapes.items())}
    if exact:
        weights = {name: np.sign(array).astype(np.float32) for name, array in weights.items()}
    nodes = [node("Gemm", f"{i} {w}", o, transB=1) for i, w, o in (("x", "a", "p"), ("p", "b", "q"), ("q", "c", "y"))]
    asked = {"rounding": "nearest", "correct": "none", "range": "max" if exact else "mse"}
    return table(graph(nodes, weights, sample=[6]), X, bits=(2, 3, 5), activation_bits=(8,), error="noise", **asked)  # type: ignore[arg-type]


def asked(found: Tabled, bits: float) -> Request:
    known = {"error": found.error, "errs": found.errs, "sensing": found.sensing}
    return Request(ledger=found.table, least=found.error, limits={"weight_bits": bits}, **known)  # type: ignore[arg-type]


def one_of(widths: Widths, ledger: Ledger) -> dict[str, Any]:
    return {name: torch.eye(len(few))[few.index(widths[name])] for name, few in ledger.widths.items()}


@pytest.mark.rows("R117")
@pytest.mark.parametrize("seed", range(3))
def test_what_is_expected_is_the_sum_of_costs_by_their_odds(seed: int) -> None:
    ledger, draw = drawn(seed), torch.Generator().manual_seed(seed)
    shares = {name: torch.randn(len(few), generator=draw).softmax(0) for name, few in ledger.widths.items()}
    odds = [
        (prod(float(shares[name][few.index(widths[name])]) for name, few in ledger.widths.items()), widths)
        for widths in designs(ledger)
    ]
    wanted = sum(odd * ledger.predict(widths)["lut"] for odd, widths in odds)
    assert float(expected(ledger, "lut", shares)) == pytest.approx(wanted, rel=1e-5)
    for widths in list(designs(ledger))[::7]:
        of_one = float(expected(ledger, "lut", one_of(widths, ledger)))
        assert of_one == pytest.approx(ledger.predict(widths)["lut"], rel=1e-5)


@pytest.mark.rows("R119")
def test_the_slope_of_the_cost_is_what_costs_differ_by() -> None:
    ledger = drawn(1)
    logits = {name: torch.linspace(-1, 1, len(few), requires_grad=True) for name, few in ledger.widths.items()}

    def cost(moved: str = "", place: int = 0, by: float = 0.0) -> Any:
        step = {name: torch.zeros(len(each)) for name, each in logits.items()}
        if moved:
            step[moved][place] = by
        return expected(ledger, "lut", {name: (each + step[name]).softmax(0) for name, each in logits.items()})

    torch.autograd.backward(cost())
    for name, each in logits.items():
        assert each.grad is not None
        slopes = [float((cost(name, i, 0.01) - cost(name, i, -0.01)).detach()) / 0.02 for i in range(len(each))]
        np.testing.assert_allclose(each.grad.numpy(), slopes, atol=2e-3)


@pytest.mark.rows("R119")
def test_a_mixture_of_one_is_that_network() -> None:
    with np.load(DIGITS / "digits_data.npz") as file:
        data = dict(file)
    held, bits_of = data["x"][:32], {"rounding": "nearest", "correct": "none"}
    found = table(DIGITS / "digits_float.onnx", data["calibration"], validation=held, bits=(2, 4), **bits_of)  # type: ignore[arg-type]
    module = Mixed(found.sensing).eval()
    for bits in (2, 4):
        widths = found.table.uniform(bits, bits)
        module.shares = one_of(widths, found.table)
        made = module(torch.tensor(held)).detach().numpy()
        np.testing.assert_allclose(made, bw.run(found.state(widths).graph(), held), rtol=1e-4, atol=1e-3)


@pytest.mark.rows("R119")
@pytest.mark.parametrize("method", WAYS)
def test_what_is_cheap_is_picked_where_nothing_is_lost(method: str) -> None:
    """Codes that are the same at all widths: of as many bits as may be, the fewest are by far the likeliest."""
    found = linear(exact=True)
    assert found.errs(found.table.uniform(2, 8)) == pytest.approx(found.errs(found.table.uniform(5, 8)), rel=1e-5)
    odds = learnt(asked(found, 2.0 * (72 + 120 + 30)), WAYS[method])
    assert all(np.exp(odds[name][2]) > 0.95 for name in "abc")


@pytest.mark.rows("R117")
@pytest.mark.parametrize(("mean", "better"), [(2.2, 0), (2.5, 0), (3.0, 0), (3.5, 2), (4.0, 0)])
def test_three_layers_of_three_widths_come_to_the_best_of_all(mean: float, better: int) -> None:
    """Or near it, of the twenty that are within that limit."""
    found = linear()
    limit = mean * (72 + 120 + 30)
    errors = {
        key: found.errs(dict(zip(found.table.widths, (*key, *[8] * len(found.table.tensors)), strict=True)))
        for key in product((2, 3, 5), repeat=3)
        if key[0] * 72 + key[1] * 120 + key[2] * 30 <= limit
    }
    answer = ALLOCATORS["dnas"](asked(found, limit))
    assert answer is not None
    assert sorted(errors, key=errors.__getitem__).index(tuple(answer.widths[name] for name in "abc")) == better


@pytest.mark.rows("R117", "R119")
@pytest.mark.parametrize("method", WAYS)
def test_on_digits_what_is_learnt_is_better_than_one_width_at_its_cost(method: str) -> None:
    with np.load(DIGITS / "digits_data.npz") as file:
        data = dict(file)
    found = table(
        DIGITS / "digits_float.onnx", data["calibration"], validation=data["x"][:200], bits=(2, 3, 4), cycles=500
    )
    uniform = found.measured(found.table.uniform(3, 3))
    best = allocate(found, {"lut": uniform["lut"]}, method=method)
    assert best.best.measured["lut"] <= uniform["lut"]
    learnt = [each.measured["kl"] for each in best.candidates if each.label.startswith(method) and each.within]
    assert min(learnt) < uniform["kl"]
