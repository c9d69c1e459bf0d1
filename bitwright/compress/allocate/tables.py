# SPDX-License-Identifier: Apache-2.0
"""What each choice of widths costs and how much it errs, as a sum of terms that know a few widths each."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from itertools import product
from math import inf
from typing import Any

from bitwright.compress.allocate.sensing import Sensing
from bitwright.ir.errors import BitwrightError

Widths = Mapping[str, int]
"""Bits of each weight and of each tensor that is quantised, by their names."""
TINY = 1e-12
"""The least limit that excess is a share of."""
Amounts = Mapping[str, float]
"""How much of each kind: of a resource, of an error."""


@dataclass(frozen=True, slots=True)
class Term:
    """Amounts that depend on the widths of `names` and on no others: one entry for each of their combinations."""

    names: tuple[str, ...]
    amounts: Mapping[tuple[int, ...], Amounts]

    def at(self, widths: Widths) -> Amounts:
        """The amounts of a design."""
        return self.amounts[tuple(widths[name] for name in self.names)]


@dataclass(frozen=True)
class Ledger:
    """The widths that each of some weights and tensors can have, and the terms of which a design's figures are sums."""

    weights: Mapping[str, tuple[int, ...]]
    tensors: Mapping[str, tuple[int, ...]]
    terms: tuple[Term, ...]

    @property
    def widths(self) -> dict[str, tuple[int, ...]]:
        """Of weights and tensors."""
        return {**self.weights, **self.tensors}

    @cached_property
    def kinds(self) -> tuple[str, ...]:
        """What the terms have amounts of."""
        return tuple(dict.fromkeys(kind for term in self.terms for found in term.amounts.values() for kind in found))

    def predict(self, widths: Widths) -> dict[str, float]:
        """The figures of a design by the table."""
        found = [term.at(widths) for term in self.terms]
        return {kind: float(sum(amounts.get(kind, 0.0) for amounts in found)) for kind in self.kinds}

    def uniform(self, weights: int, tensors: int) -> dict[str, int]:
        """The widths of a design that has the same everywhere, or the nearest to it that it can have."""
        pairs = ((self.weights, weights), (self.tensors, tensors))
        return {name: _nearest(offered, bits) for part, bits in pairs for name, offered in part.items()}

    def uniforms(self) -> dict[str, dict[str, int]]:
        """Every different one of these designs by its name, `w4a3`."""
        pairs = product(
            *(sorted({bits for offered in part.values() for bits in offered} or {0}) for part in self.parts)
        )
        named = {f"w{weights}a{tensors}": self.uniform(weights, tensors) for weights, tensors in pairs}
        return {name: widths for name, widths in named.items() if name == _first(named, widths)}

    @property
    def parts(self) -> tuple[Mapping[str, tuple[int, ...]], Mapping[str, tuple[int, ...]]]:
        """Weights, tensors."""
        return self.weights, self.tensors


def _nearest(offered: Iterable[int], bits: int) -> int:
    return min(offered, key=lambda width: (abs(width - bits), -width))


def _first(named: Mapping[str, Widths], widths: Widths) -> str:
    return next(name for name, found in named.items() if found == widths)


def joined(terms: Iterable[Term]) -> tuple[Term, ...]:
    """The same sums in as few terms: one for each set of names."""
    found: dict[tuple[str, ...], dict[tuple[int, ...], dict[str, float]]] = {}
    for term in terms:
        rows = found.setdefault(term.names, {key: {} for key in term.amounts})
        for key, amounts in term.amounts.items():
            for kind, amount in amounts.items():
                rows[key][kind] = rows[key].get(kind, 0.0) + amount
    return tuple(Term(names, rows) for names, rows in found.items())


def excess(figures: Amounts, limits: Amounts) -> float:
    """By how much limits are broken, in shares of them."""
    return sum(max((figures[kind] - most) / max(most, TINY), 0.0) for kind, most in limits.items())


@dataclass(frozen=True, slots=True)
class Answer:
    """The widths of a design, and what proves, or does not, that no other is better by the table."""

    widths: Widths
    certificate: Mapping[str, Any]


class Impossible(BitwrightError):
    """No widths of a table are within the limits."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What is asked of an allocator: the least of one kind by a ledger, within the most of others by it.

    `error` is the kind that is an error. One who measures designs himself asks `errs`, and heeds `most` of it; one who
    learns from the network has it in `sensing`, and what he learnt from one request to the next in `learnt`.
    """

    ledger: Ledger
    least: str
    limits: Mapping[str, float]
    error: str = ""
    errs: Callable[[Widths], float] | None = None
    most: float = inf
    sensing: Sensing | None = None
    learnt: dict[str, Any] = field(default_factory=dict)


Allocator = Callable[[Request], Answer | None]
"""The widths that are asked for; None where none are within the limits, or none are found."""
