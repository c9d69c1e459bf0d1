# SPDX-License-Identifier: Apache-2.0
"""The results of commands on stdout: drawn, or as JSON and nothing else."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from typing import Any

from rich.console import Console, RenderableType

VERSION = 1
"""Of what `--json` prints; a result that has a version of its own keeps it."""


def noted(text: str) -> None:
    """A line on stderr, beside the results."""
    print(text, file=sys.stderr)


def shown(result: Mapping[str, Any], as_json: bool, *drawn: RenderableType) -> None:
    """The result on stdout: as JSON, its version first, or drawn."""
    if as_json:
        print(json.dumps({"version": VERSION, **result}, indent=2, allow_nan=False))
        return
    console = Console(width=None if sys.stdout.isatty() else 120, highlight=False, markup=False)
    for part in drawn:
        console.print(part)
