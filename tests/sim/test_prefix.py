# SPDX-License-Identifier: Apache-2.0
"""A session: what two networks share is computed once, and everything is what `run` gives."""

from __future__ import annotations

from dataclasses import replace
from math import prod
from pathlib import Path

import numpy as np
import pytest

import bitwright as bw
from bitwright import reuse
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph
from bitwright.ir.host_ops import Constant, Quantise
from bitwright.ir.layers import Conv, Requantise
from bitwright.ir.types import IntType, integer
from bitwright.ir.weights import Weights
from bitwright.sim.engines import Built
from bitwright.sim.fast.prefix import Store, narrowest, rest
from tests.ir.graphs import random_codes, random_graph

X = np.random.default_rng(5).random((6, 1, 8, 8), dtype=np.float32)


def digits() -> Graph:
    return bw.load(Path(bw.__file__).parent / "demo/digits.onnx")


def changed(net: Graph, index: int) -> Graph:
    """`net` with other weights in its convolution `index`."""
    layer = [layer for layer in net.layers if isinstance(layer, Conv)][index]
    return net.expand(layer.name, replace(layer, weights=Weights(layer.weights.array[::-1])))


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of layers of each network that an engine ran."""
    found: list[int] = []

    class Row:
        def build(self, net: Graph, design: None) -> Built:
            found.append(len(net.layers))
            return reference.build(net, design)

    reference = reuse.ENGINES["reference"]
    monkeypatch.setattr(reuse, "ENGINES", {"any": Row()})
    monkeypatch.setattr(reuse, "best", lambda work: "any")
    return found


def test_only_what_differs_is_computed(ran: list[int]) -> None:
    net = digits()
    session = bw.Session(net, X)
    assert ran == [len(net.layers)]
    np.testing.assert_array_equal(session.run(net), bw.run(net, X, engine="reference"))
    assert ran == [len(net.layers)]  # everything is known
    for index, left in ((1, [layer.op for layer in net.layers][::-1].index("conv") + 1), (0, len(net.layers))):
        other = changed(net, index)
        np.testing.assert_array_equal(session.run(other), bw.run(other, X, engine="reference"))
        assert ran.pop() == left


def test_a_requantiser_that_differs_is_computed_with_its_sums(ran: list[int]) -> None:
    net = digits()
    session = bw.Session(net, X)
    last = [layer for layer in net.layers if isinstance(layer, Requantise)][-1]
    other = net.expand(last.name, replace(last, offset=last.offset + 1))
    np.testing.assert_array_equal(session.run(other), bw.run(other, X, engine="reference"))
    assert ran[1] == len(net.layers) - net.layers.index(net.by_name[last.inputs[0]])


def test_what_the_host_computes_before_is_part_of_it(ran: list[int]) -> None:
    net = digits()
    (step,) = [step for step in net.before.steps if isinstance(step.does, Quantise)]
    coarser = replace(step, does=replace(step.does, scale=Constant(step.does.scale.array * 2)))
    steps = tuple(coarser if other is step else other for other in net.before.steps)
    other = replace(net, before=replace(net.before, steps=steps))
    session = bw.Session(net, X)
    np.testing.assert_array_equal(session.run(other), bw.run(other, X, engine="reference"))
    assert ran[1] == len(net.layers)


def test_only_what_lasts_is_made(monkeypatch: pytest.MonkeyPatch) -> None:
    """Layers whose codes would be gone again at once are not outputs of what the engine runs."""
    net, asked = digits(), list[int]()

    class Row:
        def build(self, net: Graph, design: None) -> Built:
            asked.append(sum(len(X) * prod(net.by_name[name].shape) for name in net.outputs))
            return reference.build(net, design)

    reference = reuse.ENGINES["reference"]
    monkeypatch.setattr(reuse, "ENGINES", {"any": Row()})
    monkeypatch.setattr(reuse, "best", lambda work: "any")
    for memory in (4000, 2000, 500):
        session = bw.Session(net, X, memory=memory)
        assert 0 < session.bytes <= memory
        assert asked.pop() <= memory
    assert bw.Session(net, X, memory=0).bytes == 0
    assert asked == []


def test_memory_is_bounded_and_what_went_is_computed_again() -> None:
    net = digits()
    everything = bw.Session(net, X).bytes
    for memory in (0, everything // 3, everything):
        session = bw.Session(net, X, memory=memory)
        assert session.bytes <= memory
        for other in (net, changed(net, 1), net):
            np.testing.assert_array_equal(session.run(other), bw.run(other, X, engine="reference"))


@pytest.mark.parametrize("seed", range(0, 60, 4))
def test_random_networks(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reuse, "PIECE", 500)
    net = replace(random_graph(seed, joins=True), before=HostGraph(), after=HostGraph())
    codes = random_codes(net, seed, 7)
    session = bw.Session(net, codes)
    want = bw.run(net, codes, engine="reference")
    np.testing.assert_array_equal(session.run(net), want)


def test_outputs_are_the_callers_own() -> None:
    net = bw.Net()
    net.rescale(net.input("x", (3,), "u8"), "u8", multiplier=["1/2"] * 3)
    codes = np.arange(6).reshape(2, 3)
    session = bw.Session(net.graph(), codes)
    found = session.run(net.graph())
    assert found.dtype == np.int64
    found[:] = 0
    np.testing.assert_array_equal(session.run(net.graph()), bw.run(net.graph(), codes, engine="reference"))


@pytest.mark.parametrize("memory", [0, reuse.MEMORY])
def test_inputs_are_told_by_their_place(memory: int) -> None:
    def joined(first: str, second: str) -> Graph:
        net = bw.Net()
        net.sum(net.input(first, (2,), "u8"), net.input(second, (2,), "u8"), factors=(1, 3))
        return net.graph()

    arrays = [np.array([[1, 2]]), np.array([[30, 40]])]
    session = bw.Session(joined("a", "b"), arrays, memory=memory)
    for names in (("b", "a"), ("c", "d")):
        other = joined(*names)
        np.testing.assert_array_equal(session.run(other), bw.run(other, arrays, engine="reference"))


def test_what_was_not_used_longest_goes() -> None:
    store = Store(10)
    for key in "abc":
        store.put(key, np.zeros(4, dtype=np.int8))
        if key == "b":
            assert store["a"].size == 4
    assert ("a" in store, "b" in store, "c" in store, store.bytes) == (True, False, True, 8)
    store.put("d", np.zeros(11, dtype=np.int8))
    assert "d" not in store and "a" in store


@pytest.mark.parametrize(
    ("kind", "dtype"),
    [
        (integer(8, signed=False), "uint8"),
        (integer(8, signed=True), "int8"),
        (IntType(-1, 200), "int16"),
        (IntType(0, 1 << 16), "uint32"),
        (IntType(-(1 << 40), 0), "int64"),
        (IntType(0, 1 << 40), "int64"),
    ],
)
def test_the_narrowest_type(kind: IntType, dtype: str) -> None:
    assert narrowest(kind) == np.dtype(dtype)


def test_the_rest_of_a_network_of_which_all_is_known_has_no_layers() -> None:
    net = digits()
    left = rest(net, lambda name: True)
    assert [layer.op for layer in left.layers] in ([], ["dense"])
