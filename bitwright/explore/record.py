# SPDX-License-Identifier: Apache-2.0
"""What a sweep asks of a design, and what it knows of it afterwards."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from bitwright.explore.space import Design

FINAL = "-final"
"""What the key of a task ends with that looks at a design closely."""
Kind = Literal["refused", "error", "died", "time", "memory"]
"""What became of a design that has no figures."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Score:
    """How good the answers of a design are on the first `samples` of `total`: its value and a confidence interval."""

    value: float
    low: float
    high: float
    samples: int
    total: int

    @property
    def complete(self) -> bool:
        """True if all samples were seen."""
        return self.samples == self.total


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What is known of a design: its figures by the names of objectives, how well its answers are known.

    The score is a figure too, by the metric's name. `compiled` if its price is that of `compile`, else the table's.
    """

    design: Design
    figures: Mapping[str, float]
    score: Score
    compiled: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """A design that could not be evaluated, and why.

    `refused` with a BitwrightError; an `error` is any other. It `died` and took its process with it, or went over a
    limit of `time` or `memory`, in each of so many `tries`.
    """

    design: Design
    kind: Kind
    what: str
    where: str
    hint: str
    tries: int = 1


@dataclass(frozen=True, slots=True)
class Task:
    """A design to evaluate: with all samples and the price of `compile` if `final`.

    Else with the price of the table, and with as few samples as rule it out against one of the `rivals`: those that
    cost no more in anything and are surely better.
    """

    design: Design
    rivals: tuple[Record, ...] = field(default=(), compare=False)
    final: bool = False

    @property
    def key(self) -> str:
        """What its outcome is known by within a sweep."""
        return f"{self.design.key}{FINAL}" if self.final else self.design.key


Outcome = Record | Failure
Evaluate = Callable[[Task], Record]
"""What makes a record of a task; BitwrightError where the design cannot be."""
