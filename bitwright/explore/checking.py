# SPDX-License-Identifier: Apache-2.0
"""What a sweep says of a design, found again from its folder alone: made, priced and scored anew."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from json import loads
from pathlib import Path
from typing import Any

from bitwright.explore.again import Again, again
from bitwright.explore.choosing import by_key
from bitwright.explore.kept import PICKED
from bitwright.explore.record import FINAL, Record, Score
from bitwright.explore.score import Scoring, answers_of
from bitwright.ir.graph import Graph

FLOAT = "float"
"""What stands for the network that it all began with."""
ENDS = ("low", "high")


def check(folder: str | Path, what: str) -> dict[str, Any]:
    """Score and price a design of the sweep in `folder` once more, by its key, or the `"float"` network.

    Nothing but the folder is used, and nothing that one network left for another. Each look, by the table and by
    `compile`, and on the test data if the design was picked, says of its numbers what was kept and what is found now;
    `same` if all are. BitwrightError if there is no such design.
    """
    swept = again(Path(folder))
    key = what if what == FLOAT else by_key(what, swept.kept.designs, "--check").design.key
    looks = [_float(swept)] if key == FLOAT else list(_looks(swept, key))
    return {"version": 1, "folder": str(folder), "id": key, "same": all(each["same"] for each in looks), "looks": looks}


def _float(swept: Again) -> dict[str, Any]:
    held, scoring = swept.kept.settings["float"], swept.evaluation.scoring
    score = scoring.float_score(swept.evaluation.origin)
    return _look("float", score, {name: (held[name], value) for name, value in _told(scoring, score).items()})


def _looks(swept: Again, key: str) -> Iterator[dict[str, Any]]:
    for name in (key, f"{key}{FINAL}"):
        record = swept.kept.outcomes.get(name)
        if isinstance(record, Record):
            yield _again(swept, record)
    test = picks_in(swept.kept.folder).get(key, {}).get("scores", {}).get("test")
    if test and swept.test is not None:
        score = score_of(swept.test, swept.evaluation.graph(swept.kept.designs[key].design))
        yield _look("test", score, {name: (test[name], getattr(score, name)) for name in ("value", *ENDS)})


def _again(swept: Again, record: Record) -> dict[str, Any]:
    scoring = swept.evaluation.scoring
    graph, figures = swept.evaluation.seen(record.design, record.compiled)
    score = score_of(scoring, graph, record.score.samples)
    found = _told(scoring, score) | figures
    kept = {**record.figures, **{name: getattr(record.score, name) for name in ENDS}}
    pairs = {name: (kept.get(name), found.get(name)) for name in dict.fromkeys((*kept, *found))}
    return _look("compile" if record.compiled else "table", score, pairs)


def _look(by: str, score: Score, pairs: Mapping[str, tuple[float | None, float | None]]) -> dict[str, Any]:
    return {
        "by": by,
        "samples": score.samples,
        "total": score.total,
        "same": all(kept == found for kept, found in pairs.values()),
        "figures": {name: {"kept": kept, "found": found} for name, (kept, found) in pairs.items()},
    }


def _told(scoring: Scoring, score: Score) -> dict[str, float]:
    return {scoring.metric.name: score.value, **{name: getattr(score, name) for name in ENDS}}


def picks_in(folder: Path) -> dict[str, dict[str, Any]]:
    """What was picked of a sweep, by the keys of designs."""
    files = sorted((folder / PICKED).glob("*.json"))
    return {file.stem: loads(file.read_text(encoding="utf-8")) for file in files}


def score_of(scoring: Scoring, graph: Graph, samples: int | None = None) -> Score:
    """The score of a network on the first `samples`, or all."""
    some = slice(0, scoring.samples if samples is None else samples)
    outputs = answers_of(graph, [array[some] for array in scoring.arrays])
    return scoring.score(scoring.rows(outputs, some))
