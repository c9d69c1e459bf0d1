# SPDX-License-Identifier: Apache-2.0
"""Learning more without forgetting: what was known stays bit by bit, in real numbers and in integers."""

from __future__ import annotations

from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bitwright as bw
from bitwright.compress import FloatNet, fit, float_net, outputs_of, quantize, trainable
from bitwright.compress.prune.partition import partitioned, used
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.learn import Learn
from bitwright.recipe.step import Material
from tests.compress.nets import graph, node, normal
from tests.needs import needs_package

torch = pytest.importorskip("torch")
from bitwright.compress.torch.quiet import quiet  # noqa: E402

pytestmark = needs_package("torch")
Array = NDArray[Any]
DIGITS = Path(__file__).parents[3] / "examples" / "digits"


@cache
def digits() -> tuple[Array, Array]:
    with np.load(DIGITS / "digits_data.npz") as file:
        return file["x"].reshape(len(file["x"]), -1).astype(np.float32) / 16, file["y"].astype(np.int64)


@cache
def first() -> FloatNet:
    """Two layers that know the digits below five."""
    weights = {"a": normal(48, 64) / 8, "p": np.zeros(48, np.float32), "b": normal(10, 48, seed=1) / 8}
    nodes = [node("Gemm", "x a p", "h", transB=1), node("Relu", "h", "r"), node("Gemm", "r b q", "y", transB=1)]
    net = float_net(graph(nodes, {**weights, "q": np.zeros(10, np.float32)}, sample=[64]))
    x, y = digits()
    module = trainable(net)
    fit(module, (x[y < 5], y[y < 5]), epochs=40, batch=16, lr=1e-2, aids=[quiet(module, 0.5)])
    return module.float_net()


def correct(net: FloatNet, wanted: Array) -> float:
    """By the outputs of these classes."""
    x, y = digits()
    classes = np.unique(y[wanted])
    return float((classes[outputs_of(net, [x[wanted]])[0][:, classes].argmax(axis=1)] == y[wanted]).mean())


@pytest.mark.rows("R099")
def test_what_was_known_stays_bit_by_bit_while_more_is_learnt() -> None:
    x, y = digits()
    old, new = y < 5, y >= 5
    channels = used(first(), [x[old]], 0.05)
    cut = partitioned(first(), channels, np.arange(5, 10)).net
    (_, hidden, _) = channels
    assert 4 <= hidden.sum() <= 40
    assert correct(cut, old) > 0.95
    made = Learn(epochs=30, batch=16, lr=1e-2, first=5).run(first(), Material([x[old]], [x], y), None)
    assert not made.constants["b"][:5][:, ~hidden].any()
    for name in "ap":
        np.testing.assert_array_equal(made.constants[name][hidden], cut.constants[name][hidden])
        assert (made.constants[name][~hidden] != cut.constants[name][~hidden]).any()
    np.testing.assert_array_equal(outputs_of(made, [x])[0][:, :5], outputs_of(cut, [x])[0][:, :5])
    assert correct(made, new) > 0.85

    plain: Any = {"weights": 4, "activations": 4, "rounding": "nearest", "correct": "none"}
    before, after = (quantize(net, x[old], **plain) for net in (cut, made))
    after = replace(after, acts=before.acts)
    integers = [bw.run(bw.load(state.onnx()), x) for state in (before, after)]
    np.testing.assert_array_equal(integers[0][:, :5], integers[1][:, :5])


@pytest.mark.rows("R099")
def test_used_are_the_channels_that_are_large_on_average() -> None:
    nodes = [node("Gemm", "x a", "h", transB=1), node("Relu", "h", "r"), node("Gemm", "r b", "y", transB=1)]
    weights = {"a": np.diag([1.0, 0.5, 0.01, -1.0]).astype(np.float32), "b": normal(3, 4)}
    net, x = float_net(graph(nodes, weights, sample=[4])), np.abs(normal(50, 4, seed=1))
    channels = used(net, [x], 0.1)
    assert [held.tolist() for held in channels] == [[True] * 4, [True, True, False, False], [True] * 3]
    made = partitioned(net, channels, np.array([2]))
    assert (made.net.constants["b"] == 0).tolist() == [[False, False, True, True]] * 2 + [[False] * 4]
    assert made.free["b"].tolist() == [[False] * 4] * 2 + [[True] * 4]
    assert made.free["a"].tolist() == [[False] * 4] * 2 + [[True] * 4] * 2


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (
            {"theta": 2},
            "learn: 2 cannot be used for theta\n  hint: give the share of the largest mean from which one is used",
        ),
        ({"epochs": 0}, "learn: 0 cannot be used for epochs\n  hint: give one or more"),
        ({"lr": 0}, "learn: 0 cannot be used for lr\n  hint: give a share of each tensor's size, for example 0.005"),
    ],
)
def test_options_are_checked(given: dict[str, Any], message: str) -> None:
    with pytest.raises(BitwrightError) as refusal:
        Learn(**given)
    assert str(refusal.value) == message


def test_new_are_some_classes_and_normalisations_are_parts_of_layers() -> None:
    x, y = digits()
    with pytest.raises(BitwrightError) as refusal:
        Learn().run(first(), Material([x], [x], y), None)
    assert str(refusal.value) == (
        "model: partition: all classes are new, and nothing stays\n"
        "  hint: give samples of classes that are new, and others of those that it knows for calibration"
    )
    ones = np.ones(3, np.float32)
    nodes = [node("Relu", "x", "r"), node("BatchNormalization", "r g g g g", "h"), node("Gemm", "h b", "y", transB=1)]
    net = float_net(graph(nodes, {"g": ones, "b": normal(3, 3)}, sample=[3]))
    with pytest.raises(BitwrightError) as refusal:
        partitioned(net, used(net, [normal(9, 3)], 0.1), np.array([1]))
    assert str(refusal.value) == (
        "model: partition: normalises batches, which is all or nothing\n"
        "  hint: put normalisations behind layers, into which they are folded"
    )
