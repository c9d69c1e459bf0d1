# SPDX-License-Identifier: Apache-2.0
"""The report of `quantize` as one page of HTML that needs nothing else: no script, no network, no fonts."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from bitwright.ir.columns import tail
from bitwright.report.allocated import certified, limits
from bitwright.report.page import Cell, Fact, Line, template
from bitwright.report.quantised import QuantiseReport, cells, last, percent, samples

COLUMNS = {
    "name": "layer",
    "op": "op",
    "weights": "weights",
    "activations": "input",
    "scale": "scale",
    "clipped": "clipped",
    "signal_to_noise": "dB",
}
PROSE = ("layer", "op", "weights", "input", "scale")
FULL = 60.0
"""Decibels of a full bar."""


@dataclass(frozen=True)
class Said:
    """A line above the tables."""

    text: str
    warning: bool


@dataclass(frozen=True)
class Page:
    """Everything that `quantize.html.j2` prints."""

    title: str
    how: str
    facts: tuple[Fact, ...]
    said: tuple[Said, ...]
    titles: tuple[str, ...]
    prose: tuple[str, ...]
    layers: tuple[Line, ...]
    tensors: tuple[tuple[Cell, ...], ...]


def page(report: QuantiseReport) -> str:
    """HTML of a network that was quantised."""
    given = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in report.options.items())
    made = Page(
        title=f"{report.model}: quantised",
        how=f"{given}; calibrated on {samples(report.samples)}; written to {report.file}",
        facts=tuple(_facts(report)),
        said=tuple(Said(line, line.startswith("warning")) for line in (*_allocation(report), *last(report))),
        titles=tuple(COLUMNS.values()),
        prose=PROSE,
        layers=tuple(_lines(report)),
        tensors=tuple(_tensors(report)),
    )
    return template("quantize.html.j2").render(page=made)


def _allocation(report: QuantiseReport) -> Iterator[str]:
    """The certificate of widths that were chosen within a budget."""
    if report.allocation is not None:
        yield f"least {report.allocation['least']} within {limits(report.allocation)}"
        yield from certified(report.allocation)


def _facts(report: QuantiseReport) -> Iterator[Fact]:
    if report.float_accuracy is not None and report.accuracy is not None:
        yield Fact("float accuracy", percent(report.float_accuracy))
        yield Fact("accuracy", percent(report.accuracy))
    yield Fact("agreement with float", percent(report.agreement))


def _lines(report: QuantiseReport) -> Iterator[Line]:
    """The layers, the one of the least signal over its noise marked."""
    known = [row.signal_to_noise for row in report.layers if row.signal_to_noise is not None]
    worst = min(known, default=None)
    for row in report.layers:
        shown = cells(row)
        cut = (Cell(tail(row.name), True, row.name),)
        rest = (Cell(shown[key] or "-", title in PROSE) for key, title in COLUMNS.items() if key != "name")
        level = FULL if row.signal_to_noise is None else row.signal_to_noise
        share = round(100 * min(max(level / FULL, 0.0), 1.0), 1)
        yield Line((*cut, *rest), share, len(report.layers) > 1 and worst is not None and level == worst)


def _tensors(report: QuantiseReport) -> Iterator[tuple[Cell, ...]]:
    for row in report.tensors:
        zero, clipped = "yes" if row.zero else "no", percent(row.clipped)
        yield (
            Cell(tail(row.name), True, row.name),
            *(Cell(text, True) for text in (row.type, row.scale, zero)),
            Cell(clipped, False),
        )
