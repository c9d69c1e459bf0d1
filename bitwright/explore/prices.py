# SPDX-License-Identifier: Apache-2.0
"""The table of prices of a space: filled once by the compiler, it prices any design of the space at once.

    prices = filled(maker)
    prices.figures(maker.made(design))   # by the table
    prices.compiled(maker.made(design))  # by the compiler itself

A design is the sum of what its layers took in the designs that were compiled; the slowest of its layers sets its pace.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from bitwright.compress.allocate import Ledger, Term, Widths
from bitwright.compress.allocate.costs import Way
from bitwright.design import Design as Compiled
from bitwright.explore.making import Made
from bitwright.explore.pricing import PRICED, Array, compiled
from bitwright.explore.work import Work, worked
from bitwright.hardware.clocks.interval import latency
from bitwright.ir.graph import Graph
from bitwright.planning.devices import part_of
from bitwright.planning.price import KINDS, scale_of
from bitwright.planning.target import Target

OF_WIDTHS = ("weights", "activations")
"""Options that are the bits of something."""
HALF = 0.5
"""The fraction of a power of two."""
CYCLES = "cycles"
TABLED = (*PRICED, "latency")
"""What layers have amounts of."""
PERCENT, MICRO, DIGITS = 100.0, 1e-3, 6
Aim = tuple[int | None, str | None, float]
"""What a target asks for: clocks, the part, the clock's period."""


def aim_of(target: Target) -> Aim:
    """What tells a table from others."""
    return target.clocks, None if target.part is None else part_of(target.part), target.clock_ns


@dataclass(frozen=True)
class Change:
    """What an option that is no width adds where it has a value: the amounts of a few widths, between which is a line.

    `way` are the weights and tensors that must have the value; `term` knows those of them that have a choice of widths.
    """

    option: str
    value: str
    way: Way
    term: Term

    def at(self, widths: Widths) -> dict[str, float]:
        """The amounts of a design that has the value."""
        found = dict.fromkeys(next(iter(self.term.amounts.values())), 0.0)
        ends = [sorted({key[place] for key in self.term.amounts}) for place in range(len(self.term.names))]
        along = [_along(widths[name], each) for name, each in zip(self.term.names, ends, strict=True)]
        for key, amounts in self.term.amounts.items():
            share = prod(part.get(bits, 0.0) for bits, part in zip(key, along, strict=True))
            for kind, amount in amounts.items():
                found[kind] += share * amount
        return found


def _along(bits: int, known: Sequence[int]) -> dict[int, float]:
    """How much of each of two known widths another is; beyond all of them it is the nearest."""
    place = min(max(bisect_left(known, bits), 1), len(known) - 1)
    if place < 1:
        return {known[0]: 1.0}
    low, high = known[place - 1], known[place]
    share = min(max((bits - low) / (high - low), 0.0), 1.0)
    return {low: 1.0 - share, high: share}


@dataclass(frozen=True)
class Pace:
    """The clocks of the slowest of what is behind a way; `term` knows those of it that have a choice of widths."""

    way: Way
    term: Term


@dataclass(frozen=True)
class PriceTable:
    """The prices for one target: `ledger` has what adds up, `paces` the clocks of which the most count.

    `changes` are added where designs have what those of the ledger have not.
    """

    ledger: Ledger
    paces: tuple[Pace, ...]
    changes: tuple[Change, ...] = ()

    def figures(self, made: Made) -> dict[str, float]:
        """What a design takes, and its clocks."""
        found = self.ledger.predict(made.widths)
        for change in self.changed(made):
            for kind, amount in change.at(made.widths).items():
                if kind != CYCLES:
                    found[kind] += amount
        found = {kind: max(amount, 0.0) for kind, amount in found.items()}
        return {**found, CYCLES: float(round(max(self.clocks(made).values())))}

    def clocks(self, made: Made) -> dict[Way, float]:
        """Those of the slowest of what is behind each way."""
        found = {pace.way: pace.term.at(made.widths)[CYCLES] for pace in self.paces}
        for change in self.changed(made):
            found[change.way] += change.at(made.widths)[CYCLES]
        return found

    def changed(self, made: Made) -> list[Change]:
        """Where a design has what those of the ledger have not."""
        return [change for change in self.changes if trait(change.option, made, change.way) == change.value]


