# SPDX-License-Identifier: Apache-2.0
"""The tables of a sweep's report: the float network first, then designs; what each layer has; designs side by side."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TypeVar

from bitwright.explore.choosing import knee
from bitwright.explore.explored import Explored, Picked
from bitwright.explore.objectives import OBJECTIVES, Objective
from bitwright.explore.record import Record, Score
from bitwright.explore.space import Value
from bitwright.explore.words import figure, interval, label, title
from bitwright.ir.columns import tail
from bitwright.report.page import Cell

COLUMNS = 40
"""The designs that stand beside one another in a table of layers; of more, some are left out, evenly."""
ROWS = 200
"""The failures that are told of one by one."""
NONE = "-"
T = TypeVar("T")
Chosen = tuple[str, Record, Picked | None]
"""By what name, which design, and as what it was picked."""


@dataclass(frozen=True)
class Head:
    """The title of a column."""

    text: str
    prose: bool = False


@dataclass(frozen=True)
class Row:
    """A row, and the key of the design that it is of."""

    cells: tuple[Cell, ...]
    key: str = ""
    strong: bool = False


@dataclass(frozen=True)
class Listing:
    """Titles and rows."""

    heads: tuple[Head, ...]
    rows: tuple[Row, ...]


@dataclass(frozen=True)
class Shade:
    """A value of a layer in a design, and how much it is of the most that there is, 0 to 1."""

    text: str
    level: float


@dataclass(frozen=True)
class Heat:
    """What each layer has, design by design."""

    name: str
    heads: tuple[Cell, ...]
    rows: tuple[tuple[Cell, tuple[Shade, ...]], ...]


def front_table(explored: Explored, measures: Sequence[Objective]) -> Listing:
    """The float network, then what no other design dominates, by these figures beside the score."""
    heads = [Head("design", True), Head(title(explored.score)), Head("between")]
    heads += [Head(title(each)) for each in measures]
    heads += [Head("price", True), Head("kind", True), *([Head("proved", True)] if explored.proved else [])]
    rows = [_float_row(explored, len(measures)), *(_row(explored, each, measures) for each in explored.front)]
    return Listing((*heads, Head("what", True)), tuple(rows))


def _float_row(explored: Explored, count: int) -> Row:
    """Nothing of it has a price."""
    known = explored.reference
    first = [figure(explored.score, known.value), interval(explored.score, known)] if known else [NONE, NONE]
    cells = [Cell("float", True), *(Cell(each, False) for each in first)]
    cells += [Cell(NONE, False)] * count
    cells += [Cell(NONE, True)] * (3 if explored.proved else 2)
    return Row((*cells, Cell("the network that was given", True)), strong=True)


def _row(explored: Explored, record: Record, measures: Sequence[Objective]) -> Row:
    said = label(explored.space, record.design)
    cells = [Cell(record.design.key, True), Cell(figure(explored.score, record.score.value), False)]
    cells.append(Cell(interval(explored.score, record.score), False))
    cells += [Cell(figure(each, record.figures[each.name]), False) for each in measures]
    cells += [Cell(priced(record), True), Cell("uniform" if explored.is_uniform(record.design) else "mixed", True)]
    if explored.proved:
        cells.append(Cell("yes" if record.design.key in explored.proved else NONE, True))
    return Row((*cells, Cell(_short(said), True, said)), key=record.design.key)


def _short(text: str) -> str:
    return text if len(text) <= 48 else text[:47] + "…"


def priced(record: Record) -> str:
    """Whose price a record has."""
    return "compile" if record.compiled else "table"


def failures_table(explored: Explored) -> Listing:
    """The designs that could not be evaluated, and why."""
    heads = (Head("design", True), Head("what", True), Head("kind", True), Head("why", True), Head("tries"))
    rows = []
    for each in explored.failures[:ROWS]:
        said = label(explored.space, each.design)
        cells = [Cell(each.design.key, True), Cell(_short(said), True, said), Cell(each.kind, True)]
        cells += [Cell(f"{each.where}: {each.what}", True, each.hint), Cell(f"{each.tries}", False)]
        rows.append(Row(tuple(cells)))
    return Listing(heads, tuple(rows))


def grids(explored: Explored) -> tuple[Heat, ...]:
    """One for each option that the axes give layers, and one for each figure that is known of layers."""
    shown = thinned(explored.front, COLUMNS)
    of_layers = {axis.option for axis in explored.space.axes if axis.names}
    given = {option: _chosen(explored, shown, option) for option in _options(explored) if option in of_layers}
    parts: dict[str, Sequence[Mapping[str, Value]]] = {**given, **_known(explored, shown)}
    return tuple(_grid(explored, shown, name, values) for name, values in parts.items())


def _known(explored: Explored, records: Sequence[Record]) -> dict[str, list[dict[str, float]]]:
    """The figures of layers by name, a value of each layer for each of the records."""
    known = [explored.layers.get(each.design.key, {}) for each in records]
    names = dict.fromkeys(chain.from_iterable(one for layers in known for one in layers.values()))
    return {name: [_column(layers, name) for layers in known] for name in names}


def _column(layers: Mapping[str, Mapping[str, float]], name: str) -> dict[str, float]:
    return {layer: figures[name] for layer, figures in layers.items() if name in figures}


def thinned(items: Sequence[T], most: int) -> Sequence[T]:
    """At most so many of them, evenly, the first and the last among them."""
    if len(items) <= most:
        return items
    return [items[round(at * (len(items) - 1) / (most - 1))] for at in range(most)]


def _options(explored: Explored) -> list[str]:
    return list(dict.fromkeys(axis.option for axis in explored.space.axes))


def _chosen(explored: Explored, records: Iterable[Record], option: str) -> list[dict[str, Value]]:
    """The values of an option by what has it: an axis without names is for all that are named by others."""
    axes = [axis for axis in explored.space.axes if axis.option == option]
    every = tuple(dict.fromkeys(name for axis in axes for name in axis.names))
    return [{name: record.design[axis.name] for axis in axes for name in axis.names or every} for record in records]


def _grid(explored: Explored, records: Sequence[Record], name: str, parts: Sequence[Mapping[str, Value]]) -> Heat:
    """`parts` has a value of each layer for each of the records."""
    layers = dict.fromkeys(chain.from_iterable(parts))
    values = chain.from_iterable(part.values() for part in parts)
    most = max((float(value) for value in values if not isinstance(value, str)), default=0.0) or 1.0
    heads = tuple(Cell(figure(explored.score, each.score.value), False, each.design.key) for each in records)
    rows = tuple((Cell(tail(layer), True, layer), _shades(name, layer, parts, most)) for layer in layers)
    return Heat(title(OBJECTIVES[name]) if name in OBJECTIVES else name.replace("_", " "), heads, rows)


def _shades(name: str, layer: str, parts: Sequence[Mapping[str, Value]], most: float) -> tuple[Shade, ...]:
    return tuple(_shade(name, part.get(layer), most) for part in parts)


def _shade(name: str, value: Value | None, most: float) -> Shade:
    if value is None or isinstance(value, str):
        return Shade(NONE if value is None else value, 0.0)
    text = f"{100 * value:.0f} %" if isinstance(value, float) and most <= 1 else _number(name, value)
    return Shade(text, round(max(0.0, float(value)) / most, 2))


def _number(name: str, value: float) -> str:
    return figure(OBJECTIVES[name], value) if name in OBJECTIVES else f"{value:,.4g}"


def side_by_side(explored: Explored) -> Listing:
    """The designs that were picked, or else those that one would look at first, as columns; the float network first."""
    chosen = list(_looked_at(explored))
    records = [record for _, record, _ in chosen]
    heads = (Head("", True), Head("float"), *(Head(name) for name, _, _ in chosen))
    rows = [_line("design", NONE, [record.design.key for record in records]), *_scores(explored, chosen)]
    for each in explored.measures[1:]:
        rows.append(_line(title(each), NONE, [_priced(each, record, pick) for _, record, pick in chosen]))
    rows.append(_line("price", NONE, map(priced, records)))
    return Listing(heads, (*rows, *_choices(explored, records)))


def _scores(explored: Explored, chosen: Sequence[Chosen]) -> Iterator[Row]:
    """What the search saw, between what that lies, and what a design scored on the test data once it was picked."""
    score, known = explored.score, explored.reference
    of_float = (figure(score, known.value), interval(score, known)) if known else (NONE, NONE)
    yield _line(f"{title(score)}, validation", of_float[0], [figure(score, each.score.value) for _, each, _ in chosen])
    yield _line("between", of_float[1], [interval(score, each.score) for _, each, _ in chosen])
    yield from _tests(score, [pick.test if pick else None for _, _, pick in chosen])


def _tests(score: Objective, tests: Sequence[Score | None]) -> Iterator[Row]:
    if any(tests):
        yield _line(f"{title(score)}, test", NONE, [figure(score, test.value) if test else NONE for test in tests])
        yield _line("between, test", NONE, [interval(score, test) if test else NONE for test in tests])


def _priced(objective: Objective, record: Record, pick: Picked | None) -> str:
    """A figure, and beside it what `compile` says where that is another."""
    value = record.figures[objective.name]
    closer = value if pick is None else pick.figures.get(objective.name, value)
    said = figure(objective, closer)
    return said if closer == value else f"{said} (table: {figure(objective, value)})"


def _line(name: str, of_float: str, values: Iterable[str]) -> Row:
    return Row((Cell(name, True), Cell(of_float, False), *(Cell(value, False) for value in values)))


def _choices(explored: Explored, records: Sequence[Record]) -> Iterator[Row]:
    """Axis by axis, those of an option one after the other."""
    axes = sorted(explored.space.axes, key=lambda axis: _options(explored).index(axis.option))
    for axis in axes:
        named = f" of {tail(', '.join(axis.names))}" if axis.names else ""
        line = _line("", NONE, [f"{record.design[axis.name]}" for record in records])
        yield Row((Cell(axis.option.replace("_", " ") + named, True, axis.name), *line.cells[1:]))


def _looked_at(explored: Explored) -> Iterator[Chosen]:
    known = {each.design.key: each for each in explored.records}
    if explored.picked:
        yield from (
            (f"picked {at}", known[one.key], one) for at, one in enumerate(explored.picked, 1) if one.key in known
        )
        return
    if not explored.front:
        return
    best = min(explored.front, key=explored.lost)
    yield "cheapest", explored.front[0], None
    yield "knee", knee(explored.front, explored.objectives), None
    yield f"best {title(explored.score)}", best, None
