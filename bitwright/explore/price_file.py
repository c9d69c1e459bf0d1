# SPDX-License-Identifier: Apache-2.0
"""The table of prices as JSON: what a sweep keeps of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from bitwright.compress.allocate import Ledger, Term
from bitwright.explore.prices import Change, Pace, Prices, PriceTable
from bitwright.explore.work import Work
from bitwright.ir.errors import BitwrightError

VERSION = 1
AGAIN = "remove it: the table is made again"


def to_dict(prices: Prices) -> dict[str, Any]:
    """Plain values, which `of_dict` reads."""
    tables = [{"aim": list(aim), **_table(table)} for aim, table in prices.tables.items()]
    return {"version": VERSION, "tables": tables, "works": [asdict(work) for work in prices.works]}


def of_dict(data: object, where: str = "table.json") -> Prices:
    """The table that plain values are; BitwrightError if they are none, or of another version."""
    if not isinstance(data, Mapping) or data.get("version") != VERSION:
        version = data.get("version") if isinstance(data, Mapping) else None
        what = f"is of version {version}, this bitwright reads {VERSION}"
        raise BitwrightError(what, where=where, hint=AGAIN)
    try:
        return _prices(data)
    except (KeyError, TypeError, ValueError) as error:
        raise BitwrightError("is no table of prices", where=where, hint=AGAIN) from error


def _prices(data: Mapping[str, Any]) -> Prices:
    tables = {tuple(each["aim"]): _table_of(each) for each in data["tables"]}
    works = (Work(**{**each, "tensors": tuple(each["tensors"])}) for each in data["works"])
    return Prices(tables, tuple(works))


def _table(table: PriceTable) -> dict[str, Any]:
    ledger = table.ledger
    return {
        "weights": _lists(ledger.weights),
        "tensors": _lists(ledger.tensors),
        "terms": [_term(term) for term in ledger.terms],
        "paces": [_term(each.term, way=each.way) for each in table.paces],
        "changes": [_term(each.term, option=each.option, value=each.value, way=each.way) for each in table.changes],
    }


def _table_of(data: Mapping[str, Any]) -> PriceTable:
    weights, tensors = ({n: tuple(bits) for n, bits in data[part].items()} for part in ("weights", "tensors"))
    paces = (Pace(tuple(each["way"]), _term_of(each)) for each in data["paces"])
    changes = (Change(each["option"], each["value"], tuple(each["way"]), _term_of(each)) for each in data["changes"])
    return PriceTable(Ledger(weights, tensors, tuple(map(_term_of, data["terms"]))), tuple(paces), tuple(changes))


def _lists(offered: Mapping[str, tuple[int, ...]]) -> dict[str, list[int]]:
    return {name: list(bits) for name, bits in offered.items()}


def _term(term: Term, **said: object) -> dict[str, Any]:
    """Rows of widths and amounts."""
    rows = [{"widths": list(key), **amounts} for key, amounts in term.amounts.items()]
    return {**said, "names": list(term.names), "rows": rows}


def _term_of(data: Mapping[str, Any]) -> Term:
    return Term(tuple(data["names"]), dict(map(_row, data["rows"])))


def _row(row: Mapping[str, Any]) -> tuple[tuple[int, ...], dict[str, float]]:
    return tuple(row["widths"]), {kind: amount for kind, amount in row.items() if kind != "widths"}
