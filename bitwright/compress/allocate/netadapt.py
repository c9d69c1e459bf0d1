# SPDX-License-Identifier: Apache-2.0
"""Widths that are narrowed step by step, each step the one that is measured to lose least."""

from __future__ import annotations

from collections.abc import Iterator

from bitwright.compress.allocate.tables import Answer, Request, Widths, excess

FIRST, DECAY, LAST = 0.05, 0.98, 0.002
"""The first step's share of what the widest design is over its budget, or costs; what is left of it from step to step,
and the least step that is tried."""


def netadapt(request: Request) -> Answer | None:
    """All as wide as can be, then narrower by steps, each the one that is measured to lose least.

    In each step every weight and every tensor proposes its widest width that saves enough by the ledger; what each
    proposal errs is measured, and the least kept. Towards a budget of hardware steps end within it; where the error is
    limited they go on while it holds. A step that fails is tried again half as large. With widths in place of channels,
    and no training in between (Yang, Howard, Chen, Zhang, Go, Sandler, Sze, Adam: "NetAdapt: platform-aware neural
    network adaptation for mobile applications", ECCV 2018, arXiv 1804.03230; R108).
    """
    errs, ledger, least = request.errs, request.ledger, request.least
    assert errs is not None, "it measures"
    search = _Steps(request)
    widths: Widths = {name: max(offered) for name, offered in ledger.widths.items()}
    step, steps, measured = FIRST * search.used(widths), 0, 0
    end = LAST * search.used(widths)
    while step >= end > 0 and not search.done(widths):
        proposals = list(search.proposals(widths, step))
        measured += len(proposals)
        rated = [(errs(each), index) for index, each in enumerate(proposals)]
        if rated and min(rated)[0] <= search.most:
            widths, step, steps = proposals[min(rated)[1]], step * DECAY, steps + 1
        else:
            step /= 2
    if excess(ledger.predict(widths), search.rest) > 0:
        return None
    objective = ledger.predict(widths)[least]
    return Answer(widths, {"status": "nothing is proved", "objective": objective, "steps": steps, "measured": measured})


class _Steps:
    """What steps save, and when they end."""

    def __init__(self, request: Request) -> None:
        self.ledger = request.ledger
        self.rest = {kind: most for kind, most in request.limits.items() if kind != request.error}
        self.most = request.most
        self.cost = None if request.least == request.error else request.least

    def used(self, widths: Widths) -> float:
        """By how much the limits of hardware are broken; and what shall be least, where that is no error."""
        figures = self.ledger.predict(widths)
        return excess(figures, self.rest) + (figures[self.cost] / self._scale if self.cost else 0.0)

    @property
    def _scale(self) -> float:
        """What the widest design takes."""
        assert self.cost is not None
        widest = {name: max(offered) for name, offered in self.ledger.widths.items()}
        return self.ledger.predict(widest)[self.cost] or 1.0

    def done(self, widths: Widths) -> bool:
        """True within a budget of hardware alone."""
        return self.cost is None and self.used(widths) == 0

    def proposals(self, widths: Widths, step: float) -> Iterator[Widths]:
        """Of each name the widest width that saves a step, or all that is over."""
        aim = max(self.used(widths) - step, 0.0)
        for name, offered in self.ledger.widths.items():
            for bits in sorted((bits for bits in offered if bits < widths[name]), reverse=True):
                narrower = {**widths, name: bits}
                if self.used(narrower) <= aim:
                    yield narrower
                    break


ALLOCATORS = {"netadapt": netadapt}
