# SPDX-License-Identifier: Apache-2.0
"""`bitwright synth`: a compiled design through open synthesis, each layer's cells beside its estimate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bitwright.backends.verilog.project import instances
from bitwright.compiling import compile_graph
from bitwright.design import Design
from bitwright.hardware.plan import Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.files import load, text_of
from bitwright.planning.devices import cells_of, device
from bitwright.report.compare import AGAIN, read_report
from bitwright.report.record import BOUNDARY, Report
from bitwright.sim import synth

VERSION = 1
"""Of `synth.json`."""


def synthesise(folder: Path, *, fmax: bool = False) -> tuple[Report, dict[str, Any]]:
    """The design's report, and what `synth.json` holds: estimate and Yosys' count per layer, with `fmax` a clock.

    `folder` is a compiled design; the SystemVerilog that lies there is what is synthesised.
    """
    report, design = read_design(folder)
    files = _read(folder / "rtl")
    top = f"{design.name}_top"
    family = cells_of(None) if report.part is None else device(report.part).family
    if family == "versal":
        raise BitwrightError(
            f"Yosys has no cells for {report.part}", where=str(folder), hint="compile it for a part of another family"
        )
    made = synth.synthesise(files, top, family)
    counted: dict[str, Counter[str]] = {}
    owners = instances(design.kernels)
    for instance, cells in made.cells.items():
        owner = owners.get(instance, "")
        counted.setdefault(owner if owner in design.price.layers else "", Counter()).update(cells)
    names = report.resources
    rows = [_row(entry.name, names, asdict(entry), counted.get(entry.name, {})) for entry in report.layers]
    rows.append(_row(BOUNDARY, names, asdict(report.boundary), counted.get("", {})))
    total = {which: _total(names, [row[which] for row in rows]) for which in ("estimate", "yosys")}
    result: dict[str, Any] = {
        "version": VERSION,
        "design": report.design,
        "part": report.part,
        "tool": made.tool,
        "family": made.family,
        "layers": rows,
        "total": total,
    }
    if fmax:
        clock, tool = synth.fmax(files, top)
        result["fmax"] = {"mhz": round(clock, 1), "device": "ECP5 85k, speed 8, out of context", "tool": tool}
    return report, result


def _row(name: str, names: Sequence[str], estimate: Mapping[str, Any], cells: Mapping[str, int]) -> dict[str, Any]:
    """One layer: its estimate and what was counted, by resource."""
    return {
        "name": name,
        "estimate": {key: estimate.get(key) for key in names},
        "yosys": {key: count for key, count in synth.resources(cells).items() if key in names},
    }


def _total(names: Sequence[str], counts: Sequence[Mapping[str, int | None]]) -> dict[str, int | None]:
    """The sum of each resource; None for one that nothing is known of."""

    def column(name: str) -> list[int]:
        return [count for row in counts if (count := row[name]) is not None]

    return {name: sum(column(name)) if column(name) else None for name in names}


def read_design(folder: Path) -> tuple[Report, Design]:
    """The report, and the design made again from graph and plan, of a compiled design."""
    report = read_report(folder)
    _expect(folder, "graph.bw", "plan.json")
    plan = Plan.from_json(text_of(folder / "plan.json", AGAIN), where=str(folder / "plan.json"))
    net = load(folder / "graph.bw")
    try:
        design = compile_graph(net, plan=plan, clock_ns=report.clock_ns, part=report.part, name=report.name, force=True)
    except BitwrightError as error:
        raise BitwrightError(f"{error.where}: {error.what}", where=str(folder), hint=AGAIN) from error
    if design.digest != report.design:
        raise BitwrightError(
            f"report.json is of design {report.design}, graph.bw and plan.json make {design.digest}",
            where=str(folder),
            hint=AGAIN,
        )
    return report, design


def _read(rtl: Path) -> dict[str, str]:
    """The SystemVerilog project of a compiled design."""
    _expect(rtl.parent, "rtl/filelist.f", more=", with its SystemVerilog")
    paths = [path for path in rtl.rglob("*") if path.suffix in (".sv", ".f", ".hex")]
    return {path.relative_to(rtl).as_posix(): text_of(path, AGAIN) for path in paths}


def _expect(folder: Path, *names: str, more: str = "") -> None:
    for name in names:
        if not (folder / name).is_file():
            hint = f"give a folder that `bitwright compile` wrote{more}"
            raise BitwrightError(f"has no {name}", where=str(folder), hint=hint)
