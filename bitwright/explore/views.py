# SPDX-License-Identifier: Apache-2.0
"""Tables of a sweep, made of its folder at any time: CSV."""

from __future__ import annotations

import csv
import io
from typing import Any

from bitwright.explore.kept import Kept
from bitwright.explore.pareto import front_of
from bitwright.explore.record import Failure, Outcome, Record
from bitwright.explore.settings import is_within, problem_in

Row = dict[str, Any]
CSV = "results.csv"


def front_in(kept: Kept) -> list[Record]:
    """The designs of a sweep that no other one within the budget beats."""
    problem = problem_in(kept.settings)
    return front_of((each for each in kept.records if is_within(problem, each)), problem.objectives)


def columns(kept: Kept) -> list[str]:
    """The names of the columns: of choices as `axis.NAME`, since a figure may have the name of an axis."""
    axes = [f"axis.{axis['name']}" for axis in kept.settings["axes"]]
    figures = dict.fromkeys(name for record in kept.records for name in record.figures)
    return ["key", "outcome", "on_front", "compiled", *axes, *figures, "low", "high", "samples", "total", "what"]


def rows(kept: Kept) -> list[Row]:
    """A row for the float network, where its score is known, and one for each design in the order asked for."""
    front = {record.design.key for record in front_in(kept)}
    of_float = {"key": "float", "outcome": "float", **kept.settings["float"]} if kept.settings.get("float") else {}
    found = [of_float, *(_row(outcome, front) for outcome in kept.designs.values())]
    return [dict.fromkeys(columns(kept)) | row for row in found if row]


def _row(outcome: Outcome, front: set[str]) -> Row:
    design = outcome.design
    row: Row = {"key": design.key, **{f"axis.{name}": value for name, value in design.choices}}
    if isinstance(outcome, Failure):
        return row | {"outcome": outcome.kind, "what": f"{outcome.where}: {outcome.what}"}
    score = outcome.score
    of_score = {"low": score.low, "high": score.high, "samples": score.samples, "total": score.total}
    marks = {"outcome": "record", "on_front": design.key in front, "compiled": outcome.compiled}
    return row | marks | dict(outcome.figures) | of_score


def csv_of(kept: Kept) -> bytes:
    """The rows as CSV; what a design has not is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(kept), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(kept))
    return text.getvalue().encode()
