# SPDX-License-Identifier: Apache-2.0
"""How far a sweep is, as its folder says at any time."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from bitwright.explore.explored import Explored
from bitwright.explore.kept import Kept
from bitwright.explore.record import Record
from bitwright.explore.settings import problem_in
from bitwright.explore.tables import front_table, thinned
from bitwright.explore.words import designs
from bitwright.ir.columns import aligned

VERSION = 1
"""Of `status`."""
ROWS = 20
"""The designs of the front that are shown in a terminal."""


def status(kept: Kept, found: Explored) -> dict[str, Any]:
    """What the folder of a sweep says, as JSON: how many designs there are, what failed, and the front."""
    problem = problem_in(kept.settings)
    return {
        "version": VERSION,
        "folder": found.folder,
        "model": found.model,
        "how": found.how,
        "running": kept.holder or None,
        "designs": len(found.outcomes),
        "of": min(problem.evaluations, problem.space.size),
        "failed": dict(Counter(each.kind for each in found.failures)),
        "float": asdict(found.reference) if found.reference else None,
        "front": [_row(each) for each in found.front],
    }


def _row(record: Record) -> dict[str, Any]:
    key, choices = record.design.key, dict(record.design.choices)
    figures, score = dict(record.figures), asdict(record.score)
    return {"id": key, "choices": choices, "figures": figures, "score": score, "compiled": record.compiled}


def told(kept: Kept, found: Explored) -> str:
    """The same in lines for a terminal."""
    table = front_table(found, found.objectives[1:])
    few = [table.rows[0], *thinned(table.rows[1:], ROWS)]
    cells = [[head.text for head in table.heads], *([cell.text for cell in row.cells] for row in few)]
    numbers = [at for at, head in enumerate(table.heads) if not head.prose]
    more = len(table.rows) - len(few)
    lines = [*_lines(kept, found), "", *aligned(cells, numbers).splitlines()]
    return "\n".join([*lines, f"and {more} between these"] if more else lines)


def _lines(kept: Kept, found: Explored) -> Iterator[str]:
    problem = problem_in(kept.settings)
    total = min(problem.evaluations, problem.space.size)
    yield f"{found.model}: {len(found.outcomes):,} of {designs(total)} in '{found.folder}'"
    yield found.how
    if kept.holder:
        yield f"at work: {kept.holder}"
    elif len(found.outcomes) < total:
        yield "nobody is at work there; --resume goes on"
    if found.failures:
        kinds = Counter(each.kind for each in found.failures)
        yield f"{len(found.failures):,} failed: {', '.join(f'{count} {kind}' for kind, count in kinds.items())}"
