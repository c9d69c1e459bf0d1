# SPDX-License-Identifier: Apache-2.0
"""A quantised file as a start: its own integers come back out of it, and it is refused where they would not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bitwright import api
from bitwright.compress import quantize
from bitwright.compress.started import is_quantised, network, started
from bitwright.ir.errors import BitwrightError
from tests.compress.nets import graph, node, normal

DIGITS = Path(__file__).parents[2] / "examples" / "digits"


@pytest.fixture(scope="module")
def x() -> NDArray[Any]:
    with np.load(DIGITS / "digits_data.npz") as file:
        return np.asarray(file["calibration"][:64])


OPTIONS: list[dict[str, Any]] = [{}, {"exact": "po2"}, {"zero": "always"}, {"weights": 1, "activations": 3}]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_what_we_wrote_comes_back(x: NDArray[Any], options: dict[str, Any]) -> None:
    state = quantize(DIGITS / "digits_float.onnx", x, **{"weights": 4, "activations": 5, **options})
    start = started(state.onnx())
    bits = {"weights": 4, "activations": 5} | options
    assert {name: coded.type.bits for name, coded in start.weights.items()} == {
        name: min(bits["weights"], coded.type.bits) for name, coded in start.weights.items()
    }
    assert {act.type.bits for act in start.acts.values()} == {bits["activations"]} and not start.ends
    codes = [api.run(graph_of, x, codes=True) for graph_of in (start.graph(), start.state().graph())]
    np.testing.assert_array_equal(*codes)


def test_a_quantiser_before_a_product_with_a_number_is_one_of_the_product() -> None:
    """As we write a sum of tensors whose scales differ: one of them is also read by a layer as it is."""
    weights = np.random.default_rng(0).integers(-7, 8, (4, 4)).astype(np.int8)
    numbers = {"s": np.float32(0.25), "z": np.int8(0), "half": np.float32(0.5)}
    held = {"w": weights, **{name: np.asarray(number) for name, number in numbers.items()}}
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        node("DequantizeLinear", "w s z", "v"),
        node("MatMul", "d v", "m"),
        node("Mul", "d half", "p"),
        node("QuantizeLinear", "m s z", "r"),
        node("DequantizeLinear", "r s z", "e"),
        node("Add", "e p", "o"),
        node("QuantizeLinear", "o s z", "t"),
        node("DequantizeLinear", "t s z", "f"),
        node("MatMul", "f v", "y"),
    ]
    start = started(graph(nodes, held, sample=(4,)))
    assert {name: float(act.scale) for name, act in start.acts.items()} == {"x": 0.25, "p": 0.125, "r": 0.25, "t": 0.25}
    samples = normal(50, 4)
    np.testing.assert_array_equal(*(api.run(read, samples) for read in (start.graph(), start.state().graph())))


def test_quantisers_of_another_tool_come_back(x: NDArray[Any]) -> None:
    """Brevitas wrote it: Quant of weights and tensors, and one at the output, which is left to who reads it."""
    start = started(DIGITS / "digits.onnx")
    assert start.ends.keys() == set(start.net.outputs)
    assert start.widths.keys() == {*start.weights, *start.acts}
    assert is_quantised(DIGITS / "digits.onnx") and not is_quantised(DIGITS / "digits_float.onnx")


def qdq(scale: Any, zero: Any, weight_zero: int = 0) -> onnx.ModelProto:
    """A dense layer of int8 between quantisers."""
    constants = {
        "s": np.float32(scale), "z": zero, "ws": np.float32([0.5, 0.25]), "wz": np.int8([weight_zero] * 2),
        "w": np.random.default_rng(0).integers(-7, 8, (4, 2)).astype(np.int8),
    }  # fmt: skip
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("DequantizeLinear", ["w", "ws", "wz"], ["v"], axis=1),
        helper.make_node("MatMul", ["d", "v"], ["y"]),
    ]
    entry, end = (helper.make_tensor_value_info(n, TensorProto.FLOAT, ["N", s]) for n, s in (("x", 4), ("y", 2)))
    arrays = [numpy_helper.from_array(np.asarray(array), name) for name, array in constants.items()]
    made = helper.make_graph(nodes, "g", [entry], [end], arrays)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("zero", [np.int8(0), np.uint8(128), np.int8(3)], ids=repr)
def test_codes_between_quantisers_come_back(zero: Any) -> None:
    start = started(qdq(0.1, zero))
    assert start.weights["v"].type.bits == 4 and start.acts["x"].type.bits == 8
    samples = normal(50, 4)
    codes = [api.run(graph_of, samples, codes=True) for graph_of in (start.graph(), start.state().graph())]
    np.testing.assert_array_equal(*codes)


@pytest.mark.parametrize("axis", [0, 1])
def test_real_weights_with_a_quantiser_for_each_channel_come_back(axis: int) -> None:
    """As torch writes weights that are quantised each time: it was a traceback of shapes that do not fit."""
    random = np.random.default_rng(0)
    steps = random.uniform(0.05, 0.2, (6, 4)[axis]).astype(np.float32)
    held = {"w": random.normal(size=(6, 4)).astype(np.float32), "ws": steps, "wz": np.zeros(len(steps), np.int8)}
    held |= {"s": np.asarray(np.float32(0.25)), "z": np.asarray(np.int8(0))}
    nodes = [
        node("QuantizeLinear", "x s z", "q"),
        node("DequantizeLinear", "q s z", "d"),
        helper.make_node("QuantizeLinear", ["w", "ws", "wz"], ["c"], axis=axis),
        helper.make_node("DequantizeLinear", ["c", "ws", "wz"], ["v"], axis=axis),
        helper.make_node("Gemm", ["d", "v"], ["y"], transB=1) if axis == 0 else node("MatMul", "d v", "y"),
    ]
    start = started(graph(nodes, held, sample=(4,) if axis == 0 else (6,)))
    (coded,) = start.weights.values()
    assert coded.scale.shape == ((6, 1), (1, 4))[axis]
    np.testing.assert_array_equal(coded.codes, np.rint(held["w"] / coded.scale).clip(-128, 127))
    x = random.normal(size=(20, 4 if axis == 0 else 6)).astype(np.float32)
    np.testing.assert_array_equal(*(api.run(each, x) for each in (start.graph(), start.state().graph())))


def test_what_has_no_place_is_refused_by_its_node() -> None:
    def message(model: Any) -> str:
        with pytest.raises(BitwrightError) as refusal:
            network(model)
        return str(refusal.value)

    ending = (
        "is quantised in a way whose widths cannot be searched: it has no codes of its own\n"
        "  hint: give the float model, or a file of Quant, BipolarQuant, or QuantizeLinear and DequantizeLinear"
    )
    assert message(qdq(0.1, np.int8(0), weight_zero=3)) == f"model: weight 'v': {ending}"
    nodes = [node("QuantizeLinear", "x s", "q"), node("DequantizeLinear", "q s", "d"), node("MatMul", "d w", "y")]
    floating = graph(nodes, {"s": np.float32(0.1), "w": normal(4, 2)}, sample=[4])
    assert message(floating) == f"model: weight 'w': {ending}"
