# SPDX-License-Identifier: Apache-2.0
"""Widths in closed form against every choice, one width for all by halving, errors of groups."""

from __future__ import annotations

from itertools import product
from typing import Any

import numpy as np
import pytest

from bitwright.compress import Options, calibrate, quantised
from bitwright.compress.allocate import ALLOCATORS, Ledger, Request, Term
from bitwright.compress.allocate.bilinear import fitted
from bitwright.compress.allocate.closed import bits_for, levels_for
from bitwright.compress.allocate.error import judge
from bitwright.compress.allocate.grouped import by_group
from bitwright.compress.allocate.sensing import Sensing
from bitwright.compress.allocate.trim import halved
from bitwright.compress.choices import choose
from bitwright.explore.tabling import error_of
from tests.compress.nets import normal
from tests.compress.test_allocate import branched

RANGES = np.array([0.3, 1.0, 2.5, 9.0])
BITS = range(1, 9)


def ledger(cost: Any) -> Ledger:
    """Four weights of these ranges, whose errors are those of uniform noise, and what a width costs."""
    terms = [
        Term((f"w{i}",), {(b,): {"noise": float(size**2 / 4.0**b), "cost": float(cost(b))} for b in BITS})
        for i, size in enumerate(RANGES)
    ]
    return Ledger({f"w{i}": tuple(BITS) for i in range(4)}, {}, tuple(terms))


@pytest.mark.rows("R102")
def test_closed_forms_use_up_their_quota_and_are_best() -> None:
    bits = bits_for(RANGES, 4.0)
    assert bits.mean() == pytest.approx(4)
    np.testing.assert_allclose(RANGES**2 / 4.0**bits, (RANGES**2 / 4.0**bits)[0])
    levels = 2.0 ** levels_for(RANGES, 4.0)
    assert levels.sum() == pytest.approx(4 * 16)
    np.testing.assert_allclose(RANGES**2 / levels**3, (RANGES**2 / levels**3)[0])  # no code is better elsewhere
    assert (RANGES**2 / levels**2).sum() < (RANGES**2 / 16.0**2).sum()


@pytest.mark.parametrize(("name", "cost"), [("water-filling", lambda b: b), ("level-quota", lambda b: 2.0**b)])
def test_rounded_to_whole_bits_they_are_near_the_best_of_all(name: str, cost: Any) -> None:
    table = ledger(cost)
    for limit in (12, 16, 21) if name == "water-filling" else (24, 64, 200):
        answer = ALLOCATORS[name](Request(ledger=table, least="noise", limits={"cost": limit}, error="noise"))
        assert answer is not None and table.predict(answer.widths)["cost"] <= limit
        every = (dict(zip(table.widths, bits, strict=True)) for bits in product(BITS, repeat=4))
        figures = [found for found in map(table.predict, every) if found["cost"] <= limit]
        best = min(found["noise"] for found in figures)
        alike = (table.predict(table.uniform(b, b)) for b in BITS)
        uniform = min(found["noise"] for found in alike if found["cost"] <= limit)
        assert best <= table.predict(answer.widths)["noise"] <= min(2.5 * best, uniform)


@pytest.mark.rows("R006")
def test_the_least_width_within_a_tolerance_is_found_by_halving() -> None:
    for low in range(1, 10):
        asked: list[int] = []

        def fine(bits: int, low: int = low, asked: list[int] = asked) -> bool:
            asked.append(bits)
            return bits >= low

        assert halved(1, 8, fine) == min(low, 8) and len(asked) <= 3
    noise = {(b,): {"noise": 4.0**-b, "cost": float(b)} for b in BITS}
    table = Ledger({"w": tuple(BITS)}, {"a": tuple(BITS)}, (Term(("w",), noise), Term(("a",), noise)))
    answer = ALLOCATORS["trim"](Request(ledger=table, least="cost", limits={"noise": 4.0**-5}, error="noise"))
    assert answer is not None and answer.widths == {"w": 6, "a": 6}
    wide = ALLOCATORS["trim"](Request(ledger=table, least="noise", limits={"cost": 9}, error="noise"))
    assert wide is not None and wide.widths == {"w": 4, "a": 4}
    assert ALLOCATORS["trim"](Request(ledger=table, least="cost", limits={"noise": 1e-9}, error="noise")) is None


