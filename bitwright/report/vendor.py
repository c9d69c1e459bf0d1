# SPDX-License-Identifier: Apache-2.0
"""The vendor's reports beside the plan, for a terminal."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Group, RenderableType
from rich.text import Text

from bitwright.ir.errors import printable
from bitwright.report.show import table

Row = Mapping[str, Any]


def vendor_check(result: Row) -> RenderableType:
    """What `hls-check` found: the whole, a line for each kernel and each stream, then what is worse or missing."""
    titles = {"clock_ns": "clock, ns", "interval": "interval, clocks", "latency": "latency, clocks"}
    whole = [[title, result[key]["plan"], result[key]["report"]] for key, title in titles.items()]
    if (loops := result["interval"]["cpp"]) != result["interval"]["plan"]:
        whole.insert(2, ["interval of the C++, clocks", loops, result["interval"]["report"]])
        whole[1][2] = None
    whole += [[name.upper(), both["plan"], both["report"]] for name, both in result["resources"].items()]
    kernels = [
        [row["name"], *(row[key][side] for key in ("ii", "interval") for side in ("plan", "report")),
         row["depth"]["assumed"], row["depth"]["report"]]
        for row in result["kernels"]
    ]  # fmt: skip
    streams = [[row["name"], row["depth"], row["needed"]] for row in result["streams"]]
    heads = ["kernel", "II", "reported", "clocks/frame", "reported", "stages", "reported"]
    tool, part = result["tool"] or "of a version not named", result["part"]["report"] or "no part"
    said = f"design {result['design']} beside the report of Vitis HLS {tool} for {part}"
    parts: list[RenderableType] = [
        Text(printable(said)),
        table("the whole", ["", "plan", "report"], whole),
        table("kernels, as planned and as reported", heads, kernels),
        table("streams, their depth and the one that these pipelines need", ["stream", "depth", "needed"], streams),
    ]
    parts += [Text(printable(finding)) for finding in result["findings"]]
    if result["ok"]:
        parts.append(Text("Nothing is worse than planned, and the depths of all streams hold."))
    return Group(*parts)
