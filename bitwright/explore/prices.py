# SPDX-License-Identifier: Apache-2.0
"""The table of prices of a space: filled once by the compiler, it prices any design of the space at once.

    prices = filled(maker)
    prices.figures(maker.made(design))   # by the table
    prices.compiled(maker.made(design))  # by the compiler itself

For each target of the space the designs of one width each are compiled, and what each layer takes is kept by the widths
that it knows. Another design is the sum of what its layers took in them; the slowest of its layers sets its pace.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product

import numpy as np

from bitwright.compress import State
from bitwright.compress.allocate import Ledger, Term, Widths
from bitwright.compress.allocate.costs import Way, ways_to
from bitwright.compress.quantise import nearest
from bitwright.design import Design as Compiled
from bitwright.explore.axes import OF_TARGET
from bitwright.explore.making import Made, Maker
from bitwright.explore.pricing import PRICED, Array, Tally, compiled, named, settled_of, shares
from bitwright.explore.space import Design, Space
from bitwright.explore.work import Work, worked, works_of
from bitwright.hardware.clocks.interval import latency
from bitwright.ir.graph import Graph
from bitwright.ir.stages import begins
from bitwright.planning.devices import part_of
from bitwright.planning.price import KINDS, scale_of
from bitwright.planning.target import Target

OF_WIDTHS = ("weights", "activations")
"""Options that are the bits of something."""
TABLED = (*PRICED, "latency")
"""What layers have amounts of."""
PERCENT, MICRO = 100, 1e-3
Aim = tuple[int | None, str | None, float]
"""What a target asks for: clocks, the part, the clock's period."""


def aim_of(target: Target) -> Aim:
    """What tells a table from others."""
    return target.clocks, None if target.part is None else part_of(target.part), target.clock_ns


@dataclass(frozen=True)
class PriceTable:
    """The prices for one target: `ledger` has what adds up, `paces` the clocks of which the most count."""

    ledger: Ledger
    paces: tuple[Term, ...]

    def figures(self, widths: Widths) -> dict[str, float]:
        """What a design of these widths takes, and its clocks."""
        found = self.ledger.predict(widths)
        return {**found, "cycles": max(term.at(widths)["cycles"] for term in self.paces)}


@dataclass(frozen=True)
class Prices:
    """The tables of a space by what a target asks for, and what the layers of its network multiply."""

    tables: Mapping[Aim, PriceTable]
    works: tuple[Work, ...]

    def figures(self, made: Made) -> dict[str, float]:
        """By the table all that designs can be asked for but how good their answers are, by names of `OBJECTIVES`."""
        taken = self.table(made.target).figures(made.widths)
        return priced(taken, made.target) | worked(self.works, made.state)

    def compiled(self, made: Made, graph: Graph | None = None) -> dict[str, float]:
        """The same of the design that `compile` makes; `graph` is that of `made`, where somebody has it."""
        design = compiled(made.state.graph() if graph is None else graph, made.target)
        return of_design(design, made.target) | worked(self.works, made.state)

    def table(self, target: Target) -> PriceTable:
        """The one for a target."""
        return self.tables[aim_of(target)]


def priced(taken: Mapping[str, float], target: Target) -> dict[str, float]:
    """Figures of hardware from what is taken, `latency` and `cycles`: shares and cost are those of the part."""
    scale = scale_of(part_of(target.part) if target.part else None)
    held = {kind: float(round(taken[kind])) for kind in KINDS}
    parts = scale.shares([round(amount) for amount in held.values()])
    return {
        **held,
        "cost": PERCENT * sum(parts.values()),
        "share": PERCENT * max(parts.values()),
        "cycles": taken["cycles"],
        "latency": float(round(taken["latency"])),
        "latency_us": taken["latency"] * target.clock_ns * MICRO,
    }


def of_design(design: Compiled, target: Target) -> dict[str, float]:
    """Figures of hardware of a design that is there."""
    kernels = design.kernels
    taken = {kind: float(getattr(design.price.total, kind)) for kind in KINDS}
    return priced({**taken, "cycles": float(kernels.interval), "latency": float(latency(kernels))}, target)


def filled(maker: Maker, progress: Callable[[int, int], None] = lambda done, total: None) -> Prices:
    """The prices of all designs that `maker` makes; `progress(done, total)` is called after each that is compiled."""
    begins("pricing widths")
    fillings = [_Filling.of(maker, space) for space in _spaces(maker)]
    total, done = sum(len(filling.designs) for filling in fillings), 0
    for filling in fillings:
        for _ in filling.steps():
            done += 1
            progress(done, total)
    return Prices({filling.aim: filling.table() for filling in fillings}, fillings[0].works())


