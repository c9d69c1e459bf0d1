# SPDX-License-Identifier: Apache-2.0
"""The report of a compiled design as one page of HTML that needs nothing else: no script, no network, no fonts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import jinja2

from bitwright.ir.columns import by, tail
from bitwright.planning.devices import device
from bitwright.report.record import HostNode, LayerRecord, Report
from bitwright.report.show import removed

Row = Mapping[str, Any]
RESOURCES = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram": "BRAM18", "uram": "URAM"}
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
SHARES = ("sparsity", "dense_share")
PROSE = ("layer", "op", "shape", "style", "requantiser")


@dataclass(frozen=True)
class Fact:
    """One figure of the head line."""

    name: str
    value: str


@dataclass(frozen=True)
class Use:
    """One resource: the estimate, Yosys' count, what the part holds, and the share that is used, where one is named."""

    name: str
    estimate: str
    yosys: str
    part: str
    percent: float | None


@dataclass(frozen=True)
class Cell:
    """One cell of the table of layers; `whole` is what shows on hover where `text` is cut."""

    text: str
    prose: bool
    whole: str = ""


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
    shares: bool
    facts: tuple[Fact, ...]
    tool: str
    budget: tuple[Use, ...]
    titles: tuple[str, ...]
    prose: tuple[str, ...]
    layers: tuple[Line, ...]
    removed: tuple[str, ...]
    host: tuple[HostNode, ...]


def page(report: Report, synthesis: Row | None = None) -> str:
    """HTML of a design's report, with the counts of its `synth.json` where it was synthesised."""
    made = Page(
        title=f"{report.model}: streaming accelerator",
        design=report.design,
        note=report.note,
        part=report.part or "",
        shares=report.total.share is not None,
        facts=_facts(report, synthesis),
        tool=synthesis["tool"] if synthesis else "",
        budget=_budget(report, synthesis),
        titles=(*columns(report).values(), *(RESOURCES[key] for key in report.resources)),
        prose=PROSE,
        layers=_lines(report, synthesis),
        removed=tuple(removed(report.removed)),
        host=report.host,
    )
    return template("report.html.j2").render(page=made)


def columns(report: Report) -> dict[str, str]:
    """The columns of the table of layers: what is left of the dense clocks only where some unit skips."""
    skips = any(layer.dense_share not in (None, 1.0) for layer in report.layers)
    return {key: title for key, title in COLUMNS.items() if skips or key != "dense_share"}


def _facts(report: Report, synthesis: Row | None) -> tuple[Fact, ...]:
    facts = [
        Fact("frames per second", f"{report.fps:,.0f}"),
        Fact("clocks per frame", f"{report.interval_cycles:,}"),
        Fact("latency in clocks", f"{report.latency_cycles:,}"),
        Fact("clock", f"{report.clock_ns:g} ns"),
    ]
    if synthesis and "fmax" in synthesis:
        facts.append(Fact("reached on ECP5", f"{synthesis['fmax']['mhz']} MHz"))
    return tuple(facts)


def _budget(report: Report, synthesis: Row | None) -> tuple[Use, ...]:
    held = None if report.part is None or report.total.share is None else device(report.part).budget
    uses = []
    for key in report.resources:
        estimate, counted = getattr(report.total, key), synthesis["total"]["yosys"][key] if synthesis else None
        used = estimate if counted is None else counted
        limit = None if held is None else getattr(held, key)
        share = None if limit is None else round(100 * used / limit, 1)
        uses.append(Use(RESOURCES[key], _text(estimate), _text(counted), _text(limit), share))
    return tuple(uses)


def _lines(report: Report, synthesis: Row | None) -> tuple[Line, ...]:
    counted = {row["name"]: row["yosys"] for row in synthesis["layers"]} if synthesis else {}
    lines = []
    for layer in report.layers:
        cells = [Cell(tail(layer.name), True, layer.name)]
        cells += [
            Cell(_text(_shown(layer, key)), title in PROSE) for key, title in columns(report).items() if key != "name"
        ]
        for key in report.resources:
            count = f" / {_text(counted.get(layer.name, {}).get(key))}" if synthesis else ""
            cells.append(Cell(_text(getattr(layer, key)) + count, False))
        share = round(100 * layer.cycles / report.interval_cycles, 1)
        lines.append(Line(tuple(cells), share, layer.name in report.bottleneck))
    whole = counted | ({"total": synthesis["total"]["yosys"]} if synthesis else {})
    for name, uses in report.totals().items():
        cells = [Cell(name, True), *(Cell("", t in PROSE) for key, t in columns(report).items() if key != "name")]
        for key in report.resources:
            count = f" / {_text(whole[name].get(key))}" if name in whole else ""
            cells.append(Cell(_text(uses[key]) + count, False))
        lines.append(Line(tuple(cells), 0.0, False))
    return tuple(lines)


def _shown(layer: LayerRecord, key: str) -> object:
    """A field as the page shows it; shares in percent."""
    value = getattr(layer, key)
    return f"{100 * value:.0f} %" if key in SHARES and value is not None else value


def _text(value: object) -> str:
    match value:
        case None:
            return "-"
        case int():
            return f"{value:,}"
        case tuple():
            return by(value)
        case _:
            return str(value)


@cache
def template(name: str) -> jinja2.Template:
    """A template of `pages`; whatever comes from a model is escaped."""
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("bitwright", "pages"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        autoescape=True,
        finalize=_encodable,
    )
    return made.get_template(name)


def _encodable(value: object) -> object:
    """What a template prints; bytes of a file's name that are no UTF-8 are shown as escapes."""
    if not isinstance(value, str):
        return value
    return type(value)(value.encode(errors="backslashreplace").decode())
