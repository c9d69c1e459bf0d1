# SPDX-License-Identifier: Apache-2.0
"""What networks work without hardware, and what that says of pruning and of narrow weights."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import FloatNet, State, float_net, pruned, quantize
from bitwright.explore.metrics import accuracy
from bitwright.explore.work import worked, works_of
from bitwright.recipe.prune import Prune
from bitwright.sim.engines import ENGINES
from bitwright.sim.whole import outputs
from tests.compress.nets import graph, node, normal

DATA = Path(__file__).parents[1] / "benchmarks" / "data"


@pytest.mark.rows("R104")
@pytest.mark.parametrize(("weights", "activations"), [(2, 3), (4, 4), (6, 5)])
def test_bit_operations_are_products_by_what_is_not_zero_times_both_widths(weights: int, activations: int) -> None:
    """Multiply-accumulates, by the density of a weight, by both widths: of a convolution and what reads it."""
    first, second = normal(4, 2, 3, 3), normal(3, 64, seed=1)
    first[:, 1] = 0
    nodes = [node("Conv", "x a", "h"), node("Relu", "h", "r"), node("Flatten", "r", "f"), node("Gemm", "f b", "y")]
    net = float_net(graph(nodes, {"a": first, "b": second.T.copy()}, sample=[2, 6, 6]))
    state = quantize(net, normal(64, 2, 6, 6, seed=2), weights=weights, activations=activations)
    density = [float(np.mean(state.weights[name][0].codes != 0)) for name in ("a", "b")]
    assert density[0] <= 0.5
    macs = [4 * 4 * 4 * 2 * 9, 3 * 64]
    wanted = sum(each * share * weights * activations for each, share in zip(macs, density, strict=True))
    assert worked(works_of(state.graph(), state), state)["bops"] == pytest.approx(wanted)


@pytest.fixture(scope="module")
def digits() -> Mapping[str, NDArray[Any]]:
    with np.load(DATA / "digits.npz") as file:
        return {name: array / np.float32(16) if array.ndim == 4 else array for name, array in file.items()}


@pytest.mark.rows("R104")
def test_slim_and_of_four_bits_is_before_whole_and_of_one_or_two(digits: Mapping[str, NDArray[Any]]) -> None:
    """In work and in accuracy, by the nearest codes: pruned first, then quantised, against a grid of few bits."""
    net = float_net(DATA / "digits_cnn_0.onnx")
    samples = digits["calibration"]

    def figures(net: FloatNet, weights: int, activations: int) -> tuple[float, float]:
        options: dict[str, Any] = {"rounding": "nearest", "correct": "none"}
        state = quantize(net, samples, weights=weights, activations=activations, **options)
        return scored(state, digits), worked(works_of(state.graph(), state), state)["bops"]

    slim = figures(pruned(net, samples, criterion="magnitude", sparsity=0.85), 4, 4)
    for weights in (1, 2):
        for activations in (2, 4):
            fat = figures(net, weights, activations)
            assert slim[0] > fat[0] and slim[1] < fat[1], (weights, activations)
    assert Prune.ends is False, "a recipe prunes before it quantises"


def scored(state: State, digits: Mapping[str, NDArray[Any]]) -> float:
    graph = state.graph()
    (found,) = outputs(graph, {graph.entry.inputs[0]: digits["x"]}, ENGINES["fast"].build(graph, None))
    return accuracy(found, digits["y"])
