# SPDX-License-Identifier: Apache-2.0
"""The report of a sweep as one page of HTML that needs no network: tables that stand without a script, and pictures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from importlib.util import find_spec

from bitwright.explore.against_uniform import ahead
from bitwright.explore.drawing import drawing
from bitwright.explore.explored import Explored, Proven
from bitwright.explore.objectives import Objective
from bitwright.explore.plots import Json, drawn
from bitwright.explore.tables import Head, Heat, Listing, Row, failures_table, front_table, grids, side_by_side
from bitwright.explore.words import command, designs, figure, title
from bitwright.ir.columns import tail
from bitwright.report.page import Cell, Fact, template

STEPS = 10
"""The rows of the table of the history."""


@dataclass(frozen=True)
class Page:
    """Everything that `explore.html.j2` prints."""

    title: str
    how: str
    facts: tuple[Fact, ...]
    said: tuple[str, ...]
    command: str
    picture: str
    front: Listing
    grids: tuple[Heat, ...]
    ahead: Listing
    chosen: Listing
    chosen_by_name: bool
    history: Listing
    proofs: Listing
    curves: Listing
    sensed: int
    failures: Listing
    failed: int
    data: Json
    plotly: str
    script: str


def page(explored: Explored) -> str:
    """HTML of a sweep, wherever its folder is; without Plotly the picture does not answer to the pointer."""
    return template("explore.html.j2").render(page=_page(explored, "DIR", plotly()))


def fragment(explored: Explored) -> str:
    """What a notebook shows: the facts, the picture and the front."""
    return template("explored.html.j2").render(page=_page(explored, explored.folder, ""))


@cache
def plotly() -> str:
    """The text of Plotly's own script, or nothing where it is not installed."""
    if find_spec("plotly") is None:
        return ""
    return (files("plotly") / "package_data" / "plotly.min.js").read_text(encoding="utf-8")


def _page(explored: Explored, folder: str, script: str) -> Page:
    return Page(
        title=f"{explored.model}: {designs(len(explored.records))}",
        how=explored.how,
        facts=tuple(_facts(explored)),
        said=tuple(_said(explored)),
        command=command(folder, "ID"),
        picture=drawing(explored),
        front=front_table(explored, explored.measures[1:]),
        grids=grids(explored),
        ahead=ahead(explored),
        chosen=side_by_side(explored),
        chosen_by_name=bool(explored.picked),
        history=_history(explored),
        proofs=_proofs(explored),
        curves=_curves(explored),
        sensed=explored.sensitivity.samples,
        failures=failures_table(explored),
        failed=len(explored.failures),
        data=drawn(explored) if script else {},
        plotly=script,
        script=(files("bitwright") / "pages" / "explore.js").read_text(encoding="utf-8"),
    )


def _facts(explored: Explored) -> Iterator[Fact]:
    score = explored.score
    if explored.reference is not None:
        yield Fact(f"float {title(score)}", figure(score, explored.reference.value))
    if explored.front:
        best = min(explored.front, key=explored.lost)
        yield Fact(f"best {title(score)}", figure(score, best.score.value))
    yield Fact("designs", f"{len(explored.records):,}")
    yield Fact("on the front", f"{len(explored.front):,}")
    if explored.failures:
        yield Fact("could not be made", f"{len(explored.failures):,}")


def _said(explored: Explored) -> Iterator[str]:
    """What must be known of the figures."""
    if explored.budget:
        yield f"Within the budget: {', '.join(_limits(explored))}."
    early = sum(not each.score.complete for each in explored.records)
    if early:
        yield f"{designs(early)} stopped early: another that costs no more is surely better."
    rough = sum(not each.compiled for each in explored.front)
    if rough:
        yield f"{designs(rough)} on the front with the price of the table still, not that of compile."
    if explored.proved:
        on_front = sum(each.design.key in explored.proved for each in explored.front)
        yield (
            f"{on_front:,} of {designs(len(explored.front))} on the front proved to be on that of the table, "
            "where errors and prices of layers add up."
        )


def _limits(explored: Explored) -> Iterator[str]:
    for name, limit in explored.budget.items():
        each = explored.measure(name)
        yield f"{title(each)} at {'least' if each.more_is_better else 'most'} {figure(each, limit)}"


def _history(explored: Explored) -> Listing:
    """What the front was worth after so many designs."""
    worth, count = explored.worth, len(explored.worth)
    ends = sorted({-(-count * step // STEPS) for step in range(1, STEPS + 1)} - {0})
    rows = (
        Row((Cell(f"{end:,}", False), Cell(f"{100 * worth[end - 1] / (worth[-1] or 1):.2f} %", False))) for end in ends
    )
    return Listing((Head("designs"), Head("hypervolume, of the last")), tuple(rows))


def _proofs(explored: Explored) -> Listing:
    """A row a budget, of all costs."""
    rows = [_proof(explored, each) for each in explored.proofs]
    errors = ", ".join(dict.fromkeys(each.error for each in explored.proofs))
    heads = [Head("design", True), Head("budget"), Head("takes"), Head(f"errs ({errors})")]
    heads += [Head(title(explored.score)), Head("by the solver", True), Head("on the front", True)]
    return Listing(tuple(heads), (_float_proof(explored), *rows) if rows else ())


def _proof(explored: Explored, each: Proven) -> Row:
    cost = explored.measure(each.cost)
    record = next((one for one in explored.records if one.design.key == each.key), None)
    budget = (f"{title(cost)} {figure(cost, each.budget)}", figure(cost, each.takes), f"{each.errs:.4g}")
    score = _said_of(explored.score, record.score.value if record else None)
    cells = [Cell(each.key, True), *(Cell(text, False) for text in (*budget, score))]
    cells.append(Cell("proved" if each.proved else f"gap {each.gap:.2g}", True))
    cells.append(Cell("yes" if record in explored.front else "no", True))
    return Row(tuple(cells), key=each.key if record else "")


def _float_proof(explored: Explored) -> Row:
    said = _said_of(explored.score, explored.reference.value if explored.reference else None)
    cells = [Cell("float", True), *[Cell("-", False)] * 3, Cell(said, False)]
    return Row((*cells, *[Cell("-", True)] * 2), strong=True)


def _curves(explored: Explored) -> Listing:
    """A row an axis, a column a value."""
    sensed, score = explored.sensitivity, explored.score
    found = dict.fromkeys(value for each in sensed.curves for value, _ in each.points)
    values = sorted(found, key=lambda each: (isinstance(each, str), each))
    rows = [Row((Cell("float", True), *[Cell(_said_of(score, sensed.reference), False)] * len(values)), strong=True)]
    for each in sensed.curves:
        known = dict(each.points)
        cells = (Cell(_said_of(score, known.get(value)), False) for value in values)
        rows.append(Row((Cell(tail(each.axis), True, each.axis), *cells)))
    return Listing((Head("axis", True), *(Head(f"{value}") for value in values)), tuple(rows))


def _said_of(score: Objective, value: float | None) -> str:
    return "-" if value is None else figure(score, value)
