# SPDX-License-Identifier: Apache-2.0
"""Budgets that nothing in a space can keep, by the table of prices: refused before a search looks for it in vain."""

from __future__ import annotations

from collections.abc import Mapping
from math import ceil

from bitwright.compress.allocate import Term, cheapest
from bitwright.compress.allocate.costs import Way
from bitwright.explore.making import Maker
from bitwright.explore.metrics import Metric
from bitwright.explore.prices import CYCLES, Prices, PriceTable, priced
from bitwright.explore.work import worked
from bitwright.ir.errors import BitwrightError
from bitwright.planning.price import KINDS, scale_of
from bitwright.planning.target import Target

SURE = 0.9
"""Of what the table says is least: prices of the table may be off."""
MANY = 100
"""From so many on a figure is shown as a whole number."""


def check_possible(budget: Mapping[str, float], metric: Metric, maker: Maker, prices: Prices) -> None:
    """BitwrightError names a limit that no design of the space keeps, and the nearest that one can."""
    check_score(metric, budget)
    least = least_of(maker, prices) if budget else {}
    for name, limit in budget.items():
        if name in least and limit < SURE * least[name]:
            said = f"{ceil(least[name]):,}" if least[name] >= MANY else f"{least[name]:.4g}"
            what = f"no design of the space comes down to {name} {limit:g}, the least is about {said}"
            raise BitwrightError(what, where="budget", hint=hint_for(name))


def check_score(metric: Metric, budget: Mapping[str, float]) -> None:
    """BitwrightError for a score that no answers have."""
    if metric.name not in budget or metric.whole is not None:
        return
    limit = budget[metric.name]
    low, high = metric.ends
    if metric.objective.more_is_better and limit > high:
        hint = f"the most that there can be is {high:g}"
        raise BitwrightError(f"no design reaches {metric.name} {limit:g}", where="budget", hint=hint)
    if not metric.objective.more_is_better and limit < low:
        hint = f"the least that there can be is {low:g}"
        raise BitwrightError(f"no design comes down to {metric.name} {limit:g}", where="budget", hint=hint)


def hint_for(name: str) -> str:
    """What to do about a limit that is too low."""
    if name in (*KINDS, "cost", "share"):
        return "give at least that; fewer bits or more clocks per frame (--cycles) take less hardware"
    return "give at least that"


def least_of(maker: Maker, prices: Prices) -> dict[str, float]:
    """No design has less of any of these than this, by the table."""
    found: dict[str, float] = {}
    for aim, table in prices.tables.items():
        target = Target(cycles=aim[0], part=aim[1], clock_ns=aim[2])
        for name, amount in _figures(table, target).items():
            found[name] = min(found.get(name, amount), amount)
    work = worked(prices.works, maker.rounded(maker.space.design([0] * len(maker.space.axes))).state)
    return {**found, "weight_bits": work["weight_bits"], "bops": work["bops"]}


def _figures(table: PriceTable, target: Target) -> dict[str, float]:
    """The least of everything for one target, each by itself."""
    kinds = table.ledger.kinds
    taken = {kind: table.ledger.predict(cheapest(table.ledger, kind))[kind] + _saved(table, kind) for kind in kinds}
    paces = max(_least(pace.term, CYCLES) + _saved(table, CYCLES, pace.way) for pace in table.paces)
    least = {kind: max(amount, 0.0) for kind, amount in taken.items()} | {CYCLES: max(paces, 1.0)}
    scale = scale_of(target.part)
    found = priced(least, target) | {"cost": least["cost"]}
    return found if scale.part else {**found, "share": 0.0}


def _saved(table: PriceTable, kind: str, of: Way | None = None) -> float:
    """What other options than widths may save at most, on one way or on all."""
    ways: dict[tuple[str, Way], float] = {}
    for change in table.changes:
        if of in (None, change.way):
            key = change.option, change.way
            ways[key] = min(ways.get(key, 0.0), _least(change.term, kind))
    return sum(ways.values())


def _least(term: Term, kind: str) -> float:
    return min(amounts[kind] for amounts in term.amounts.values())