def trait(option: str, made: Made, way: Way) -> str:
    """What a design has of an option, that is no width, on a way."""
    return str(OF_HARDWARE[option](made, way))


def _zeros(made: Made, way: Way) -> str:
    return " ".join(str(made.patterns[name]) for name in way if name in made.patterns)


def _per_channel(made: Made, way: Way) -> bool:
    return any(scale.size > 1 for scale in _scales(made, way, of_acts=False))


def _po2(made: Made, way: Way) -> bool:
    return all(map(_is_po2, _scales(made, way, of_acts=True)))


def _zero_points(made: Made, way: Way) -> bool:
    return any(made.state.acts[name].zero.any() for name in way if name in made.state.acts)


def _scales(made: Made, way: Way, *, of_acts: bool) -> Iterator[Array]:
    """Those of the weights on a way, and of the tensors."""
    for name in way:
        yield from (coded.scale for coded in made.state.weights.get(name, ()))
        if of_acts and name in made.state.acts:
            yield made.state.acts[name].scale


OF_HARDWARE: Mapping[str, Callable[[Made, Way], object]] = {
    "sparsity": _zeros,
    "per_channel": _per_channel,
    "scale": _po2,
    "zero": _zero_points,
}
"""Other options that hardware takes more or less for, and what tells their values from each other on a way."""


def _is_po2(scale: Array) -> bool:
    return bool((np.frexp(scale)[0] == HALF).all())


@dataclass(frozen=True)
class Prices:
    """The tables of a space by what a target asks for, and what the layers of its network multiply."""

    tables: Mapping[Aim, PriceTable]
    works: tuple[Work, ...]

    def figures(self, made: Made) -> dict[str, float]:
        """By the table all that designs can be asked for but how good their answers are, by names of `OBJECTIVES`."""
        found = priced(self.table(made.target).figures(made), made.target)
        if made.target.clocks is None and made.target.part is not None:  # asks for the fastest that fits
            found["share"] = min(found["share"], PERCENT)
        return found | worked(self.works, made.state)

    def compiled(self, made: Made, graph: Graph | None = None) -> dict[str, float]:
        """The same of the design that `compile` makes of its file; `graph` is that of `made`, where somebody has it."""
        design = compiled(made.state.filed() if graph is None else graph, made.target)
        return of_design(design, made.target) | worked(self.works, made.state)

    def table(self, target: Target) -> PriceTable:
        """The one for a target."""
        return self.tables[aim_of(target)]


def priced(taken: Mapping[str, float], target: Target) -> dict[str, float]:
    """Figures of hardware from what is taken, `latency` and `cycles`: shares and cost are those of the part."""
    scale = scale_of(part_of(target.part) if target.part else None)
    held = {kind: float(round(taken[kind])) for kind in KINDS}
    parts, clocks = scale.shares([round(amount) for amount in held.values()]), float(round(taken["latency"]))
    return {
        **held,
        "cost": PERCENT * sum(parts.values()),
        "share": PERCENT * max(parts.values()),
        "cycles": taken["cycles"],
        "latency": clocks,
        "latency_us": round(clocks * target.clock_ns * MICRO, DIGITS),
    }


def of_design(design: Compiled, target: Target) -> dict[str, float]:
    """Figures of hardware of a design that is there."""
    kernels = design.kernels
    taken = {kind: float(getattr(design.price.total, kind)) for kind in KINDS}
    return priced({**taken, "cycles": float(kernels.interval), "latency": float(latency(kernels))}, target)
