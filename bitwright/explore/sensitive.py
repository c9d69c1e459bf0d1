# SPDX-License-Identifier: Apache-2.0
"""Sensitivities told: as a table of every axis and value, as CSV, and as a page."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log

from bitwright.explore.sensing import Effect, Sensed
from bitwright.explore.space import Axis, Space, Value
from bitwright.report.page import template

COLUMNS = ("what", "value", "beside", "at", "error", "score", "beyond")
"""Of the CSV: an axis and its value, a neighbour and its value, and what the pair errs beyond the sum of both."""
PAGE = "sensitivity.html.j2"


@dataclass(frozen=True, slots=True)
class Told:
    """A figure of a value: as text, and how dark it is shown, 0 to 1."""

    text: str
    shade: float = 0.0


@dataclass(frozen=True, slots=True)
class Row:
    """An axis: its error and its score at each value of the columns."""

    name: str
    errors: tuple[Told, ...]
    scores: tuple[Told, ...]


@dataclass(frozen=True, slots=True)
class Pair:
    """Two neighbours, both at one value: the error of the pair, and what of it is beyond the sum of theirs."""

    names: tuple[str, str]
    value: str
    error: str
    beyond: str


@dataclass(frozen=True, slots=True)
class Page:
    """Everything that the page prints; rows are in the order of the space, pairs the worst first."""

    title: str
    how: str
    error: str
    metric: str
    values: tuple[str, ...]
    rows: tuple[Row, ...]
    pairs: tuple[Pair, ...]


def beyond(sensed: Sensed, pair: Effect) -> float | None:
    """What a pair errs beyond the sum of what its values do alone; None where one of them cannot be made."""
    alone = [_error(sensed, name, value) for name, value in pair.values.items()]
    base, error = sensed.best.error, pair.error
    if base is None or error is None or None in alone:
        return None
    return error - base - sum(each - base for each in alone if each is not None)


def csv_of(sensed: Sensed) -> str:
    """A line for each value of each axis, then one for each pair."""
    written = io.StringIO()
    writer = csv.writer(written, lineterminator="\n")
    writer.writerow(COLUMNS)
    for effect in sensed.effects:
        ((name, value),) = effect.values.items()
        writer.writerow([name, value, "", "", _number(effect.error), _number(effect.score), ""])
    for pair in sensed.pairs:
        (one, value), (other, at) = pair.values.items()
        figures = map(_number, (pair.error, pair.score, beyond(sensed, pair)))
        writer.writerow([one, value, other, at, *figures])
    return written.getvalue()


def told(sensed: Sensed, space: Space, title: str, how: str) -> Page:
    """What there is to tell."""
    named = {name for effect in sensed.effects for name in effect.values}
    tried = [axis for axis in space.axes if axis.name in named]
    values = tuple(dict.fromkeys(str(value) for axis in tried for value in axis.values))
    errors = [effect.error for effect in sensed.effects if effect.error]
    rows = tuple(_row(sensed, axis, values, errors) for axis in tried)
    pairs = sorted(sensed.pairs, key=lambda pair: -(beyond(sensed, pair) or 0.0))
    return Page(title, how, sensed.error, sensed.metric, values, rows, tuple(_pairs(sensed, pairs)))


def _row(sensed: Sensed, axis: Axis, values: Sequence[str], errors: Sequence[float]) -> Row:
    found = {str(value): _effect(sensed, axis.name, value) for value in axis.values}
    each = [found.get(value) for value in values]
    return Row(axis.name, tuple(_shaded(one, errors) for one in each), tuple(map(_scored, each)))


def page(found: Page) -> str:
    """HTML that needs nothing else."""
    return template(PAGE).render(page=found)


def _pairs(sensed: Sensed, pairs: Sequence[Effect]) -> Iterator[Pair]:
    for pair in pairs:
        (one, value), (other, _) = pair.values.items()
        yield Pair((one, other), str(value), _short(pair.error), _short(beyond(sensed, pair)))


def _effect(sensed: Sensed, name: str, value: Value) -> Effect:
    """Of an axis and a value; the best design's own is that design."""
    found = (effect for effect in sensed.effects if effect.values == {name: value})
    return next(found, sensed.best)


def _error(sensed: Sensed, name: str, value: Value) -> float | None:
    return _effect(sensed, name, value).error


def _shaded(effect: Effect | None, errors: Sequence[float]) -> Told:
    """An error, the darker the larger it is among all, by its logarithm."""
    if effect is None:
        return Told("")
    if not effect.error or len(errors) < 2:
        return Told(_short(effect.error))
    low, high = log(min(errors)), log(max(errors))
    shade = (log(effect.error) - low) / (high - low) if high > low else 0.0
    return Told(_short(effect.error), round(min(max(shade, 0.0), 1.0), 3))


def _scored(effect: Effect | None) -> Told:
    return Told("" if effect is None else _short(effect.score))


def _short(figure: float | None) -> str:
    return "cannot be" if figure is None else f"{figure:.3g}"


def _number(figure: float | None) -> str:
    return "" if figure is None else repr(figure)
