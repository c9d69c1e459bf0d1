# SPDX-License-Identifier: Apache-2.0
"""Tables of a sweep, made of its folder at any time: CSV, and Parquet with the types of the columns."""

from __future__ import annotations

import csv
import io
from typing import Any

from bitwright.explore.kept import Kept
from bitwright.explore.pareto import front_of
from bitwright.explore.record import Failure, Outcome, Record
from bitwright.explore.settings import is_within, problem_in

Row = dict[str, Any]
CSV, PARQUET = "results.csv", "results.parquet"
OF_SCORE = ("low", "high", "samples", "total")
"""How well a score is known."""


def front_in(kept: Kept) -> list[Record]:
    """The designs of a sweep that no other one within the budget beats."""
    problem = problem_in(kept.settings)
    return front_of((each for each in kept.records if is_within(problem, each)), problem.objectives)


def columns(kept: Kept) -> list[str]:
    """The names of the columns: of choices as `axis.NAME`, since a figure may have the name of an axis."""
    axes = [f"axis.{axis['name']}" for axis in kept.settings["axes"]]
    figures = dict.fromkeys(name for record in kept.records for name in record.figures)
    scores = [name for name in _of_float(kept) if name not in OF_SCORE]
    return ["key", "outcome", "on_front", "compiled", *axes, *dict.fromkeys((*scores, *figures)), *OF_SCORE, "what"]


def rows(kept: Kept) -> list[Row]:
    """A row for the float network, where its score is known, and one for each design in the order asked for."""
    front = {record.design.key for record in front_in(kept)}
    empty = dict.fromkeys(columns(kept))
    of_float = _of_float(kept) and {"key": "float", "outcome": "float", **_of_float(kept)}
    found = [of_float, *(_row(outcome, front) for outcome in kept.designs.values())]
    return [empty | row for row in found if row]


def _of_float(kept: Kept) -> Row:
    found: Row = kept.settings.get("float", {})
    return found


def _row(outcome: Outcome, front: set[str]) -> Row:
    design = outcome.design
    row: Row = {"key": design.key, **{f"axis.{name}": value for name, value in design.choices}}
    if isinstance(outcome, Failure):
        return row | {"outcome": outcome.kind, "what": f"{outcome.where}: {outcome.what}"}
    score = outcome.score
    of_score = {name: getattr(score, name) for name in OF_SCORE}
    marks = {"outcome": "record", "on_front": design.key in front, "compiled": outcome.compiled}
    return row | marks | dict(outcome.figures) | of_score


def csv_of(kept: Kept) -> bytes:
    """The rows as CSV; what a design has not is empty."""
    text = io.StringIO()
    writer = csv.DictWriter(text, columns(kept), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows(kept))
    return text.getvalue().encode()


def parquet_of(kept: Kept) -> bytes | None:
    """The rows as Parquet; None without pyarrow, which is an extra."""
    try:
        from pyarrow import BufferOutputStream, parquet, table
    except ImportError:
        return None
    found, out = rows(kept), BufferOutputStream()
    parquet.write_table(table({name: _of_one_kind([row[name] for row in found]) for name in columns(kept)}), out)
    content: bytes = out.getvalue().to_pybytes()
    return content


def _of_one_kind(values: list[Any]) -> list[Any]:
    """A column has one type: numbers, or else texts of them all."""
    kinds = {type(value) for value in values if value is not None}
    mixed = len(kinds) > 1 and not kinds <= {int, float}
    return [None if value is None else str(value) for value in values] if mixed else values
