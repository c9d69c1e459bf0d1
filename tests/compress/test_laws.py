# SPDX-License-Identifier: Apache-2.0
"""The law of a quantised network: its graph holds its codes, and is the one that its file is read as."""

from __future__ import annotations

from functools import partial

import numpy as np
import pytest

import bitwright as bw
from bitwright.compress import State, encode
from bitwright.compress.network import Layer as Weighted
from bitwright.exact.meaning import evaluate
from bitwright.exact.ranges import ranges
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Layer, Requantise, Rounding
from tests.compress.random_nets import Array, Draw, any_state, common_state
from tests.exported import differences


def shown(layer: Weighted, codes: Array, draw: Draw) -> Array:
    """The codes of a layer as the graph orders them: channels last."""
    if layer.op == "Conv":
        return codes.transpose(0, 2, 3, 1)
    rows = codes if layer.axis == 0 else codes.T
    if layer.weight in draw.order:
        return rows.reshape(-1, *draw.order[layer.weight]).transpose(0, 2, 3, 1).reshape(len(rows), -1)
    return rows


def held_codes(net: Graph) -> list[Array]:
    """The weights of all layers, in their order."""
    return [layer.weights.array for layer in net.layers if isinstance(layer, Conv | Dense)]


def check_codes(state: State, net: Graph, draw: Draw) -> None:
    """The graph holds the codes of every basis, times factors where a layer reads channels of unlike scales."""
    held = iter(held_codes(net))
    spread = any(act.scale.size > 1 for act in state.acts.values())
    for layer in state.net.layers:
        for coded in state.weights[layer.weight]:
            found, wanted = next(held), shown(layer, coded.codes, draw)
            if found.shape != wanted.shape:
                return  # channels that carry nothing are gone
            if spread:
                np.testing.assert_array_equal(np.sign(found), np.sign(wanted))
            else:
                np.testing.assert_array_equal(found, wanted)
    assert next(held, None) is None


def told(net: Graph, again: Graph) -> list[str]:
    """What tells two graphs apart, but for three ways of saying the same.

    A type that holds more than is reached comes back as what is reached, and as a clip where zeros are put beside it; a
    quantiser that changes no code is read as nothing; a leaky function with constants that float32 does not hold is
    written as thresholds or as a table.
    """
    idle = {name for name, found in ranges(net).items() if found.type.count < net.by_name[name].type.count}
    idle |= {layer.name for layer in net.layers if idle.intersection(layer.inputs)}
    leaky = any(isinstance(layer, Requantise) and layer.slope.values for layer in net.layers)
    alike = [layer.op for layer in net.layers] == [layer.op for layer in again.layers]
    counts = any(isinstance(layer, Requantise) and layer.rounding is Rounding.LEVELS for layer in again.layers)
    if leaky and (counts or not alike):
        return []
    if not alike and (idle or any(map(partial(is_idle, net), net.layers))):
        return []
    lines = [line.split(": ", 1) for line in differences(net, again)]
    return [": ".join(line) for line in lines if line[0] not in idle or line[-1].split()[0] not in ("type", "entries")]


def is_idle(net: Graph, layer: Layer) -> bool:
    """True for a requantiser of few integers that changes none of them."""
    if not isinstance(layer, Requantise) or layer.rounding in (Rounding.LEVELS, Rounding.SIGN):
        return False
    x = ranges(net)[layer.inputs[0]]
    if x.type.count > 1 << 10:
        return False
    codes = np.arange(x.type.lo, x.type.hi + 1).repeat(layer.channels).reshape(-1, layer.channels).clip(x.lo, x.hi)
    return all(np.array_equal(evaluate(layer, row), row) for row in codes)


def check(state: State, draw: Draw) -> None:
    """Both laws."""
    net = encode(state)
    again = bw.load(state.onnx())
    assert told(net, again) == []
    x = draw.samples()[:6]
    np.testing.assert_array_equal(bw.run(net, x), bw.run(again, x))
    check_codes(state, net, draw)
    check_codes(state, again, draw)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(70))
def test_whatever_a_state_is_its_file_is_read_as_its_graph(seed: int) -> None:
    draw = Draw(seed)
    check(any_state(draw, po2=seed % 3 == 0), draw)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(30))
def test_what_quantize_makes_is_read_as_its_graph(seed: int) -> None:
    draw = Draw(1000 + seed)
    check(common_state(draw), draw)


@pytest.mark.long
@pytest.mark.parametrize("part", range(19))
def test_two_thousand_networks_are_read_as_their_graphs(part: int) -> None:
    for seed in range(2000 + 100 * part, 2100 + 100 * part):
        draw = Draw(seed)
        check(common_state(draw) if seed % 3 == 0 else any_state(draw, po2=seed % 2 == 0), draw)
