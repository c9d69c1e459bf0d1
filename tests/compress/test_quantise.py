# SPDX-License-Identifier: Apache-2.0
"""Post-training quantisation: ranges obey their laws, quantisers stand where they belong, refusals say why."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

import bitwright as bw
from bitwright.compress import RANGES, ROUNDINGS, SCALES, State, calibrate, float_net, outputs_of, quantised, quantize
from bitwright.compress.ranges import SAMPLE
from bitwright.ir.types import integer
from tests.compress.nets import graph, node, normal

DIGITS = Path(__file__).parents[2] / "examples" / "digits"
DENSE = graph([node("MatMul", "x w", "y")], {"w": normal(4, 3)}, sample=[4])
X = normal(8, 4)


def quants(state: State) -> dict[str, tuple[str, tuple[int, ...]]]:
    """Tensor or weight -> (type, shape of the scale) of its quantiser."""
    found = {name: (str(act.type), act.scale.shape) for name, act in state.acts.items()}
    return found | {name: (str(coded.type), coded.scale.shape) for name, (coded,) in state.weights.items()}


def signs(state: State) -> dict[str, bool]:
    """Tensor -> whether its quantiser is signed."""
    return {name: act.type.signed for name, act in state.acts.items()}


@pytest.fixture(scope="module")
def digits() -> Path:
    return DIGITS / "digits_float.onnx"


@pytest.fixture(scope="module")
def data() -> dict[str, NDArray[Any]]:
    with np.load(DIGITS / "digits_data.npz") as file:
        return dict(file)


def test_digits_get_a_quantiser_on_every_layer_input_and_weight(digits: Path, data: dict[str, NDArray[Any]]) -> None:
    state = quantize(digits, [data["calibration"]], weights=3, activations=5, per_channel=True, range="max")
    assert quants(state) == {
        "image": ("u5", ()),
        "relu1": ("u5", ()),
        "relu2": ("u5", ()),
        "relu3": ("u5", ()),
        "conv1.weight": ("s3n", (8, 1, 1, 1)),
        "conv2.weight": ("s3n", (16, 1, 1, 1)),
        "dense1.weight": ("s3n", (32, 1)),
        "dense2.weight": ("s3n", (10, 1)),
    }
    pool = next(layer for layer in state.graph().layers if layer.op == "maxpool")
    assert pool.type == integer(5, signed=False)  # the quantiser stands before the pool, which compares 5-bit codes


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("method", RANGES)
@pytest.mark.parametrize("rule", SCALES)
def test_eight_bits_keep_the_accuracy_of_digits(
    digits: Path, data: dict[str, NDArray[Any]], rule: str, method: str, per_channel: bool
) -> None:
    state = quantize(digits, [data["calibration"]], per_channel=per_channel, range=method, scale=rule)
    exact, floating = bw.run(state.graph(), data["x"]), outputs_of(state.net, [data["x"]])[0]
    reached, wanted = (np.mean(scores.argmax(1) == data["y"]) for scores in (exact, floating))
    assert reached >= wanted - 0.01


def test_the_same_request_gives_the_same_state(digits: Path, data: dict[str, NDArray[Any]]) -> None:
    calibration = calibrate(digits, [data["calibration"]])
    one, two = (quantised(calibration, weights=4, activations=3) for _ in range(2))
    whole = bw.quantize(digits.read_bytes(), data["calibration"], weights=4, activations=3)
    assert one == two == whole and len({one, two, whole}) == 1
    assert one.onnx() == two.onnx()
    assert one != quantised(calibration, weights=4, activations=4)


def test_an_input_is_unsigned_only_if_no_calibration_sample_is_negative() -> None:
    model = graph([node("MatMul", "x w", "y")], {"w": normal(4, 3)}, sample=[4])
    assert signs(quantize(model, [np.abs(normal(8, 4))])) == {"x": False}
    assert signs(quantize(model, [normal(8, 4)])) == {"x": True}


def test_matmul_and_untransposed_gemm_have_their_channels_on_axis_one() -> None:
    nodes = [node("MatMul", "x w", "h"), node("Gemm", "h v b", "y")]
    model = graph(nodes, {"w": normal(4, 3), "v": normal(3, 5), "b": normal(5)}, sample=[4])
    found = quants(quantize(model, [normal(8, 4)], per_channel=True))
    assert (found["w"][1], found["v"][1]) == ((1, 3), (1, 5))


def test_a_weight_of_two_layers_is_quantised_once() -> None:
    nodes = [node("MatMul", "x w", "h"), node("Relu", "h", "r"), node("MatMul", "r w", "y")]
    state = quantize(graph(nodes, {"w": normal(4, 4)}, sample=[4]), [normal(8, 4)])
    assert list(quants(state)) == ["x", "r", "w"]


def test_a_weight_that_two_layers_read_along_different_axes_has_a_scale_for_each_of_them() -> None:
    nodes = [node("MatMul", "x w", "h"), node("Gemm", "h w", "y", transB=1)]
    state = quantize(graph(nodes, {"w": normal(4, 4)}, sample=[4]), [normal(8, 4)], per_channel=True)
    shapes = {name: coded.scale.shape for name, (coded,) in state.weights.items()}
    assert shapes == {"w": (1, 4), "w_turned": (4, 1)}


def test_a_residual_add_gets_integers_on_both_sides() -> None:
    nodes = [
        node("MatMul", "x w", "h"),
        node("Relu", "h", "r"),
        node("MatMul", "r v", "g"),
        node("Add", "g r", "s"),
        node("MatMul", "s w", "y"),
    ]
    model = graph(nodes, {"w": normal(4, 4), "v": normal(4, 4, seed=1)}, sample=[4])
    state = quantize(model, [normal(8, 4)], zero="never")
    assert signs(state) == {"x": True, "r": False, "g": True, "s": True}
    assert [layer.op for layer in state.graph().layers].count("sum") == 1


def test_a_tensor_that_also_leaves_the_model_stays_float_on_its_way_out() -> None:
    nodes = [node("MatMul", "x w", "h"), node("Flatten", "h", "f"), node("MatMul", "f w", "y")]
    model = graph(nodes, {"w": normal(4, 4)}, sample=[4])
    assert set(quantize(model, [normal(8, 4)]).acts) == {"x", "h"}
    model.graph.output.append(helper.make_tensor_value_info("f", TensorProto.FLOAT, ["N", 4]))
    assert set(quantize(model, [normal(8, 4)]).acts) == {"x", "f"}


def test_files_that_list_their_weights_as_inputs_are_taken() -> None:
    model = graph([node("MatMul", "x w", "y")], {"w": normal(4, 3)}, sample=[4])
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3]))
    model.ir_version = 3
    state = quantize(model, [normal(8, 4)])
    written = onnx.load_from_string(state.onnx())
    onnx.checker.check_model(written)
    assert [entry.name for entry in written.graph.input] == ["x"]


def test_nothing_behind_the_last_layer_is_quantised() -> None:
    nodes = [node("MatMul", "x w", "h"), node("Sigmoid", "h", "s"), node("Softmax", "s", "y")]
    assert set(quantize(graph(nodes, {"w": normal(4, 3)}, sample=[4]), [normal(8, 4)]).acts) == {"x"}


def test_a_table_between_layers_gets_its_own_input_quantiser() -> None:
    nodes = [node("MatMul", "x w", "h"), node("LeakyRelu", "h", "l", alpha=0.1), node("MatMul", "l w", "y")]
    state = quantize(graph(nodes, {"w": normal(4, 4)}, sample=[4]), [normal(8, 4)])
    assert signs(state) == {"x": True, "h": True, "l": True}


def test_computed_weights_and_baked_batches_are_understood() -> None:
    nodes = [node("Reshape", "w4 to2", "w"), node("Reshape", "x flat", "f"), node("MatMul", "f w", "y")]
    weights = {"w4": normal(2, 2, 1, 3), "to2": np.array([4, 3]), "flat": np.array([2, 4])}
    model = graph(nodes, weights, sample=[2, 2], batch=2)
    calibration = calibrate(model, [np.arange(12, dtype=np.float32).reshape(3, 2, 2)])
    values = calibration.values["x"]
    assert (values.low.item(), values.high.item()) == (0, 11)
    np.testing.assert_array_equal(values.sample, [np.arange(12)])  # no sample fills up the batch a second time
    assert set(quants(quantised(calibration, per_channel=True))) == {"x", "w"}


@pytest.mark.parametrize("shape", [[1, 4], [1, -1], [0, -1], [-1, 4]])
def test_samples_keep_apart_whatever_a_reshape_says_of_their_number(shape: list[int]) -> None:
    nodes = [node("Reshape", "x to", "f"), node("MatMul", "f w", "y")]
    model = graph(nodes, {"w": normal(4, 3), "to": np.array(shape)}, sample=[2, 2])
    x = normal(70, 2, 2)
    np.testing.assert_allclose(outputs_of(float_net(model), [x])[0], x.reshape(70, 4) @ normal(4, 3), rtol=1e-5)


@pytest.mark.parametrize("opset", [7, 8, 9, 13, 14, 15])
def test_batch_normalisation_has_its_stored_statistics_in_every_opset(opset: int) -> None:
    gamma, beta, mean, var = (normal(4, seed=seed) for seed in range(4))
    mean, var = mean + 3, np.abs(var)
    weights = {"w": normal(4, 4), "gamma": gamma, "beta": beta, "mean": mean, "var": var}
    norm = node("BatchNormalization", "h gamma beta mean var", "n")
    model = graph([node("MatMul", "x w", "h"), norm, node("MatMul", "n w", "y")], weights, sample=[4], opset=opset)
    x = normal(32, 4)
    wanted = (x @ normal(4, 4) - mean) / np.sqrt(var + 1e-5) * gamma + beta
    values = calibrate(model, [x]).values["n"]
    np.testing.assert_allclose([values.low.item(), values.high.item()], [wanted.min(), wanted.max()], rtol=1e-4)


def test_leftovers_that_reach_no_output_do_not_count() -> None:
    nodes = [node("MatMul", "x w", "y"), node("GRU", "x w w", "lost"), node("MatMul", "x v", "unused")]
    state = quantize(graph(nodes, {"w": normal(4, 3), "v": normal(4, 2)}, sample=[4]), [normal(8, 4)])
    assert set(quants(state)) == {"x", "w"}


def test_operators_on_constants_are_computed_before_anything_is_judged() -> None:
    nodes = [
        node("ReduceL2", "v", "norm", axes=[1], keepdims=1),
        node("Div", "v norm", "w"),
        node("Gemm", "x w", "y", transB=1),
    ]
    state = quantize(graph(nodes, {"v": normal(3, 4)}, sample=[4]), [normal(8, 4)])
    lengths = np.sqrt((state.net.constants["w"] ** 2).sum(axis=1))
    np.testing.assert_allclose(lengths, 1, rtol=1e-6)


def test_weights_in_another_file_of_the_same_folder_are_read(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    model = onnx.ModelProto.FromString(DENSE.SerializeToString())
    onnx.save(model, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    assert quantize(path, X) == quantize(DENSE, X)


def test_extremes_come_from_every_value_though_few_are_kept() -> None:
    x = np.zeros((500, 1000), dtype=np.float32)
    x[333, 777] = 9
    calibration = calibrate(graph([node("MatMul", "x w", "y")], {"w": normal(1000, 1)}, sample=[1000]), [x])
    values = calibration.values["x"]
    assert values.high.item() == 9
    assert values.sample.size < 2 * SAMPLE


def test_float_outputs_do_not_depend_on_the_chunks() -> None:
    model = graph([node("MatMul", "x w", "y")], {"w": normal(4, 3)}, sample=[4])
    x = normal(130, 4)
    np.testing.assert_allclose(outputs_of(float_net(model), [x])[0], x @ normal(4, 3), rtol=1e-5)


@pytest.mark.parametrize("rounding", ROUNDINGS)
def test_a_pruned_weight_stays_zero(rounding: str) -> None:
    pruned = normal(40, 5) * (np.random.default_rng(0).random((40, 5)) < 0.3)
    model = graph([node("MatMul", "x w", "y")], {"w": pruned}, sample=[40])
    (coded,) = quantize(model, np.abs(normal(200, 40)), rounding=rounding).weights["w"]
    assert not coded.codes[pruned == 0].any()
