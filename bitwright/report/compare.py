# SPDX-License-Identifier: Apache-2.0
"""Two compiled designs side by side, from their reports: `bitwright compare`."""

from __future__ import annotations

from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from bitwright.ir.columns import by
from bitwright.ir.errors import BitwrightError, printable
from bitwright.ir.files import text_of
from bitwright.report.record import RESOURCES, LayerRecord, Report, percent
from bitwright.report.show import speed, table

VERSION = 1
AGAIN = "compile it again"
FIGURES = ("interval_cycles", "latency_cycles", "fps", "clock_ns")
FIELDS = tuple(entry.name for entry in fields(LayerRecord) if entry.name != "name")
"""In which a layer may differ from the one of its name."""
HEADS = {"cycles": "clocks", "pe": "PE", "simd": "SIMD", "fifo_depth": "FIFO", "uram": "URAM"}
HEADS |= {name: name.upper() for name in RESOURCES}


def read_report(folder: Path) -> Report:
    """The report of a compiled design; BitwrightError where there is none."""
    path = folder / "report.json"
    if not path.is_file():
        raise BitwrightError(
            "has no report.json", where=str(folder), hint="give a folder that `bitwright compile` wrote"
        )
    return Report.from_json(text_of(path, AGAIN), where=str(path))


def compare(first: Report, second: Report) -> dict[str, Any]:
    """What `--json` prints: head figures of both, what each resource sums to, and each layer that differs or is in one.

    Layers are the same where their names are.
    """
    pairs = _pairs(first, second)
    differ = [(name, _changed(a, b)) for name, a, b in pairs if a != b]
    return {
        "version": VERSION,
        "designs": [_head(report) for report in (first, second)],
        "layers": [{"name": name, "fields": changed} for name, changed in differ],
        "equal": len(pairs) - len(differ),
    }


def _pairs(first: Report, second: Report) -> list[tuple[str, LayerRecord | None, LayerRecord | None]]:
    """Each name of a layer with the layer in both designs, None where it is in one of them only."""
    one, other = ({layer.name: layer for layer in report.layers} for report in (first, second))
    return [(name, one.get(name), other.get(name)) for name in one | other]


def comparison(result: dict[str, Any], first: Report, second: Report) -> RenderableType:
    """The same for a terminal: totals, then each field of a layer that is not what it was, before and after."""
    one, other = result["designs"]
    names = max(first.resources, second.resources, key=len)
    figures = [(key, one[key], other[key], _ratio(one[key], other[key])) for key in FIGURES]
    figures += [
        (k.upper(), one["total"][k], other["total"][k], _ratio(one["total"][k], other["total"][k])) for k in names
    ]
    figures += [
        (f"{k.upper()} of the part", a, b, None)
        for k in names
        for a, b in [(_percent(first, k), _percent(second, k))]
        if a or b
    ]
    names_of = _names(one["design"], other["design"])
    heads = ("", *names_of, "ratio")
    rows = [
        (row["name"], HEADS.get(key, key), *(_text(value) for value in values))
        for row in result["layers"]
        for key, values in (
            row["fields"] or {"layer": ["there", "-"] if _has(first, row["name"]) else ["-", "there"]}
        ).items()
    ]
    parts: list[RenderableType] = [
        Text(printable(f"{report.model}, design {name}: {speed(report)}"))
        for report, name in zip((first, second), names_of, strict=True)
    ]
    parts.append(table(f"{one['model']} beside {other['model']}", heads, figures))
    if rows:
        parts.append(table("layers that differ", ("layer", "", *names_of), rows))
    parts.append(Text(f"{result['equal']} layers are the same in both"))
    return Group(*parts)


def _names(one: str, other: str) -> tuple[str, str]:
    """What both designs are called: by their digests, and by their places where there is one digest."""
    return (one, other) if one != other else (f"first {one}", f"second {other}")


def _head(report: Report) -> dict[str, Any]:
    figures = {key: getattr(report, key) for key in ("model", "design", "part", *FIGURES)}
    return figures | {"total": asdict(report.total)}


def _percent(report: Report, resource: str) -> str | None:
    """The share of the part that a design takes, as people read it."""
    share = report.total.share
    return None if share is None else percent(share[resource])


def _changed(a: LayerRecord | None, b: LayerRecord | None) -> dict[str, list[Any]]:
    """Field -> its value in each design, where they differ."""
    if a is None or b is None:
        return {}
    old, new = asdict(a), asdict(b)
    return {key: [old[key], new[key]] for key in FIELDS if old[key] != new[key]}


def _has(report: Report, name: str) -> bool:
    return any(layer.name == name for layer in report.layers)


def _ratio(a: float, b: float) -> float | None:
    return round(b / a, 3) if a else None


def _text(value: Any) -> Any:
    return by(value) if isinstance(value, list | tuple) else value
