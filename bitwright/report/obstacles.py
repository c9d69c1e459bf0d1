# SPDX-License-Identifier: Apache-2.0
"""What stands in the way of a model, for people."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import RenderableType

from bitwright.report.show import table

SHOWN = 2
"""Nodes that are named for each reason; `--json` has them all."""


def obstacles(result: Mapping[str, Any]) -> RenderableType:
    """Every reason with its nodes and the share of the work behind it."""
    heads = ("operator", "nodes", "MACs behind", "what", "for example")
    rows = []
    for row in result["obstacles"]:
        share = "" if row["macs_share"] is None else f"{100 * row['macs_share']:.0f} %"
        rows.append((row["op"], row["count"], share, row["what"], ", ".join(row["nodes"][:SHOWN])))
    total = sum(row["count"] for row in result["obstacles"])
    return table(f"{result['model']}: {total} nodes in the way, {result['macs']} MACs per sample", heads, rows)
