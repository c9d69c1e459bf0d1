# SPDX-License-Identifier: Apache-2.0
"""One picture of a sweep: accuracy over area with the Pareto front, an SVG that needs nothing else to be shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import floor, log10
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from bitwright.explore.evaluate import Result

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 520, 72, 730, 72, 456
"""Of the picture, and of the frame in it, in pixels."""
PALETTE = ("#440154", "#443983", "#31688e", "#21918c", "#35b779", "#90d743", "#e8c414")
"""Few to many weight bits (viridis: in order also without colour)."""


@dataclass(frozen=True, slots=True)
class Axis:
    """A linear scale from values to pixels, with round values at its ends and grid lines."""

    ticks: tuple[float, ...]
    start: int
    end: int

    def at(self, value: float) -> float:
        """The pixel of `value`."""
        low, high = self.ticks[0], self.ticks[-1]
        return round(self.start + (self.end - self.start) * (value - low) / (high - low), 1)


def picture(results: Sequence[Result], float_accuracy: float, title: str) -> str:
    """Accuracy over area of all points; the front is drawn as steps, what is known of a point shows on hover."""
    lowest = min(*(result.accuracy for result in results), float_accuracy)
    x = Axis(ticks(min(result.area for result in results), max(result.area for result in results)), LEFT, RIGHT)
    y = Axis(ticks(lowest, 1.0), BOTTOM, TOP)
    size = {"width": str(WIDTH), "height": str(HEIGHT), "viewBox": f"0 0 {WIDTH} {HEIGHT}"}
    font = {"font-family": "system-ui, sans-serif", "font-size": "13", "fill": "#333"}
    svg = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, **font})
    SubElement(svg, "rect", {"width": "100%", "height": "100%", "fill": "#fff"})
    _text(svg, LEFT, 32, title, size=17)
    _axes(svg, x, y)
    _float_line(svg, y.at(float_accuracy), f"float {100 * float_accuracy:.1f} %")
    _front(svg, [(x.at(result.area), y.at(result.accuracy)) for result in results if result.on_front])
    shades = _shades(results)
    for result in sorted(results, key=lambda result: result.on_front):
        _mark(svg, x.at(result.area), y.at(result.accuracy), result, shades[result.point.weight_bits])
    for label, across, up in _labels(results, x, y):
        _text(svg, across, up, label, size=11)
    _legend(svg, shades)
    indent(svg)
    return tostring(svg, encoding="unicode") + "\n"


def ticks(low: float, high: float) -> tuple[float, ...]:
    """Round values in equal steps, at most ten, from at most `low` to at least `high`."""
    span = high - low or abs(high) or 1.0
    unit = 10.0 ** floor(log10(span / 8))
    step = next(unit * factor for factor in (1, 2, 5, 10) if span <= 8 * unit * factor)
    count = floor(low / step)
    values = [count * step, (count + 1) * step]
    while values[-1] < high - step * 1e-6:
        values.append((count + len(values)) * step)
    return tuple(values)


def _axes(svg: Element, x: Axis, y: Axis) -> None:
    for value in x.ticks:
        _line(svg, x.at(value), TOP, x.at(value), BOTTOM, stroke="#e6e6e6")
        _text(svg, x.at(value), BOTTOM + 20, f"{value:,.0f}", anchor="middle")
    for value in y.ticks:
        _line(svg, LEFT, y.at(value), RIGHT, y.at(value), stroke="#e6e6e6")
        _text(svg, LEFT - 8, y.at(value) + 4, f"{100 * value:.6g} %", anchor="end")
    _text(
        svg,
        (LEFT + RIGHT) / 2,
        BOTTOM + 46,
        "area in LUTs (estimate; a DSP counts as 100, a block RAM as 200)",
        anchor="middle",
    )
    _text(svg, LEFT, TOP - 12, "accuracy on the labelled test set", size=12)


def _float_line(svg: Element, at: float, text: str) -> None:
    line = _line(svg, LEFT, at, RIGHT, at, stroke="#b03060")
    line.set("stroke-dasharray", "6 4")
    _text(svg, RIGHT + 8, at + 4, text).set("fill", "#b03060")


def _front(svg: Element, points: Sequence[tuple[float, float]]) -> None:
    """The border between what is reached and what is not: right, then up."""
    (first_x, first_y), *rest = sorted(points)
    steps = " ".join(f"H{x} V{y}" for x, y in rest)
    SubElement(svg, "path", {"d": f"M{first_x} {first_y} {steps} H{RIGHT}", "fill": "none", "stroke": "#777"})


def _mark(svg: Element, x: float, y: float, result: Result, shade: str) -> None:
    radius = "6" if result.on_front else "4"
    circle = SubElement(svg, "circle", {"cx": f"{x}", "cy": f"{y}", "r": radius, "fill": shade, "stroke": "#fff"})
    SubElement(circle, "title").text = (
        f"{result.point.label}: {100 * result.accuracy:.1f} %, {result.lut:,} LUTs, "
        f"{result.bram} block RAMs, {result.dsp} DSPs, "
        f"{result.weight_memory_bits:,} bits of weights, {result.macs:,} MACs"
    )


def _labels(results: Sequence[Result], x: Axis, y: Axis) -> Iterator[tuple[str, float, float]]:
    """(text, pixels) for the points of the front, left to right, those left out that would cover an earlier one."""
    placed: list[tuple[float, float]] = []
    for result in sorted((r for r in results if r.on_front), key=lambda result: result.area):
        across, up = x.at(result.area) + 7, y.at(result.accuracy) + 17
        if all(abs(across - a) > 30 or abs(up - u) > 12 for a, u in placed):
            placed.append((across, up))
            yield result.point.label, across, up


def _legend(svg: Element, shades: dict[int, str]) -> None:
    _text(svg, RIGHT + 8, TOP + 44, "weights")
    for row, (bits, shade) in enumerate(shades.items()):
        at = TOP + 64 + 20 * row
        SubElement(svg, "circle", {"cx": f"{RIGHT + 15}", "cy": f"{at}", "r": "5", "fill": shade})
        _text(svg, RIGHT + 27, at + 4, f"{bits} bits")


def _shades(results: Sequence[Result]) -> dict[int, str]:
    """A colour of the palette for each number of weight bits, spread evenly."""
    bits = sorted({result.point.weight_bits for result in results})
    last = max(len(bits) - 1, 1)
    return {width: PALETTE[row * (len(PALETTE) - 1) // last] for row, width in enumerate(bits)}


def _line(parent: Element, x1: float, y1: float, x2: float, y2: float, *, stroke: str) -> Element:
    ends = {"x1": f"{x1}", "y1": f"{y1}", "x2": f"{x2}", "y2": f"{y2}"}
    return SubElement(parent, "line", {**ends, "stroke": stroke})


def _text(parent: Element, x: float, y: float, text: str, *, size: int = 13, anchor: str = "start") -> Element:
    attributes = {"x": f"{x}", "y": f"{y}", "font-size": f"{size}", "text-anchor": anchor}
    element = SubElement(parent, "text", attributes)
    element.text = text
    return element
