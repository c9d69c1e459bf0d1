# SPDX-License-Identifier: Apache-2.0
"""One picture of a sweep: the score over what it costs, with the front, an SVG that needs nothing else to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from xml.etree.ElementTree import Element, SubElement

from bitwright.explore.explored import Explored
from bitwright.explore.pareto import pareto_front
from bitwright.explore.record import Record
from bitwright.explore.words import SHARES, figure, interval, label, title
from bitwright.ir.errors import printable
from bitwright.report.svg import BOTTOM, GRID, LEFT, RIGHT, TOP, Axis, canvas, line, printed, text, ticks

MIXED, UNIFORM, BESIDE, FLOAT = "#0072b2", "#d55e00", "#9a9a9a", "#b03060"
"""Of designs on the front and beside it (Okabe and Ito: told apart by all eyes), and of the float network."""
MOST = 2000
"""The designs beside the front that are drawn."""


def drawing(explored: Explored) -> str:
    """The score over the second objective; squares are uniform designs, circles mixed ones; open: the table's price."""
    svg = canvas(f"{explored.model}: {title(explored.score)} over {title(explored.cost)}")
    seen = [each for each in explored.records if each.score.complete]
    if not seen:
        text(svg, LEFT, TOP + 40, "no design has been seen on all samples")
        return printed(svg)
    scores = [each.score.value for each in seen] + ([explored.reference.value] if explored.reference else [])
    costs = [each.figures[explored.cost.name] for each in seen]
    x, y = Axis(ticks(min(costs), max(costs)), LEFT, RIGHT), Axis(ticks(min(scores), max(scores)), BOTTOM, TOP)
    _axes(svg, explored, x, y)
    front = _front(explored)
    _steps(svg, [(x.at(cost), y.at(score)) for cost, score in (_at(explored, each) for each in front)])
    for each in [*_beside(seen, front), *front]:
        across, up = _at(explored, each)
        _mark(svg, (x.at(across), y.at(up)), explored, each, each in front)
    _legend(svg)
    return printed(svg)


def _at(explored: Explored, record: Record) -> tuple[float, float]:
    return record.figures[explored.cost.name], record.score.value


def _front(explored: Explored) -> list[Record]:
    """Of the score and the second objective alone, cheapest first."""
    return pareto_front(explored.front, cost=explored.costs, score=lambda each: -explored.lost(each))


def _beside(seen: Sequence[Record], front: Sequence[Record]) -> list[Record]:
    kept = {each.design for each in front}
    rest = [each for each in seen if each.design not in kept]
    return rest[:: max(1, -(-len(rest) // MOST))]


def _axes(svg: Element, explored: Explored, x: Axis, y: Axis) -> None:
    score, cost = explored.score, explored.cost
    for value in x.ticks:
        line(svg, x.at(value), TOP, x.at(value), BOTTOM, stroke=GRID)
        text(svg, x.at(value), BOTTOM + 20, f"{value:,.6g}", anchor="middle")
    for value in y.ticks:
        line(svg, LEFT, y.at(value), RIGHT, y.at(value), stroke=GRID)
        words = f"{100 * value:.6g} %" if score.name in SHARES else f"{value:,.6g}"
        text(svg, LEFT - 8, y.at(value) + 4, words, anchor="end")
    text(svg, (LEFT + RIGHT) / 2, BOTTOM + 46, f"{title(cost)}: {cost.of}", anchor="middle")
    text(svg, LEFT, TOP - 12, printable(explored.how), size=12)
    if explored.reference is not None:
        at = y.at(explored.reference.value)
        line(svg, LEFT, at, RIGHT, at, stroke=FLOAT).set("stroke-dasharray", "6 4")
        text(svg, RIGHT + 8, at + 4, f"float {figure(score, explored.reference.value)}").set("fill", FLOAT)


def _steps(svg: Element, points: Sequence[tuple[float, float]]) -> None:
    """The border between what is reached and what is not."""
    if points:
        (first_x, first_y), *rest = points
        steps = " ".join(f"H{across} V{up}" for across, up in rest)
        SubElement(svg, "path", {"d": f"M{first_x} {first_y} {steps}", "fill": "none", "stroke": "#777"})


def _mark(svg: Element, at: tuple[float, float], explored: Explored, record: Record, on_front: bool) -> None:
    uniform = explored.is_uniform(record.design)
    colour = (UNIFORM if uniform else MIXED) if on_front else BESIDE
    size = 5.0 if on_front else 3.0
    if uniform:
        corner = {
            "x": f"{at[0] - size:.1f}",
            "y": f"{at[1] - size:.1f}",
            "width": f"{2 * size}",
            "height": f"{2 * size}",
        }
        mark = SubElement(svg, "rect", corner)
    else:
        mark = SubElement(svg, "circle", {"cx": f"{at[0]}", "cy": f"{at[1]}", "r": f"{size}"})
    mark.set("fill", colour if record.compiled else "#fff")
    mark.set("stroke", colour)
    known = (f"{figure(each, record.figures[each.name])} {title(each)}" for each in explored.measures[1:])
    score = f"{figure(explored.score, record.score.value)} ({interval(explored.score, record.score)})"
    words = [record.design.key, label(explored.space, record.design), score, *known]
    SubElement(mark, "title").text = printable(", ".join(words))


def _legend(svg: Element) -> None:
    rows = (("mixed", MIXED, True), ("uniform", UNIFORM, False), ("beside the front", BESIDE, True))
    for row, (words, colour, is_round) in enumerate(rows):
        at = TOP + 64 + 20 * row
        if is_round:
            SubElement(svg, "circle", {"cx": f"{RIGHT + 15}", "cy": f"{at}", "r": "5", "fill": colour})
        else:
            SubElement(
                svg, "rect", {"x": f"{RIGHT + 10}", "y": f"{at - 5}", "width": "10", "height": "10", "fill": colour}
            )
        text(svg, RIGHT + 27, at + 4, words, size=12)
    text(svg, RIGHT + 8, TOP + 128, "open: price of", size=12)
    text(svg, RIGHT + 8, TOP + 144, "the table", size=12)
