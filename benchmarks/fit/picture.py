# SPDX-License-Identifier: Apache-2.0
"""The scatter plot of estimates against counts, as SVG."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import log10

SIDE, MARGIN, DECADES = 360, 50, 5
COLOURS = {"lut": "#3b7dd8", "ff": "#d08a37"}
TITLES = {"lut": "LUTs", "ff": "flip-flops"}


def scatter(pairs: Mapping[str, Sequence[tuple[float, float]]]) -> str:
    """One panel for each resource: counted to the right, estimated upwards, both from 1 to 10^5, dashed at 20 %."""
    panels = "\n".join(_panel(index, which, rows) for index, (which, rows) in enumerate(pairs.items()))
    width, height = len(pairs) * (SIDE + MARGIN) + MARGIN, SIDE + 2 * MARGIN
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'font-family="sans-serif" font-size="12">\n<rect width="{width}" height="{height}" fill="white"/>\n'
        f"{panels}\n</svg>\n"
    )


def _panel(index: int, which: str, rows: Sequence[tuple[float, float]]) -> str:
    left, top = MARGIN + index * (SIDE + MARGIN), MARGIN
    lines = [f'<rect x="{left}" y="{top}" width="{SIDE}" height="{SIDE}" fill="none" stroke="black"/>']
    for decade in range(DECADES + 1):
        at = SIDE * decade / DECADES
        label = f"10<tspan dy='-4' font-size='9'>{decade}</tspan>"
        lines.append(f'<text x="{left + at:.0f}" y="{top + SIDE + 16}" text-anchor="middle">{label}</text>')
        lines.append(f'<text x="{left - 6}" y="{top + SIDE - at + 4:.0f}" text-anchor="end">{label}</text>')
    for factor, dash in ((1.0, "none"), (1.2, "4"), (1 / 1.2, "4")):
        shift = SIDE * log10(factor) / DECADES
        lines.append(
            f'<line x1="{left}" y1="{top + SIDE - shift:.1f}" x2="{left + SIDE}" y2="{top - shift:.1f}" '
            f'stroke="grey" stroke-dasharray="{dash}"/>'
        )
    for mine, counted in rows:
        x, y = (SIDE * log10(max(value, 1)) / DECADES for value in (counted, mine))
        lines.append(f'<circle cx="{left + x:.1f}" cy="{top + SIDE - y:.1f}" r="2.5" fill="{COLOURS[which]}"/>')
    title = f"{TITLES[which]}: counted by Yosys (across), estimated (up), layers held back"
    lines.append(f'<text x="{left + SIDE / 2:.0f}" y="{top - 12}" text-anchor="middle">{title}</text>')
    return "\n".join(lines)
