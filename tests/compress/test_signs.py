# SPDX-License-Identifier: Apache-2.0
"""Weights of one bit are signs times a scale: the best scale, their rounding, and who cannot have them."""

from __future__ import annotations

import numpy as np
import pytest

from bitwright import api
from bitwright.compress import Problem, State, quantize
from bitwright.compress.ranges import RANGES, Values
from bitwright.compress.ranges.errors import quantisation_errors
from bitwright.compress.round.adaround import adaround
from bitwright.compress.round.gptq import gptq
from bitwright.compress.round.nearest import nearest
from bitwright.compress.scales import SCALES
from bitwright.ir.errors import BitwrightError
from bitwright.ir.types import BIPOLAR
from tests.compress.nets import graph, node, normal
from tests.needs import needs_cxx, needs_rtl

X = normal(48, 2, 6, 6, seed=1)
MIXED = {"w0": {"weights": 1}, "w1": {"weights": 2}, "w2": {"weights": 1, "per_channel": False}}


def mixed(**options: str) -> State:
    """A convolution of signs, a ternary one, and a dense layer of signs with one scale."""
    weights = {"w0": normal(4, 2, 3, 3), "w1": normal(3, 4, 3, 3, seed=2), "w2": normal(48, 5, seed=3)}
    nodes = [
        node("Conv", "x w0", "c", pads=[1, 1, 1, 1]),
        node("Relu", "c", "r"),
        node("Conv", "r w1", "d"),
        node("Relu", "d", "s"),
        node("Flatten", "s", "f"),
        node("MatMul", "f w2", "y"),
    ]
    config = {name: dict(rule) for name, rule in MIXED.items()}
    return quantize(graph(nodes, weights, sample=[2, 6, 6]), [X], activations=5, config=config, **options)  # type: ignore[arg-type]


@pytest.mark.parametrize("rounding", ["nearest", "gptq"])
def test_codes_are_signs_and_the_file_has_them(rounding: str) -> None:
    state = mixed(rounding=rounding)
    assert [bases[0].type for bases in state.weights.values()].count(BIPOLAR) == 2
    for bases in (state.weights["w0"], state.weights["w2"]):
        assert set(np.unique(bases[0].codes)) == {-1, 1}
    assert (state.weights["w0"][0].scale.size, state.weights["w2"][0].scale.size) == (4, 1)
    graph_of = state.graph()
    assert [layer.weights.type.bits for layer in graph_of.layers if layer.op in ("conv", "dense")] == [1, 2, 1]
    np.testing.assert_array_equal(api.run(api.load(state.onnx()), X), api.run(graph_of, X))


@needs_cxx
@needs_rtl
@pytest.mark.long
def test_signs_beside_other_weights_are_the_same_on_every_engine() -> None:
    report = api.verify(mixed().graph(), X[:4], engines=("reference", "fast", "hls", "rtl"))
    assert {name: row["mismatches"] for name, row in report["engines"].items()} == dict.fromkeys(
        ("reference", "fast", "hls", "rtl"), 0
    )


@pytest.mark.parametrize("seed", range(5))
def test_the_best_scale_of_signs_is_the_mean_magnitude(seed: int) -> None:
    values = Values.of(normal(3, 40, seed=seed))
    found = RANGES["mse"](values, BIPOLAR, SCALES["free"])
    np.testing.assert_allclose(found, np.abs(values.sample).mean(axis=1, keepdims=True), rtol=1e-6)
    scales = np.linspace(0.2, 2, 50, dtype=np.float32)[:, None, None] * found
    each = [np.square(np.where(values.sample < 0, -scale, scale) - values.sample).sum(axis=1) for scale in scales]
    np.testing.assert_allclose(quantisation_errors(values, scales, BIPOLAR), each, rtol=1e-5)


@pytest.mark.parametrize("name", RANGES)
@pytest.mark.parametrize("rule", SCALES)
def test_every_rule_has_scales_for_signs(name: str, rule: str) -> None:
    found = RANGES[name](Values.of(normal(3, 40)), BIPOLAR, SCALES[rule])
    assert found.shape == (3, 1) and (found > 0).all()
    assert rule == "free" or (np.frexp(found)[0] == 0.5).all()


def problem(seed: int = 0) -> Problem:
    """Six outputs of eight terms that go together, to be coded by signs."""
    rng = np.random.default_rng(seed)
    weight = rng.normal(size=(1, 6, 8)).astype(np.float32)
    weight[0, 0, 0] = 0
    inputs = (rng.normal(size=(1, 8, 3)) @ rng.normal(size=(3, 200)) + rng.normal(size=(1, 8, 200))).astype(np.float32)
    low, high, zero = np.float32(-1), np.float32(1), np.zeros((1, 1, 1), np.float32)
    return Problem(
        weight, inputs, weight @ inputs, np.float32(0.8), low, high, np.True_, zero, signs=True, where="layer 'a'"
    )


def test_signs_make_each_others_errors_good() -> None:
    lost = []
    for seed in range(10):
        given = problem(seed)
        made = [method(given) for method in (gptq, nearest)]
        assert all(set(np.unique(codes)) == {-1, 1} for codes in made)
        lost.append([np.square((codes * given.scale) @ given.inputs - given.outputs).sum() for codes in made])
    by_gptq, by_nearest = np.mean(lost, axis=0)
    assert by_gptq < 0.8 * by_nearest


def test_who_cannot_have_signs() -> None:
    with pytest.raises(BitwrightError) as refusal:
        adaround(problem())
    assert str(refusal.value) == (
        "layer 'a': rounding 'adaround': a sign lies between no two codes\n"
        "  hint: give weights of 1 bit rounding 'nearest' or 'gptq'"
    )
    weight = normal(4, 3)
    weight[:, 1] = 0
    with pytest.raises(BitwrightError) as refusal:
        quantize(graph([node("MatMul", "x w", "y")], {"w": weight}, sample=[4]), [normal(20, 4)], weights=1)
    assert str(refusal.value) == (
        "model: weight 'w': has zeros alone for output 1, and no sign is 0\n  hint: give it 2 bits or more"
    )
