# SPDX-License-Identifier: Apache-2.0
"""A network walked node by node: its numbers are the integers', its memory is bounded, chunks do not matter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bitwright as bw
from bitwright.compress import State, calibrate, float_net, outputs_of, quantize
from bitwright.compress.acts import fake, gathered, walk
from bitwright.compress.coded import ActQuant
from bitwright.compress.columns import View
from bitwright.ir.types import BIPOLAR, integer
from tests.compress.nets import graph, node, normal
from tests.compress.random_nets import Draw

Array = NDArray[Any]


class Means:
    """Goes on with the codes of a state, and keeps each layer's means."""

    def __init__(self, state: State) -> None:
        self.state = state
        self.means: dict[str, Array] = {}

    def weight(self, view: View, inputs: Sequence[Array]) -> Array:
        (coded,) = self.state.weights[view.layer.weight]
        return coded.value

    def shift(self, view: View, mean: Array) -> Array | None:
        self.means[view.layer.name] = mean
        return None


@pytest.mark.parametrize("seed", range(6))
def test_a_walked_network_computes_what_its_integers_do(seed: int) -> None:
    draw = Draw(seed)
    model, x = draw.model(), draw.samples() + np.float32(0.5)
    state = quantize(model, x, weights=4, activations=4, rounding="nearest", correct="none")
    means = Means(state)
    walk(state.net, [x], means, state.acts)
    found = means.means[state.net.layers[-1].name]
    if state.net.nodes[-1].op == "Add":
        found = found + next(state.net.constants[name] for name in state.net.nodes[-1].inputs if "t" not in name)
    np.testing.assert_allclose(found, bw.run(state.graph(), x).mean(axis=0), rtol=1e-3, atol=1e-3)


def test_a_quantiser_rounds_and_clips_around_its_zero_and_knows_signs() -> None:
    x = np.array([-9, -0.3, 0.0, 0.6, 9], np.float32)
    scale = np.array(0.5, np.float32)
    shifted = ActQuant(integer(3, signed=False), scale, np.array(2, np.float32))
    np.testing.assert_array_equal(fake(shifted, x), np.float32([-1, -0.5, 0, 0.5, 2.5]))
    signs = ActQuant(BIPOLAR, scale, np.zeros((), np.float32))
    np.testing.assert_array_equal(fake(signs, x), np.float32([-0.5, -0.5, 0.5, 0.5, 0.5]))


def two_layers() -> tuple[Any, Array]:
    """A network of two convolutions, and its data."""
    nodes = [node("Conv", "x v", "h", pads=[1, 1, 1, 1]), node("Relu", "h", "r"), node("Conv", "r w", "y")]
    return graph(nodes, {"v": normal(4, 3, 3, 3), "w": normal(2, 4, 2, 2)}, sample=[3, 8, 8]), normal(70, 3, 8, 8)


def test_samples_that_do_not_fit_are_left_out_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = two_layers()
    assert calibrate(model, [x]).side.samples == 70
    monkeypatch.setattr("bitwright.compress.acts.MEMORY", 100_000)
    calibration = calibrate(model, [x])
    assert 1 <= calibration.side.samples < 30
    assert calibration.side.samples == calibrate(model, [x[:40]]).side.samples


def test_few_columns_are_drawn_alike_from_both_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = two_layers()
    monkeypatch.setattr("bitwright.compress.acts.COLUMNS", 50)
    calibration = calibrate(model, [x])
    for name, picked in calibration.side.picked.items():
        assert len(picked) == 50 == len(set(picked.tolist())) and (np.diff(picked) > 0).all()
        assert calibration.side.outputs[name].shape[2] == 50
    assert quantize(model, x, weights=3) == quantize(model, x, weights=3)


def test_columns_of_chunks_are_those_of_all_samples() -> None:
    model, x = two_layers()
    net = float_net(model)
    seen: list[Array] = []

    class Look(Means):
        def weight(self, view: View, inputs: Sequence[Array]) -> Array:
            picked = np.array([0, 5, 70 * 30, 70 * 49 - 1])
            assert len(inputs) == 2  # 64 samples and 6
            seen.append(gathered(view, inputs, picked) - view.columns(np.concatenate(inputs), picked))
            return view.weight

    walk(net, [x], Look(quantize(net, x)))
    assert len(seen) == 2 and not np.concatenate(seen, axis=None).any()


def test_runs_of_fewer_samples_make_the_same_outputs(monkeypatch: pytest.MonkeyPatch) -> None:
    model, x = two_layers()
    net = float_net(model)
    whole = outputs_of(net, [x])[0]
    monkeypatch.setattr("bitwright.compress.execute.MEMORY", 30_000)
    np.testing.assert_allclose(outputs_of(net, [x])[0], whole, rtol=1e-5, atol=1e-5)
