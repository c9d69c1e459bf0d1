# SPDX-License-Identifier: Apache-2.0
"""One picture of a sweep: accuracy over cost with the Pareto front, an SVG that needs nothing else to be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from xml.etree.ElementTree import Element, SubElement

from bitwright.explore.points import Result
from bitwright.report.svg import BOTTOM, GRID, LEFT, PALETTE, RIGHT, TOP, Axis, canvas, line, printed, text, ticks


def picture(results: Sequence[Result], float_accuracy: float, title: str, note: str) -> str:
    """Accuracy over cost of all points; the front is drawn as steps, what is known of a point shows on hover.

    `note` says what the costs are shares of.
    """
    lowest = min(*(result.accuracy for result in results), float_accuracy)
    x = Axis(ticks(min(result.cost for result in results), max(result.cost for result in results)), LEFT, RIGHT)
    y = Axis(ticks(lowest, 1.0), BOTTOM, TOP)
    svg = canvas(title)
    _axes(svg, x, y, note)
    _float_line(svg, y.at(float_accuracy), f"float {100 * float_accuracy:.1f} %")
    _front(svg, [(x.at(result.cost), y.at(result.accuracy)) for result in results if result.on_front])
    shades = _shades(results)
    for result in sorted(results, key=lambda result: result.on_front):
        _mark(svg, x.at(result.cost), y.at(result.accuracy), result, shades[result.point.weight_bits])
    for label, across, up in _labels(results, x, y):
        text(svg, across, up, label, size=11)
    _legend(svg, shades)
    return printed(svg)


def _axes(svg: Element, x: Axis, y: Axis, note: str) -> None:
    for value in x.ticks:
        line(svg, x.at(value), TOP, x.at(value), BOTTOM, stroke=GRID)
        text(svg, x.at(value), BOTTOM + 20, f"{value:,.6g} %", anchor="middle")
    for value in y.ticks:
        line(svg, LEFT, y.at(value), RIGHT, y.at(value), stroke=GRID)
        text(svg, LEFT - 8, y.at(value) + 4, f"{100 * value:.6g} %", anchor="end")
    text(svg, (LEFT + RIGHT) / 2, BOTTOM + 46, f"cost: the sum of all shares (estimates; {note})", anchor="middle")
    text(svg, LEFT, TOP - 12, "accuracy on the labelled test set", size=12)


def _float_line(svg: Element, at: float, words: str) -> None:
    dashes = line(svg, LEFT, at, RIGHT, at, stroke="#b03060")
    dashes.set("stroke-dasharray", "6 4")
    text(svg, RIGHT + 8, at + 4, words).set("fill", "#b03060")


def _front(svg: Element, points: Sequence[tuple[float, float]]) -> None:
    """The border between what is reached and what is not: right, then up."""
    if not points:
        return
    (first_x, first_y), *rest = sorted(points)
    steps = " ".join(f"H{x} V{y}" for x, y in rest)
    SubElement(svg, "path", {"d": f"M{first_x} {first_y} {steps} H{RIGHT}", "fill": "none", "stroke": "#777"})


def _mark(svg: Element, x: float, y: float, result: Result, shade: str) -> None:
    radius = "6" if result.on_front else "4"
    circle = SubElement(svg, "circle", {"cx": f"{x}", "cy": f"{y}", "r": radius, "fill": shade, "stroke": "#fff"})
    SubElement(circle, "title").text = (
        f"{result.point.label}: {100 * result.accuracy:.1f} %, {result.lut:,} LUTs, {result.ff:,} flip-flops, "
        f"{result.bram} block RAMs, {result.dsp} DSPs{'' if result.fits else ', does not fit'}, "
        f"{result.interval_cycles:,} clocks, "
        f"{result.weight_memory_bits:,} bits of weights, {result.macs:,} MACs"
    )


def _labels(results: Sequence[Result], x: Axis, y: Axis) -> Iterator[tuple[str, float, float]]:
    """(text, pixels) for the points of the front, left to right, those left out that would cover an earlier one."""
    placed: list[tuple[float, float]] = []
    for result in sorted((r for r in results if r.on_front), key=lambda result: result.cost):
        across, up = x.at(result.cost) + 7, y.at(result.accuracy) + 17
        if all(abs(across - a) > 30 or abs(up - u) > 12 for a, u in placed):
            placed.append((across, up))
            yield result.point.label, across, up


def _legend(svg: Element, shades: dict[int, str]) -> None:
    text(svg, RIGHT + 8, TOP + 44, "weights")
    for row, (bits, shade) in enumerate(shades.items()):
        at = TOP + 64 + 20 * row
        SubElement(svg, "circle", {"cx": f"{RIGHT + 15}", "cy": f"{at}", "r": "5", "fill": shade})
        text(svg, RIGHT + 27, at + 4, f"{bits} bits")


def _shades(results: Sequence[Result]) -> dict[int, str]:
    """A colour of the palette for each number of weight bits, spread evenly."""
    bits = sorted({result.point.weight_bits for result in results})
    last = max(len(bits) - 1, 1)
    return {width: PALETTE[row * (len(PALETTE) - 1) // last] for row, width in enumerate(bits)}
