# SPDX-License-Identifier: Apache-2.0
"""Every kind of layer as a product of matrices, walked beside its float twin, and with its bias corrected."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

import bitwright as bw
from bitwright.compress import calibrate, float_net, outputs_of, quantised, quantize
from bitwright.compress.columns import views
from bitwright.compress.correct import with_biases
from tests.compress.nets import graph, node, normal


class Case(NamedTuple):
    """A layer: its operator, the shapes of a sample and of its weight, its attributes."""

    op: str
    sample: tuple[int, ...]
    weight: tuple[int, ...]
    attributes: Mapping[str, Any] = {}


CASES = {
    "conv": Case("Conv", (3, 6, 5), (4, 3, 3, 2)),
    "conv of strides, dilations and pads": Case(
        "Conv", (3, 9, 8), (4, 3, 3, 3), {"strides": [2, 1], "dilations": [1, 2], "pads": [1, 0, 2, 1]}
    ),
    "conv of automatic pads": Case("Conv", (3, 7, 7), (4, 3, 3, 3), {"auto_pad": "SAME_UPPER", "strides": [2, 2]}),
    "grouped conv": Case("Conv", (4, 5, 5), (6, 2, 3, 3), {"group": 2}),
    "depthwise conv": Case("Conv", (4, 5, 5), (4, 1, 3, 3), {"group": 4, "pads": [1, 1, 1, 1]}),
    "conv of one axis": Case("Conv", (3, 9), (4, 3, 3), {"strides": [2]}),
    "transposed conv": Case(
        "ConvTranspose", (3, 4, 5), (3, 2, 3, 3), {"strides": [2, 2], "pads": [1, 0, 1, 1], "output_padding": [1, 0]}
    ),
    "grouped transposed conv": Case("ConvTranspose", (4, 3, 3), (4, 3, 2, 2), {"group": 2, "strides": [2, 2]}),
    "transposed conv of automatic pads": Case(
        "ConvTranspose", (3, 4, 5), (3, 2, 3, 3), {"strides": [2, 2], "auto_pad": "SAME_LOWER"}
    ),
    "transposed conv of a given size": Case(
        "ConvTranspose", (3, 4, 5), (3, 2, 4, 3), {"strides": [2, 2], "output_shape": [7, 10], "auto_pad": "SAME_UPPER"}
    ),
    "transposed conv longer than its reach": Case(
        "ConvTranspose", (3, 4, 5), (3, 2, 2, 2), {"strides": [3, 2], "output_shape": [12, 10]}
    ),
    "transposed conv of one axis": Case(
        "ConvTranspose", (4, 7), (4, 3, 3), {"group": 2, "strides": [2], "pads": [1, 0]}
    ),
    "dense": Case("MatMul", (6,), (6, 4)),
    "dense on rows": Case("MatMul", (5, 6), (6, 4)),
    "dense on rows of a stack of one": Case("MatMul", (5, 6), (1, 6, 4)),
    "a matrix for each head": Case("MatMul", (3, 5, 6), (3, 6, 4)),
    "gemm": Case("Gemm", (6,), (6, 4)),
    "gemm of factors": Case("Gemm", (6,), (4, 6), {"transB": 1, "alpha": 0.5, "beta": 2.0}),
}
WHOLE = {name: case for name, case in CASES.items() if name != "a matrix for each head"}
"""Those that the importer takes."""
AXES = {"Conv": 1, "ConvTranspose": 1, "MatMul": -1, "Gemm": -1}


def model(case: Case, bias: bool = False) -> onnx.ModelProto:
    """A model of that layer alone."""
    weights = {"w": normal(*case.weight)}
    if bias:
        first = case.op == "Conv" or case.attributes.get("transB")
        groups = case.attributes.get("group", 1) if case.op == "ConvTranspose" else 1
        weights["b"] = normal(case.weight[0 if first else 1] * groups)
    names = "x w b" if bias else "x w"
    return graph([node(case.op, names, "y", **case.attributes)], weights, sample=case.sample)


def data(case: Case, samples: int = 20) -> NDArray[np.float32]:
    """Samples whose mean is not zero, and whose elements rise and fall together."""
    return normal(samples, *case.sample, seed=1) + 2 * normal(samples, *[1] * len(case.sample)) + np.float32(0.5)


def channel_means(case: Case, array: NDArray[Any]) -> NDArray[Any]:
    """The mean of each channel of the layer's output."""
    moved = np.moveaxis(array, AXES[case.op], -1)
    return moved.reshape(-1, moved.shape[-1]).mean(axis=0)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_rows_times_columns_are_what_a_layer_makes(case: Case) -> None:
    net, x = float_net(model(case)), data(case, 3)
    (view,) = views(net).values()
    np.testing.assert_array_equal(view.array(view.rows(view.weight)), view.weight)
    count = view.count(x)
    made = view.rows(view.weight) @ view.columns(x, np.arange(count)) * np.float32(case.attributes.get("alpha", 1))
    wanted = outputs_of(net, [x])[0]
    assert made.size == wanted.size
    np.testing.assert_allclose(np.sort(made.reshape(-1)), np.sort(wanted.reshape(-1)), rtol=1e-4, atol=1e-5)
    np.testing.assert_array_equal(view.columns(x, np.array([0, 2])), view.columns(x, np.arange(count))[:, :, [0, 2]])