def _spaces(maker: Maker) -> Iterator[Space]:
    """For each target the part of a space in which nothing but widths differs."""
    axes = maker.space.axes
    aims = [axis for axis in axes if axis.option in OF_TARGET]
    plain = {axis.name: axis.values[0] for axis in axes if axis.option not in OF_WIDTHS}
    seen = set[Aim]()
    for values in product(*(axis.values for axis in aims)):
        fixed = plain | {axis.name: value for axis, value in zip(aims, values, strict=True)}
        space = Space(tuple(replace(axis, values=(fixed[axis.name],)) if axis.name in fixed else axis for axis in axes))
        aim = aim_of(maker.targeted(next(space.designs())))
        if aim not in seen:
            seen.add(aim)
            yield space


@dataclass(frozen=True)
class _Filling:
    """Designs of one width each for one target, and what was found of them."""

    maker: Maker
    target: Target
    designs: Mapping[Design, Widths]
    offered: Mapping[str, tuple[int, ...]]
    tally: Tally
    paces: dict[Way, dict[tuple[int, ...], int]]
    saved: list[Array]

    @classmethod
    def of(cls, maker: Maker, space: Space) -> _Filling:
        """Of a space of one target; nothing is compiled yet."""
        designs = {design: maker.widths(maker.choices(design)) for design in space.uniforms()}
        found: dict[str, set[int]] = {}
        for widths in designs.values():
            for name, bits in widths.items():
                found.setdefault(name, set()).add(bits)
        offered = {name: tuple(sorted(bits)) for name, bits in found.items() if len(bits) > 1}
        return cls(maker, maker.targeted(next(iter(designs))), designs, offered, Tally(TABLED), {}, [])

    @property
    def aim(self) -> Aim:
        """What the table will be found by."""
        return aim_of(self.target)

    def steps(self) -> Iterator[None]:
        """Each design compiled, one a step."""
        settled = settled_of(len(self.designs))
        for place, (design, widths) in enumerate(self.designs.items()):
            with named(f"design {', '.join(f'{name} {value}' for name, value in design.choices)}"):
                graph = self.state(design).graph()
                made = compiled(graph, self.target, "fast")
                exact = compiled(graph, self.target) if place in settled else None
            clocks = latency((exact or made).kernels)
            ways = ways_to(graph, self.maker.calibration.net, self.offered)
            self.tally.add(widths, _timed(graph, shares(graph, made.price, ways), ways, clocks))
            self._pace(widths, made, ways)
            if exact is not None:
                self.saved.append(_taken(exact) - _taken(made))
            yield

    def state(self, design: Design) -> State:
        """The network of a design, each weight rounded to the nearest code: others of its width cost as much."""
        return nearest(self.maker.calibration, self.maker.choices(design))

    def works(self) -> tuple[Work, ...]:
        """What the layers multiply."""
        state = self.state(next(iter(self.designs)))
        return works_of(state.graph(), state)

    def table(self) -> PriceTable:
        """What was found."""
        weights = {layer.weight for layer in self.maker.calibration.net.layers}
        wide, narrow = ({n: b for n, b in self.offered.items() if (n in weights) == of} for of in (True, False))
        saved = Term((), {(): self.tally.named(np.mean(self.saved, axis=0))})
        paces = [Term(way, {key: {"cycles": float(n)} for key, n in rows.items()}) for way, rows in self.paces.items()]
        return PriceTable(Ledger(wide, narrow, (*self.tally.terms(), saved)), tuple(paces))

    def _pace(self, widths: Widths, made: Compiled, ways: Mapping[str, tuple[Way, ...]]) -> None:
        """The clocks of the slowest of what is behind each way."""
        last = made.graph.layers[-1].name
        streams = [made.kernels.stream(name).beats for name in (*made.kernels.inputs, *made.kernels.outputs)]
        clocks = [(last, beats) for beats in streams]
        clocks += [(each.layer if each.layer in ways else last, each.cycles) for each in made.kernels.kernels]
        for layer, cycles in clocks:
            for way in ways[layer] or ((),):
                rows = self.paces.setdefault(way, {})
                key = tuple(widths[name] for name in way)
                rows[key] = max(rows.get(key, 0), cycles)


def _timed(
    graph: Graph, taken: Iterable[tuple[Way, Array]], ways: Mapping[str, tuple[Way, ...]], clocks: int
) -> Iterator[tuple[Way, Array]]:
    """Amounts with a share of the clocks of the first frame, the same for every layer."""
    for way, amount in taken:
        yield way, np.append(amount, 0.0)
    nothing = np.zeros(len(PRICED))
    for layer in graph.layers:
        led = ways[layer.name] or ((),)
        for way in led:
            yield way, np.append(nothing, clocks / len(graph.layers) / len(led))


def _taken(made: Compiled) -> Array:
    """What a design takes, by `TABLED`; clocks are those with exact FIFOs already."""
    return np.array([*(float(getattr(made.price.total, kind)) for kind in KINDS), made.price.cost, 0.0])
