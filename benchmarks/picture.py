# SPDX-License-Identifier: Apache-2.0
"""docs/flow.svg, the picture of the README: the way of a network, and a piece of the report of the digits example.

python benchmarks/picture.py
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

import bitwright as bw

ROOT = Path(__file__).parents[1]
OUT = ROOT / "docs/flow.svg"
CYCLES = 1000
WIDTH, HEIGHT = 960, 420
COLUMNS = {
    "layer": 24,
    "shape": 150,
    "bits": 250,
    "zeros": 310,
    "lanes": 370,
    "clocks": 450,
    "LUT": 700,
    "requantiser": 790,
}
"""Heading -> where the column begins."""
FORMS = {"mas": "multiply, add, shift"}
ROWS = ("conv1", "quant1", "conv2", "quant2", "dense1", "dense2")
INK, SOFT, BLUE, GREEN, AMBER = "#1f2933", "#6b7785", "#2f6db5", "#2e8b57", "#c77d0a"
CLOCK_WIDTH = 190


def picture() -> str:
    """The SVG."""
    design = bw.compile(bw.load(ROOT / "examples/digits/digits.onnx"), cycles=CYCLES)
    parts = [*_flow(), *_report(design.report())]
    head = f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" width="{WIDTH}" height="{HEIGHT}"'
    style = 'font-family="DejaVu Sans, Verdana, sans-serif" font-size="13"'
    title = "<title>From an ONNX file to HLS C++ and SystemVerilog, and a piece of a report</title>"
    paper = f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>'
    return "\n".join([f"{head} {style}>", title, paper, *parts, "</svg>", ""])


def _flow() -> Iterator[str]:
    boxes = (
        (20, "ONNX", "QONNX, QDQ, QOperator", SOFT),
        (208, "exact integers", "ranges, scales: rationals", BLUE),
        (396, "plan", "cheapest at your speed", BLUE),
        (584, "HLS C++", "and SystemVerilog", BLUE),
        (772, "every integer equal", "NumPy, C++, Verilator", GREEN),
    )
    for x, title, below, colour in boxes:
        yield f'<rect x="{x}" y="24" width="168" height="58" rx="6" fill="none" stroke="{colour}" stroke-width="1.5"/>'
        yield _text(x + 84, 49, title, colour, anchor="middle", weight="bold")
        yield _text(x + 84, 69, below, SOFT, anchor="middle", size=11)
    for x in (188, 376, 564, 752):
        yield f'<path d="M{x + 2} 53h13m-5 -4l5 4l-5 4" fill="none" stroke="{SOFT}" stroke-width="1.5"/>'
    yield f'<path d="M292 82v22h376v-22" fill="none" stroke="{GREEN}" stroke-width="1.5" stroke-dasharray="4 3"/>'
    proved = "each layer proved equal for every value that can occur, and checked again by other code"
    yield _text(480, 122, proved, GREEN, anchor="middle", size=12)


def _report(report: dict[str, Any]) -> Iterator[str]:
    yield f'<rect x="8" y="142" width="{WIDTH - 16}" height="268" rx="6" fill="#f7f9fb" stroke="#d5dce3"/>'
    for name, x in COLUMNS.items():
        yield _text(x, 168, name, SOFT, size=11)
    yield f'<path d="M20 176h{WIDTH - 40}" stroke="#d5dce3"/>'
    for index, row in enumerate(row for row in report["layers"] if row["name"] in ROWS):
        yield from _row(row, 198 + 26 * index, report["interval_cycles"])
    frames = f"{report['fps']:,.0f}".replace(",", " ")
    said = (
        f"a frame every {report['interval_cycles']} clocks of {report['clock_ns']:g} ns: {frames} frames per second, "
        f"latency {report['latency_cycles']} clocks, counted so by Verilator"
    )
    yield _text(24, 374, said, INK)
    yield _text(
        24, 396, f"bitwright compile examples/digits/digits.onnx -o digits_build --cycles {CYCLES}", SOFT, size=11
    )


def _row(row: dict[str, Any], y: int, slowest: int) -> Iterator[str]:
    cells = {
        "layer": row["name"],
        "shape": " x ".join(map(str, row["shape"])),
        "bits": row["bits"],
        "zeros": "" if row["sparsity"] is None else f"{row['sparsity']:.0%}",
        "lanes": f"{row['pe']} x {row['simd']}",
        "LUT": row["lut"],
        "requantiser": FORMS.get(row["requantiser"], row["requantiser"] or ""),
    }
    for name, value in cells.items():
        yield _text(COLUMNS[name], y, str(value), INK)
    x, width = COLUMNS["clocks"], round(CLOCK_WIDTH * row["cycles"] / slowest)
    colour = AMBER if row["cycles"] == slowest else BLUE
    yield f'<rect x="{x}" y="{y - 11}" width="{width}" height="13" rx="2" fill="{colour}" opacity="0.75"/>'
    yield _text(x + width + 6, y, str(row["cycles"]), INK, size=11)


def _text(
    x: int, y: int, text: str, colour: str, *, anchor: str = "start", weight: str = "normal", size: int = 13
) -> str:
    style = f'fill="{colour}" text-anchor="{anchor}" font-weight="{weight}" font-size="{size}"'
    return f'<text x="{x}" y="{y}" {style}>{escape(text)}</text>'


if __name__ == "__main__":
    OUT.write_text(picture(), encoding="utf-8")
