# SPDX-License-Identifier: Apache-2.0
"""The tables by name: each has its rows, cases and methods, and measures one of them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Protocol

from benchmarks.methods import agents, criteria, factors, quantisers, rounding
from benchmarks.methods.material import Material
from benchmarks.methods.store import Found


class Table(Protocol):
    """What a module of a table has."""

    def rows(self) -> Iterator[tuple[str, str]]:
        """Cases and methods, the default first in each case."""

    def measured(self, material: Material, case: str, method: str) -> Found:
        """Figures of a method on a network."""


TABLES: Mapping[str, Table] = {
    "quantisers": quantisers,
    "rounding": rounding,
    "criteria": criteria,
    "factors": factors,
    "agents": agents,
}


def defaults(table: str) -> dict[str, str]:
    """The default of each case."""
    found: dict[str, str] = {}
    for case, method in TABLES[table].rows():
        found.setdefault(case, method)
    return found
