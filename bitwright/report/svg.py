# SPDX-License-Identifier: Apache-2.0
"""What our pictures are drawn with: axes from values to pixels, lines and texts of an SVG."""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, floor, log10
from xml.etree.ElementTree import Element, SubElement, indent, tostring

from bitwright.ir.errors import printable

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 860, 520, 72, 730, 72, 456
"""Of a picture, and of the frame in it, in pixels."""
PALETTE = ("#440154", "#443983", "#31688e", "#21918c", "#35b779", "#90d743", "#e8c414")
"""Few to many (viridis: in order also without colour)."""
GRID = "#e6e6e6"


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


@dataclass(frozen=True, slots=True)
class LogAxis:
    """A logarithmic scale from positive values to pixels, with grid lines at `ticks`, which hold its ends."""

    ticks: tuple[float, ...]
    start: int
    end: int

    def at(self, value: float) -> float:
        """The pixel of `value`."""
        low, high = log10(self.ticks[0]), log10(self.ticks[-1])
        return round(self.start + (self.end - self.start) * (log10(value) - low) / (high - low), 1)


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


def log_ticks(low: float, high: float) -> tuple[float, ...]:
    """The powers of ten from at most `low` to at least `high`, at least two, both positive."""
    first, last = floor(log10(low)), ceil(log10(high))
    return tuple(10.0**power for power in range(first, max(last, first + 1) + 1))


def canvas(title: str) -> Element:
    """A white picture with its title, what XML cannot hold of it as escapes."""
    size = {"width": str(WIDTH), "height": str(HEIGHT), "viewBox": f"0 0 {WIDTH} {HEIGHT}"}
    font = {"font-family": "system-ui, sans-serif", "font-size": "13", "fill": "#333"}
    svg = Element("svg", {"xmlns": "http://www.w3.org/2000/svg", **size, **font})
    SubElement(svg, "rect", {"width": "100%", "height": "100%", "fill": "#fff"})
    text(svg, LEFT, 32, printable(title), size=17)
    return svg


def printed(svg: Element) -> str:
    """The file of a picture."""
    indent(svg)
    return tostring(svg, encoding="unicode") + "\n"


def line(parent: Element, x1: float, y1: float, x2: float, y2: float, *, stroke: str) -> Element:
    """A straight line."""
    ends = {"x1": f"{x1}", "y1": f"{y1}", "x2": f"{x2}", "y2": f"{y2}"}
    return SubElement(parent, "line", {**ends, "stroke": stroke})


def text(parent: Element, x: float, y: float, words: str, *, size: int = 13, anchor: str = "start") -> Element:
    """Words, their baseline at `y`."""
    attributes = {"x": f"{x}", "y": f"{y}", "font-size": f"{size}", "text-anchor": anchor}
    element = SubElement(parent, "text", attributes)
    element.text = words
    return element