@pytest.mark.parametrize("case", WHOLE.values(), ids=WHOLE)
def test_the_float_network_is_run_as_onnxruntime_runs_it(case: Case) -> None:
    runtime = pytest.importorskip("onnxruntime")
    given, x = model(case), data(case, 3)
    session = runtime.InferenceSession(given.SerializeToString(), providers=["CPUExecutionProvider"])
    np.testing.assert_allclose(
        outputs_of(float_net(given), [x])[0], session.run(None, {"x": x})[0], rtol=1e-4, atol=1e-5
    )


@pytest.mark.parametrize("case", WHOLE.values(), ids=WHOLE)
def test_the_integers_have_the_means_of_the_float_network(case: Case) -> None:
    x = data(case)
    for bias in (False, True) if case.op != "MatMul" else (False,):
        net = float_net(model(case, bias))
        wanted = channel_means(case, outputs_of(net, [x])[0])
        for rounding in ("nearest", "gptq"):
            found = channel_means(
                case, bw.run(quantize(net, x, weights=3, activations=3, rounding=rounding).graph(), x)
            )
            np.testing.assert_allclose(found, wanted, rtol=1e-4, atol=1e-4)
        plain = quantize(net, x, weights=3, activations=3, rounding="nearest", correct="none")
        assert np.abs(channel_means(case, bw.run(plain.graph(), x)) - wanted).max() > 1e-2


def test_gptq_loses_less_of_each_kind_of_layer_than_the_nearest_codes() -> None:
    ratios = []
    for case in WHOLE.values():
        net, x = float_net(model(case)), data(case, 200)
        calibration, wanted = calibrate(net, [x]), outputs_of(net, [x])[0]
        made = {"weights": 3, "range": "max"}  # by which both have the same scales
        states = (quantised(calibration, rounding=rounding, **made) for rounding in ("gptq", "nearest"))
        gptq, nearest = (((bw.run(state.graph(), x) - wanted) ** 2).mean() for state in states)
        ratios.append(gptq / nearest)
    assert max(ratios) < 1.1 and np.mean(ratios) < 0.8, ratios


