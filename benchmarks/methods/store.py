# SPDX-License-Identifier: Apache-2.0
"""What was measured, a line of JSON for each cell as soon as it is done: a run that was ended loses nothing."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

FILE = Path(__file__).parents[1] / "data" / "methods.jsonl"
Found = Mapping[str, Any]
"""Figures of a cell, or why it was `refused`."""


class Cell(NamedTuple):
    """One measurement: a table and one of its cases, a method, a network and its seed."""

    table: str
    case: str
    method: str
    network: str
    seed: int


@dataclass
class Store:
    """Cells and what was found of them, in a file; of a cell that is there twice the last line holds."""

    file: Path = FILE
    found: dict[Cell, Found] = field(default_factory=dict)

    def __post_init__(self) -> None:
        text = self.file.read_text() if self.file.exists() else ""
        for line in text.splitlines(keepends=True):
            if line.endswith("\n"):  # else somebody was ended while writing it
                held = json.loads(line)
                self.found[Cell(*held["cell"])] = held["found"]
        if text and not text.endswith("\n"):
            self.file.write_text(text[: text.rfind("\n") + 1])

    def keep(self, cell: Cell, found: Found) -> None:
        """Add what was found of a cell."""
        self.found[cell] = found
        with self.file.open("a") as file:
            file.write(json.dumps({"cell": cell, "found": found}) + "\n")


def packed(right: NDArray[np.bool_]) -> str:
    """Which answers are right, as text."""
    return f"{len(right)}:{b64encode(np.packbits(right)).decode()}"


def unpacked(text: str) -> NDArray[np.bool_]:
    """Which answers are right."""
    count, _, bits = text.partition(":")
    return np.unpackbits(np.frombuffer(b64decode(bits), np.uint8), count=int(count)).astype(bool)
