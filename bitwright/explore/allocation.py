# SPDX-License-Identifier: Apache-2.0
"""Widths within a budget: what the table proves best, tried as a design until prediction and design agree.

The uniform designs are candidates beside it, so that none of them is better than the answer.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from difflib import get_close_matches
from math import ceil, inf
from typing import Any

from bitwright.compress import State
from bitwright.compress.allocate import ALLOCATOR, ALLOCATORS, Impossible, Ledger, Request, Widths, cheapest, excess
from bitwright.compress.allocate.costs import OF_WIDTHS
from bitwright.compress.allocate.error import ERRORS
from bitwright.explore.pricing import PRICED
from bitwright.explore.tabling import Tabled
from bitwright.ir.errors import BitwrightError
from bitwright.planning.devices import part_of
from bitwright.planning.price import KINDS, amounts, scale_of

ROUNDS = 10
"""Designs that are made of answers by the table, at most: each shows how far the next limit must be moved."""
LEAST = 4
"""Uniform designs that are tried for the least error predicted, beside those that no other exceeds in both widths."""
MARGIN = 1.03
"""By how much a uniform design may be over a limit by the table and still be tried."""
SPREAD = (0.7, 1.25, 1.5, 2.0, 3.0)
"""Of a limit of the error, what else the table is asked for."""
NEGLIGIBLE = 1e-3
"""A share by which moving a limit is not worth a try."""
STEP = 0.99
"""Of a limit that stays broken."""
MANY = 100
"""From so many on a figure is shown as a whole number."""
HINT_CLOCKS = "more clocks per frame (--cycles) take less hardware"
HINT = f"raise one of the limits; {HINT_CLOCKS}"
Figures = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A design that was made: what the table said of it, what it was found to have, whether that is within the budget.

    `label` is `w3a3` of a uniform design, else the allocator and the round.
    """

    label: str
    widths: Widths
    predicted: Figures
    measured: Figures
    within: bool


@dataclass(frozen=True, kw_only=True)
class Allocation:
    """The best design that was found for a budget: its network, all candidates, and the allocator's certificate.

    `least` is the kind that was made least; `chosen` is the label of the candidate that `state` is. `limits` are the
    budget, and what a part holds of everything else. The certificate is of the table: by it no widths within the
    limits have less than its `dual_bound`.
    """

    state: State
    method: str
    least: str
    budget: Figures
    limits: Figures
    chosen: str
    candidates: tuple[Candidate, ...]
    certificate: Mapping[str, Any]

    @property
    def best(self) -> Candidate:
        """The candidate that was chosen."""
        return next(each for each in self.candidates if each.label == self.chosen)

    @property
    def widths(self) -> Widths:
        """Bits of each weight and of each tensor, by their names."""
        return self.best.widths

    def result(self) -> dict[str, Any]:
        """All but the network, in plain values: what `quantize --json` prints under `allocation`."""
        named = ("method", "least", "budget", "limits", "chosen", "certificate")
        candidates = [asdict(each) for each in self.candidates]
        return {**{name: getattr(self, name) for name in named}, "widths": self.widths, "candidates": candidates}


