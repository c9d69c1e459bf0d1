# SPDX-License-Identifier: Apache-2.0
"""The command that lists what there is to compress with: `methods`."""

from __future__ import annotations

from dataclasses import asdict
from typing import Annotated

import typer

from bitwright import methods as known
from bitwright.cli import options
from bitwright.cli.shown import shown
from bitwright.report import show


def methods(
    family: Annotated[
        str | None, typer.Argument(metavar="FAMILY", help=f"One of {', '.join(known.NAMES)}; without it all.")
    ] = None,
    as_json: options.Json = False,
) -> None:
    """List every compression method: its name, what it does, its paper, what it needs."""
    rows = [asdict(method) for method in known.methods(family)]
    keys = {"family": "--option", "name": "method", "what": "what it gives", "paper": "paper", "row": "rows"}
    keys["needs"] = "needs"
    drawn = [row | {"paper": "; ".join(row["papers"]), "row": ", ".join(row["rows"])} for row in rows]
    shown({"methods": rows}, as_json, show.rows("methods of compression", keys, drawn))
