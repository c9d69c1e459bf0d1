# SPDX-License-Identifier: Apache-2.0
"""The report of a compiled design as one page of HTML that needs nothing else: no script, no network, no fonts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2

from bitwright.planning.devices import device
from bitwright.report.show import removed

Row = Mapping[str, Any]
RESOURCES = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram": "BRAM18"}
COLUMNS = {
    "name": "layer",
    "op": "op",
    "shape": "shape",
    "bits": "bits",
    "sparsity": "zeros",
    "dense_share": "of dense",
    "pe": "PE",
    "simd": "SIMD",
    "style": "style",
    "cycles": "clocks",
    "requantiser": "requantiser",
    "fifo_depth": "FIFO",
}
PROSE = ("layer", "op", "shape", "style", "requantiser")


@dataclass(frozen=True)
class Fact:
    """One figure of the head line."""

    name: str
    value: str


@dataclass(frozen=True)
class Use:
    """One resource: the estimate, Yosys' count, what the part holds, and the share that is used."""

    name: str
    estimate: str
    yosys: str
    part: str
    percent: float | None


@dataclass(frozen=True)
class Cell:
    """One cell of the table of layers."""

    text: str
    prose: bool


@dataclass(frozen=True)
class Line:
    """One layer."""

    cells: tuple[Cell, ...]
    percent: float
    bottleneck: bool


@dataclass(frozen=True)
class Page:
    """Everything that `report.html.j2` prints."""

    title: str
    design: str
    note: str
    part: str
    facts: tuple[Fact, ...]
    tool: str
    budget: tuple[Use, ...]
    titles: tuple[str, ...]
    prose: tuple[str, ...]
    layers: tuple[Line, ...]
    removed: tuple[str, ...]
    host: tuple[Row, ...]


def page(report: Row, synthesis: Row | None = None) -> str:
    """HTML of a design's `report.json`, with the counts of its `synth.json` where it was synthesised."""
    made = Page(
        title=f"{report['model']}: streaming accelerator",
        design=report["design"],
        note=report["note"],
        part=report["part"],
        facts=_facts(report, synthesis),
        tool=synthesis["tool"] if synthesis else "",
        budget=_budget(report, synthesis),
        titles=(*COLUMNS.values(), *RESOURCES.values()),
        prose=PROSE,
        layers=_lines(report, synthesis),
        removed=tuple(removed(report)),
        host=tuple(report["host"]),
    )
    return _template().render(page=made)


def _facts(report: Row, synthesis: Row | None) -> tuple[Fact, ...]:
    facts = [
        Fact("frames per second", f"{report['fps']:,.0f}"),
        Fact("clocks per frame", f"{report['interval_cycles']:,}"),
        Fact("latency in clocks", f"{report['latency_cycles']:,}"),
        Fact("clock", f"{report['clock_ns']:g} ns"),
    ]
    if synthesis and "fmax" in synthesis:
        facts.append(Fact("reached on ECP5", f"{synthesis['fmax']['mhz']} MHz"))
    return tuple(facts)


def _budget(report: Row, synthesis: Row | None) -> tuple[Use, ...]:
    held = device(report["part"]).budget
    uses = []
    for key, name in RESOURCES.items():
        known = [layer[key] for layer in report["layers"] if layer[key] is not None]
        estimate = sum(known) if known else None
        counted = synthesis["total"]["yosys"][key] if synthesis else None
        used = estimate if counted is None else counted
        share = None if used is None else round(100 * used / getattr(held, key), 1)
        part = "" if held is None else _text(getattr(held, key))
        uses.append(Use(name, _text(estimate), _text(counted), part, share))
    return tuple(uses)


def _lines(report: Row, synthesis: Row | None) -> tuple[Line, ...]:
    interval = report["interval_cycles"]
    slowest = max((layer["cycles"] for layer in report["layers"]), default=0)
    counted = {row["name"]: row["yosys"] for row in synthesis["layers"]} if synthesis else {}
    lines = []
    for layer in report["layers"]:
        cells = [Cell(_text(layer[key]), title in PROSE) for key, title in COLUMNS.items()]
        for key in RESOURCES:
            count = f" / {_text(counted.get(layer['name'], {}).get(key))}" if synthesis else ""
            cells.append(Cell(_text(layer[key]) + count, False))
        lines.append(Line(tuple(cells), round(100 * layer["cycles"] / interval, 1), layer["cycles"] == slowest))
    return tuple(lines)


def _text(value: Any) -> str:
    match value:
        case None:
            return "-"
        case float():
            return f"{100 * value:.0f} %"
        case int():
            return f"{value:,}"
        case list():
            return " x ".join(map(str, value))
        case _:
            return str(value)


@cache
def _template() -> jinja2.Template:
    """The template; whatever comes from a model is escaped."""
    loader = jinja2.PackageLoader("bitwright", "pages")
    made = jinja2.Environment(
        loader=loader, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=True
    )
    return made.get_template("report.html.j2")
