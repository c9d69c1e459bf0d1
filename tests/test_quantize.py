# SPDX-License-Identifier: Apache-2.0
"""Post-training quantisation: ranges obey their laws, quantisers stand where they belong, refusals say why."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from bitwright.compress import RANGES, SCALES, Scheme, apply_scheme, calibrate, quantize, read_float, run_float
from bitwright.ir.errors import BitwrightError
from tests.qonnx_op import evaluate

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
Floats = NDArray[np.float32]


def constants(model: onnx.ModelProto) -> dict[str, NDArray[Any]]:
    return {tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer}


def quants(model: onnx.ModelProto) -> dict[str, tuple[int, int, int, tuple[int, ...]]]:
    """Tensor -> (bits, signed, narrow, shape of the scale) of the Quant that reads it."""
    known = constants(model)
    found = {}
    for node in model.graph.node:
        if node.op_type == "Quant":
            flags = {a.name: a.i for a in node.attribute}
            shape = known[node.input[1]].shape
            found[node.input[0]] = (int(known[node.input[3]]), flags["signed"], flags["narrow"], shape)
    return found


def graph(
    nodes: Sequence[onnx.NodeProto], weights: dict[str, NDArray[Any]], *, sample: Sequence[int], batch: int | str = "N"
) -> onnx.ModelProto:
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *sample])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", "outputs"])],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def node(op: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    return helper.make_node(op, inputs.split(), [output], name=f"{op}_{output}", **attributes)


def normal(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


@pytest.fixture(scope="module")
def digits() -> onnx.ModelProto:
    return read_float(DIGITS / "digits_float.onnx")


@pytest.fixture(scope="module")
def data() -> dict[str, NDArray[Any]]:
    with np.load(DIGITS / "digits_data.npz") as file:
        return dict(file)


def test_digits_get_a_quantiser_on_every_layer_input_and_weight(
    digits: onnx.ModelProto, data: dict[str, NDArray[Any]]
) -> None:
    model = quantize(digits, [data["calibration"]], weights=3, activations=5, per_channel=True, range="max")
    onnx.checker.check_model(model)
    assert quants(model) == {
        "image": (5, 0, 0, ()),
        "conv1.weight": (3, 1, 1, (8, 1, 1, 1)),
        "relu1": (5, 0, 0, ()),
        "conv2.weight": (3, 1, 1, (16, 1, 1, 1)),
        "relu2": (5, 0, 0, ()),
        "dense1.weight": (3, 1, 1, (32, 1)),
        "relu3": (5, 0, 0, ()),
        "dense2.weight": (3, 1, 1, (10, 1)),
    }
    readers = {n.input[0]: n.op_type for n in model.graph.node}
    assert readers["relu1_quant"] == "MaxPool"  # before the pool, which then compares 5-bit codes


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("method", RANGES)
@pytest.mark.parametrize("rule", SCALES)
def test_eight_bits_keep_the_accuracy_of_digits(
    digits: onnx.ModelProto, data: dict[str, NDArray[Any]], rule: str, method: str, per_channel: bool
) -> None:
    model = quantize(digits, [data["calibration"]], per_channel=per_channel, range=method, scale=rule)
    reached, floating = (np.mean(evaluate(m, data["x"]).argmax(1) == data["y"]) for m in (model, digits))
    assert reached >= floating - 0.01


def test_the_same_request_gives_the_same_bytes(digits: onnx.ModelProto, data: dict[str, NDArray[Any]]) -> None:
    calibration = calibrate(digits, [data["calibration"]])
    one, two = (apply_scheme(calibration, Scheme(weights=4, activations=3)) for _ in range(2))
    whole = quantize(digits, [data["calibration"]], weights=4, activations=3)
    texts = {m.SerializeToString(deterministic=True) for m in (one, two, whole)}
    assert len(texts) == 1
    assert not any(n.op_type == "Quant" for n in digits.graph.node)


def test_an_input_is_unsigned_only_if_no_calibration_sample_is_negative() -> None:
    model = graph([node("MatMul", "x w", "y")], {"w": normal(4, 3)}, sample=[4])
    assert quants(quantize(model, [np.abs(normal(8, 4))]))["x"] == (8, 0, 0, ())
    assert quants(quantize(model, [normal(8, 4)]))["x"] == (8, 1, 0, ())


def test_matmul_and_untransposed_gemm_have_their_channels_on_axis_one() -> None:
    nodes = [node("MatMul", "x w", "h"), node("Gemm", "h v b", "y")]
    model = graph(nodes, {"w": normal(4, 3), "v": normal(3, 5), "b": normal(5)}, sample=[4])
    found = quants(quantize(model, [normal(8, 4)], per_channel=True))
    assert (found["w"][3], found["v"][3]) == ((1, 3), (1, 5))


def test_a_weight_of_two_layers_is_quantised_once() -> None:
    nodes = [node("MatMul", "x w", "h"), node("Relu", "h", "r"), node("MatMul", "r w", "y")]
    model = quantize(graph(nodes, {"w": normal(4, 4)}, sample=[4]), [normal(8, 4)])
    assert [n.input[0] for n in model.graph.node if n.op_type == "Quant"] == ["x", "w", "r"]


def test_a_residual_add_gets_integers_on_both_sides() -> None:
    nodes = [
        node("MatMul", "x w", "h"),
        node("Relu", "h", "r"),
        node("MatMul", "r v", "g"),
        node("Add", "g r", "s"),
        node("MatMul", "s w", "y"),
    ]
    model = graph(nodes, {"w": normal(4, 4), "v": normal(4, 4, seed=1)}, sample=[4])
    rewritten = quantize(model, [normal(8, 4)])
    found = quants(rewritten)
    assert {name: flags[1] for name, flags in found.items()} == {"x": 1, "w": 1, "r": 0, "v": 1, "g": 1, "s": 1}
    add = next(n for n in rewritten.graph.node if n.op_type == "Add")
    assert list(add.input) == ["g_quant", "r_quant"]


def test_a_tensor_that_also_leaves_the_model_stays_float_on_its_way_out() -> None:
    nodes = [node("MatMul", "x w", "h"), node("Flatten", "h", "f"), node("MatMul", "f w", "y")]
    model = graph(nodes, {"w": normal(4, 4)}, sample=[4])
    assert set(quants(quantize(model, [normal(8, 4)]))) == {"x", "w", "h"}
    model.graph.output.append(helper.make_tensor_value_info("f", TensorProto.FLOAT, ["N", 4]))
    assert set(quants(quantize(model, [normal(8, 4)]))) == {"x", "w", "f"}


def test_files_that_list_their_weights_as_inputs_are_taken() -> None:
    model = graph([node("MatMul", "x w", "y")], {"w": normal(4, 3)}, sample=[4])
    model.graph.input.append(helper.make_tensor_value_info("w", TensorProto.FLOAT, [4, 3]))
    model.ir_version = 3
    rewritten = quantize(model, [normal(8, 4)])
    onnx.checker.check_model(rewritten)
    assert [entry.name for entry in rewritten.graph.input] == ["x"]


def test_nothing_behind_the_last_layer_is_quantised() -> None:
    nodes = [node("MatMul", "x w", "h"), node("Sigmoid", "h", "s"), node("Softmax", "s", "y")]
    assert set(quants(quantize(graph(nodes, {"w": normal(4, 3)}, sample=[4]), [normal(8, 4)]))) == {"x", "w"}


def test_a_table_between_layers_gets_its_own_input_quantiser() -> None:
    nodes = [node("MatMul", "x w", "h"), node("LeakyRelu", "h", "l", alpha=0.1), node("MatMul", "l w", "y")]
    found = quants(quantize(graph(nodes, {"w": normal(4, 4)}, sample=[4]), [normal(8, 4)]))
    assert {name: flags[1] for name, flags in found.items()} == {"x": 1, "w": 1, "h": 1, "l": 1}


def test_computed_weights_and_baked_batches_are_understood() -> None:
    nodes = [
        node("Reshape", "w4 to2", "w"),
        node("Reshape", "x flat", "f"),
        node("MatMul", "f w", "y"),
    ]
    weights = {"w4": normal(2, 2, 1, 3), "to2": np.array([4, 3]), "flat": np.array([2, 4])}
    model = graph(nodes, weights, sample=[2, 2], batch=2)
    calibration = calibrate(model, [np.arange(12, dtype=np.float32).reshape(3, 2, 2)])
    values = calibration.values["x"]
    assert (values.low.item(), values.high.item()) == (0, 11)
    assert values.sample.size == 16  # the third sample shares its batch of two with the first
    np.testing.assert_array_equal(np.unique(values.sample), np.arange(12))
    assert set(quants(apply_scheme(calibration, Scheme(per_channel=True)))) == {"x", "w"}


def test_extremes_come_from_every_value_though_few_are_kept() -> None:
    x = np.zeros((500, 1000), dtype=np.float32)
    x[333, 777] = 9
    calibration = calibrate(graph([node("MatMul", "x w", "y")], {"w": normal(1000, 1)}, sample=[1000]), [x])
    values = calibration.values["x"]
    assert values.high.item() == 9
    assert values.sample.size <= 1 << 15


def test_float_outputs_do_not_depend_on_the_chunks() -> None:
    model = graph([node("MatMul", "x w", "y")], {"w": normal(4, 3)}, sample=[4])
    x = normal(130, 4)
    np.testing.assert_allclose(run_float(calibrate(model, [x]).float_model, [x])[0], x @ normal(4, 3), rtol=1e-5)


# What is refused

DENSE = graph([node("MatMul", "x w", "y")], {"w": normal(4, 3)}, sample=[4])
X = normal(8, 4)
REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "quantised": (
        lambda: quantize(quantize(DENSE, [X]), [X]),
        "node 'x_quant': the model is quantised already (Quant)\n"
        "  hint: give the float model, or compile this one as it is",
    ),
    "unsupported": (
        lambda: quantize(graph([node("GRU", "x w w", "y")], {"w": normal(4, 3)}, sample=[4]), [X]),
        "node 'GRU_y': GRU cannot be quantised yet\n"
        "  hint: supported: Add, ArgMax, AveragePool, BatchNormalization, Cast, Clip, Concat, Constant, Conv, Div, "
        "Dropout, Flatten, Gather, Gemm, GlobalAveragePool, Identity, LeakyRelu, LogSoftmax, MatMul, MaxPool, Mul, "
        "Relu, Reshape, Shape, Sigmoid, Slice, Softmax, Squeeze, Sub, Tanh, TopK, Transpose, Unsqueeze",
    ),
    "no weights": (
        lambda: quantize(graph([node("MatMul", "x x", "y")], {}, sample=[4]), [X]),
        "node 'MatMul_y': the weights of this MatMul, 'x', are computed from the input\n"
        "  hint: only layers with constant weights, as the second operand, can be quantised yet",
    ),
    "product": (
        lambda: quantize(
            graph([node("MatMul", "x w", "h"), node("Mul", "h h", "y")], {"w": normal(4, 3)}, sample=[4]), [X]
        ),
        "node 'Mul_y': both operands of this Mul are computed from the input\n"
        "  hint: one operand must be constant; only Add takes two tensors yet",
    ),
    "no layer": (
        lambda: quantize(graph([node("Relu", "x", "y")], {}, sample=[4]), [X]),
        "graph 'g': has no layer with weights\n  hint: quantising is for networks with Conv, Gemm, MatMul",
    ),
    "invalid": (
        lambda: quantize(graph([node("MatMul", "z w", "y")], {"w": normal(4, 3)}, sample=[4]), [X]),
        "graph 'g': is not valid ONNX: Nodes in a graph must be topologically sorted, however input 'z' of node: \n"
        "  hint: export the model again",
    ),
    "does not run": (
        lambda: quantize(graph([node("MatMul", "x w", "y")], {"w": normal(5, 3)}, sample=[4]), [X]),
        "graph 'g': the float model cannot be run on the data: Issues with types <class 'numpy.ndarray'>, "
        "<class 'numpy.ndarray'> (binary operator 'MatMul').\n"
        "  hint: check that the model runs in another tool on the same data",
    ),
    "weight bits": (
        lambda: quantize(DENSE, [X], weights=1),
        "quantize: 1 bits cannot be used for weights\n  hint: choose 2 to 16 bits",
    ),
    "activation bits": (
        lambda: quantize(DENSE, [X], activations=17),
        "quantize: 17 bits cannot be used for activations\n  hint: choose 2 to 16 bits",
    ),
    "range": (
        lambda: quantize(DENSE, [X], range="kl"),
        "quantize: 'kl' cannot be used for range\n  hint: choose max or mse",
    ),
    "scale": (
        lambda: quantize(DENSE, [X], scale="po3"),
        "quantize: 'po3' cannot be used for scale\n  hint: choose free or po2",
    ),
    "count": (
        lambda: quantize(DENSE, [X, X]),
        "calibration data: 2 arrays for a model with 1 inputs\n  hint: give one array for each of: x",
    ),
    "shape": (
        lambda: quantize(DENSE, [normal(8, 5)]),
        "calibration data for input 'x': shape (8, 5), where the model takes (N, 4)\n  hint: samples stack on axis 0",
    ),
    "dtype": (
        lambda: quantize(DENSE, [np.ones((8, 4), dtype=np.int64)]),
        "calibration data for input 'x': dtype int64, where the model takes float32\n"
        "  hint: only float inputs can be calibrated; give real values as float32",
    ),
    "empty": (
        lambda: quantize(DENSE, [normal(0, 4)]),
        "calibration data for input 'x': 0 samples\n"
        "  hint: give the same number of samples, at least one, for every input",
    ),
    "not finite": (
        lambda: quantize(DENSE, [np.full((8, 4), np.nan, dtype=np.float32)]),
        "tensor 'x': holds values that are not finite on the calibration data\n"
        "  hint: check the float model and how the data is scaled",
    ),
    "no file": (
        lambda: read_float(Path("missing.onnx")),
        "missing.onnx: cannot be read: No such file or directory\n  hint: give the path of an ONNX file",
    ),
}


@pytest.mark.parametrize("request_, message", REFUSED.values(), ids=REFUSED)
def test_refusals_say_where_what_and_what_to_do(request_: Callable[[], object], message: str) -> None:
    with pytest.raises(BitwrightError) as refusal:
        request_()
    assert str(refusal.value) == message


def test_a_file_that_is_no_onnx_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for content in (b"", b"# not a model"):
        path.write_bytes(content)
        with pytest.raises(BitwrightError) as refusal:
            read_float(path)
        assert str(refusal.value) == f"{path}: is not an ONNX model\n  hint: export the network to ONNX"


def test_weights_in_another_file_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    onnx.save(DENSE, path, save_as_external_data=True, location="w.bin", size_threshold=0)
    with pytest.raises(BitwrightError) as refusal:
        read_float(path)
    assert str(refusal.value) == (
        f"{path}: tensor 'w' is kept in another file\n"
        "  hint: save the model as one file: onnx.save(onnx.load(path), path)"
    )
