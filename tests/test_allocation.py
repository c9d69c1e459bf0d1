# SPDX-License-Identifier: Apache-2.0
"""Widths by budget: prediction and compiled design, never dearer than uniform, one message for what cannot be."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import calibrate, quantised
from bitwright.compress.allocate import ALLOCATOR, ALLOCATORS, SENSITIVITIES, Impossible, Request
from bitwright.compress.allocate.bilinear import fitted
from bitwright.explore import Allocation, Tabled, allocate, table
from bitwright.explore.pricing import price_of, priced
from bitwright.ir.errors import BitwrightError
from bitwright.planning.target import Target

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
MODEL = DIGITS / "digits_float.onnx"


@pytest.fixture(scope="module")
def data() -> Mapping[str, NDArray[Any]]:
    with np.load(DIGITS / "digits_data.npz") as file:
        return dict(file)


@pytest.fixture(scope="module")
def found(data: Mapping[str, NDArray[Any]]) -> Tabled:
    return table(MODEL, data["calibration"], validation=data["x"][:200], bits=(2, 3, 4, 6), cycles=500)


def test_the_sum_of_the_table_is_the_compiled_design(found: Tabled) -> None:
    rng = np.random.default_rng(0)
    off = []
    for _ in range(4):
        widths = {name: int(rng.choice(offered)) for name, offered in found.table.widths.items()}
        measured = found.measured(widths)
        predicted = found.table.predict(widths)
        off.append([predicted[kind] / measured[kind] - 1 for kind in ("lut", "cost")])
    assert np.median(np.abs(off), axis=0).max() < 0.05


def test_figures_are_those_of_quantize_and_compile(found: Tabled, data: Mapping[str, NDArray[Any]]) -> None:
    measured = found.measured(found.table.uniform(3, 4))
    state = quantised(calibrate(MODEL, [data["calibration"]]), weights=3, activations=4)
    price = priced(price_of(state.graph(), Target(cycles=500)))
    assert {kind: measured[kind] for kind in price} == price
    assert found.state(found.table.uniform(3, 4)) == state


@pytest.mark.parametrize(("label", "method"), [("w2a3", "ilp"), ("w3a3", "ilp"), ("w4a4", "ilp"), ("w3a3", "greedy")])
def test_no_answer_is_dearer_than_uniform_at_equal_divergence(found: Tabled, label: str, method: str) -> None:
    uniform = found.measured(found.table.uniforms()[label])
    best = allocate(found, {"kl": uniform["kl"]}, method=method)
    check(best)
    assert best.least == "cost"
    assert best.best.measured["kl"] <= uniform["kl"]
    assert best.best.measured["cost"] <= uniform["cost"]


def test_beside_a_design_a_single_step_is_as_measured(found: Tabled) -> None:
    widths = found.table.uniform(3, 6)
    ledger = found.around(widths)
    assert set(ledger.weights.values()) == {(2, 3, 4)} and set(ledger.tensors.values()) == {(4, 6)}
    assert ledger.predict(widths)["kl"] == found.errs(widths)
    for name, offered in ledger.widths.items():
        step = {**widths, name: offered[0]}
        said = ledger.predict(step)
        assert said["kl"] == pytest.approx(found.errs(step))
        assert said["lut"] == pytest.approx(found.table.predict(step)["lut"]), "prices are as they were"


def test_steps_may_be_measured(found: Tabled) -> None:
    limits = {"lut": found.measured(found.table.uniform(3, 3))["lut"]}
    best = allocate(found, limits, method="netadapt")
    check(best)
    assert best.certificate["steps"] > 5 and best.certificate["measured"] > 20
    assert best.best.measured["kl"] <= found.measured(found.table.uniform(3, 3))["kl"]


@pytest.mark.rows("R111")
def test_what_layers_take_is_nearly_a_sum_of_products_of_widths(found: Tabled) -> None:
    """Of mixed designs by the table, and of the grid of sixteen that were compiled for it; multipliers keep a limit."""
    assert all(fitted(found.table, kind).fits > 0.98 for kind in ("lut", "bops", "weight_bits"))
    model, grid = fitted(found.table, "lut"), list(found.table.uniforms().values())
    taken = np.array([found.table.predict(each)["lut"] for each in grid])
    left = taken - np.array(list(map(model, grid)))
    assert len(grid) == 16 and 1 - np.square(left).sum() / np.square(taken - taken.mean()).sum() > 0.98
    limits = {"lut": found.measured(found.table.uniform(3, 3))["lut"]}
    best = allocate(found, limits, method="ecc")
    check(best)
    assert best.best.measured["lut"] <= limits["lut"] and best.certificate["fit"] > 0.98
    assert best.best.measured["kl"] <= found.measured(found.table.uniform(3, 3))["kl"]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"method": "milp"}, f"allocate: no method 'milp'\n  hint: choose {' or '.join(ALLOCATORS)}"),
        (
            {"budget": {"noise": 0.1}},
            "budget: errors are measured as kl, not as noise\n  hint: limit kl, or make a table whose error is noise",
        ),
    ],
)
def test_what_is_not_offered_is_named(found: Tabled, asked: dict[str, Any], message: str) -> None:
    with pytest.raises(BitwrightError) as refusal:
        allocate(found, **{"budget": {"lut": 5000.0}, **asked})
    assert str(refusal.value) == message


@pytest.mark.rows("R166")
@pytest.mark.parametrize(("menu", "weights", "tensors"), [("turing", {1, 4, 8}, {4, 8}), ("2,4", {2, 4}, {2, 4})])
def test_no_design_leaves_the_widths_that_hardware_has(
    data: Mapping[str, NDArray[Any]], menu: str, weights: set[int], tensors: set[int]
) -> None:
    """Neither the answer nor any candidate, whoever chooses; and what a menu has is chosen from."""
    found = table(MODEL, data["calibration"][:32], bits=menu, cycles=500, rounding="nearest", correct="none")
    acts = set(found.choices.acts)
    for method in ("ilp", "greedy", "ecc"):
        budget = {"weight_bits": found.table.predict(found.table.uniform(4, 4))["weight_bits"] * 0.9}
        for candidate in allocate(found, budget, method=method).candidates:
            for name, bits in candidate.widths.items():
                assert bits in (tensors if name in acts else weights), name
    offered = found.table.widths
    assert all(set(offered[name]) == (tensors if name in acts else weights) for name in offered)


def test_widths_that_nothing_can_have_are_said(data: Mapping[str, NDArray[Any]]) -> None:
    with pytest.raises(BitwrightError) as error:
        table(MODEL, data["calibration"][:8], bits="1")
    assert str(error.value) == (
        "widths: none of 1 is a width of activations of at most 16 bits\n  hint: allow others, or wider activations"
    )


def test_no_sensitivity_but_those_that_are_offered(data: Mapping[str, NDArray[Any]]) -> None:
    with pytest.raises(BitwrightError) as refusal:
        table(MODEL, data["calibration"], sensitivity="trace")
    known = " or ".join(SENSITIVITIES)
    assert str(refusal.value) == f"allocate: no sensitivity 'trace'\n  hint: choose {known}"


@pytest.mark.parametrize("label", ["w2a3", "w4a4"])
def test_no_uniform_design_within_the_budget_errs_less(found: Tabled, label: str) -> None:
    uniform = found.measured(found.table.uniforms()[label])
    best = allocate(found, {"lut": uniform["lut"], "cost": uniform["cost"]})
    check(best)
    assert best.least == "kl"
    assert best.best.measured["lut"] <= uniform["lut"]
    assert best.best.measured["kl"] <= uniform["kl"]


def check(best: Allocation) -> None:
    """What is chosen is within the budget, and the best of what is; the network is that of its widths."""
    within = [each for each in best.candidates if each.within]
    assert best.best in within
    assert min(each.measured[best.least] for each in within) == best.best.measured[best.least]
    for each in best.candidates:
        assert each.within == all(each.measured[kind] <= most for kind, most in best.budget.items())
    assert any(each.label.startswith("w") for each in best.candidates), "a uniform design"
    bits = {name: bases[0].type for name, bases in best.state.weights.items()}
    assert all(kind.bits <= best.widths[name] for name, kind in bits.items())  # type: ignore[union-attr]


def test_the_solver_says_nothing_on_stdout(found: Tabled, capfd: pytest.CaptureFixture[str]) -> None:
    """HiGHS prints where it repairs an answer of which some columns are no integers: `--json` is alone there."""
    low, high = (found.table.predict(found.table.uniform(bits, bits))["lut"] for bits in (2, 6))
    for most in np.linspace(low * 1.001, high, 20):
        ALLOCATORS[ALLOCATOR](Request(ledger=found.table, least="kl", limits={"lut": float(most)}))
    assert capfd.readouterr() == ("", "")


def test_traces_stand_for_measured_weights(data: Mapping[str, NDArray[Any]]) -> None:
    pytest.importorskip("torch")
    asked: dict[str, Any] = {"bits": (3, 6), "cycles": 500}
    one, other = (
        table(MODEL, data["calibration"], sensitivity=name, **asked) for name in ("one-by-one", "hessian-trace")
    )
    terms = [{term.names: term for term in each.table.terms} for each in (one, other)]
    names = list(one.table.weights)
    brought = [[by[(name,)].at({name: 3})["kl"] for name in names] for by in terms]
    assert np.corrcoef(np.log(np.array(brought) + 1e-9))[0, 1] > 0.5, "they rank the layers alike"
    tensor = next(iter(one.table.tensors))
    assert terms[0][(tensor,)].at({tensor: 3}) == terms[1][(tensor,)].at({tensor: 3})


def test_a_rule_leaves_no_choice(data: Mapping[str, NDArray[Any]]) -> None:
    net = calibrate(MODEL, [data["calibration"]])
    first = net.net.layers[0]
    rules = {first.weight: {"weights": 5}, "*": {"activations": 4}}
    found = table(net, bits=(3, 4), config=rules, cycles=500)
    assert found.table.weights == {name: ((5,) if name == first.weight else (3, 4)) for name in found.table.weights}
    assert set(found.table.tensors.values()) == {(4,)}
    best = allocate(found, {"weight_bits": found.table.predict(found.table.uniform(3, 4))["weight_bits"]})
    assert best.widths[first.weight] == 5
    assert set(best.widths.values()) == {3, 4, 5}


@pytest.mark.parametrize(
    ("budget", "message"),
    [
        ({}, "budget: limits nothing\n  hint: for example lut=9000, or name a part"),
        (
            {"luts": 5},
            "budget: nothing is known of 'luts'\n"
            "  hint: did you mean 'lut'? choose bops, bram, cost, dsp, ff, kl, loss, lut, noise, uram, weight_bits",
        ),
        ({"lut": -1}, "budget: a budget of -1 lut\n  hint: give a positive number"),
    ],
)
def test_what_is_no_budget_is_named(found: Tabled, budget: dict[str, float], message: str) -> None:
    with pytest.raises(BitwrightError) as refusal:
        allocate(found, budget)
    assert str(refusal.value) == message


def test_an_impossible_budget_says_what_can_be_reached(found: Tabled) -> None:
    with pytest.raises(Impossible) as refusal:
        allocate(found, {"lut": 100})
    said = re.fullmatch(
        r"budget: no widths come down to lut 100, the least is lut ([0-9,]+)\n"
        r"  hint: give at least that; more clocks per frame \(--cycles\) take less hardware",
        str(refusal.value),
    )
    assert said is not None
    least = int(said[1].replace(",", ""))
    assert least <= found.measured(found.table.uniform(2, 2))["lut"]
    best = allocate(found, {"lut": least})
    assert best.best.measured["lut"] == least


def test_limits_that_cannot_be_had_together_are_one_message(found: Tabled) -> None:
    least, nearest = found.measured(found.table.uniform(2, 2))["lut"], found.measured(found.table.uniform(6, 6))["kl"]
    with pytest.raises(Impossible) as refusal:
        allocate(found, {"lut": least * 1.01, "kl": nearest * 1.01})
    assert str(refusal.value).startswith("budget: no widths reach lut ")
    assert "\n  hint: raise one of the limits; more clocks per frame" in str(refusal.value)
