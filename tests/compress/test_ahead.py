# SPDX-License-Identifier: Apache-2.0
"""Codes chosen ahead: for what the float network gives a layer, once for each choice, its channels' means put back."""

from __future__ import annotations

import numpy as np
import pytest

import bitwright as bw
from bitwright.compress import Calibration, Options, State, calibrate, outputs_of
from bitwright.compress.ahead import Ahead
from bitwright.compress.allocate.error import judge
from bitwright.compress.choices import choose
from bitwright.compress.quantise import nearest
from tests.compress.nets import graph, node, normal
from tests.compress.test_layers import CASES, Case, channel_means, data, model


def ahead(calibration: Calibration, options: Options, maker: Ahead | None = None) -> State:
    choices = choose(calibration.net, calibration.unsigned, options)
    state = nearest(calibration, choices, bias_grid=options.exact == "po2")
    return (maker or Ahead(calibration)).refined(state, calibration, choices, options)


@pytest.mark.parametrize("bias", [False, True])
@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_the_means_of_every_kind_of_layer_are_those_of_the_float_one(case: Case, bias: bool) -> None:
    x = data(case)
    calibration = calibrate(model(case, bias and case.op != "MatMul"), [x])
    state = ahead(calibration, Options(weights=2))
    values = {name: bases[0].value for name, bases in state.weights.items()}
    (wanted,), (made,) = outputs_of(calibration.net, [x]), outputs_of(state.net.replace(**values), [x])
    assert not np.allclose(made, wanted, atol=0.01)
    np.testing.assert_allclose(channel_means(case, made), channel_means(case, wanted), atol=1e-4)


def two_layers() -> Calibration:
    nodes = [node("Gemm", "x a", "h"), node("Relu", "h", "r"), node("Gemm", "r b", "y")]
    return calibrate(graph(nodes, {"a": normal(16, 24), "b": normal(24, 5)}, sample=(16,)), [normal(400, 16, seed=1)])


def test_a_choice_is_made_once_and_holds_whatever_the_others_are() -> None:
    calibration, options = two_layers(), Options(weights=3, activations=4)
    maker = Ahead(calibration)
    choices = choose(calibration.net, calibration.unsigned, options)
    one, other = (
        maker.refined(nearest(calibration, each), calibration, each, options)
        for each in (choices, choices.at({"b": 5, "x": 2, "r": 8}))
    )
    assert one.weights["a"][0] is other.weights["a"][0]
    assert one.weights["b"][0].type.bits == 3 and other.weights["b"][0].type.bits == 5
    assert ahead(calibration, options) == one


@pytest.mark.parametrize("bits", [1, 2, 3])
def test_it_errs_less_than_the_nearest_codes(bits: int) -> None:
    calibration = two_layers()
    options = Options(weights=bits, activations=8)
    judged = judge(calibration.net, calibration.data, kind="noise")
    errors = []
    for state in (nearest(calibration, choose(calibration.net, frozenset(), options)), ahead(calibration, options)):
        errors.append(judged([np.asarray(bw.run(state.graph(), calibration.data[0]))]))
    assert errors[1] < 0.9 * errors[0]


def test_biases_stay_on_the_grid_and_zeros_stay_zeros() -> None:
    calibration = two_layers()
    array = calibration.net.constants["a"] * (np.abs(normal(16, 24)) > 0.7)
    less = calibration.with_weights({"a": array}, {"a": "pruned"})
    options = Options(weights=3, activations=4, exact="po2")
    choices = choose(less.net, less.unsigned, options)
    maker = Ahead(calibration)
    state = maker.refined(nearest(less, choices, bias_grid=True), less, choices, options)
    whole = ahead(calibration, options, maker)
    assert (state.weights["a"][0].codes[array == 0] == 0).all()
    assert (whole.weights["a"][0].codes != state.weights["a"][0].codes).any()
    x = normal(50, 16, seed=2)
    np.testing.assert_array_equal(bw.run(bw.load(state.onnx()), x), bw.run(state.graph(), x))
