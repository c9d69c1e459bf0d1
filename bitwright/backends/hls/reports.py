# SPDX-License-Identifier: Apache-2.0
"""What the vendor's tool reports of a synthesised C++ project: `csynth.xml`, read leniently; what it lacks is None."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from bitwright.ir.errors import BitwrightError

FILE = "csynth.xml"
"""The report that has all modules in it."""
TAGS = {"lut": "LUT", "ff": "FF", "dsp": "DSP", "bram": "BRAM_18K", "uram": "URAM"}


@dataclass(frozen=True, slots=True)
class PipelinedLoop:
    """One pipelined loop; its trip count is None where the tool does not know it."""

    name: str
    ii: int
    depth: int | None
    trips: int | None


@dataclass(frozen=True, slots=True)
class Module:
    """One module and the pipelined loops in it."""

    name: str
    loops: tuple[PipelinedLoop, ...]


@dataclass(frozen=True, slots=True)
class Synthesised:
    """A whole report: tool, top and part, clock periods in ns, the largest interval and latency, resources, modules."""

    tool: str | None
    top: str | None
    part: str | None
    clock_ns: float | None
    estimated_ns: float | None
    interval: int | None
    latency: int | None
    resources: dict[str, int | None]
    modules: tuple[Module, ...]


def read_reports(path: Path) -> Synthesised:
    """The report at `path`: a `csynth.xml`, or the folder of a project or solution that has one somewhere in it."""
    file = _found(path)
    try:
        root = ElementTree.fromstring(file.read_bytes())
    except OSError as error:
        raise BitwrightError(
            f"cannot be read: {error.strerror}", where=str(file), hint="give a file that can be read"
        ) from error
    except (ElementTree.ParseError, LookupError, ValueError) as error:
        raise BitwrightError(
            f"is no whole XML file: {error}", where=str(file), hint="let the tool finish: run `make vendor-check` again"
        ) from error
    if root.find("PerformanceEstimates") is None and root.find("ModuleInformation") is None:
        raise BitwrightError(
            "is no report of csynth_design", where=str(file), hint=f"give {FILE}, or the solution's folder"
        )
    overall, timing = "PerformanceEstimates/SummaryOfOverallLatency/", "PerformanceEstimates/SummaryOfTimingAnalysis/"
    return Synthesised(
        tool=root.findtext("ReportVersion/Version"),
        top=root.findtext("UserAssignments/TopModelName"),
        part=root.findtext("UserAssignments/Part"),
        clock_ns=_real(root.find("UserAssignments/TargetClockPeriod")),
        estimated_ns=_real(root.find(timing + "EstimatedClockPeriod")),
        interval=_whole(root.find(overall + "Interval-max")),
        latency=_whole(root.find(overall + "Worst-caseLatency")),
        resources={name: _whole(root.find(f"AreaEstimates/Resources/{tag}")) for name, tag in TAGS.items()},
        modules=tuple(
            Module((module.findtext("Name") or "").strip(), tuple(_loops(module)))
            for module in root.iterfind("ModuleInformation/Module")
        ),
    )


def _found(path: Path) -> Path:
    if path.is_file():
        return path
    files = sorted(path.rglob(FILE)) if path.is_dir() else []
    if len(files) == 1:
        return files[0]
    raise BitwrightError(
        f"has {len(files) or 'no'} {FILE}" if path.is_dir() else "is neither a file nor a folder",
        where=str(path),
        hint=f"give one of them: {', '.join(map(str, files))}" if files else "run `make vendor-check` in hls/ first",
    )


def _loops(module: Element) -> Iterator[PipelinedLoop]:
    """Every pipelined loop, nested ones included."""
    for found in module.iterfind("PerformanceEstimates/SummaryOfLoopLatency//*[PipelineII]"):
        ii = _whole(found.find("PipelineII"))
        if ii is not None:
            name = found.findtext("Name") or found.tag
            yield PipelinedLoop(name, ii, _whole(found.find("PipelineDepth")), _whole(found.find("TripCount")))


def _whole(element: Element | None) -> int | None:
    """The number, of a range the largest; None where there is none, as `undef`, `-` and `?`."""
    numbers = [] if element is None else re.findall(r"\d{1,18}", " ".join(element.itertext()))
    return max(map(int, numbers)) if numbers else None


def _real(element: Element | None) -> float | None:
    text = "" if element is None else (element.text or "").strip()
    return float(text) if re.fullmatch(r"\d+(\.\d*)?", text) else None
