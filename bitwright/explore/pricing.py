# SPDX-License-Identifier: Apache-2.0
"""What widths cost: designs of one width each are compiled, and each layer's price is kept by the widths it knows.

A mixed design is then the sum of what its layers took in them: of a layer behind several ways, a share for each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compiling import compile_graph
from bitwright.compress import Calibration
from bitwright.compress.allocate import Ledger, Term, Widths
from bitwright.compress.allocate.costs import Way, bit_operations, ways_to, weight_bits
from bitwright.compress.choices import Choices
from bitwright.compress.quantise import nearest
from bitwright.design import Design
from bitwright.hardware.clocks.fifos import Alike, Sized, Sizing
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.planning.price import KINDS, Price, amounts
from bitwright.planning.target import Target

Array = NDArray[Any]
PRICED = (*KINDS, "cost")
"""What a design takes of a part, and all of it in percent of the part."""
SETTLED = 3
"""Designs whose FIFOs are sized: those of others are alike."""


def compiled(graph: Graph, target: Target, fifos: Sizing | Sized = "exact") -> Design:
    """The design that `bitwright compile` makes of `graph`, with --force if it does not fit its part."""
    asked: dict[str, Any] = {entry.name: getattr(target, entry.name) for entry in fields(target)}
    return compile_graph(graph, **asked, fifos=fifos, force=True)


def price_of(graph: Graph, target: Target, fifos: Sizing = "exact") -> Price:
    """What that design takes."""
    return compiled(graph, target, fifos).price


def priced(price: Price) -> dict[str, float]:
    """What a design takes, by `PRICED`."""
    return dict(zip(PRICED, (*map(float, amounts(price.total)), price.cost), strict=True))


@dataclass(frozen=True)
class Tally:
    """What layers took in some designs, by the ways to them and the widths on these; amounts in the order of `kinds`.

    `add` one design after the other; `terms` are means of those that have the same widths there.
    """

    kinds: Sequence[str] = PRICED
    _sums: dict[Way, dict[tuple[int, ...], Array]] = field(default_factory=dict)
    _seen: list[Widths] = field(default_factory=list)

    def add(self, widths: Widths, taken: Iterable[tuple[Way, Array]]) -> None:
        """A design of these widths, and what each way took in it, as often as something is on it."""
        self._seen.append(widths)
        for way, amount in taken:
            rows = self._sums.setdefault(way, {})
            key = tuple(widths[name] for name in way)
            rows[key] = rows.get(key, 0.0) + amount

    def at(self, way: Way, widths: Widths) -> Array:
        """The mean of the designs that have these widths on a way."""
        seen = sum(all(other[name] == widths[name] for name in way) for other in self._seen)
        return np.asarray(self._sums[way][tuple(widths[name] for name in way)] / seen)

    def terms(self) -> Iterator[Term]:
        """One for each way."""
        for way, rows in self._sums.items():
            times = Counter(tuple(widths[name] for name in way) for widths in self._seen)
            none = np.zeros(len(self.kinds))  # of widths at which no layer is on the way by itself
            yield Term(way, {key: self._named(rows.get(key, none) / count) for key, count in times.items()})

    def _named(self, taken: Array) -> dict[str, float]:
        return dict(zip(self.kinds, taken.tolist(), strict=True))


@dataclass(frozen=True)
class Pricing:
    """What compiles designs of a network at chosen widths, their weights rounded to the nearest codes.

    Other codes of the same widths cost as much but for what a few more zeros save, which the design itself then shows.
    """

    calibration: Calibration
    choices: Choices
    target: Target

    def graph(self, widths: Widths) -> Graph:
        """The network with these widths."""
        return nearest(self.calibration, self.choices.at(widths)).graph()

    def terms(self, table: Ledger, progress: Callable[[int, int], None]) -> Iterator[Term]:
        """The prices of all widths of a table."""
        net, offered, designs = self.calibration.net, table.widths, list(table.uniforms().items())
        tally, alike, settled = Tally(), Alike(), settled_of(len(designs))
        for done, place in enumerate(sorted(range(len(designs)), key=lambda place: place not in settled), 1):
            label, widths = designs[place]
            with named(f"design {label}"):
                graph = self.graph(widths)
                made = compiled(graph, self.target, "exact" if place in settled else alike)
            if place in settled:
                alike.learn(made.kernels)
            tally.add(widths, shares(graph, made.price, ways_to(graph, net, offered)))
            progress(done, len(designs))
        yield from tally.terms()
        yield from weight_bits(net, offered)
        yield from bit_operations(graph, ways_to(graph, net, offered), offered)


def settled_of(designs: int) -> set[int]:
    """The places of those whose FIFOs are sized."""
    return set(np.linspace(0, designs - 1, SETTLED).round().astype(int).tolist())


@contextmanager
def named(design: str) -> Iterator[None]:
    """An error inside is one of the design."""
    try:
        yield
    except BitwrightError as error:
        raise BitwrightError(error.what, where=f"{design}: {error.where}", hint=error.hint) from error


def shares(graph: Graph, price: Price, ways: Mapping[str, tuple[Way, ...]]) -> Iterator[tuple[Way, Array]]:
    """What each way to each layer takes; what serves no layer is of the ways to the last one."""
    worth = np.array(price.scale.worth(100))
    taken = [(ways[name], found) for name, found in price.layers.items()]
    for led, found in (*taken, (ways[graph.layers[-1].name], price.boundary)):
        each = np.array(amounts(found), dtype=np.float64) / max(len(led), 1)
        for way in led or ((),):
            yield way, np.append(each, each @ worth)
