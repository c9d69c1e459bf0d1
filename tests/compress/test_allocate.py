# SPDX-License-Identifier: Apache-2.0
"""Widths by a table: the integer program against all designs, greedy against the program, errors in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any

import numpy as np
import pytest

from bitwright.compress import Options, State, calibrate, float_net, quantised
from bitwright.compress.allocate import ALLOCATORS, Answer, Ledger, Request, Term, Widths
from bitwright.compress.allocate.costs import bit_operations, ways_to, weight_bits
from bitwright.compress.allocate.error import Judge, judge, kl, noise, one_by_one
from bitwright.compress.allocate.exact import cheapest, integer_program
from bitwright.compress.allocate.greedy import greedy
from bitwright.compress.allocate.sensing import Sensing
from bitwright.compress.allocate.tables import joined
from bitwright.compress.choices import choose
from bitwright.explore.tabling import error_of
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal

BITS = (2, 3, 4)


def drawn(seed: int) -> Ledger:
    """Two weights and two tensors, one of which both read: random errors, and costs of pairs that share it."""
    rng = np.random.default_rng(seed)
    names = ("w1", "w2", "a", "b")

    def term(kind: str, *of: str) -> Term:
        return Term(of, {key: {kind: float(rng.exponential())} for key in product(*(BITS for _ in of))})

    errors = [term("kl", name) for name in names]
    costs = [term("lut", *pair) for pair in (("w1", "a"), ("w2", "a"), ("b",), ("w2", "a", "b"))]
    constant = Term((), {(): {"lut": 1.0, "kl": 0.5}})
    return Ledger({"w1": BITS, "w2": BITS}, {"a": BITS, "b": BITS}, joined([*errors, *costs, constant]))


def exact(table: Ledger, least: str, limits: dict[str, float]) -> Answer | None:
    return integer_program(Request(ledger=table, least=least, limits=limits))


def stepwise(table: Ledger, least: str, limits: dict[str, float]) -> Answer | None:
    return greedy(Request(ledger=table, least=least, limits=limits))


def designs(table: Ledger) -> Iterator[Widths]:
    yield from (dict(zip(table.widths, key, strict=True)) for key in product(*table.widths.values()))


def least(table: Ledger, kind: str, limits: dict[str, float]) -> float | None:
    """By looking at all designs."""
    found = (table.predict(widths) for widths in designs(table))
    return min((f[kind] for f in found if all(f[name] <= most for name, most in limits.items())), default=None)


@pytest.mark.rows("R109", "R113", "R131")
@pytest.mark.parametrize("seed", range(12))
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.9])
@pytest.mark.parametrize(("kind", "limited"), [("kl", "lut"), ("lut", "kl")])
def test_no_design_is_better_than_the_programs(seed: int, share: float, kind: str, limited: str) -> None:
    table = drawn(seed)
    amounts = sorted(table.predict(widths)[limited] for widths in designs(table))
    most = amounts[int(share * len(amounts))] + 1e-9
    answer = exact(table, kind, {limited: most})
    assert answer is not None
    found = table.predict(answer.widths)
    assert found[limited] <= most + 1e-6
    assert found[kind] == pytest.approx(least(table, kind, {limited: most}), abs=1e-6)
    assert answer.certificate["objective"] == pytest.approx(found[kind], abs=1e-6)
    assert answer.certificate["dual_bound"] == pytest.approx(found[kind], abs=1e-6)
    assert (answer.certificate["status"], answer.certificate["gap"]) == ("optimal", 0.0)


@pytest.mark.parametrize("method", ALLOCATORS)
def test_there_may_be_no_widths(method: str) -> None:
    table = drawn(0)
    least_of_all = least(table, "lut", {})
    assert least_of_all is not None
    limits = {"lut": least_of_all - 0.01}
    request = Request(ledger=table, least="kl", limits=limits, error="kl", errs=lambda widths: 0.0)
    assert ALLOCATORS[method](request) is None


@pytest.mark.parametrize("seed", range(12))
def test_greedy_keeps_the_limits_and_is_never_better_than_the_program(seed: int) -> None:
    table = drawn(seed)
    limits = {"lut": float(np.median([table.predict(widths)["lut"] for widths in designs(table)]))}
    one, other = exact(table, "kl", limits), stepwise(table, "kl", limits)
    assert one is not None
    if other is not None:
        assert table.predict(other.widths)["lut"] <= limits["lut"]
        assert table.predict(other.widths)["kl"] >= table.predict(one.widths)["kl"] - 1e-6


@pytest.mark.parametrize("lut", range(12, 37))
def test_greedy_is_best_where_each_bit_less_loses_more(lut: int) -> None:
    """Separable, of equal steps, and convex: the case in which steps by themselves are proved to be best."""
    names = [f"w{i}" for i in range(4)]
    terms = [
        Term((name,), {(b,): {"kl": (i + 1) * 4.0**-b, "lut": float(b)} for b in range(3, 10)})
        for i, name in enumerate(names)
    ]
    table = Ledger(dict.fromkeys(names, tuple(range(3, 10))), {}, tuple(terms))
    one, other = exact(table, "kl", {"lut": lut}), stepwise(table, "kl", {"lut": lut})
    assert one is not None and other is not None
    assert table.predict(other.widths)["kl"] == pytest.approx(table.predict(one.widths)["kl"])


def test_where_every_width_is_given_nothing_is_chosen() -> None:
    ledger = Ledger({}, {}, (Term((), {(): {"lut": 40.0, "kl": 0.5}}),))
    answer = integer_program(Request(ledger=ledger, least="kl", limits={"lut": 40.0}))
    assert answer is not None and answer.widths == cheapest(ledger, "lut") == {}
    assert (answer.certificate["status"], answer.certificate["objective"]) == ("optimal", 0.5)
    assert integer_program(Request(ledger=ledger, least="kl", limits={"lut": 39.0})) is None


def test_small_errors_are_told_apart() -> None:
    """HiGHS stops at an absolute gap of 1e-6; divergences of good designs are that small."""
    offered = {"w1": (7, 8), "w2": (7, 8)}
    rows: dict[str, Any] = {"w1": {(7,): 3e-9, (8,): 0.0}, "w2": {(7,): 2e-9, (8,): 0.0}}
    terms = [Term((n,), {key: {"kl": e, "lut": float(key[0])} for key, e in row.items()}) for n, row in rows.items()]
    answer = exact(Ledger(offered, {}, tuple(terms)), "kl", {"lut": 15})
    assert answer is not None
    assert answer.widths == {"w1": 8, "w2": 7}


def test_uniform_designs_have_what_each_can_have() -> None:
    table = Ledger({"w1": (2, 3), "w2": (8,)}, {"a": (4, 6)}, ())
    assert table.uniform(2, 5) == {"w1": 2, "w2": 8, "a": 6}
    assert list(table.uniforms()) == ["w2a4", "w2a6", "w3a4", "w3a6"]
    assert list(Ledger({}, {"a": (4, 6)}, ()).uniforms()) == ["w0a4", "w0a6"]


# Errors


def test_divergence_is_that_of_the_probabilities() -> None:
    p, q = np.array([[0.5, 0.25, 0.25]]), np.array([[0.25, 0.5, 0.25]])
    wanted = 0.5 * np.log(2) - 0.25 * np.log(2)
    assert kl([p], [q], None) == pytest.approx(wanted)
    assert kl([np.log(p) + 3], [np.log(q) - 5], None) == pytest.approx(wanted), "of scores as of probabilities"
    assert kl([p], [p], None) == 0


def test_noise_is_a_share_of_the_signal() -> None:
    signal = np.array([[1.0], [3.0]])
    assert noise([signal], [signal + 0.5], None) == pytest.approx(2 * 0.25 / 2)


def branched() -> Any:
    """Two layers that read one tensor, and a sum of what they make."""
    weights = {"w1": normal(4, 3, seed=1), "w2": normal(5, 4, seed=2), "w3": normal(5, 4, seed=3)}
    weights["w4"] = normal(3, 5, seed=4)
    nodes = [
        node("Gemm", "x w1", "h", transB=1),
        node("Relu", "h", "r"),
        node("Gemm", "r w2", "u", transB=1),
        node("Gemm", "r w3", "v", transB=1),
        node("Add", "u v", "s"),
        node("Relu", "s", "t"),
        node("Gemm", "t w4", "y", transB=1),
    ]
    return float_net(graph(nodes, weights, sample=(3,)))


def test_a_way_has_the_weight_and_the_tensor_that_a_layer_depends_on() -> None:
    net = branched()
    offered = {name: BITS for name in ("w1", "w2", "w3", "w4", "x", "r", "u", "v", "t")}
    state = quantised(calibrate(net, [normal(32, 3)]), weights=4, activations=4)
    ways = ways_to(state.graph(), net, offered)
    assert ways["Gemm_u"] == (("w2", "r"),)
    assert ways["Gemm_v"] == (("w3", "r"),)
    assert ways["Gemm_y"] == (("w4", "t"),)
    assert ways["t_quant"] == (("u",), ("v",)), "the sum's operands have quantisers of their own"
    assert ways_to(state.graph(), net, {"w2": BITS})["Gemm_u"] == (("w2",),), "r has no choice"
    bops = list(bit_operations(state.graph(), ways, offered))
    assert {term.names: term.at({"w2": 2, "r": 3})["bops"] for term in bops if term.names[0] == "w2"} == {
        ("w2", "r"): pytest.approx(2 * 3 * 20 * (1 - np.mean(state.weights["w2"][0].codes == 0)))
    }
    assert [term.at({"w4": 3})["weight_bits"] for term in weight_bits(net, {"w4": BITS})] == [45]


def test_each_width_is_measured_with_all_others_wide() -> None:
    net, data = branched(), normal(64, 3)
    calibration, options = calibrate(net, [data]), Options(weights=8, activations=8)
    choices = choose(net, calibration.unsigned, options)
    offered = {"w2": (2, 8), "r": (3, 8)}
    measure = judge(net, [data], kind="noise")

    def errs(state: State) -> float:
        return error_of(state, measure)

    sensing = Sensing(
        calibration=calibration,
        choices=choices,
        options=options,
        offered=offered,
        kind="noise",
        arrays=[data],
        errs=errs,
    )
    terms = {term.names: term for term in one_by_one(sensing)}
    base = errs(quantised(calibration, weights=8, activations=8, rounding="nearest"))
    assert terms[()].at({})["noise"] == pytest.approx(base)
    for name, widths in offered.items():
        key = "weights" if name == "w2" else "activations"
        config = {name: {key: widths[0]}} | {w: {"rounding": "nearest"} for w in ("w1", "w4")}
        config |= {"w3": {"rounding": "nearest"}} if name == "w2" else {}
        single = errs(quantised(calibration, config=config, weights=8, activations=8))
        assert terms[(name,)].at({name: widths[0]})["noise"] == pytest.approx(single - base)
        assert terms[(name,)].at({name: 8})["noise"] == 0


def test_a_loss_needs_labels() -> None:
    net, data = branched(), normal(8, 3)
    with pytest.raises(BitwrightError) as refusal:
        judge(net, [data], kind="loss")
    assert str(refusal.value) == (
        "allocate: the loss needs labels, one for each sample\n"
        "  hint: give y beside the samples, or choose kl, which needs none"
    )
    with pytest.raises(BitwrightError) as refusal:
        judge(net, [data], kind="mse")
    assert str(refusal.value) == "allocate: no error 'mse'\n  hint: choose kl or noise or loss"
    labels = np.zeros(8, np.int64)
    measure = judge(net, [data], labels, "loss")
    scores = np.zeros((8, 3))
    assert measure([scores]) == pytest.approx(np.log(3))
    assert isinstance(measure, Judge)
