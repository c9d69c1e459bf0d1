# SPDX-License-Identifier: Apache-2.0
"""Integers as the model's input: bytes of a camera, words of a sensor, bits; calibrated on what the model takes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import helper

import bitwright as bw
from bitwright.compress import float_net, outputs_of, quantize
from tests.compress.nets import graph, node, normal

KINDS = ("uint8", "int8", "uint16", "int16", "uint32", "int32", "bool")


def network(kind: str, *, scaled: bool) -> onnx.ModelProto:
    """A convolution and a dense layer of integers that a Cast makes real, or that are scaled as images are."""
    nodes = [node("Cast", "x", "f", to=onnx.TensorProto.FLOAT)]
    nodes += [node("Mul", "f step", "s")] if scaled else []
    nodes += [node("Conv", "s k" if scaled else "f k", "a", pads=[1, 1, 1, 1]), node("Relu", "a", "r")]
    nodes += [node("Flatten", "r", "v"), node("MatMul", "v w", "y")]
    constants = {"k": normal(4, 3, 3, 3), "w": normal(144, 5, seed=1), "step": np.full((), 1 / 255, np.float32)}
    model = graph(nodes, constants, sample=[3, 6, 6])
    model.graph.input[0].type.tensor_type.elem_type = helper.np_dtype_to_tensor_dtype(np.dtype(kind))
    return model


def samples(kind: str) -> NDArray[Any]:
    rng = np.random.default_rng(0)
    if kind == "bool":
        return rng.random((20, 3, 6, 6)) < 0.5
    info = np.iinfo(kind)
    return rng.integers(max(info.min, -(1 << 20)), min(info.max, 1 << 20), (20, 3, 6, 6)).astype(kind)


@pytest.mark.parametrize("scaled", [False, True])
@pytest.mark.parametrize("kind", KINDS)
def test_a_network_that_takes_integers_is_quantised(kind: str, scaled: bool) -> None:
    x = samples(kind)
    state = quantize(network(kind, scaled=scaled), [x], per_channel=True)
    first = state.net.sites[0]
    assert first.non_negative == (kind[0] in "ub"), "what is unsigned stays so, scaled or not"
    net = bw.load(state.onnx())
    got, wanted = bw.run(net, x), outputs_of(state.net, [x])[0]
    np.testing.assert_array_equal(got, bw.run(state.graph(), x))
    assert 10 * np.log10((wanted**2).mean() / ((got - wanted) ** 2).mean()) > 30
    report = bw.verify(net, x[:4], outputs=got[:4])
    assert not report["golden"]["unexplained"]


def test_integers_are_not_converted_in_silence() -> None:
    with pytest.raises(bw.BitwrightError) as refusal:
        quantize(network("uint8", scaled=True), [samples("int8")])
    assert str(refusal.value) == (
        "calibration data for input 'x': dtype int8, where the model takes uint8\n"
        "  hint: give what the model takes, as uint8; nothing is converted"
    )


@pytest.mark.parametrize("leading", [(1,), (1, 1)])
@pytest.mark.parametrize("bias", ["m c", "c m"])
def test_weights_of_leading_axes_are_one_matrix(leading: tuple[int, ...], bias: str) -> None:
    """As converters and exports of transformers write projections: the scales are those of the columns."""
    spread = np.float32([1, 8, 0.125, 2])
    nodes = [node("MatMul", "x w", "m"), node("Add", bias, "y")]
    constants = {"w": (normal(5, 4) * spread).reshape(*leading, 5, 4), "c": normal(1, 1, 4)}
    x = normal(16, *(3,) * len(leading), 5, seed=2)
    state = quantize(graph(nodes, constants, sample=list(x.shape[1:])), [x], per_channel=True)
    assert state.weights["w"][0].scale.shape == (*leading, 1, 4)
    net = bw.load(state.onnx())
    got, wanted = bw.run(net, x), outputs_of(float_net(state.net), [x])[0]
    assert (((got - wanted) ** 2).mean(axis=(0, 1)) < 1e-3 * (wanted**2).mean(axis=(0, 1))).all()