@pytest.mark.rows("R009")
def test_a_group_is_measured_at_once_and_wider_errs_no_more() -> None:
    net, data = branched(), normal(64, 3)
    calibration, options = calibrate(net, [data]), Options(weights=8, activations=8)
    measure = judge(net, [data], kind="noise")
    sensing = Sensing(
        calibration=calibration, choices=choose(net, calibration.unsigned, options), options=options,
        offered={name: (2, 4, 8) for name in ("w1", "w2", "w3", "w4", "r", "t")}, kind="noise", arrays=[data],
        errs=lambda state: error_of(state, measure),
    )  # fmt: skip
    terms = {term.names: term for term in by_group(sensing)}
    assert set(terms) == {(), *((name,) for name in sensing.offered)}
    for name in sensing.offered:
        brought = [terms[(name,)].at({name: bits})["noise"] for bits in (2, 4, 8)]
        assert brought[0] > brought[1] > brought[2] == 0
    inner = terms[("w2",)].at({"w2": 2})["noise"]
    assert inner == terms[("w3",)].at({"w3": 2})["noise"]
    config = {name: {"weights": 2} for name in ("w2", "w3")} | {name: {"rounding": "nearest"} for name in ("w1", "w4")}
    both = sensing.errs(quantised(calibration, config=config, weights=8, activations=8))
    base = sensing.errs(quantised(calibration, weights=8, activations=8, rounding="nearest"))
    assert 2 * inner == pytest.approx(both - base)


def planted(seed: int) -> tuple[Ledger, dict[str, float], dict[tuple[str, str], float]]:
    """Three layers, whose energy is a sum of products of what meets; two of them read one tensor."""
    rng = np.random.default_rng(seed)
    pairs = {("w0", "t0"): rng.uniform(1, 5), ("w1", "t1"): rng.uniform(1, 5), ("w2", "t1"): rng.uniform(1, 5)}
    alone = {"w0": rng.uniform(0, 3), "t0": rng.uniform(0, 3)}
    names, bits = ("w0", "w1", "w2", "t0", "t1"), (2, 3, 4, 6)
    errs = [Term((n,), {(b,): {"kl": float(rng.exponential() * 4.0**-b)} for b in bits}) for n in names]
    costs = [Term(pair, {(w, t): {"energy": each * w * t} for w in bits for t in bits}) for pair, each in pairs.items()]
    costs += [Term((name,), {(b,): {"energy": each * b} for b in bits}) for name, each in alone.items()]
    terms = (Term((), {(): {"energy": 7.0}}), *errs, *costs)
    return Ledger(dict.fromkeys(names[:3], bits), dict.fromkeys(names[3:], bits), terms), alone, pairs


@pytest.mark.rows("R111")
@pytest.mark.parametrize("seed", range(3))
def test_a_bilinear_cost_comes_back_and_its_multipliers_keep_the_limit(seed: int) -> None:
    """Every number that was planted; and at each limit near the best of all 1,024 designs, never beyond the limit."""
    table, alone, pairs = planted(seed)
    model = fitted(table, "energy")
    assert (model.constant, model.fits) == (pytest.approx(7.0), pytest.approx(1.0))
    assert model.singles == pytest.approx({name: alone.get(name, 0.0) for name in model.singles}, abs=1e-9)
    assert model.pairs == pytest.approx(pairs)
    every = [dict(zip(table.widths, bits, strict=True)) for bits in product((2, 3, 4, 6), repeat=5)]
    figures = [table.predict(widths) for widths in every]
    low, high = (end(each["energy"] for each in figures) for end in (min, max))
    over = []
    for share in (0.1, 0.2, 0.4, 0.6, 0.8):
        limits = {"energy": low + share * (high - low)}
        answer = ALLOCATORS["ecc"](Request(ledger=table, least="kl", limits=limits, error="kl"))
        assert answer is not None
        found = table.predict(answer.widths)
        assert found["energy"] <= limits["energy"]
        over.append(found["kl"] / min(each["kl"] for each in figures if each["energy"] <= limits["energy"]))
    assert min(over) >= 1 and np.median(over) < 1.3
