# SPDX-License-Identifier: Apache-2.0
"""Results as tables for a terminal: from the dictionaries that `--json` prints to what rich can draw."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from rich import box
from rich.console import Console, ConsoleOptions, Group, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from bitwright.ir.columns import tail
from bitwright.ir.errors import printable
from bitwright.ir.source import Removed
from bitwright.planning.devices import device
from bitwright.planning.planner import PlanRecord
from bitwright.report.record import LayerRecord, Report, percent

Row = Mapping[str, Any]

NAMES = ("layer", "node")
"""The columns whose cells may be shortened."""
SHORTEST, PROSE, GAP = 12, 45, 2
"""Characters: of a name at least, of a cell that is not broken over lines, between two columns."""
OK = Text("yes", style="green")
BAD = Text("NO", style="bold red")


@dataclass(frozen=True)
class Grid:
    """A plain table: numbers stand right, what is None is left empty, text is never read as markup.

    Nothing is broken over lines but prose, as long as the console has room for it: names of layers and nodes, which
    some exporters make hundreds of characters long, give way and are cut in front, where they are alike.
    """

    title: str
    columns: Sequence[str]
    cells: Sequence[Sequence[Text]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        drawn = Table(
            title=Text(printable(self.title)),
            title_justify="left",
            title_style="bold",
            box=box.SIMPLE_HEAD,
            pad_edge=False,
            collapse_padding=True,
        )
        room = self._room(options.max_width)
        for index, column in enumerate(self.columns):
            numeric = bool(self.cells) and all(_numeric(row[index]) for row in self.cells)
            drawn.add_column(Text(column), justify="right" if numeric else "left", overflow="fold")
        for row in self.cells:
            named = zip(self.columns, row, strict=True)
            drawn.add_row(*(shortened(cell, room) if column in NAMES else cell for column, cell in named))
        yield drawn

    def _room(self, width: int) -> int:
        """Characters for a name where the other columns are drawn in `width` as wide as they are."""
        others = [
            max(len(column), *(min(len(row[index]), PROSE) for row in self.cells))
            for index, column in enumerate(self.columns)
            if column not in NAMES and self.cells
        ]
        return max(SHORTEST, width - sum(others) - GAP * len(self.columns))


def shortened(name: Text, room: int) -> Text:
    """`name` in at most `room` characters, cut in front."""
    return name if len(name.plain) <= room else Text(tail(name.plain, room))


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[Any]]) -> Grid:
    """A table of values as people read them."""
    return Grid(title, columns, [[_cell(value) for value in row] for row in rows])


def rows(title: str, keys: Mapping[str, str], given: Sequence[Row]) -> Grid:
    """A table of dictionaries: `keys` maps each key to its heading."""
    return table(title, list(keys.values()), [[row.get(key) for key in keys] for row in given])


def verification(result: Row, *, border: bool = True) -> RenderableType:
    """What `verify` found: engines, golden outputs, certificate, and with `border` what stays on the host."""
    engines = [
        [
            name,
            e["elements"],
            _verdict(e["mismatches"]),
            e["seconds"],
            e["build_seconds"],
            e.get("cycles_per_frame"),
            e.get("latency_cycles"),
        ]
        for name, e in result["engines"].items()
    ]
    heads = ["engine", "integers", "mismatches", "run s", "build s", "cycles/frame", "latency"]
    parts: list[RenderableType] = [table(f"{result['model']}: {result['samples']} samples", heads, engines)]
    stood_in = {name: e["computed_by"] for name, e in result["engines"].items() if "computed_by" in e}
    parts += [Text(f"{name} was computed by the {by}") for name, by in stood_in.items()]
    golden = result.get("golden")
    if golden is None:
        parts.append(Text("The data file holds no outputs, so there is nothing golden to compare with."))
    else:
        keys = ["elements", "equal", "boundary", "wide", "unexplained", "max_steps"]
        row = [_verdict(golden[key]) if key == "unexplained" else golden[key] for key in keys]
        parts.append(table(f"against {result.get('golden_from', 'the outputs in the data file')}", keys, [row]))
    parts += _audit(result)
    certificate = result["certificate"]
    parts.append(Text(f"{certificate['proved']} of {certificate['layers']} layers that make a claim proved again"))
    if border:
        parts.append(host(result["host"]))
    return Group(*parts)


def _audit(result: Row) -> Iterator[RenderableType]:
    """Where a float32 run of the source model parts from the integers: behind golden differences, and as traced."""
    keys = {
        "sample": "sample",
        "layer": "layer",
        "element": "element",
        "ours": "ours",
        "theirs": "theirs",
        "value": "value before rounding",
        "distance": "to the step",
        "verdict": "verdict",
    }
    audit = result.get("audit")
    if audit == "unavailable":
        yield Text("Without the source model, differences from the outputs cannot be explained.")
    elif audit:
        if audit["parts"]:
            yield rows("what explains the differences", keys, [_part(part) for part in audit["parts"]])
        if "note" in audit:
            yield Text(audit["note"])
    if "trace" in result:
        firsts = [_part(part) for part in result["trace"] if part is not None]
        yield rows("the first integer at which a float32 run of the model parts", keys, firsts)
        yield Text(f"{len(result['trace']) - len(firsts)} of {len(result['trace'])} samples never part")


def _part(part: Row) -> Row:
    """A part for people: an element is no number of its own, and a value shows how near its step is."""
    value = None if part["value"] is None else f"{part['value']:.5f}"
    return dict(part) | {"element": str(part["element"]), "value": value}


def removed(layers: Sequence[Removed]) -> list[str]:
    """A line for each layer of the model that lost output channels."""
    return [f"{r.layer}: {r.before} -> {r.after} channels, the others carry nothing" for r in layers]


def skipped(layers: Sequence[LayerRecord]) -> list[str]:
    """A line for each layer whose zeros are not multiplied."""
    lines = []
    for row in layers:
        if row.zeros not in (None, "multiply"):
            what = "multipliers" if row.zeros == "select" else "clocks"
            lines.append(
                f"{row.name}: {row.zeros}, {row.dense_share:.0%} of the {what} of a unit that multiplies zeros"
            )
    return lines


MARK = "*"
SLOWEST = "* the slowest layers: they set the interval"
FEW = 0.05
"""The share of zero weights from which a table shows them."""
DESIGN = {
    "name": "layer",
    "op": "op",
    "shape": "shape",
    "bits": "bits",
    "zeros": "zeros",
    "pe": "PE",
    "simd": "SIMD",
    "style": "style",
    "cycles": "clocks",
    "requantiser": "form",
    "lut": "LUT",
    "ff": "FF",
    "dsp": "DSP",
    "bram": "BRAM",
    "uram": "URAM",
    "fifo_depth": "FIFO",
}


def design(report: Report, *, border: bool = True) -> RenderableType:
    """What `compile` decided: lanes, clocks, resources, speed, and with `border` what stays on the host.

    The layers that set the interval stand out.
    """
    layers = [_decided(row, slow=row.name in report.bottleneck) for row in report.layers]
    unseen = ("zeros",) * (not _has_zeros(report)) + ("uram",) * ("uram" not in report.resources)
    keys = {key: head for key, head in DESIGN.items() if key not in unseen}
    layers += [{"name": name} | used for name, used in report.totals().items()]
    parts: list[RenderableType] = [rows(f"{report.model}, design {report.design}", keys, layers)]
    parts += [
        Text(printable(line)) for line in (speed(report), *_slowest(report), report.note, *_notes(report)) if line
    ]
    return Group(*parts, host([asdict(step) for step in report.host])) if border else Group(*parts)


def _slowest(report: Report) -> Iterator[str]:
    """What sets the interval: layers, which the table marks, or the beats of an input or output."""
    names = {row.name for row in report.layers}
    ends = [name for name in report.bottleneck if name not in names]
    if ends:
        yield f"as slow as the beats of {', '.join(ends)}"
    if len(ends) < len(report.bottleneck):
        yield SLOWEST


def _notes(report: Report) -> list[str]:
    """What else was decided: channels that left, zeros that are skipped, what is proved of the plan."""
    return [*removed(report.removed), *skipped(report.layers), _certified(report.plan)]


def speed(report: Report) -> str:
    """Interval, frames per second and latency of a design, in words."""
    return (
        f"a frame every {_cell(report.interval_cycles)} clocks of {report.clock_ns:g} ns:"
        f" {_cell(report.fps)} frames per second, latency {_cell(report.latency_cycles)} clocks"
    )


def _certified(made: PlanRecord) -> str:
    """What is proved of a plan that was made for a target; nothing of a plan that was given."""
    if made.gap is None or made.target_cycles is None:
        return f"planned by {made.made_by}: {made.reason}" if made.reason is not None else ""
    asked = f"at most {_cell(made.target_cycles)} clocks"
    if made.gap == 0:
        return f"no plan of {asked} is cheaper in the model; {made.cost}"
    return f"a plan of {asked} is cheaper by {made.gap:.2%} at most; {made.cost}"


def _decided(row: LayerRecord, *, slow: bool) -> Row:
    """A layer of `compile` for people: the share of zero weights, and a mark at the clocks of a bottleneck."""
    zeros = None if row.sparsity is None else f"{row.sparsity:.0%}"
    return asdict(row) | {"zeros": zeros, "cycles": Text(f"{MARK * slow}{_cell(row.cycles)}")}


def _has_zeros(report: Report) -> bool:
    """True if zeros of some layer are worth a column."""
    return any(row.sparsity is not None and row.sparsity >= FEW for row in report.layers)


def synthesis(result: Row) -> RenderableType:
    """What Yosys counted beside the estimates, and the clock where it was placed and routed."""
    total = {"name": "total"} | result["total"]
    names = list(total["estimate"])
    heads = ["layer", *(f"{name.upper()} {which}" for name in names for which in ("est.", "Yosys"))]
    cells = [
        [row["name"], *(row[which][key] for key in names for which in ("estimate", "yosys"))]
        for row in (*result["layers"], total)
    ]
    if result["part"] is not None and device(result["part"]).fitted:
        held = device(result["part"]).budget
        cells.append(
            [
                "of the part",
                *(
                    None if (count := total[which][key]) is None else percent(count / getattr(held, key))
                    for key in names
                    for which in ("estimate", "yosys")
                ),
            ]
        )
    text = f"design {result['design']} by {result['tool']}, family {result['family']}; BRAM of 18 kbit"
    parts: list[RenderableType] = [table(text, heads, cells)]
    if "fmax" in result:
        parts.append(Text("{mhz} MHz on {device} ({tool})".format(**result["fmax"])))
    return Group(*parts)


def trade_off(result: Row) -> RenderableType:
    """The plans of `compile --front`, slowest first: what each takes, the sum of its shares of the part, its proof."""
    keys = {"interval_cycles": "clocks", "fps": "frames/s", "lut": "LUT", "ff": "FF", "dsp": "DSP", "bram": "BRAM"}
    keys |= {"uram": "URAM"} if any("uram" in row for row in result["rows"]) else {}
    keys |= {"cost": "cost %", "status": "proof", "gap": "gap"}
    lines = [result["note"], f"no faster: {result['stopped']}"]
    plans = rows(f"{result['model']}: the cheapest plan at each speed", keys, result["rows"])
    return Group(plans, *(Text(printable(line)) for line in lines))


def host(steps: Sequence[Row]) -> RenderableType:
    """What stays on the host, and why."""
    if not steps:
        return Text("Nothing stays on the host.")
    once = [dict(step) for step in dict.fromkeys(tuple(step.items()) for step in steps)]
    return rows("on the host", {"side": "side", "op": "op", "node": "node", "reason": "why"}, once)


def _verdict(count: int) -> Text:
    return Text(str(count), style="green" if count == 0 else "bold red")


def _cell(value: Any) -> Text:
    match value:
        case None:
            return Text("")
        case Text():
            return value
        case bool():
            return OK if value else BAD
        case int():
            return Text(f"{value:,}".replace(",", " "))
        case float():
            return Text(f"{value:.3g}" if abs(value) < 100 else f"{value:,.0f}".replace(",", " "))
        case list() | tuple():
            return Text("x".join(map(str, value)))
        case _:
            return Text(printable(str(value)))


def _numeric(cell: Text) -> bool:
    return (
        not cell.plain
        or cell.plain.removeprefix(MARK)
        .removesuffix("%")
        .replace(" ", "")
        .lstrip("-")
        .replace(".", "", 1)
        .replace("e+", "")
        .isdigit()
    )
