# SPDX-License-Identifier: Apache-2.0
"""What zeros take off the table of a space: terms of an axis of zeros and of the widths beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import product

from bitwright.compress.allocate import Ledger, Term
from bitwright.compress.prune import Pattern
from bitwright.explore.additive import tied
from bitwright.explore.axes import OF_ZEROS
from bitwright.explore.prices import CYCLES, Change
from bitwright.explore.space import Axis, Space, Value

BOPS = "bops"


def of_zeros(space: Space, ledger: Ledger, changes: Sequence[Change]) -> Iterator[Term]:
    """By axes and places, what is to be added to a ledger of widths where weights have zeros.

    The ledger has the fewest zeros that each axis offers; its products by weights become fewer by the share of zeros,
    and hardware changes by what was compiled.
    """
    for axis in space.axes:
        if axis.option == OF_ZEROS:
            for place, value in enumerate(axis.values[:-1]):
                found = (*_changed(ledger, changes, axis, value), *_fewer(ledger, axis, value))
                for term in tied(space, Ledger(ledger.weights, ledger.tensors, found)).terms:
                    yield _at(axis, place, term)


def _changed(ledger: Ledger, changes: Sequence[Change], axis: Axis, value: Value) -> Iterator[Term]:
    """What hardware takes more or less."""
    said = str(Pattern.of(value))
    for change in changes:
        if change.option == OF_ZEROS and change.value == said and _is_of(ledger, axis, change.way):
            names = change.term.names
            rows = {key: change.at(dict(zip(names, key, strict=True))) for key in _keys(ledger, names)}
            yield Term(names, {key: _without(amounts, CYCLES) for key, amounts in rows.items()})


def _fewer(ledger: Ledger, axis: Axis, value: Value) -> Iterator[Term]:
    """The products that there are no more."""
    least, share = (Pattern.of(each).share for each in (axis.values[-1], value))
    for term in ledger.terms:
        if _is_of(ledger, axis, term.names):
            rows = {
                key: amounts.get(BOPS, 0.0) * (least - share) / (1 - least) for key, amounts in term.amounts.items()
            }
            yield Term(term.names, {key: {BOPS: amount} for key, amount in rows.items()})


def _is_of(ledger: Ledger, axis: Axis, names: Sequence[str]) -> bool:
    """Whether an axis says the zeros of the weight among some names."""
    weights = [name for name in names if name in ledger.weights]
    return bool(weights) and (not axis.names or set(weights) <= set(axis.names))


def _keys(ledger: Ledger, names: Sequence[str]) -> Iterator[tuple[int, ...]]:
    return product(*(ledger.widths[name] for name in names))


def _without(amounts: dict[str, float], kind: str) -> dict[str, float]:
    return {name: amount for name, amount in amounts.items() if name != kind}


def _at(axis: Axis, place: int, term: Term) -> Term:
    """A term that is nothing at the other places of an axis."""
    rows = {
        (at, *key): amounts if at == place else {}
        for at in range(len(axis.values))
        for key, amounts in term.amounts.items()
    }
    return Term((axis.name, *term.names), rows)
