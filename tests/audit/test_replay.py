# SPDX-License-Identifier: Apache-2.0
"""The float32 replay: every operator against a plain definition, and whole models against their golden outputs."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from numpy.typing import NDArray
from onnx import TensorProto
from onnx.reference import ReferenceEvaluator

from bitwright.audit import operators, qlinear
from bitwright.audit.products import product
from bitwright.audit.quantisers import quantisers
from bitwright.audit.replay import Replay, ReplayError
from bitwright.reading.read import read_model
from tests.audit.nets import ORDERS, samples
from tests.frontend.nets import QONNX, Net

Array = NDArray[Any]
MODELS = Path(__file__).parents[2].parent / "shared/models"
EXACTLY = [
    "tflite/int16_conv0",
    "tflite/int16_add0",
    "tflite/int16_leakyrelu0",
    "tflite/ad_autoenc_int8",
    "ortquant/cnn_qoperator_u8s8",
    "ortquant/cnn_qdq_u8u8",
    "ortquant/convt_concat_qdq_s8",
    "ortquant/convt_concat_qoperator",
    "brevitas/cnn_ts_qcdq",
    "deeploy/miniMobileNet",
    "hls4ml_examples/separable_conv_chlast",
    "finn/build_dataflow_tfc",
]


def outputs(proto: onnx.ModelProto, *x: Array) -> Array:
    name = proto.graph.output[0].name
    return Replay(read_model(proto), [name]).run(list(x))[name]


@pytest.mark.slow
@pytest.mark.parametrize("name", EXACTLY)
def test_a_replay_gives_the_golden_outputs(name: str) -> None:
    """All codes are equal; real outputs are, up to the last bit of a sum."""
    folder = MODELS / name
    if not folder.exists():
        pytest.skip(f"no model collection at {MODELS}")
    data, proto = np.load(folder / "golden.npz"), onnx.load(folder / "model.onnx")
    keys = ["inputs", *(key for key in data.files if key.startswith("inputs_"))]
    for k in range(min(4, len(data["inputs"]))):
        made = outputs(proto, *(data[key][k] for key in keys))
        wanted = data["outputs"][k].reshape(-1)
        if wanted.dtype.kind in "iu":
            np.testing.assert_array_equal(made, wanted)
        np.testing.assert_allclose(made, wanted, rtol=1e-6, atol=1e-6 * float(np.abs(wanted).max()))


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize(("rows", "terms", "columns"), [(1, 9, 25), (1, 30, 4), (5, 300, 400), (4, 300, 20), (3, 7, 2)])
def test_products_are_products(order: Any, rows: int, terms: int, columns: int) -> None:
    a, b = samples(2, rows, terms), samples(2, terms, columns, seed=1)
    start = samples(rows, columns, seed=2)
    wanted = a.astype(np.float64) @ b.astype(np.float64) + start
    made = order(a, b, start)
    assert made.dtype == np.float32
    np.testing.assert_allclose(made, wanted, rtol=0, atol=1e-4)
    assert (order(a, b) == order(a, b, np.zeros((rows, columns), np.float32))).all()


def test_a_sum_of_products_rounds_once_per_term() -> None:
    """1 + 2**-24 * (1 + 2**-23): the product alone rounds to a tie, together with the sum it does not."""
    a = np.array([[1, 2.0**-12 * (1 + 2.0**-12)], [0, 0]], np.float32)
    b = np.array([[1], [2.0**-12]], np.float32)
    assert product(a, b)[0, 0] == np.float32(1 + 2.0**-23)


PADDED = {"pads": [1, 0, 2, 1]}
STRIDED = {"strides": [2, 1], "dilations": [1, 2]}
SAME = {"auto_pad": "SAME_UPPER", "strides": [2, 2]}
PARTIAL = {"strides": [2, 1], "ceil_mode": 1, "count_include_pad": 1, "pads": [1, 1, 0, 1]}


@pytest.mark.parametrize(
    ("op", "attributes"),
    [
        *(("Conv", attributes) for attributes in ({}, PADDED, STRIDED, SAME, SAME | {"auto_pad": "SAME_LOWER"})),
        *(("ConvTranspose", attributes) for attributes in ({}, PADDED, STRIDED, {"output_padding": [1, 0]} | STRIDED)),
        *(("MaxPool", attributes) for attributes in ({}, STRIDED, SAME)),
        *(("AveragePool", attributes) for attributes in ({}, {"pads": [1, 1, 1, 1]}, SAME, PARTIAL)),
    ],
)
def test_windows_are_those_of_onnx(op: str, attributes: dict[str, Any]) -> None:
    x = samples(1, 2, 7, 8)
    net = Net(2, 7, 8, opset=19)
    if "Pool" in op:
        net.add(op, net.x, kernel_shape=[3, 3], **attributes)
    else:
        net.add(op, net.x, net.const(samples(2, 2, 3, 3, seed=1)), net.const(samples(2, seed=2)), **attributes)
    proto = net.proto()
    (wanted,) = ReferenceEvaluator(proto).run(None, {"x": x})
    np.testing.assert_allclose(outputs(proto, x[0]), wanted.reshape(-1), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", [np.float32, np.int8])
def test_padding_never_wins_a_max_pool(kind: Any) -> None:
    x = (samples(1, 2, 4, 5) * 40 - 100).astype(kind)
    made = operators.max_pool({"kernel_shape": [2, 3], "pads": [1, 0, 2, 1]}, x)
    lowest = -np.inf if kind is np.float32 else -128
    wide = np.pad(x, ((0, 0), (0, 0), (1, 2), (0, 1)), constant_values=lowest)
    for i, j in np.ndindex(*made.shape[2:]):
        np.testing.assert_array_equal(made[:, :, i, j], wide[:, :, i : i + 2, j : j + 3].max(axis=(2, 3)))


@pytest.mark.parametrize("size", [(2, 2), (3, 3), (2, 3), (3, 2), (1, 3), (5, 5)])
@pytest.mark.parametrize("attributes", [{}, {"pads": [1, 0, 0, 1]}, {"strides": [2, 2]}], ids=str)
def test_means_are_added_up_as_onnxruntime_does(size: tuple[int, int], attributes: dict[str, Any]) -> None:
    """Bit by bit: ties of a quantiser behind a mean fall as they do there."""
    pads = dict(attributes, pads=[0, 0, 0, 0]) if size == (1, 3) else attributes
    net = Net(4, 9, 11)
    net.add("AveragePool", net.x, kernel_shape=list(size), **pads)
    x = (np.random.default_rng(0).integers(-90, 90, (1, 4, 9, 11)) * np.float32(0.03)).astype(np.float32)
    session = onnxruntime.InferenceSession(net.proto().SerializeToString(), providers=["CPUExecutionProvider"])
    (wanted,) = session.run(None, {"x": x})
    np.testing.assert_array_equal(outputs(net.proto(), x[0]), wanted.reshape(-1))


def test_groups_and_signals() -> None:
    x = samples(1, 4, 9)
    net = Net(4, 9)
    net.add("Conv", net.x, net.const(samples(6, 2, 3, seed=1)), group=2, pads=[1, 1])
    proto = net.proto()
    (wanted,) = ReferenceEvaluator(proto).run(None, {"x": x})
    np.testing.assert_allclose(outputs(proto, x[0]), wanted.reshape(-1), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("attributes", [{}, {"transB": 1}, {"alpha": 0.5, "beta": 2.0}])
def test_gemm(attributes: dict[str, Any]) -> None:
    net = Net(5)
    b = samples(3, 5) if attributes.get("transB") else samples(5, 3)
    net.add("Gemm", net.x, net.const(b), net.const(samples(3, seed=1)), **attributes)
    x = samples(1, 5, seed=2)
    (wanted,) = ReferenceEvaluator(net.proto()).run(None, {"x": x})
    np.testing.assert_allclose(outputs(net.proto(), x[0]), wanted[0], rtol=1e-5, atol=1e-6)


def test_channels_last_is_channels_first_turned() -> None:
    x, w = samples(1, 6, 7, 3), samples(4, 3, 3, 3, seed=1)
    turned = operators.channels_last(operators.conv)({"pads": [1, 1, 1, 1]}, x, w)
    plain = operators.conv({"pads": [1, 1, 1, 1]}, x.transpose(0, 3, 1, 2), w.transpose(0, 3, 1, 2))
    np.testing.assert_array_equal(turned, plain.transpose(0, 2, 3, 1))


def test_batch_normalisation_and_means() -> None:
    x = samples(2, 3, 5, 5)
    gamma, beta, mean = samples(3, 3, seed=1)
    var = np.abs(samples(3, seed=2)) + np.float32(0.1)
    wanted = (x - mean[:, None, None]) / np.sqrt(var + 1e-5)[:, None, None] * gamma[:, None, None] + beta[:, None, None]
    made = operators.batch_normalization({"epsilon": 1e-5}, x, gamma, beta, mean, var)
    np.testing.assert_allclose(made, wanted, rtol=1e-5, atol=1e-5)
    pooled = operators.global_average_pool({}, x)[..., 0, 0]
    np.testing.assert_allclose(pooled, x.mean(axis=(2, 3)), rtol=1e-5, atol=1e-6)
    flat = operators.reduce_mean({"keepdims": 0}, x, np.array([2, 3]))
    np.testing.assert_allclose(flat, x.mean(axis=(2, 3)), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize(
    ("mode", "codes"),
    [
        ("ROUND", [-2, -2, 0, 0, 2, 2]),
        ("half_up", [-3, -2, -1, 1, 2, 3]),
        ("HALF_DOWN", [-2, -1, 0, 0, 1, 2]),
        ("CEIL", [-2, -1, 0, 1, 2, 3]),
        ("FLOOR", [-3, -2, -1, 0, 1, 2]),
        ("UP", [-3, -2, -1, 1, 2, 3]),
        ("DOWN", [-2, -1, 0, 0, 1, 2]),
    ],
)
def test_qonnx_rounding_modes(mode: str, codes: list[int]) -> None:
    net = Net(6)
    net.quant(net.x, 0.5, mode=mode)
    x = np.array([-2.5, -1.5, -0.5, 0.5, 1.5, 2.5], np.float32) / 2
    np.testing.assert_array_equal(outputs(net.proto(), x), np.array(codes) * 0.5)


def test_qonnx_limits_zero_points_and_signs() -> None:
    x = np.array([-100, 0.5, 100, -0.1], np.float32)
    for bits, flags, codes in ((4, (1, 1), [-7, 0, 7, 0]), (4, (0, 0), [0, 0, 15, 0]), (1, (1, 0), [-1, 1, 1, -1])):
        net = Net(4)
        net.quant(net.x, 1.0, bits=float(bits), signed=flags[0], narrow=flags[1])
        np.testing.assert_array_equal(outputs(net.proto(), x), codes)
    net = Net(4)
    net.quant(net.x, 1.0, zero=3.0)
    assert outputs(net.proto(), x)[1] == 1  # 3.5 rounds to 4, QuantizeLinear would give 0
    net = Net(4)
    net.add("BipolarQuant", net.x, net.const(0.5), domain=QONNX)
    np.testing.assert_array_equal(outputs(net.proto(), np.array([-1, -0.0, 0, 2], np.float32)), [-0.5, 0.5, 0.5, 0.5])


def test_torch_multiplies_by_the_reciprocal() -> None:
    scale, x = np.float32(0.03), np.arange(200, dtype=np.float32) * np.float32(0.015)
    divided, multiplied = (
        quantisers(reciprocal=flag)["QuantizeLinear"]({}, x, scale, np.zeros((), np.uint8)) for flag in (False, True)
    )
    np.testing.assert_array_equal(divided, np.rint(x / scale))
    np.testing.assert_array_equal(multiplied, np.rint(x * (np.float32(1) / scale)))
    assert (divided != multiplied).any()


def test_quantize_linear_along_an_axis_and_back() -> None:
    functions = quantisers(reciprocal=False)
    x = samples(1, 3, 4) * 40
    scale, zero = np.array([0.5, 1, 2], np.float32), np.array([0, 1, -1], np.int8)
    q = functions["QuantizeLinear"]({"axis": 1}, x, scale, zero)
    assert q.dtype == np.int8
    np.testing.assert_array_equal(q, np.clip(np.rint(x / scale[:, None]) + zero[:, None], -128, 127))
    back = functions["DequantizeLinear"]({"axis": 1}, q, scale, zero)
    np.testing.assert_array_equal(back, (q.astype(np.float32) - zero[:, None]) * scale[:, None])
    assert functions["QuantizeLinear"]({}, np.float32([-3, 300]), np.float32(1)).tolist() == [0, 255]


def test_trunc_of_both_versions() -> None:
    trunc = quantisers(reciprocal=False)["Trunc"]
    x, one = np.array([23, -23, 8, 24], np.float32), np.float32(1)
    first = trunc({"rounding_mode": "FLOOR"}, x, one, np.float32(0), np.float32(8), np.float32(4))
    np.testing.assert_array_equal(first, [1, -2, 0, 1])
    rounded = trunc({"rounding_mode": "ROUND"}, x, one, np.float32(0), np.float32(8), np.float32(16), np.float32(4))
    np.testing.assert_array_equal(rounded, [16, -16, 0, 32])


def test_thresholds_count() -> None:
    count = quantisers(reciprocal=False)["MultiThreshold"]
    levels = np.array([[0, 1, 1], [5, 6, 7]], np.float32)
    x = np.array([[[1, 6]], [[-1, 9]]], np.float32).transpose(0, 2, 1)
    np.testing.assert_array_equal(count({}, x.reshape(2, 2), levels), [[3, 2], [0, 3]])
    scaled = count({"out_scale": 2.0, "out_bias": -1.0, "data_layout": "NC"}, x.reshape(2, 2), levels)
    np.testing.assert_array_equal(scaled, [[5, 3], [-1, 5]])


def test_requant_shift() -> None:
    shift = quantisers(reciprocal=False)["RequantShift"]
    x = np.array([[[-9, 7, 8, 100000]]], np.float32)
    attributes = {"div": np.array([16.0]), "n_levels_out": np.array([256.0]), "signed": np.array([1.0])}
    made = shift(attributes, x, np.float32([1]), np.float32([0]))
    np.testing.assert_array_equal(made, [[[-1, 0, 1, 127]]])
    assert shift(attributes | {"signed": 0}, x, np.float32([1]), np.float32([0])).tolist() == [[[0, 0, 1, 255]]]


def test_qlinear_operators_are_their_float_operators_between_quantisers() -> None:
    rng = np.random.default_rng(0)
    a, b = (rng.integers(0, 255, (1, 4, 4, 4)).astype(np.uint8) for _ in range(2))
    sa, sb, sy = np.float32(0.02), np.float32(0.03), np.float32(0.05)
    za, zb, zy = np.uint8(100), np.uint8(7), np.uint8(80)
    real = (a.astype(np.float64) - za) * sa, (b.astype(np.float64) - zb) * sb

    def codes(y: Array, scale: Any = sy) -> Array:
        return np.clip(np.rint(y / scale) + 80, 0, 255)

    functions = qlinear.FUNCTIONS
    both = (a, sa, za, b, sb, zb)
    np.testing.assert_array_equal(functions["QLinearAdd"]({}, *both, sy, zy), codes(real[0] + real[1]))
    np.testing.assert_array_equal(functions["QLinearMul"]({}, *both, sy, zy), codes(real[0] * real[1]))
    joined = functions["QLinearConcat"]({"axis": 1}, sy, zy, *both)
    np.testing.assert_array_equal(joined, np.concatenate([codes(real[0]), codes(real[1])], axis=1))
    leaky = functions["QLinearLeakyRelu"]({"alpha": 0.1}, a, sa, za, sy, zy)
    np.testing.assert_array_equal(leaky, codes(np.where(real[0] > 0, real[0], 0.1 * real[0])))
    pooled = functions["QLinearGlobalAveragePool"]({}, a, sa, za, sy, zy)
    np.testing.assert_array_equal(pooled, codes(real[0].mean(axis=(2, 3), keepdims=True)))


def test_a_model_that_cannot_be_replayed_says_why() -> None:
    net = Net(4, batch=1)
    net.add("Reshape", net.x, net.const([3], np.int64))
    with pytest.raises(ReplayError, match="reshape"):
        outputs(net.proto(), samples(4))


def test_a_batch_written_into_the_model_is_filled_with_copies() -> None:
    net = Net(4, batch=3)
    net.quant(net.add("Reshape", net.x, net.const([3, 2, 2], np.int64)), 0.5)
    np.testing.assert_array_equal(outputs(net.proto(), np.array([1, 2, 3, 4], np.float32)), [1, 2, 3, 4])


def test_attributes_that_no_schema_knows_and_foreign_domains_are_no_obstacle() -> None:
    net = Net(4, kind=TensorProto.FLOAT)
    relu = net.add("Relu", net.x, weight_bits=8)
    net.quant(relu, 0.5, domain="onnx.brevitas")
    np.testing.assert_array_equal(outputs(net.proto(), np.array([-1, 1, 2, 3.3], np.float32)), [0, 1, 2, 3.5])


@pytest.mark.parametrize("axes", [(2, 3), (1,), (-1, 1), (0, 2), ()])
@pytest.mark.parametrize("keepdims", [0, 1])
def test_means_over_any_axes(axes: tuple[int, ...], keepdims: int) -> None:
    x = np.random.default_rng(len(axes)).integers(-99, 99, (2, 3, 4, 5))
    wanted = x.mean(axis=tuple(axes) or None, keepdims=bool(keepdims))
    given = {"keepdims": keepdims, **({"axes": list(axes)} if axes else {})}
    np.testing.assert_allclose(operators.reduce_mean(given, x.astype(np.float32)), wanted, rtol=1e-6, atol=1e-5)
    np.testing.assert_array_equal(operators.reduce_mean(given, x), np.trunc(wanted))
    assert operators.reduce_mean({"noop_with_empty_axes": 1}, x, np.array([], np.int64)) is x
