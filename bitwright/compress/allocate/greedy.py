# SPDX-License-Identifier: Apache-2.0
"""Widths that are chosen step by step, each step the one that saves most for what it loses."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

from bitwright.compress.allocate.tables import TINY, Answer, Ledger, Request, Widths, excess

Figures = Mapping[str, float]


def greedy(request: Request) -> Answer | None:
    """All as wide as can be, then narrower one by one, each step the one that loses least for what it saves.

    First until every limit is held, by the loss for what is taken off the excess; then as long as a step makes less of
    what shall be least and keeps the limits. Quick, explained by its steps, and best where each bit less loses more
    than the one before (Fox: "Discrete optimization via marginal analysis", Management Science 13, 1966); else no proof
    of anything.
    """
    table, least, limits = request.ledger, request.least, request.limits
    widths: Widths = {name: max(offered) for name, offered in table.widths.items()}
    steps = 0
    for step in (_within, _lower):
        while (found := step(table, widths, least, limits)) is not None:
            widths, steps = found, steps + 1
    figures = table.predict(widths)
    if excess(figures, limits) > 0:
        return None
    return Answer(widths, {"status": "nothing is proved", "objective": figures[least], "steps": steps})


def _within(table: Ledger, widths: Widths, least: str, limits: Figures) -> Widths | None:
    """The step that loses least for what it takes off the excess."""
    now = table.predict(widths)
    over = excess(now, limits)

    def loss(figures: Figures) -> float | None:
        gain = over - excess(figures, limits)
        return (figures[least] - now[least]) / gain if gain > 0 else None

    return _best(table, widths, loss)


def _lower(table: Ledger, widths: Widths, least: str, limits: Figures) -> Widths | None:
    """The step within the limits that uses least of them for what it saves."""
    now = table.predict(widths)

    def loss(figures: Figures) -> float | None:
        gain = now[least] - figures[least]
        used = sum((figures[kind] - now[kind]) / max(most, TINY) for kind, most in limits.items())
        return used / gain if gain > 0 and excess(figures, limits) == 0 else None

    return _best(table, widths, loss)


def _best(table: Ledger, widths: Widths, loss: Callable[[Figures], float | None]) -> Widths | None:
    """The narrower design of the least loss; None if none has any."""
    rated = [(loss(table.predict(narrower)), narrower) for narrower in narrowed(table, widths)]
    found = [(lost, narrower) for lost, narrower in rated if lost is not None]
    return min(found, key=lambda pair: pair[0])[1] if found else None


def narrowed(table: Ledger, widths: Widths) -> Iterator[Widths]:
    """The designs that have one weight or one tensor narrower, by several bits too: one alone may save nothing."""
    for name, offered in table.widths.items():
        for bits in offered:
            if bits < widths[name]:
                yield {**widths, name: bits}


ALLOCATORS = {"greedy": greedy}
