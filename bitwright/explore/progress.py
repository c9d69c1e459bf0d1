# SPDX-License-Identifier: Apache-2.0
"""How far a running sweep is: its designs, the best of them, and a line that says so."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bitwright.explore.objectives import Objective
from bitwright.explore.record import Record
from bitwright.explore.words import designs, figure, title

MINUTE, HOUR = 60, 3600


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a sweep is: designs `done` of at most `total`, `fresh` of them in `seconds` of this run, the best so far.

    `looks` are the closer looks at designs on the front.
    """

    done: int
    total: int
    fresh: int
    looks: int
    failed: int
    seconds: float
    front: Sequence[Record]

    @property
    def rate(self) -> float:
        """Designs and closer looks in a second of this run."""
        return (self.fresh + self.looks) / self.seconds if self.seconds else 0.0

    @property
    def left(self) -> float | None:
        """Seconds to the end at this rate, if the strategy asks for all it may; None before the first."""
        return (self.total - self.done) / self.rate if self.rate else None


def line(progress: Progress, score: Objective, cost: Objective) -> str:
    """`312 of 1,000 designs, 21.3 a second, 35 on the front, best accuracy 97.80 % at 10,825 LUT, 32 s left`."""
    parts = [f"{progress.done:,} of {designs(progress.total)}"]
    if progress.rate:
        parts.append(f"{progress.rate:.3g} a second")
    if progress.front:
        best = min(progress.front, key=lambda each: score.loss(each.score.value))
        parts.append(f"{len(progress.front):,} on the front")
        said = figure(score, best.score.value)
        parts.append(f"best {title(score)} {said} at {figure(cost, best.figures[cost.name])} {title(cost)}")
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    if progress.done >= progress.total:
        parts.append("looking closely at the front")
    elif progress.left is not None:
        parts.append(f"{lasting(progress.left)} left")
    return ", ".join(parts)


def lasting(seconds: float) -> str:
    """A time in two units at most."""
    whole = round(seconds)
    if whole < MINUTE:
        return f"{whole} s"
    if whole < HOUR:
        return f"{whole // MINUTE} min {whole % MINUTE} s"
    return f"{whole // HOUR} h {whole % HOUR // MINUTE} min"
