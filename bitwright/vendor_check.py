# SPDX-License-Identifier: Apache-2.0
"""`bitwright hls-check`: the reports of the vendor's HLS tool beside the plan, kernel by kernel and stream by stream.

A kernel of the C++ project is one pipelined loop, planned at one iteration per clock. Its streams are deep enough for
pipelines of `STAGES` stages; where the tool made deeper ones, the depths are computed again for those.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from itertools import chain
from pathlib import Path
from typing import Any

from bitwright.backends.hls.depths import STAGES
from bitwright.backends.hls.project import frames_per_call, sized
from bitwright.backends.hls.reports import Module, Synthesised, read_reports
from bitwright.design import Design
from bitwright.hardware.kernels.base import Kernel, KernelGraph
from bitwright.ir.errors import BitwrightError
from bitwright.report.record import Report
from bitwright.synthesis import read_design

VERSION = 1
"""Of what `--json` prints."""
Row = dict[str, Any]


def check_reports(folder: Path, reports: Path) -> Row:
    """What the tool made of the design in `folder` beside its plan; `ok` if nothing is worse and nothing is missing."""
    record, design = read_design(folder)
    found = read_reports(reports)
    if found.top not in (None, f"{design.name}_top"):
        raise BitwrightError(
            f"is the report of '{found.top}', the design's top is '{design.name}_top'",
            where=str(reports),
            hint="give the reports of this design",
        )
    return compared(record, design, found)


def compared(record: Report, design: Design, found: Synthesised) -> Row:
    """The same, of a report that was read."""
    graph = sized(design.kernels)
    frames = frames_of(graph.kernels, found.modules)
    owned = owners(design.name, graph.kernels, found.modules, frames)
    kernels = [_kernel(kernel, owned.get(kernel.name, ()), frames) for kernel in graph.kernels]
    stages = max((row["depth"]["report"] or 0 for row in kernels), default=0)
    streams = _streams(graph, sized(design.kernels, max(stages, STAGES)))
    loops = max([graph.interval, *(kernel.iterations for kernel in graph.kernels)])
    paced, latency = of_a_frame(found, frames)
    result: Row = {
        "version": VERSION,
        "design": record.design,
        "tool": found.tool,
        "part": {"plan": record.part, "report": found.part},
        "clock_ns": {"plan": record.clock_ns, "report": found.estimated_ns},
        "interval": {"plan": record.interval_cycles, "cpp": loops, "report": paced},
        "latency": {"plan": record.latency_cycles, "report": latency},
        "resources": {name: {"plan": _planned(record, name), "report": n} for name, n in found.resources.items()},
        "kernels": kernels,
        "stages": {"assumed": STAGES, "report": stages or None},
        "streams": streams,
    }
    worse = (_overall(result), _of_kernels(kernels), _of_streams(streams, stages, design.name))
    findings = [*_asked(record, found), *chain(*worse)]
    return result | {"findings": findings, "ok": not findings}


def _planned(record: Report, resource: str) -> int | None:
    """What the plan says the design takes; None of what it does not count."""
    return getattr(record.total, resource) if resource in record.resources else None


def frames_of(kernels: Iterable[Kernel], modules: Iterable[Module]) -> int:
    """Frames of a call: those of the scripts, or one where the sources were given to the tool without the scripts'."""
    trips = {loop.trips for module in modules for loop in module.loops}
    held = list(kernels)
    frames = frames_per_call(held)
    return frames if any(frames * kernel.iterations in trips for kernel in held) else 1


def of_a_frame(found: Synthesised, frames: int) -> tuple[int | None, int | None]:
    """Interval and latency of one of so many frames of a call."""
    paced = None if found.interval is None else found.interval // frames
    return paced, None if found.latency is None else found.latency - (frames - 1) * (paced or 0)


def owners(
    project: str, kernels: Iterable[Kernel], modules: Iterable[Module], frames: int = 1
) -> dict[str, list[Module]]:
    """Kernel -> the modules with loops that the tool made of it.

    A module's name has that of its template's argument in it, with or without the namespace of the project: the longest
    name of a kernel wins. What is left over belongs together where one kernel and one module have a trip count alone.
    """
    kernels, looping = list(kernels), [m for m in modules if m.loops and not m.name.startswith("axis_")]
    owned: dict[str, list[Module]] = {}
    strays = []
    for module in looping:
        scores = {kernel.name: score for kernel in kernels if (score := _score(project, kernel.name, module.name))}
        if scores:
            owned.setdefault(max(scores, key=lambda name: scores[name]), []).append(module)
        else:
            strays.append(module)
    free = [kernel for kernel in kernels if kernel.name not in owned]
    for kernel in free:
        trips = frames * kernel.iterations
        same = [module for module in strays if any(loop.trips == trips for loop in module.loops)]
        if len(same) == 1 and [k.iterations for k in free].count(kernel.iterations) == 1:
            owned[kernel.name] = same
    return owned


