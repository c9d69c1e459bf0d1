# SPDX-License-Identifier: Apache-2.0
"""Which design is meant: by its key, by what it must be and be best in, or as the knee of the front.

accuracy>=0.97, min lut         of the designs that hold this, the one of the fewest LUTs
lut<=5000                       the best of these in the first objective of the sweep that is not limited
cycles<=1000, knee              where the front of these turns from cheap to dear
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from math import isfinite, log2

from bitwright.explore.objectives import OBJECTIVES, Objective
from bitwright.explore.pareto import front_of, losses
from bitwright.explore.record import Failure, Outcome, Record
from bitwright.explore.words import SHARES
from bitwright.ir.errors import BitwrightError

KEY = re.compile("[0-9a-f]{4,16}")
"""A key, or enough of its beginning."""
KNEE = "knee"
HALF = 0.5
"""Of a sample, which is wrong at least."""
WHERE = "--pick"
EXAMPLE = 'for example "accuracy>=0.97, min lut", or knee, or the key of a design'
HELD: Mapping[str, Callable[[float, float], bool]] = {
    ">=": float.__ge__,
    "<=": float.__le__,
    ">": float.__gt__,
    "<": float.__lt__,
    "=": float.__eq__,
}
LIMIT = re.compile(r"(\w+)\s*(>=|<=|>|<|==?)\s*(\S+)")
GOAL = re.compile(r"(min|max)\s+(\w+)")


@dataclass(frozen=True, slots=True)
class Limit:
    """What a figure must be."""

    name: str
    relation: str
    value: float

    def holds(self, record: Record) -> bool:
        """True if the figure is so."""
        return HELD[self.relation](float(record.figures[self.name]), self.value)

    def missed(self, record: Record) -> float:
        """By how much it is not, as a share of what is asked."""
        if self.holds(record):
            return 0.0
        return abs(record.figures[self.name] - self.value) / max(abs(self.value), 1e-9)

    def __str__(self) -> str:
        return f"{self.name} {self.relation} {self.value:g}"


@dataclass(frozen=True, slots=True)
class Goal:
    """What is best: the least or the most of a figure."""

    name: str
    most: bool

    def loss(self, record: Record) -> float:
        """The figure, so that less is better."""
        value = float(record.figures[self.name])
        return -value if self.most else value


@dataclass(frozen=True, slots=True)
class Wish:
    """What a design must be, and what decides between those that are; without a goal the knee of their front."""

    limits: tuple[Limit, ...] = ()
    goal: Goal | None = None

    def best(self, records: Collection[Record], objectives: Sequence[Objective]) -> Record:
        """The record that is wished for; BitwrightError with the nearest one if there is none.

        Of records that are equally good the first by the other objectives is taken, and then the first by its key.
        """
        holding = [each for each in records if all(limit.holds(each) for limit in self.limits)]
        if not holding:
            raise self._none(records)
        goal = self.goal
        if goal is None:
            return knee(holding, objectives)
        return min(holding, key=lambda each: (goal.loss(each), losses(each, objectives), each.design.key))

    def _none(self, records: Collection[Record]) -> BitwrightError:
        if not records:
            hint = "any design can still be picked by its key, which results.csv has"
            return BitwrightError("no design is within the budget of the sweep", where=WHERE, hint=hint)
        asked = " and ".join(map(str, self.limits))
        near = min(records, key=lambda each: (sum(limit.missed(each) for limit in self.limits), each.design.key))
        names = dict.fromkeys(limit.name for limit in self.limits)
        figures = ", ".join(f"{name} {near.figures[name]:g}" for name in names)
        return BitwrightError(
            f"none of {len(records)} designs has {asked}",
            where=WHERE,
            hint=f"the nearest is {near.design.key}: {figures}",
        )


def knee(records: Iterable[Record], objectives: Sequence[Objective]) -> Record:
    """The record on the front that is farthest below the plane through its ends.

    Each objective is counted from its best on the front, 0, to its worst, 1 (Das, Structural Optimization 18, 1999). Of
    samples that are right the wrong ones are counted, by how often they halve: else a front that begins where answers
    are guessed makes all that is far from guessing look equally good.
    """
    front = front_of(records, objectives)
    at = [[_counted(each, objective) for objective in objectives] for each in front]
    least = [min(column) for column in zip(*at, strict=True)]
    spans = [max(column) - low or 1.0 for column, low in zip(zip(*at, strict=True), least, strict=True)]

    def height(place: int) -> float:
        parts = ((loss - low) / span for loss, low, span in zip(at[place], least, spans, strict=True))
        return sum(parts, 0.0)

    return front[min(range(len(front)), key=height)]


def _counted(record: Record, objective: Objective) -> float:
    """A figure, so that less is better; of shares of samples how often the wrong ones are halved, up to half a one."""
    value = record.figures[objective.name]
    if objective.name not in SHARES:
        return objective.loss(value)
    return log2(max(1.0 - value, HALF / record.score.total))


def wish(text: str, objectives: Sequence[Objective], figures: Iterable[str]) -> Wish:
    """What is asked for in words, of designs that have these figures; BitwrightError if it cannot be."""
    names = list(figures)
    limits: list[Limit] = []
    goals: list[Goal | None] = []
    for clause in (part.strip() for part in text.split(",")):
        if clause == KNEE:
            goals.append(None)
        elif found := GOAL.fullmatch(clause):
            goals.append(Goal(_known(found[2], names), found[1] == "max"))
        elif found := LIMIT.fullmatch(clause):
            limits.append(Limit(_known(found[1], names), found[2].replace("==", "="), _number(found[3], clause)))
        else:
            raise BitwrightError(f"{clause!r} is no condition and no goal", where=WHERE, hint=EXAMPLE)
    if len(goals) > 1:
        raise BitwrightError("asks for two goals", where=f"{WHERE} {text!r}", hint="give one min, max or knee")
    return Wish(tuple(limits), goals[0] if goals else _unasked(limits, objectives))


def _unasked(limits: Sequence[Limit], objectives: Sequence[Objective]) -> Goal:
    """The goal of who names none: the first objective that is not limited."""
    limited = {limit.name for limit in limits}
    free = next((each for each in objectives if each.name not in limited), objectives[0])
    return Goal(free.name, free.more_is_better)


def _known(name: str, names: Collection[str]) -> str:
    if name in names:
        return name
    near = get_close_matches(name, names, 1)
    meant = f"did you mean '{near[0]}'? " if near else ""
    unasked = "it was no objective of the sweep; " if name in OBJECTIVES else ""
    hint = f"{unasked}{meant}there are {', '.join(names)}"
    raise BitwrightError(f"the designs have no figure '{name}'", where=WHERE, hint=hint)


def _number(text: str, clause: str) -> float:
    """`0.97`, `97%`, `9_000`."""
    try:
        value = float(text.removesuffix("%").replace("_", "")) / (100 if text.endswith("%") else 1)
    except ValueError:
        value = float("nan")
    if not isfinite(value):
        raise BitwrightError(f"{text!r} is no number", where=f"{WHERE} {clause!r}", hint=EXAMPLE)
    return value


def by_key(text: str, known: Mapping[str, Outcome], where: str = WHERE) -> Record:
    """The record whose key begins so; BitwrightError if there is none, or several, or the design could not be."""
    keys = [key for key in known if key.startswith(text)]
    if not keys:
        near = get_close_matches(text, known, 1)
        meant = f"did you mean {near[0]}? " if near else ""
        hint = f"{meant}{len(known)} designs have been evaluated; their keys are in results.csv"
        raise BitwrightError(f"there is no design '{text}'", where=where, hint=hint)
    if len(keys) > 1:
        hint = f"give more of it: {', '.join(sorted(keys)[:4])}"
        raise BitwrightError(f"'{text}' is the beginning of {len(keys)} keys", where=where, hint=hint)
    outcome = known[keys[0]]
    if isinstance(outcome, Failure):
        what = f"could not be evaluated ({outcome.kind}): {outcome.where}: {outcome.what}"
        raise BitwrightError(what, where=f"{where} {keys[0]}", hint=outcome.hint)
    return outcome


def picked(
    text: str,
    known: Mapping[str, Outcome],
    objectives: Sequence[Objective],
    closer: Callable[[Record], Record],
    within: Callable[[Record], bool] = lambda record: True,
) -> Record:
    """The design that is meant, looked at closely; what is wished for is sought `within` the budget of the sweep.

    `closer` has a record as it is by `compile` and all samples. A design that is wished for by what it is still has to
    be so then; if not, the wish is granted anew.
    """
    if KEY.fullmatch(text):
        return closer(by_key(text, known))
    seen = {key: each for key, each in known.items() if isinstance(each, Record) and each.score.complete}
    if not seen:
        hint = "let the sweep go on: give `explore` the same folder again"
        raise BitwrightError("no design has been seen on all samples yet", where=WHERE, hint=hint)
    asked = wish(text, objectives, _shared(seen.values()))
    looked_at: dict[str, Record] = {}
    while True:
        best = asked.best(list(filter(within, (seen | looked_at).values())), objectives)
        if best.design.key in looked_at:
            return best
        looked_at[best.design.key] = closer(best)


def _shared(records: Collection[Record]) -> list[str]:
    """The figures that all of them have."""
    first = next(iter(records))
    return [name for name in first.figures if all(name in each.figures for each in records)]
