# SPDX-License-Identifier: Apache-2.0
"""Values as lines that a person can read: aligned columns, and names that are cut in front, where they are alike."""

from __future__ import annotations

from collections.abc import Sequence

from bitwright.ir.errors import printable

WIDTH = 120
"""Characters of a line at most."""
NAME = 32
"""Characters of a name in a line of several columns."""
ELLIPSIS = "…"
SEPARATORS = "/.;:"


def tail(name: str, room: int = NAME) -> str:
    """The end of `name` in at most `room` characters, from a separator on if one is near: `…conv2d_4/Conv2D`.

    Exporters give the layers of a model names that begin alike and end differently.
    """
    if len(name) <= room:
        return name
    kept = name[len(name) - max(room - 1, 1) :]
    cut = next((i for i, letter in enumerate(kept) if letter in SEPARATORS), len(kept))
    return ELLIPSIS + (kept[cut + 1 :] if cut < len(kept) // 4 else kept)


def aligned(rows: Sequence[Sequence[str]], numbers: Sequence[int] = ()) -> str:
    """`rows` of as many cells each as lines of at most `WIDTH` characters; columns that are `numbers` stand right."""
    shown = [[printable(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*shown, strict=True)]
    lines = []
    for row in shown:
        cells = (
            cell.rjust(width) if index in numbers else cell.ljust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        line = "  ".join(cells).rstrip()
        lines.append(line if len(line) <= WIDTH else line[: WIDTH - 1] + ELLIPSIS)
    return "\n".join(lines)


def by(shape: Sequence[int]) -> str:
    """A shape as people write it: `8x8x16`."""
    return "x".join(map(str, shape)) or "scalar"