def _score(project: str, kernel: str, module: str) -> tuple[bool, int] | None:
    if re.search(rf"(^|_){re.escape(project)}_{re.escape(kernel)}(_|$)", module):
        return True, len(kernel)
    return (False, len(kernel)) if re.search(rf"(^|_){re.escape(kernel)}(_|$)", module) else None


def _trips(kernel: Kernel, reported: int, frames: int) -> int:
    """Iterations of a frame, of so many in all; a loop that ends by itself is reported with the most it may have."""
    trips = -(-reported // frames)
    return kernel.iterations if kernel.iterations < trips <= kernel.most_iterations else trips


def _kernel(kernel: Kernel, modules: Iterable[Module], frames: int) -> Row:
    """One process: its iterations and II as planned and as reported, and how deep its pipeline is."""
    found = list(modules)
    loops = [loop for module in found for loop in module.loops]
    paced = [loop.ii * _trips(kernel, loop.trips, frames) for loop in loops if loop.trips is not None]
    depths = [loop.depth for loop in loops if loop.depth is not None]
    return {
        "name": kernel.name,
        "layer": kernel.layer,
        "modules": [module.name for module in found],
        "ii": {"plan": 1, "report": max((loop.ii for loop in loops), default=None)},
        "interval": {"plan": kernel.iterations, "report": max(paced, default=None)},
        "depth": {"assumed": STAGES, "report": max(depths, default=None)},
    }


def _streams(graph: KernelGraph, needed: KernelGraph) -> list[Row]:
    """Each stream: its depth in the C++, and the one that pipelines of the reported depth need."""
    return [
        {"name": stream.name, "depth": max(stream.depth, 2), "needed": max(other.depth, 2)}
        for stream, other in zip(graph.streams, needed.streams, strict=True)
    ]


def _asked(record: Report, found: Synthesised) -> list[str]:
    """Where the tool was asked for another part or clock than the plan is for; it writes a part without its dashes."""
    asked = []
    if record.part and found.part and record.part.replace("-", "").lower() != found.part.replace("-", "").lower():
        asked.append(f"part: the report is for {found.part} where the plan has {record.part}")
    if found.clock_ns not in (None, record.clock_ns):
        asked.append(f"target clock: {found.clock_ns:g} ns where the plan has {record.clock_ns:g}")
    return asked


def _overall(result: Row) -> list[str]:
    """What is worse of the design as a whole, or missing; parts and resources are estimates on both sides.

    A frame may take the C++ longer than the plan says of the RTL, as its windows read whole rows: not the tool's fault.
    """
    interval, clock = result["interval"], result["clock_ns"]
    own = "" if interval["cpp"] == interval["plan"] else f"the loops of the C++ have {interval['cpp']} and "
    expected = (
        ("interval", "clocks", interval["report"], interval["cpp"], f"{own}the plan has {interval['plan']}"),
        ("clock", "ns", clock["report"], clock["plan"], f"the plan has {clock['plan']:g}"),
    )
    found = []
    for title, unit, report, most, planned in expected:
        if report is None:
            found.append(f"{title}: the report has none")
        elif report > most:
            found.append(f"{title}: {report:g} {unit} where {planned}")
    return found


def _of_kernels(kernels: Iterable[Mapping[str, Any]]) -> list[str]:
    found = []
    for row in kernels:
        ii, interval = row["ii"]["report"], row["interval"]
        if ii is None:
            found.append(f"kernel '{row['name']}': no module of the report is its loop")
        elif ii > 1:
            found.append(f"kernel '{row['name']}': one iteration in {ii} clocks where the plan has one a clock")
        elif (interval["report"] or 0) > interval["plan"]:
            found.append(
                f"kernel '{row['name']}': {interval['report']} iterations where the plan has {interval['plan']}"
            )
        if ii is not None and row["depth"]["report"] is None:
            found.append(f"kernel '{row['name']}': the report does not say how deep its pipeline is")
    return found


def _of_streams(streams: Iterable[Mapping[str, Any]], stages: int, project: str) -> list[str]:
    return [
        f"stream '{row['name']}': pipelines of {stages} stages need depth {row['needed']}; in {project}.cpp "
        f"change `#pragma HLS STREAM variable={row['name']} depth={row['depth']}` to depth={row['needed']}"
        for row in streams
        if row["needed"] > row["depth"]
    ]
