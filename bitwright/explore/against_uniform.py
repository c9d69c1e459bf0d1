# SPDX-License-Identifier: Apache-2.0
"""Where a search is ahead of designs that are the same everywhere: what it costs to be as good as each of them."""

from __future__ import annotations

from collections.abc import Iterator

from bitwright.explore.explored import Explored
from bitwright.explore.pareto import pareto_front
from bitwright.explore.record import Record
from bitwright.explore.tables import NONE, Head, Listing, Row
from bitwright.explore.words import figure, interval, label, title
from bitwright.report.page import Cell


def pairs(explored: Explored) -> Iterator[tuple[Record, Record]]:
    """The uniform designs that no other uniform one beats, each with the cheapest design that is as good."""
    seen = [each for each in explored.records if each.score.complete and explored.is_within(each)]
    uniform = [each for each in seen if explored.is_uniform(each.design)]
    for each in pareto_front(uniform, cost=explored.costs, score=lambda one: -explored.lost(one)):
        as_good = (other for other in seen if explored.lost(other) <= explored.lost(each))
        yield each, min(as_good, key=lambda other: (explored.costs(other), other != each))


def ahead(explored: Explored) -> Listing:
    """The float network, then a row for each of these."""
    score, cost = title(explored.score), title(explored.cost)
    heads = [Head("uniform", True), Head("what", True), Head(score), Head("between"), Head(cost)]
    heads += [Head("as good", True), Head(score), Head(cost), Head("of it")]
    known = explored.reference
    of_float = [figure(explored.score, known.value), interval(explored.score, known)] if known else [NONE, NONE]
    first = [Cell("float", True), Cell(NONE, True), *(Cell(each, False) for each in of_float), Cell(NONE, False)]
    first += [Cell(NONE, True), *[Cell(NONE, False)] * 3]
    return Listing(tuple(heads), (Row(tuple(first), strong=True), *(_row(explored, *each) for each in pairs(explored))))


def _row(explored: Explored, uniform: Record, best: Record) -> Row:
    cells = [Cell(uniform.design.key, True), Cell(label(explored.space, uniform.design), True)]
    cells += [Cell(each, False) for each in _figures(explored, uniform)]
    score, _, cost = _figures(explored, best)
    key = "itself" if best is uniform else best.design.key
    before, now = explored.costs(uniform), explored.costs(best)
    share = f"{100 * now / before:.0f} %" if before > 0 else NONE
    return Row(
        (*cells, Cell(key, True), Cell(score, False), Cell(cost, False), Cell(share, False)), key=best.design.key
    )


def _figures(explored: Explored, record: Record) -> tuple[str, str, str]:
    cost = figure(explored.cost, record.figures[explored.cost.name])
    return figure(explored.score, record.score.value), interval(explored.score, record.score), cost
