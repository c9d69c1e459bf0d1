# SPDX-License-Identifier: Apache-2.0
"""The table of prices of a space, filled: designs that have the same everywhere, compiled for each of its targets.

Those of one width each give what each layer takes by the widths that it knows. An option that is no width is looked at
in designs of three widths each: what it adds there, or between them, is added to all. FIFOs are sized for some designs,
and those of others are alike.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import product

import numpy as np

from bitwright.compress.allocate import Ledger, Term
from bitwright.compress.allocate.costs import Way, ways_to
from bitwright.design import Design as Compiled
from bitwright.explore.axes import OF_TARGET, OF_ZEROS, is_of_weights
from bitwright.explore.making import Made, Maker
from bitwright.explore.prices import (
    CYCLES,
    OF_HARDWARE,
    OF_WIDTHS,
    TABLED,
    Aim,
    Change,
    Pace,
    Prices,
    PriceTable,
    aim_of,
    trait,
)
from bitwright.explore.pricing import Array, Tally, compiled, named, settled_of, shares
from bitwright.explore.space import Axis, Design, Space, Value
from bitwright.explore.work import works_of
from bitwright.hardware.clocks.fifos import Alike
from bitwright.hardware.clocks.interval import latency
from bitwright.ir.graph import Graph
from bitwright.ir.stages import begins, heard
from bitwright.planning.target import Target

SIGN = 1
"""Bits of a weight that can have no zeros."""


def filled(maker: Maker, progress: Callable[[int, int], None] = lambda done, total: None) -> Prices:
    """The prices of all designs that `maker` makes; `progress(done, total)` is called after each that is compiled."""
    plain, others = list(_plain(maker.space).uniforms()), list(_others(maker.space))
    offered = _offered(maker, plain)
    fillings = [_Filling(maker, target, offered) for target in _targets(maker)]
    total = (len(plain) + len(others)) * len(fillings)
    for done, step in enumerate(_steps(maker, fillings, plain, others), 1):
        begins(f"compiling design {done} of {total} for the table of prices")
        with heard(_unsaid):
            step()
        progress(done, total)
    seen = _Seen.of(maker, plain[0])
    return Prices({aim_of(each.target): each.table() for each in fillings}, works_of(seen.graph, seen.made.state))


def _unsaid(stage: str) -> None:
    """What compiling each of many designs is at is not worth a word."""


def _steps(
    maker: Maker, fillings: Sequence[_Filling], plain: Sequence[Design], others: Sequence[tuple[str, Design]]
) -> Iterator[Callable[[], None]]:
    """Each compiles one design for one target: first those whose FIFOs are sized, last those with other options."""
    settled = settled_of(len(plain))
    for place in sorted(range(len(plain)), key=lambda place: place not in settled):
        seen = _Seen.of(maker, plain[place])
        for filling in fillings:
            yield partial(filling.add, seen, place in settled)
    for option, design in others:
        seen = _Seen.of(maker, design)
        for filling in fillings:
            yield partial(filling.change, option, seen)


def _targets(maker: Maker) -> Iterator[Target]:
    """Every target of a space once."""
    axes, seen = [axis for axis in maker.space.axes if axis.option in OF_TARGET], set[Aim]()
    for values in product(*(axis.values for axis in axes)):
        said = {axis.name: value for axis, value in zip(axes, values, strict=True)}
        target = maker.targeted(next(_only(maker.space, said).designs()))
        if aim_of(target) not in seen:
            seen.add(aim_of(target))
            yield target


def _only(space: Space, said: Mapping[str, Value]) -> Space:
    """A space in which some axes have one value."""
    axes = (replace(axis, values=(said[axis.name],)) if axis.name in said else axis for axis in space.axes)
    return Space(tuple(axes))


def _plain(space: Space) -> Space:
    """The space in which nothing but widths differs, with as few zeros as there can be."""
    return _only(space, {axis.name: _first(axis) for axis in space.axes if axis.option not in OF_WIDTHS})


def _first(axis: Axis) -> Value:
    return axis.values[-1 if axis.option == OF_ZEROS else 0]


def _others(space: Space) -> Iterator[tuple[str, Design]]:
    """Designs that have another value of an option, of few widths of weights and tensors."""
    plain = _plain(space)
    for option in OF_HARDWARE:
        axes = [axis for axis in space.axes if axis.option == option]
        ends = Space(tuple(_ended(axis, option) for axis in plain.axes))
        for value in dict.fromkeys(value for axis in axes for value in axis.values):
            said = {axis.name: value for axis in axes if value in axis.values and value != _first(axis)}
            if said:
                yield from ((option, design) for design in _only(ends, said).uniforms())


def _ended(axis: Axis, option: str) -> Axis:
    """An axis; of widths, the first, the middle and the last of those that can have the option."""
    if axis.option not in OF_WIDTHS:
        return axis
    able = [each for each in axis.values if not (option == OF_ZEROS and is_of_weights(axis.option) and each == SIGN)]
    values = able or list(axis.values)
    return replace(axis, values=tuple(dict.fromkeys((values[0], values[len(values) // 2], values[-1]))))


def _offered(maker: Maker, designs: Sequence[Design]) -> dict[str, tuple[int, ...]]:
    """The widths of each name that differs somewhere."""
    found: dict[str, set[int]] = {}
    for design in designs:
        for name, bits in maker.widths(maker.choices(design)).items():
            found.setdefault(name, set()).add(bits)
    return {name: tuple(sorted(bits)) for name, bits in found.items() if len(bits) > 1}


@dataclass(frozen=True)
class _Seen:
    """A design that is to be compiled: its network, and the ways to the layers."""

    said: str
    made: Made
    graph: Graph
    ways: Mapping[str, tuple[Way, ...]]

    @classmethod
    def of(cls, maker: Maker, design: Design) -> _Seen:
        """Of a design, whose network is made."""
        said = f"design {', '.join(f'{name} {value}' for name, value in design.choices)}"
        with named(said):
            made = maker.rounded(design)
            graph = made.state.graph()
        return cls(said, made, graph, ways_to(graph, maker.calibration.net, dict.fromkeys(made.widths, ())))


@dataclass(frozen=True)
class _Filling:
    """What was found for one target."""

    maker: Maker
    target: Target
    offered: Mapping[str, tuple[int, ...]]
    tally: Tally = field(default_factory=lambda: Tally(TABLED))
    paces: dict[Way, dict[tuple[int, ...], int]] = field(default_factory=dict)
    alike: Alike = field(default_factory=Alike)
    traits: dict[tuple[str, Way], str] = field(default_factory=dict)
    changes: dict[tuple[str, str, Way], Tally] = field(default_factory=dict)

    def add(self, seen: _Seen, exact: bool) -> None:
        """A design in which nothing but widths differs; with its FIFOs sized, or with those that are known."""
        made = self.compiled(seen, exact)
        if exact:
            self.alike.learn(made.kernels)
        self.tally.add(seen.made.widths, _taken(seen, made))
        for way, clocks in _slowest(seen, made).items():
            rows, key = self.paces.setdefault(way, {}), tuple(seen.made.widths[name] for name in way)
            rows[key] = max(rows.get(key, 0), clocks)
        for way in dict.fromkeys(_all_ways(seen)):
            for option in OF_HARDWARE:
                self.traits.setdefault((option, way), trait(option, seen.made, way))

    def change(self, option: str, seen: _Seen) -> None:
        """A design with another value of an option, all else as in those that were added."""
        made, found, widths = self.compiled(seen, exact=False), dict[Way, Array](), seen.made.widths
        for way, taken in _taken(seen, made):
            found[way] = found.get(way, 0.0) + taken
        clocks = _slowest(seen, made)
        for way, taken in found.items():
            value = trait(option, seen.made, way)
            if value != self.traits[option, way]:
                slower = clocks[way] - self.paces[way][tuple(widths[name] for name in way)]
                tally = self.changes.setdefault((option, value, way), Tally((*TABLED, CYCLES)))
                tally.add(widths, [(way, np.append(taken - self.tally.at(way, widths), slower))])

    def compiled(self, seen: _Seen, exact: bool) -> Compiled:
        """A design for this target."""
        with named(seen.said):
            return compiled(seen.graph, self.target, "exact" if exact else self.alike)

    def table(self) -> PriceTable:
        """What was found."""
        weights = {layer.weight for layer in self.maker.calibration.net.layers}
        ledger = Ledger(
            {name: widths for name, widths in self.offered.items() if name in weights},
            {name: widths for name, widths in self.offered.items() if name not in weights},
            tuple(map(self._of_offered, self.tally.terms())),
        )
        return PriceTable(ledger, tuple(self._paces()), tuple(self._changes()))

    def _paces(self) -> Iterator[Pace]:
        for way, rows in self.paces.items():
            term = Term(way, {key: {CYCLES: float(clocks)} for key, clocks in rows.items()})
            yield Pace(way, self._of_offered(term))

    def _changes(self) -> Iterator[Change]:
        for (option, value, way), tally in self.changes.items():
            yield from (Change(option, value, way, self._of_offered(term)) for term in tally.terms())

    def _of_offered(self, term: Term) -> Term:
        """A term by the widths that there is a choice of; all others are the same in every design."""
        places = [place for place, name in enumerate(term.names) if name in self.offered]
        rows = {tuple(key[place] for place in places): amounts for key, amounts in term.amounts.items()}
        return Term(tuple(term.names[place] for place in places), rows)


def _taken(seen: _Seen, made: Compiled) -> Iterator[tuple[Way, Array]]:
    """What each way takes, by `TABLED`: every layer has the same share of the clocks of the first frame."""
    for way, amount in shares(seen.graph, made.price, seen.ways):
        yield way, np.append(amount, 0.0)
    clocks = latency(made.kernels, endless=True) / len(seen.graph.layers)
    for layer in seen.graph.layers:
        led = seen.ways[layer.name] or ((),)
        for way in led:
            yield way, np.array([*[0.0] * (len(TABLED) - 1), clocks / len(led)])


def _slowest(seen: _Seen, made: Compiled) -> dict[Way, int]:
    """The clocks of the slowest of what is behind each way."""
    last, slowest = seen.graph.layers[-1].name, dict[Way, int]()
    clocks = [(last, made.kernels.stream(name).beats) for name in (*made.kernels.inputs, *made.kernels.outputs)]
    clocks += [(each.layer if each.layer in seen.ways else last, each.cycles) for each in made.kernels.kernels]
    for layer, count in clocks:
        for way in seen.ways[layer] or ((),):
            slowest[way] = max(slowest.get(way, 0), count)
    return {way: slowest.get(way, 0) for way in {**dict.fromkeys(_all_ways(seen)), **slowest}}


def _all_ways(seen: _Seen) -> Iterator[Way]:
    return (way for ways in seen.ways.values() for way in ways or ((),))
