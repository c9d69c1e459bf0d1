# SPDX-License-Identifier: Apache-2.0
"""NetAdapt over widths: every step saves, the last is within the budget, and on a convex toy nothing is better."""

from __future__ import annotations

from collections.abc import Callable
from math import inf

import pytest

from bitwright.compress.allocate import Answer, Ledger, Request, Term, Widths, excess
from bitwright.compress.allocate.exact import integer_program
from bitwright.compress.allocate.netadapt import netadapt

NAMES = [f"w{i}" for i in range(4)]
BITS = tuple(range(3, 10))


def toy() -> Ledger:
    """Each bit less loses four times what the one before did, of each name another amount."""
    rows = ({(b,): {"kl": (i + 1) * 4.0**-b, "lut": float(b)} for b in BITS} for i in range(4))
    return Ledger(dict.fromkeys(NAMES, BITS), {}, tuple(Term((n,), row) for n, row in zip(NAMES, rows, strict=True)))


def asked(ledger: Ledger, least: str, errs: Callable[[Widths], float], **limits: float) -> Answer | None:
    most = limits.get("kl", inf)
    return netadapt(Request(ledger=ledger, least=least, limits=limits, error="kl", errs=errs, most=most))


def best_of(ledger: Ledger, least: str, **limits: float) -> Answer | None:
    return integer_program(Request(ledger=ledger, least=least, limits=limits))


@pytest.mark.rows("R108")
@pytest.mark.parametrize("lut", range(12, 37, 3))
def test_the_steps_end_within_the_budget_where_nothing_is_better(lut: int) -> None:
    ledger, seen = toy(), list[Widths]()

    def errs(widths: Widths) -> float:
        seen.append(widths)
        return ledger.predict(widths)["kl"]

    answer, best = asked(ledger, "kl", errs, lut=lut), best_of(ledger, "kl", lut=lut)
    assert answer is not None and best is not None
    assert ledger.predict(answer.widths)["lut"] <= lut
    assert ledger.predict(answer.widths)["kl"] == pytest.approx(ledger.predict(best.widths)["kl"])
    assert answer.certificate["measured"] == len(seen)


@pytest.mark.parametrize("kl", [1e-4, 1e-3, 1e-2, 0.1])
def test_where_the_error_is_limited_it_is_used_up(kl: float) -> None:
    ledger = toy()
    answer = asked(ledger, "lut", lambda widths: ledger.predict(widths)["kl"], kl=kl)
    best = best_of(ledger, "lut", kl=kl)
    assert answer is not None and best is not None
    assert ledger.predict(answer.widths)["kl"] <= kl
    assert ledger.predict(answer.widths)["lut"] <= ledger.predict(best.widths)["lut"] + 1


def test_it_heeds_what_is_measured_and_not_what_the_ledger_says() -> None:
    """By the ledger all lose the same; measured, the first is worth keeping."""
    rows = {(b,): {"kl": 4.0**-b, "lut": float(b)} for b in BITS}
    ledger = Ledger(dict.fromkeys(NAMES, BITS), {}, tuple(Term((name,), rows) for name in NAMES))
    answer = asked(ledger, "kl", lambda widths: 9.0 - widths["w0"], lut=18)
    assert answer is not None
    assert answer.widths == {"w0": 9, "w1": 3, "w2": 3, "w3": 3}
    assert excess(ledger.predict(answer.widths), {"lut": 18}) == 0


def test_there_may_be_no_widths() -> None:
    ledger = toy()
    assert asked(ledger, "kl", lambda widths: ledger.predict(widths)["kl"], lut=11) is None
