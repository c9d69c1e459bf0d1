# SPDX-License-Identifier: Apache-2.0
"""Networks without an integer meaning: one message with the node, the reason and the way out, word for word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from bitwright.frontend.lowering import load_onnx
from tests.frontend.nets import QONNX, Net
from tests.frontend.refusing import chip, kernel, refusal

SHARED = Path(__file__).parents[2].parent / "shared/models"
QUANTISE = "quantise it first: bitwright quantize MODEL --data CALIBRATION.npz -o OUT.onnx"
NO_MEANING = "it has no integer meaning; cut the network before and behind it"
NORMALISES = "normalises every sample in float: a mean, a variance and a square root of data"
NORMALISE_LESS = "it has no integer meaning; use BatchNormalization, or cut the network before and behind it"
RECURRENT = "is recurrent: its state runs from step to step"
FEED_FORWARD = "only feed-forward networks are supported; use convolutions over time, or run this part on the host"
FLOAT = "computes in float: nothing in the network is quantised"
WEIGHT_ONLY = "has quantised weights, but computes in float: no activation is quantised"


def linear(net: Net, x: str) -> str:
    return net.add("MatMul", x, net.const(np.eye(4)))


def float_network() -> Net:
    net = Net(4)
    linear(net, net.add("Relu", linear(net, net.x)))
    return net


def test_a_float_network() -> None:
    assert refusal(float_network().proto()) == f"model: node 'matmul0' (MatMul): {FLOAT}\n  hint: {QUANTISE}"


@pytest.mark.parametrize("dialect", ["qdq", "qonnx"])
def test_quantised_weights_alone(dialect: str) -> None:
    net = Net(4)
    weights = net.dequantize(net.const(np.eye(4), np.int8), 0.5, 0, np.int8) if dialect == "qdq" else None
    net.add("MatMul", net.x, weights or net.weights(np.eye(4)))
    assert refusal(net.proto()) == (
        f"model: node 'matmul1' (MatMul): {WEIGHT_ONLY}\n"
        "  hint: quantise the activations as well (bitwright quantize); one layer alone only needs --input x=s16.8"
    )


def test_integer_inputs_need_no_quantiser() -> None:
    net = Net(4, kind=TensorProto.UINT8)
    linear(net, net.add("Cast", net.x, to=TensorProto.FLOAT))
    assert [layer.op for layer in load_onnx(net.proto()).layers] == ["dense"]


def test_an_input_without_a_type_before_quantised_layers() -> None:
    net = Net(4)
    linear(net, net.quant(linear(net, net.x), 0.5))
    assert refusal(net.proto()) == (
        "model: node 'matmul0' (MatMul): reads real values that no quantiser turned into integers\n"
        "  hint: give the input a type, for example --input x=s16.8, or quantise the network first"
    )


def test_the_input_that_lacks_a_type_is_the_one_that_is_named() -> None:
    """The second input, behind arithmetic that stays on the host."""
    net = Net(4)
    net.inputs.append(helper.make_tensor_value_info("y;/0", TensorProto.FLOAT, ["N", 4]))
    first = net.quant(linear(net, net.quant(net.x, 0.5)), 0.5)
    net.add("Add", first, net.quant(linear(net, net.add("Mul", "y;/0", net.const(2.0))), 0.5))
    assert refusal(net.proto()) == (
        "model: node 'matmul4' (MatMul): reads real values that no quantiser turned into integers\n"
        "  hint: give the input a type, for example --input y;/0=s16.8, or quantise the network first"
    )


@pytest.mark.parametrize("op", ["LSTM", "GRU", "RNN"])
@pytest.mark.parametrize("quantised", [True, False])
def test_recurrent_networks(op: str, quantised: bool) -> None:
    net = Net(4, 4)
    x = net.add("Transpose", net.quant(net.x, 0.5) if quantised else net.x, perm=[1, 0, 2])  # comes first in the file
    node = net.add(op, x, *(net.const(np.ones((1, 16, 4))) for _ in range(2)), hidden_size=4, outputs=2)
    assert refusal(net.proto()) == (
        f"model: node '{node.removesuffix('.0')}' ({op}): {RECURRENT}\n  hint: {FEED_FORWARD}"
    )


def test_minifloats() -> None:
    net = Net(4)
    net.add("FloatQuant", net.x, *(net.const(v) for v in (1.0, 4.0, 3.0, 7.0, 240.0)), domain=QONNX)
    assert refusal(net.proto()) == (
        "model: node 'floatquant0' (FloatQuant): quantises to minifloats\n"
        "  hint: they have no integer meaning: use integer quantisers (Quant, QuantizeLinear)"
    )


@pytest.mark.parametrize("quantised", [True, False])
def test_a_layer_normalisation_between_layers(quantised: bool) -> None:
    net = Net(4, opset=17)
    y = linear(net, chip(net) if quantised else net.x)
    name = net.add("LayerNormalization", y, net.const(np.ones(4)))
    linear(net, net.quant(name, 0.5) if quantised else name)
    assert refusal(net.proto()) == (
        f"model: node '{name.removesuffix('.out')}' (LayerNormalization): {NORMALISES}\n  hint: {NORMALISE_LESS}"
    )


def test_a_softmax_between_layers() -> None:
    net = Net(4)
    linear(net, net.add("Softmax", linear(net, net.x)))
    assert refusal(net.proto()) == (
        "model: node 'softmax1' (Softmax): is a soft maximum between two products, computed in float\n"
        f"  hint: {NO_MEANING}"
    )


@pytest.mark.parametrize("reader", ["matmul", "quantised matmul", "add", "levels"])
def test_a_softmax_between_quantised_layers(reader: str) -> None:
    net = Net(4)
    soft = net.add("Softmax", chip(net))
    verb = "reads"
    match reader:
        case "matmul":
            net.add("MatMul", soft, kernel(net, 4, 4))
        case "quantised matmul":
            net.add("MatMul", net.quant(soft, 0.25), kernel(net, 4, 4))
        case "add":
            verb = "combines an activation with"
            net.add("Add", chip(net), soft)
        case _:
            verb = "quantises"
            net.add("MultiThreshold", soft, net.const([[0.5]]), domain=QONNX)
    node = net.nodes[-1]
    assert refusal(net.proto()) == (
        f"model: node '{node.name}' ({node.op_type}): {verb} what node 'softmax1' (Softmax) computes in float on the "
        "host\n  hint: Softmax has no integer meaning: end the network there, or cut it in two"
    )


@pytest.mark.parametrize(
    ("op", "what", "hint"),
    [
        (
            "DynamicQuantizeLinear",
            "chooses its scale from the data at run time",
            "quantise statically, with calibration data (bitwright quantize)",
        ),
        (
            "MatMulNBits",
            "has quantised weights, but computes in float",
            "quantise the activations as well (bitwright quantize)",
        ),
        ("Attention", "holds a Softmax between its products, which is computed in float", NO_MEANING),
    ],
)
def test_operators_that_no_handler_will_take(op: str, what: str, hint: str) -> None:
    net = Net(4)
    net.add(op, chip(net), domain="com.microsoft")
    assert refusal(net.proto()) == f"model: node '{op.lower()}1' ({op}): {what}\n  hint: {hint}"


CORPUS = {
    "float/attention_sdp": "node '/Softmax' (Softmax): is a soft maximum between two products, computed in float",
    "float/cnn_float": f"node '/c1/Conv' (Conv): {FLOAT}",
    "float/convt_float": f"node '/c1/Conv' (Conv): {FLOAT}",
    "float/espcn_subpixel": f"node 'Conv_0' (Conv): {FLOAT}",
    "float/gru_float": f"node '/g/GRU' (GRU): {RECURRENT}",
    "float/mnist_conv_cntk": f"node 'Convolution28' (Conv): {FLOAT}",
    "float/residual_block_clean": f"node 'Conv_0' (Conv): {FLOAT}",
    "float/transformer_float": f"node '/n1/LayerNormalization' (LayerNormalization): {NORMALISES}",
    "hls4ml_examples/conv2d_small_mp_keras": f"node 'Conv2D_1' (Conv): {FLOAT}",
    "hls4ml_examples/three_layer_bn_pytorch": f"node '29' (Gemm): {FLOAT}",
    "hls4ml_examples/three_layer_keras": f"node '_class__keras_layers_core_Dense__' (MatMul): {FLOAT}",
    "mlperf_alibaba/vww_tiny": f"node 'Conv_0' (Conv): {FLOAT}",
    "ortquant/transformer_qdq_dq_s8": f"node '/n1/LayerNormalization' (LayerNormalization): {NORMALISES}",
    "tflite/ad_autoenc_dynrange": (
        f"node 'functional_1/activation/Relu;functional_1/dense/BiasAdd' (MatMul): {WEIGHT_ONLY}"
    ),
    "tflite/hello_world_float": (
        f"node 'sequential/dense/MatMul;sequential/dense/Relu;sequential/dense/BiasAdd' (MatMul): {FLOAT}"
    ),
    "torch/cnn_dynamo_float_extdata": f"node 'node_Conv_42' (Conv): {FLOAT}",
}


@pytest.mark.parametrize("name", CORPUS)
def test_published_networks(name: str) -> None:
    path = SHARED / name / "model.onnx"
    if not path.exists():
        pytest.skip(f"the published networks are not beside the repository ({SHARED})")
    assert refusal(path).partition("\n")[0] == f"model.onnx: {CORPUS[name]}"
