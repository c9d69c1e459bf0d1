# SPDX-License-Identifier: Apache-2.0
"""The cycle model takes as long as the network asks for, not as its depth times its beats does."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from bitwright.compiling import compile_graph
from bitwright.frontend.build import Net
from bitwright.hardware.clocks import fifos, interval
from bitwright.hardware.clocks.net import Net as Clocks
from bitwright.hardware.events import NARROW, Events, Wait, digest, earliest, latest, periodic, unrolled
from bitwright.hardware.indices import before, by_frame, lean, mirrored, shifted, values
from bitwright.ir.graph import Graph
from bitwright.ir.kept import Kept
from bitwright.ir.layers import Layer

ROUNDS = 8


def deep() -> Graph:
    """Convolutions one behind the other, with a sum around every third."""
    rng, net = np.random.default_rng(0), Net()
    x = net.input("x", (8, 8, 4), "u4")
    for index in range(18):
        weights = rng.integers(-2, 3, (4, 3, 3, 4))
        y = net.rescale(net.conv(x, weights, pads=(1, 1, 1, 1)), "u4", multiplier=Fraction(1, 64))
        x = net.rescale(net.sum(x, y), "u4", multiplier=Fraction(1, 2)) if index % 3 == 0 else y
    return net.graph()


def test_a_deep_network_settles_in_a_few_rounds() -> None:
    kernels = compile_graph(deep(), cycles=5_000).kernels
    sequences = Clocks(kernels).sequences
    assert len(sequences) > 150
    assert earliest(unrolled(sequences, 1), ROUNDS) is not None
    assert earliest(periodic(sequences, kernels.interval), ROUNDS) is not None


def test_clocks_that_need_more_than_32_bits_are_the_same() -> None:
    sequences = {"0": Events(range(3), 3)}
    for index in range(1, 6):
        sequences[str(index)] = Events(range(3), 3, [Wait(range(3), str(index - 1), range(3), NARROW - 1)])
    found = earliest(sequences)
    assert found is not None
    assert found["5"].tolist() == [5 * (NARROW - 1) + k for k in range(3)]
    late = latest(sequences, found, frozenset({"5"}))
    assert late is not None
    assert late["0"].tolist() == [0, 1, 2]


@pytest.mark.parametrize("lag", [NARROW, 8 * NARROW])
def test_a_lag_that_needs_more_than_32_bits_is_the_same(lag: int) -> None:
    found = earliest({"a": Events(range(2), 2), "b": Events(range(2), 2, [Wait(range(2), "a", range(2), lag)])})
    assert found is not None
    assert found["b"].tolist() == [lag, lag + 1]


@pytest.mark.parametrize("seed", range(40))
def test_a_range_is_what_its_array_is(seed: int) -> None:
    rng = np.random.default_rng(seed)
    start, step, count, size = (int(n) for n in rng.integers(1, 12, 4))
    even = range(start - 6, start - 6 + step * count, step)
    array = np.array(even)
    assert lean(array) == even
    assert values(shifted(even, 5)).tolist() == shifted(array, 5).tolist()
    assert values(mirrored(even, 20)).tolist() == mirrored(array, 20).tolist() == (20 - array)[::-1].tolist()
    parts = [(frame, among, values(of).tolist()) for frame, among, of in by_frame(even, size)]
    assert parts == [(frame, among, values(of).tolist()) for frame, among, of in by_frame(array, size)]
    assert [size * frame + place for frame, _, of in parts for place in of] == array.tolist()
    assert all(0 <= place < size for _, _, of in parts for place in of)


@pytest.mark.parametrize("seed", range(40))
def test_places_before_are_those_of_endless_frames(seed: int) -> None:
    rng = np.random.default_rng(seed)
    places = np.flatnonzero(rng.integers(0, 2, 12)) if seed % 2 else np.arange(seed % 3, 12, 3)
    if not places.size:
        places = np.array([4])
    endless = np.concatenate([places + 12 * frame for frame in range(-4, 1)])
    for count in range(3 * places.size):
        found = values(before(lean(places), count, 12)).tolist()
        assert found == endless[4 * places.size - count : 5 * places.size - count].tolist()


def test_uneven_places_stay_an_array() -> None:
    for places in ([0, 1, 3], [0, 0, 1], [5, 5]):
        assert values(lean(np.array(places))).tolist() == places


def beside(bits: int) -> Graph:
    """A sum around two convolutions, of codes of so many bits."""
    rng, net = np.random.default_rng(0), Net()
    x = net.input("x", (8, 8, 4), f"u{bits}")
    y: Layer = x
    for _ in range(2):
        y = net.conv(y, rng.integers(-2, 3, (4, 3, 3, 4)), pads=(1, 1, 1, 1))
        y = net.rescale(y, f"u{bits}", multiplier=Fraction(1, 64))
    net.rescale(net.sum(x, y), f"u{bits}", multiplier=Fraction(1, 2))
    return net.graph()


def test_designs_that_differ_in_widths_ask_for_clocks_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is known of another design is what would be found anew; one of other clocks is not known."""
    plan = compile_graph(beside(4), cycles=600).plan
    other = compile_graph(beside(4), cycles=2400).plan
    forget(monkeypatch)
    compile_graph(beside(4), plan=plan)
    known = len(fifos.DEPTHS.found)
    made = compile_graph(beside(3), plan=plan)
    said = interval.latency(made.kernels)
    assert len(fifos.DEPTHS.found) == known == 1
    slower = compile_graph(beside(3), plan=other)
    assert len(fifos.DEPTHS.found) == 2
    forget(monkeypatch)
    assert compile_graph(beside(3), plan=plan).kernels == made.kernels
    assert interval.latency(made.kernels) == said
    forget(monkeypatch)
    assert compile_graph(beside(3), plan=other).kernels == slower.kernels


def forget(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is known of any clocks."""
    for module, name in ((fifos, "DEPTHS"), (fifos, "SUSTAINED"), (interval, "LATENCIES")):
        monkeypatch.setattr(module, name, Kept(8))


def test_a_digest_knows_all_that_clocks_depend_on() -> None:
    wait = Wait(range(1, 3), "a", range(2), 3)
    events = Events(range(4), 4, [wait])
    given = [
        {"a": events},
        {"b": events},
        {"a": events, "b": events},
        {"a": replace(events, span=5)},
        {"a": replace(events, steps=range(0, 8, 2))},
        {"a": replace(events, steps=np.array([0, 1, 2, 4]))},
        {"a": replace(events, steps=np.array([0, 1, 2, 5]))},
        {"a": replace(events, ready=np.arange(4))},
        {"a": replace(events, waits=[])},
        {"a": replace(events, waits=[wait, wait])},
        {"a": replace(events, waits=[replace(wait, source="b")])},
        {"a": replace(events, waits=[replace(wait, after=range(2, 4))])},
        {"a": replace(events, waits=[replace(wait, of=range(1, 3))])},
        {"a": replace(events, waits=[replace(wait, lag=4)])},
        {"a": replace(events, waits=[replace(wait, lag=np.array([3, 4]))])},
    ]
    assert len({digest(sequences) for sequences in given}) == len(given)
    assert digest({"a": replace(events, waits=[wait])}) == digest(given[0])
