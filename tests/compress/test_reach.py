# SPDX-License-Identifier: Apache-2.0
"""How far the codes of a weight reach is judged behind its layer; biases that are whole steps are so in the walk."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import bitwright as bw
from bitwright.compress import RANGES, SCALES, Calibration, calibrate, quantised
from bitwright.compress.correct import held
from bitwright.compress.grid import grid_of
from bitwright.compress.ranges import Values
from bitwright.compress.round import ROUNDINGS, Problem
from bitwright.compress.round.reach import reached
from bitwright.compress.sites import key
from bitwright.ir.types import integer
from tests.compress.nets import graph, node, normal

DATA = Path(__file__).parents[2] / "benchmarks" / "data"


def problem(seed: int = 0) -> Problem:
    """Two groups of three outputs; of weights with a few large numbers."""
    weight = np.random.default_rng(seed).standard_t(3, size=(2, 3, 20)).astype(np.float32)
    inputs = np.maximum(normal(2, 20, 400, seed=seed + 1) + np.float32(0.3), 0)
    scale = np.abs(weight).max(axis=2, keepdims=True) / np.float32(3)
    offset = np.zeros((1, 1, 1), np.float32)
    return Problem(weight, inputs, weight @ inputs, scale, np.float32(-3), np.float32(3), np.True_, offset)


def errors(given: Problem, scale: np.ndarray, codes: np.ndarray) -> np.ndarray:
    wrong = (codes * scale).astype(np.float32) @ given.inputs - given.outputs
    return ((wrong - wrong.mean(axis=2, keepdims=True)) ** 2).sum(axis=2)


@pytest.mark.parametrize("rounding", ["nearest", "gptq"])
def test_each_output_has_the_scale_that_makes_it_least_wrong(rounding: str) -> None:
    given, places = problem(), np.arange(6).reshape(2, 3)
    scales = [factor * given.scale.reshape(6, 1) for factor in np.array([0.5, 0.7, 1], np.float32)]
    codes, scale = reached(given, scales, places, ROUNDINGS[rounding], corrected=True)
    tried = [replace(given, scale=each.reshape(2, 3, 1)) for each in scales]
    each = np.array([errors(given, one.scale, ROUNDINGS[rounding](one)) for one in tried])
    assert len(set(each.argmin(axis=0).reshape(-1))) > 1
    np.testing.assert_array_equal(scale[:, 0], np.choose(each.argmin(axis=0).reshape(-1), [s[:, 0] for s in scales]))
    np.testing.assert_allclose(errors(given, scale.reshape(2, 3, 1), codes), each.min(axis=0), rtol=1e-4)


def test_outputs_that_share_a_number_are_judged_together() -> None:
    given = problem()
    for count, places in ((1, np.zeros((2, 3), np.int64)), (3, np.array([[0, 1, 2]] * 2))):
        scales = [np.full((count,), factor, np.float32) for factor in (0.4, 0.8)]
        codes, scale = reached(given, scales, places, ROUNDINGS["nearest"], corrected=True)
        assert scale.shape == (count,)
        np.testing.assert_array_equal(codes, replace(given, scale=scale[places][:, :, None]).codes(given.weight))
        tried = [replace(given, scale=np.full((1, 1, 1), factor, np.float32)) for factor in (0.4, 0.8)]
        each = np.array([errors(given, one.scale, one.codes(given.weight)) for one in tried])
        sums = [np.bincount(places.reshape(-1), one.reshape(-1)) for one in each]
        np.testing.assert_array_equal(scale, np.where(sums[0] <= sums[1], np.float32(0.4), np.float32(0.8)))


def test_what_is_not_finite_changes_nothing() -> None:
    given = replace(problem(), outputs=np.full((2, 3, 400), np.inf, np.float32))
    scales = [given.scale.reshape(6, 1), 2 * given.scale.reshape(6, 1)]
    with np.errstate(all="ignore"):
        _, scale = reached(given, scales, np.arange(6).reshape(2, 3), ROUNDINGS["nearest"], corrected=False)
    np.testing.assert_array_equal(scale, scales[0])


@pytest.mark.parametrize("rule", SCALES)
def test_scales_between_two_are_allowed_and_have_both_at_their_ends(rule: str) -> None:
    low, high = np.array([[1 / 16], [0.5], [1]], np.float32), np.array([[8], [0.5], [2]], np.float32)
    found = np.array(SCALES[rule].between(low, high))
    np.testing.assert_array_equal(found[[0, -1]], [low, high])
    assert (np.diff(found, axis=0) >= 0).all() and found.dtype == np.float32
    np.testing.assert_array_equal(SCALES[rule].cover(found), found)


def test_without_a_correction_the_nearest_codes_have_the_scales_of_their_rule() -> None:
    weight = np.random.default_rng(0).standard_t(3, size=(8, 40)).astype(np.float32)
    calibration = calibrate(graph([node("Gemm", "x w", "y", transB=1)], {"w": weight}, sample=[40]), [normal(50, 40)])
    plain, moved = (
        quantised(calibration, weights=4, rounding="nearest", correct=correct).weights["w"][0].scale
        for correct in ("none", "bias")
    )
    rule = RANGES["mse"](Values.of(weight), integer(4, signed=True, narrow=True), SCALES["free"])
    np.testing.assert_array_equal(plain, rule)
    assert (moved >= plain).all() and (moved > plain).any()


BIASED: Mapping[str, tuple[list[onnx.NodeProto], list[int], tuple[int, ...]]] = {
    "conv": ([node("Conv", "x w b", "y")], [3, 5, 5], (4, 3, 3, 3)),
    "gemm": ([node("Gemm", "x w b", "y", transB=1)], [12], (4, 12)),
    "gemm of factors": ([node("Gemm", "x w b", "y", transB=1, alpha=0.5, beta=4.0)], [12], (4, 12)),
    "product and sum": ([node("MatMul", "x w", "h"), node("Add", "b h", "y")], [12], (12, 4)),
    "product": ([node("MatMul", "x w", "y")], [12], (12, 4)),
}


@pytest.mark.parametrize("case", BIASED)
def test_a_corrected_bias_is_whole_steps_of_its_accumulator(case: str) -> None:
    nodes, sample, shape = BIASED[case]
    constants = {"w": normal(*shape), "b": normal(4, seed=1)}
    read = {name for each in nodes for name in each.input}
    model = graph(nodes, {name: array for name, array in constants.items() if name in read}, sample=sample)
    state = quantised(calibrate(model, [normal(60, *sample, seed=2)]), weights=3, activations=3, exact="po2")
    (layer,) = state.net.layers
    made = {key(each): each for each in state.net.nodes}[layer.name]
    step = grid_of(state.net, state.weights, state.acts).step(layer).astype(np.float64)
    factor = float(made.attributes.get("alpha", 1)) if made.op == "Gemm" else 1.0
    behind = [array for name, array in state.net.constants.items() if name != "w" and array.size == 4]
    (bias,) = behind
    steps = bias.reshape(-1) * float(made.attributes.get("beta", 1)) / factor / step
    np.testing.assert_array_equal(steps, np.rint(steps))
    assert held(state.net, made).size in (1, 4)


def rights(calibration: Calibration, x: np.ndarray, y: np.ndarray, **options: Any) -> float:
    """Points, of the integers."""
    scores = bw.run(quantised(calibration, **options).graph(), x)
    return 100 * float((scores.reshape(len(x), -1).argmax(axis=1) == y).mean())


@pytest.mark.long
@pytest.mark.parametrize("rounding", ["nearest", "gptq"])
@pytest.mark.parametrize("network", ["digits_cnn", "digits_res"])
def test_no_rule_of_ranges_is_worse_than_the_largest(network: str, rounding: str) -> None:
    with np.load(DATA / "digits.npz") as file:
        images = (file["calibration"] / 16).astype(np.float32)
        x, y = (file["x"] / 16).astype(np.float32), file["y"]
    nets = [calibrate(DATA / f"{network}_{seed}.onnx", [images]) for seed in range(3)]
    for weights, activations in ((8, 8), (6, 6), (5, 5), (4, 8), (4, 4)):
        widths = {"weights": weights, "activations": activations, "rounding": rounding}
        found = {rule: np.mean([rights(net, x, y, range=rule, **widths) for net in nets]) for rule in RANGES}
        assert min(found.values()) >= found["max"] - 0.3, (widths, found)