def allocate(
    found: Tabled,
    budget: Figures,
    *,
    method: str = ALLOCATOR,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> Allocation:
    """The design of the least error within a budget; of the least cost, where the budget limits the error.

    `budget` has the most of kinds of the table: `lut`, `ff`, `dsp`, `bram`, `uram`, `cost` (the sum of all shares, in
    percent of the part), `weight_bits`, `bops`, or the error, `kl`. What the target's part holds is a limit too.
    `method` is a key of `ALLOCATORS`. Every candidate is quantised, run and compiled; `progress(done, most)` is called
    after each round. Raises `Impossible`, which says what the cheapest design takes.
    """
    limits = _limits(found, budget)
    if method not in ALLOCATORS:
        raise BitwrightError(f"no method '{method}'", where="allocate", hint=f"choose {' or '.join(ALLOCATORS)}")
    search = _Search(found, limits, "cost" if found.error in budget else found.error)
    certificate = search.by_table(method, progress)
    search.spread(method)
    for label, widths in search.uniforms():
        search.tried(label, widths)
    if not search.within:
        search.reach()
    if not search.within:
        raise search.impossible()
    search.beside(method, progress)
    best = search.best
    return Allocation(
        state=found.state(best.widths),
        method=method,
        least=search.least,
        budget=dict(budget),
        limits=search.limits,
        chosen=best.label,
        candidates=tuple(search.candidates),
        certificate=certificate,
    )


def check_budget(budget: Figures, part: str | None) -> None:
    """BitwrightError names what no table knows or what is no amount, and a budget of nothing."""
    known = (*PRICED, *OF_WIDTHS, *ERRORS)
    for kind, most in budget.items():
        if kind not in known:
            near = get_close_matches(kind, known, 1)
            hint = f"did you mean '{near[0]}'? " if near else ""
            raise BitwrightError(
                f"nothing is known of '{kind}'", where="budget", hint=f"{hint}choose {', '.join(sorted(known))}"
            )
        if not 0 < most < float("inf"):
            raise BitwrightError(f"a budget of {most} {kind}", where="budget", hint="give a positive number")
    if not budget and not scale_of(part_of(part) if part else None).part:
        raise BitwrightError("limits nothing", where="budget", hint="for example lut=9000, or name a part")


def _limits(found: Tabled, budget: Figures) -> dict[str, float]:
    """The budget, and what the part holds of everything else."""
    part = found.target.part
    check_budget(budget, part)
    for kind in budget:
        if kind not in found.table.kinds:
            hint = f"limit {found.error}, or make a table whose error is {kind}"
            raise BitwrightError(f"errors are measured as {found.error}, not as {kind}", where="budget", hint=hint)
    scale = scale_of(part_of(part) if part else None)
    held = dict(zip(KINDS, map(float, amounts(scale.budget)), strict=True)) if scale.part else {}
    return {**held, **budget}


class _Aims:
    """Limits by a ledger, moved until the designs that it gives are just within the real ones."""

    def __init__(self, limits: Figures) -> None:
        self.limits, self.now = limits, dict(limits)
        self._inside: dict[str, float] = {}
        self._broken: dict[str, float] = {}

    def moved(self, tried: Candidate, predicted: Figures) -> bool:
        """Whether there is another limit to try, after a design that the ledger gave within these."""
        before = dict(self.now)
        for kind, most in self.limits.items():
            said, measured = predicted[kind], tried.measured[kind]
            near = most * said / measured if measured > 0 and said > 0 else self.now[kind]
            if measured > most:
                self._lower(kind, near)
            elif tried.within:
                self._raise(kind, near)
        return any(abs(aim - before[kind]) > NEGLIGIBLE * before[kind] for kind, aim in self.now.items())

    def _lower(self, kind: str, near: float) -> None:
        """After a limit was broken: to where the design would keep it if it erred as much, or halfway back."""
        self._broken[kind] = aim = self.now[kind]
        inside = self._inside.get(kind)
        self.now[kind] = min(near, aim * STEP) if inside is None else (inside + aim) / 2

    def _raise(self, kind: str, near: float) -> None:
        """After all limits were kept: to where the design would just keep it, or halfway to where it was broken."""
        self._inside[kind] = aim = self.now[kind]
        broken = self._broken.get(kind)
        self.now[kind] = max(near, aim) if broken is None else (aim + broken) / 2


@dataclass
class _Search:
    """Designs that are tried for limits."""

    found: Tabled
    limits: Figures
    least: str
    candidates: list[Candidate] = field(default_factory=list)
    learnt: dict[str, Any] = field(default_factory=dict)

    @property
    def within(self) -> list[Candidate]:
        """The candidates within the limits."""
        return [each for each in self.candidates if each.within]

    def tried(self, label: str, widths: Widths) -> Candidate:
        """The candidate of these widths, made now if it is not there."""
        for each in self.candidates:
            if each.widths == widths:
                return each
        measured = self.found.measured(widths)
        each = Candidate(
            label=label,
            widths=dict(widths),
            predicted=self.found.table.predict(widths),
            measured=measured,
            within=excess(measured, self.limits) == 0,
        )
        self.candidates.append(each)
        return each

    def by_table(self, method: str, progress: Callable[[int, int], None]) -> Mapping[str, Any]:
        """Answers by the table, tried; the certificate of the first, whose limits are those that were asked for."""
        aims, certificate = _Aims(self.limits), dict[str, Any]()
        for done in range(ROUNDS):
            answer = ALLOCATORS[method](self._request(self.found.table, aims.now))
            if answer is None:
                break
            certificate = certificate or dict(answer.certificate)
            tried = self.tried(f"{method} {done + 1}", answer.widths)
            progress(done + 1, ROUNDS)
            if not aims.moved(tried, tried.predicted):
                break
        return certificate or {"status": f"{method} finds no widths within the budget by the table"}

    def spread(self, method: str) -> None:
        """Where the error is limited, also what the table gives for other limits of it: sums of errors are rough."""
        error = self.found.error
        for factor in SPREAD if error in self.limits else ():
            aims = {**self.limits, error: self.limits[error] * factor}
            answer = ALLOCATORS[method](self._request(self.found.table, aims))
            if answer is not None and self.found.errs(answer.widths) <= self.limits[error]:
                self.tried(f"{method} at {factor:g} {error}", answer.widths)

    def beside(self, method: str, progress: Callable[[int, int], None]) -> None:
        """From the best design on: the best of its neighbours, by a table of their own, as long as that is better."""
        centre, aims, ledger = self.best, _Aims(self.limits), self.found.around(self.best.widths)
        for done in range(ROUNDS):
            answer = ALLOCATORS[method](self._request(ledger, aims.now))
            if answer is None:
                return
            tried = self.tried(f"{method} beside {done + 1}", answer.widths)
            progress(done + 1, ROUNDS)
            if self.best is not centre:
                centre, aims, ledger = self.best, _Aims(self.limits), self.found.around(self.best.widths)
            elif not aims.moved(tried, ledger.predict(answer.widths)):
                return

    @property
    def best(self) -> Candidate:
        """The candidate within the limits that has least of what shall be least."""
        return min(self.within, key=lambda each: (each.measured[self.least], each.measured["cost"]))

    def _request(self, ledger: Ledger, aims: Figures) -> Request:
        """What is asked of an allocator: limits by a ledger, and of errors that it measures the real one."""
        error = self.found.error
        most = self.limits.get(error, inf)
        asked: dict[str, Any] = {"errs": self.found.errs, "most": most, "sensing": self.found.sensing}
        return Request(ledger=ledger, least=self.least, limits=aims, error=error, learnt=self.learnt, **asked)

    def uniforms(self) -> Iterable[tuple[str, Widths]]:
        """Uniform designs that may be within the limits and better than others of them."""
        table, limits = self.found.table, {kind: most * MARGIN for kind, most in self.limits.items()}
        limits.pop(self.found.error, None)
        figures = [(label, widths, table.predict(widths)) for label, widths in table.uniforms().items()]
        fitting = [each for each in figures if excess(each[2], limits) == 0]
        order = sorted(fitting, key=lambda each: each[2][self.least])
        if self.least != self.found.error:
            return self._cheapest(order)
        named = {label: widths for label, widths, _ in order}
        widest = [label for label, widths in named.items() if not _is_exceeded(widths, named.values())]
        return [(label, named[label]) for label in dict.fromkeys([*list(named)[:LEAST], *widest])]

    def _cheapest(self, order: Iterable[tuple[str, Widths, Figures]]) -> Iterator[tuple[str, Widths]]:
        """From the cheapest on those whose error is within the limit, until others cannot be cheaper."""
        bound = float("inf")
        for label, widths, predicted in order:
            if predicted[self.least] > bound * MARGIN:
                return
            if self.found.errs(widths) <= self.limits[self.found.error]:
                bound = min(bound, self.found.measured(widths)[self.least])
                yield label, widths

    def reach(self) -> None:
        """Try what the table says takes least of each kind that is limited, for nothing else fits."""
        for kind in self.limits:
            self.tried(f"least {kind}", cheapest(self.found.table, kind))
        label, widths = next(iter(self.found.table.uniforms().items()))
        self.tried(label, widths)

    def impossible(self) -> Impossible:
        """Why no candidate is within the limits: the first kind that none reaches, or what the nearest takes of all."""
        least = {kind: min(each.measured[kind] for each in self.candidates) for kind in self.limits}
        for kind, most in self.limits.items():
            if least[kind] > most:
                what = f"no widths come down to {_said(kind, most)}, the least is {_said(kind, least[kind])}"
                hint = f"give at least that{f'; {HINT_CLOCKS}' if kind in PRICED else ''}"
                return Impossible(what, where="budget", hint=hint)
        nearest = min(self.candidates, key=lambda each: excess(each.measured, self.limits))
        asked, reached = (
            " and ".join(_said(kind, figures[kind]) for kind in self.limits)
            for figures in (self.limits, nearest.measured)
        )
        what = f"no widths reach {asked} together, the nearest to it are at {reached}"
        return Impossible(what, where="budget", hint=HINT)


def _said(kind: str, amount: float) -> str:
    return f"{kind} {_figure(amount)}"


def _figure(amount: float) -> str:
    """Rounded up, so that a budget of it is reached."""
    return f"{ceil(amount):,}" if amount >= MANY else f"{amount:.4g}"


def _is_exceeded(widths: Widths, others: Iterable[Widths]) -> bool:
    """Whether one of the others is at least as wide everywhere, and wider somewhere."""
    return any(other != widths and all(other[name] >= bits for name, bits in widths.items()) for other in others)
