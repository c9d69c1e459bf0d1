# SPDX-License-Identifier: Apache-2.0
"""The trade-off of one network between clocks and resources: what `bitwright compile --front` shows and writes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from math import inf
from typing import Any
from xml.etree.ElementTree import Element, SubElement

from bitwright.exact.ranges import ranges
from bitwright.hardware.plan import Plan
from bitwright.ir.graph import Graph
from bitwright.planning.candidates import candidates
from bitwright.planning.devices import part_of
from bitwright.planning.front import Front, front
from bitwright.planning.price import KINDS, Scale, scale_of
from bitwright.planning.solver import Solution
from bitwright.planning.target import Target
from bitwright.report.svg import BOTTOM, GRID, LEFT, RIGHT, TOP, LogAxis, canvas, line, log_ticks, printed, text

Row = dict[str, Any]
VERSION = 1
"""Of `front.json`."""
COLOURS = {
    "cost": "#222222",
    "lut": "#31688e",
    "ff": "#90a4ae",
    "dsp": "#d95f02",
    "bram": "#35b779",
    "uram": "#8c6bb1",
}
"""The lines of the picture: the sum of the shares, and the share of each resource."""
LEAST = 0.01
"""The smallest share of a part, in percent, that the picture shows."""


def trade_off(graph: Graph, *, part: str | None = None, clock_ns: float = 10.0) -> tuple[Row, dict[str, str]]:
    """The front as `--json` prints it, and the files of its folder: `front.json`, `front.svg` and a plan for each row.

    Each row is the cheapest plan for its `target_cycles`, with the certificate; `cost` is the sum of `shares`, both in
    percent of the part. `stopped` says why no plan is faster.
    """
    Target(clock_ns=clock_ns, part=part)
    part = None if part is None else part_of(part)
    scale = scale_of(part)
    offered = candidates(graph, Plan(), ranges(graph))
    found = front(graph, offered, scale)
    result = {
        "version": VERSION,
        "model": graph.source.file,
        "part": part,
        "note": scale.said,
        "clock_ns": clock_ns,
        "rows": [_row(solution, scale, clock_ns) for solution in found.solutions],
        "stopped": _stopped(found),
    }
    files = {f"plans/{one.interval}.json": one.plan.to_json() for one in found.solutions}
    return result, {"front.json": json.dumps(result, indent=2) + "\n", "front.svg": picture(result), **files}


def _row(solution: Solution, scale: Scale, clock_ns: float) -> Row:
    shares = scale.shares([solution.used.get(kind, 0) for kind in KINDS])
    certificate = {key: solution.certificate[key] for key in ("status", "objective", "dual_bound", "gap")}
    return {
        "target_cycles": solution.plan.target_cycles,
        "interval_cycles": solution.interval,
        "fps": round(1e9 / (clock_ns * solution.interval), 3),
        **solution.used,
        "shares": {kind: round(100 * shares[kind], 2) for kind in solution.used},
        "cost": round(100 * sum(shares.values()), 2),
        **certificate,
    }


def _stopped(found: Front) -> str:
    if found.stopped is None:
        return "the last row is as fast as the network can be"
    return f"{found.stopped.where}: {found.stopped.what}"


def picture(result: Row) -> str:
    """Shares of the part over clocks per frame, both logarithmic: one line for each resource, and one for their sum."""
    rows: Sequence[Row] = result["rows"]
    clocks = [row["interval_cycles"] for row in rows]
    kinds = [kind for kind in KINDS if any(kind in row["shares"] for row in rows)]
    lines = {kind: [row["shares"][kind] for row in rows] for kind in kinds} | {"cost": [row["cost"] for row in rows]}
    lines = {kind: [max(share, LEAST) for share in shares] for kind, shares in lines.items() if any(shares)}
    seen = [share for shares in lines.values() for share in shares]
    x = LogAxis(log_ticks(min(clocks), max(clocks)), LEFT, RIGHT)
    y = LogAxis(log_ticks(min(seen, default=LEAST), max(seen, default=1.0)), BOTTOM, TOP)
    svg = canvas(f"{result['model'] or 'network'}: resources over clocks per frame")
    _axes(svg, x, y, result["note"])
    if y.ticks[0] <= 100 <= y.ticks[-1]:
        line(svg, LEFT, y.at(100), RIGHT, y.at(100), stroke="#b03060").set("stroke-dasharray", "6 4")
        text(svg, LEFT + 6, y.at(100) - 5, "the whole part", size=11).set("fill", "#b03060")
    last = -inf
    for kind, shares in sorted(lines.items(), key=lambda entry: -entry[1][0]):
        points = [(x.at(at), y.at(share)) for at, share in zip(clocks, shares, strict=True)]
        last = max(last + 15, points[0][1] + 4)
        _line(svg, kind, points, rows, last)
    return printed(svg)


def _axes(svg: Element, x: LogAxis, y: LogAxis, note: str) -> None:
    for value in x.ticks:
        line(svg, x.at(value), TOP, x.at(value), BOTTOM, stroke=GRID)
        text(svg, x.at(value), BOTTOM + 20, f"{value:,.0f}", anchor="middle")
    for value in y.ticks:
        line(svg, LEFT, y.at(value), RIGHT, y.at(value), stroke=GRID)
        text(svg, LEFT - 8, y.at(value) + 4, f"{value:g} %", anchor="end")
    text(svg, (LEFT + RIGHT) / 2, BOTTOM + 46, "clocks per frame", anchor="middle")
    text(svg, LEFT, TOP - 12, f"share of the part's resources ({note})", size=12)


def _line(svg: Element, kind: str, points: Sequence[tuple[float, float]], rows: Sequence[Row], label: float) -> None:
    """One resource over the intervals, slowest first; what is known of a plan shows on hover."""
    path = " ".join(f"{across},{up}" for across, up in points)
    width = "2.5" if kind == "cost" else "1.5"
    style = {"fill": "none", "stroke": COLOURS[kind], "stroke-width": width}
    SubElement(svg, "polyline", {"points": path, **style})
    for (across, up), row in zip(points, rows, strict=True):
        circle = SubElement(svg, "circle", {"cx": f"{across}", "cy": f"{up}", "r": "3.5", "fill": COLOURS[kind]})
        used = ", ".join(f"{row[name]:,} {name.upper()}" for name in row["shares"])
        SubElement(circle, "title").text = f"{row['interval_cycles']:,} clocks: {used}, {row['status']}"
    words = "sum" if kind == "cost" else kind.upper()
    text(svg, RIGHT + 8, label, words).set("fill", COLOURS[kind])