def test_a_bias_of_two_layers_becomes_one_for_each() -> None:
    nodes = [node("Gemm", "x w b", "h"), node("Relu", "h", "r"), node("Gemm", "r w b", "y")]
    net = float_net(graph(nodes, {"w": normal(4, 4), "b": normal(4)}, sample=[4]))
    shifts = {"h": np.ones(4), "y": np.arange(4.0)}
    made = with_biases(net, shifts)
    np.testing.assert_array_equal(made.constants["h_bias"], normal(4) + 1)
    np.testing.assert_array_equal(made.constants["y_bias"], normal(4) + np.arange(4, dtype=np.float32))
    assert [layer.bias for layer in made.layers] == ["h_bias", "y_bias"]


def test_the_sum_behind_a_product_takes_its_correction() -> None:
    nodes = [node("MatMul", "x w", "h"), node("Add", "b h", "y")]
    net = float_net(graph(nodes, {"w": normal(4, 3), "b": normal(3)}, sample=[4]))
    made = with_biases(net, {"h": np.ones(3)})
    assert [n.op for n in made.nodes] == ["MatMul", "Add"]
    np.testing.assert_array_equal(made.constants["b"], normal(3) + 1)


@pytest.mark.parametrize("constant", ["shared", "per sample", "read elsewhere", "leaves"])
def test_a_sum_that_cannot_take_it_alone_gets_another_in_front(constant: str) -> None:
    nodes = [node("MatMul", "x w", "h"), node("Add", "h b", "g"), node("MatMul", "g v", "y")]
    weights = {"w": normal(4, 4), "v": normal(4, 4, seed=1), "b": normal(4)}
    match constant:
        case "shared":
            nodes[2] = node("Mul", "g b", "y")
        case "per sample":
            weights["b"] = normal(1, 4)
        case "read elsewhere":
            nodes[2] = node("Add", "g h", "y")
    given = graph(nodes, weights, sample=[4])
    if constant == "leaves":
        given.graph.output.append(helper.make_tensor_value_info("h", TensorProto.FLOAT, ["N", 4]))
    net, x = float_net(given), normal(10, 4, seed=2)
    before, after = (outputs_of(found, [x]) for found in (net, with_biases(net, {"h": np.ones(4)})))
    h = x @ weights["w"] + 1
    g = h + weights["b"]
    match constant:
        case "shared":
            wanted = [g * weights["b"]]
        case "read elsewhere":
            wanted = [g + h]
        case _:
            wanted = [g @ weights["v"]]
    if constant == "leaves":
        wanted.append(h)
    assert len(before) == len(after)
    for found, made in zip(after, wanted, strict=True):
        np.testing.assert_allclose(found, made, rtol=1e-4, atol=1e-5)


def test_layers_see_what_the_layers_before_them_make_of_the_data() -> None:
    """Two layers with one weight, a layer whose output leaves, a tail that no layer reads."""
    nodes = [
        node("Conv", "x c", "a", pads=[1, 1, 1, 1]),
        node("Relu", "a", "r"),
        node("Conv", "r c", "b", pads=[1, 1, 1, 1]),
        node("Add", "b r", "s"),
        node("GlobalAveragePool", "s", "p"),
        node("Flatten", "p", "f"),
        node("MatMul", "f w", "y"),
        node("Softmax", "y", "z"),
    ]
    weights = {"c": normal(3, 3, 3, 3) / np.float32(3), "w": normal(3, 4)}
    net = float_net(graph(nodes, weights, sample=[3, 6, 6], outputs=["z", "y"]))
    x = normal(100, 3, 6, 6, seed=1) + normal(100, 3, 1, 1, seed=2)
    wanted = outputs_of(net, [x])[1]
    lost = []
    for options in ({"rounding": "nearest", "correct": "none"}, {"rounding": "nearest"}, {}):
        state = quantize(net, x, weights=3, activations=3, **options)
        found = bw.run(state.graph(), x)[1]
        lost.append(((found - wanted) ** 2).mean())
        assert options.get("correct") or np.abs(found.mean(axis=0) - wanted.mean(axis=0)).max() < 0.05
    assert lost[0] > lost[1] > lost[2]
