# SPDX-License-Identifier: Apache-2.0
"""Operators whose attributes or inputs are impossible: refused in place, word for word."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from onnx import TensorProto, helper

from bitwright.frontend import lowering
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from tests.frontend.nets import QONNX, Net
from tests.frontend.refusing import (
    AGAIN,
    FIT,
    Case,
    axes,
    check,
    chip,
    convolution,
    dense,
    kernel,
    levels,
    name_of,
    norm,
    refusal,
)

MICROSOFT = "com.microsoft"
HUGE = 1 << 40


# Operators


def attributed(node: onnx.NodeProto, name: str, value: Any) -> None:
    node.attribute.append(helper.make_attribute(name, value))


SMALL = helper.make_tensor("t", TensorProto.FLOAT, [2], [1.0, 2.0])


@pytest.mark.parametrize(
    ("name", "value", "what"),
    [
        ("group", "two", "has an attribute 'group' that is not an integer"),
        ("group", 1.0, "has an attribute 'group' that is not an integer"),
        ("pads", 1, "has an attribute 'pads' that is not a list of integers"),
        ("strides", [1.0, 1.0], "has an attribute 'strides' that is not a list of integers"),
        ("auto_pad", 3, "has an attribute 'auto_pad' that is not a text"),
        ("dilations", SMALL, "has an attribute 'dilations' that is not a list of integers"),
        ("kernel_shape", [SMALL], "has an attribute 'kernel_shape' of a kind that is not read"),
        ("kernel_shape", [3, 3], "has weights of shape (3, 2, 2, 2) and another kernel_shape"),
    ],
)
def test_attributes_of_other_kinds(name: str, value: Any, what: str) -> None:
    net = Net(2, 4, 4)
    convolution(net)
    attributed(net.nodes[-1], name, value)
    assert refusal(net.proto()).partition("\n")[0] == f"model: node 'conv2' (Conv): {what}"


def test_an_attribute_twice() -> None:
    net = Net(2, 4, 4)
    convolution(net, group=1)
    attributed(net.nodes[-1], "group", 1)
    assert refusal(net.proto()) == f"model: node 'conv2' (Conv): has the attribute 'group' twice\n  hint: {AGAIN}"


def test_an_attribute_that_refers_to_another() -> None:
    net = Net(2, 4, 4)
    convolution(net, group=1)
    net.nodes[-1].attribute[0].ref_attr_name = "elsewhere"
    assert refusal(net.proto()) == (
        f"model: node 'conv2' (Conv): has an attribute 'group' of a kind that is not read\n  hint: {AGAIN}"
    )


OPERATORS: list[Case] = [
    ("add1", lambda n: n.add("Add", chip(n), n.const(1.0), n.const(1.0)), "has 3 inputs of at most 2", AGAIN),
    ("add1", lambda n: n.add("Add", "", chip(n)), "has no input", AGAIN),
    ("add1", lambda n: n.add("Add", chip(n), ""), "lacks input 1", AGAIN),
    ("relu1", lambda n: n.add("Relu", chip(n), outputs=2), "has 2 outputs of at most 1", AGAIN),
    (
        "bipolarquant0",
        lambda n: n.add("BipolarQuant", n.x, n.const(1.0), n.x, domain=QONNX),
        "has 3 inputs of at most 2",
        AGAIN,
    ),
    ("quant0", lambda n: n.quant(n.x, 1.0, narrow=3), "has an attribute 'narrow' of 3", "give 0 or 1"),
    ("quant0", lambda n: n.quant(n.x, 1.0, np.nan), "has a zero point that is not finite", AGAIN),
    ("quant0", lambda n: n.quant(n.x, 1.0, bits=np.nan), "has a number in its input 3 that is not finite", AGAIN),
    ("quant0", lambda n: n.quant(n.x, []), "has nothing in its input 1", AGAIN),
    (
        "quant0",
        lambda n: n.weights(np.ones((2, 3)), np.ones(2)),
        "quantises a tensor of shape (2, 3) with parameters of shape (2,)",
        FIT,
    ),
    ("mul1", lambda n: n.add("Mul", chip(n), n.const(np.inf)), "has a number in its input 1 that is not finite", AGAIN),
    ("mul1", lambda n: n.add("Mul", n.const(np.nan), chip(n)), "has a number in its input 0 that is not finite", AGAIN),
    (
        "leakyrelu1",
        lambda n: n.add("LeakyRelu", chip(n), alpha=np.inf),
        "has an attribute 'alpha' that is not finite",
        AGAIN,
    ),
    (
        "add0",
        lambda n: n.add("Add", n.x, n.const(np.ones(3))),
        "combines shapes (1, 2, 4, 4) and (3,)",
        FIT,
    ),
    (
        "batchnormalization1",
        lambda n: n.add("BatchNormalization", chip(n), *(n.const(np.ones(k)) for k in (2, 2, 3, 2))),
        "has parameters of shapes (2,), (2,), (3,), (2,)",
        "give one number per channel to each",
    ),
    (
        "batchnormalization2",
        lambda n: norm(n, n.add("Concat", *[chip(n)] * 2, axis=1)),
        "scales 2 channels of a tensor of shape (1, 4, 4, 4)",
        FIT,
    ),
    (
        "dequantizelinear0",
        lambda n: n.dequantize(n.const(np.ones((2, 3)), np.int8), np.ones(3), [0] * 3, np.int8, axis=0),
        "has 3 parameters along axis 0 of a tensor of shape (2, 3)",
        FIT,
    ),
    ("dequantizelinear0", lambda n: n.dequantize(n.const(1.0), 1.0), "dequantises real values", AGAIN),
    (
        "dequantizelinear0",
        lambda n: n.dequantize(n.const([127], np.int8), 3e38, 0, np.int8),
        "makes numbers beyond float32",
        "export the model again with a valid scale",
    ),
    (
        "quantizelinear0",
        lambda n: n.add("QuantizeLinear", n.x, n.const(1.0), n.const(0, np.uint64)),
        "needs integers of 64 bits",
        "integers of at most 63 bits are supported",
    ),
    (
        "quantizelinear0",
        lambda n: n.add("QuantizeLinear", n.x, n.const(1.0), domain=MICROSOFT, output_dtype=99),
        "has a zero point of type ?",
        "use an integer type",
    ),
    (
        "multithreshold1",
        lambda n: levels(n, chip(n), np.ones((3, 1))),
        "combines shapes (1, 2, 4, 4) and [(1, 3, 1, 1)]",
        FIT,
    ),
    (
        "convtranspose2",
        lambda n: n.add("ConvTranspose", chip(n), kernel(n, 2, 3, 2, 2), group=3),
        "has 3 groups of weights of shape (2, 3, 2, 2)",
        FIT,
    ),
    (
        "conv2",
        lambda n: n.add("Conv", chip(n), n.weights(np.ones((3, 2, 0, 2)))),
        "has nothing in its input 1",
        AGAIN,
    ),
    (
        "maxpool1",
        lambda n: n.add("MaxPool", chip(n), kernel_shape=[2]),
        "has a kernel of [2]",
        "give 2 positive numbers",
    ),
    (
        "maxpool1",
        lambda n: n.add("MaxPool", chip(n), kernel_shape=[0, 2]),
        "has a kernel of [0, 2]",
        "give 2 positive numbers",
    ),
    (
        "depthtospace1",
        lambda n: n.add("DepthToSpace", chip(n), blocksize=0),
        "makes blocks of 0 x 0 of a tensor of shape (1, 2, 4, 4)",
        AGAIN,
    ),
    (
        "slice1",
        lambda n: n.add("Slice", chip(n), axes(n, 0, 1), axes(n, 4)),
        "slices from [0, 1] to [4] along [0, 1] by [1, 1]",
        AGAIN,
    ),
    (
        "slice1",
        lambda n: n.add("Slice", chip(n), axes(n, 0), axes(n, 4), axes(n, 7)),
        "acts on axes [7] of a tensor of shape (1, 2, 4, 4)",
        AGAIN,
    ),
    (
        "slice1",
        lambda n: n.add("Slice", chip(n), axes(n, 4), axes(n, 4), axes(n, 2)),
        "makes a tensor without elements",
        AGAIN,
    ),
    (
        "split1",
        lambda n: n.add("Split", chip(n), axes(n, 1, 4), axis=2, outputs=2),
        "splits axis 2 of a tensor of shape (1, 2, 4, 4) into [1, 4]",
        AGAIN,
    ),
    (
        "gather1",
        lambda n: n.add("Gather", chip(n), n.const([1.0]), axis=1),
        "picks by numbers of type float32",
        "use integers",
    ),
    (
        "gather1",
        lambda n: n.add("Gather", chip(n), axes(n, 2), axis=1),
        "does not fit a tensor of shape (1, 2, 4, 4): index 2 is out of bounds for axis 1 with size 2",
        AGAIN,
    ),
    (
        "reshape2",
        lambda n: n.add("Reshape", chip(n), n.add("Range", *(n.const(v, np.int64) for v in (0, 1 << 25, 1)))),
        "reshapes to something that is no shape",
        "give a few integers",
    ),
    (
        "concat3",
        lambda n: n.add("Concat", n.add("Reshape", chip(n), axes(n, 2, -1)), n.quant(n.x, 1.0), axis=1),
        "joins shapes (2, 16) and (1, 2, 4, 4)",
        FIT,
    ),
    ("pad1", lambda n: n.add("Pad", chip(n), axes(n, 1, 2, 3)), "has 3 pads for 4 axes", "give two for each axis"),
    (
        "qlinearconcat1",
        lambda n: n.add("QLinearConcat", n.const(1.0), n.const(0, np.int8), chip(n), domain=MICROSOFT, axis=1),
        "has 3 inputs",
        "give a scale, a zero point, and three inputs for each operand",
    ),
    (
        "trunc1",
        lambda n: n.add("Trunc", chip(n), *(n.const(v) for v in (0.25, 0.0, 1e30, 2.0)), domain=QONNX),
        "has bit widths or an output scale that are not positive",
        "give 1 to 63 bits, and a scale",
    ),
    (
        "trunc1",
        lambda n: n.add("Trunc", chip(n), n.const([0.25, 0.5]), *(n.const(v) for v in (0.0, 6.0, 2.0)), domain=QONNX),
        "has a parameter per channel",
        "use one number for the whole tensor",
    ),
    (
        "trunc1",
        lambda n: n.add("Trunc", chip(n), *(n.const(v) for v in (0.25, 0.0, 8.0, 1e38, 4.0)), domain=QONNX),
        "shifts by 128 bits",
        "its two scales are too far apart: at most 126 bits",
    ),
    (
        "floor2",
        lambda n: n.add("Floor", n.add("Mul", chip(n), n.const(1e30))),
        "needs integers of 104 bits",
        "integers of at most 63 bits are supported",
    ),
]


@pytest.mark.parametrize("case", OPERATORS, ids=name_of)
def test_operators_that_do_not_fit(case: Case) -> None:
    check(case)


def test_a_node_that_makes_nothing() -> None:
    proto = dense()
    del proto.graph.node[2].output[:]
    proto.graph.node[3].input[0] = "x"
    assert refusal(proto) == f"model: node 'gemm2' (Gemm): makes nothing\n  hint: {AGAIN}"


@pytest.mark.parametrize(
    ("bias", "what", "hint"),
    [
        (
            np.int32([1, 2]),
            "has a bias of shape (2,) for scales of shapes () and (3,)",
            "give one number, and one scale, per channel",
        ),
        (np.float32([1, 2, 3]), "has a bias of type float32", "use int32"),
    ],
)
def test_a_bias_that_does_not_fit(bias: NDArray[Any], what: str, hint: str) -> None:
    net = Net(2, 4, kind=TensorProto.UINT8)
    s, zero = net.const(0.05), net.const(0, np.uint8)
    w, ws, wz = net.const(np.ones((3, 2, 2)), np.int8), net.const([0.1, 0.2, 0.3]), net.const([0, 0, 0], np.int8)
    net.add("QLinearConv", net.x, s, zero, w, ws, wz, s, zero, net.const(bias, bias.dtype))
    assert refusal(net.proto()) == f"model: node 'qlinearconv0' (QLinearConv): {what}\n  hint: {hint}"


# The last resort: what no handler foresees

REPORT = "the file may be malformed; if other tools run it, please report it"
SMALLER = "use a smaller network, or a larger machine"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (IndexError("tuple index"), f"cannot be taken as it is: IndexError: tuple index\n  hint: {REPORT}"),
        (ZeroDivisionError("by zero"), f"cannot be taken as it is: ZeroDivisionError: by zero\n  hint: {REPORT}"),
        (MemoryError(), f"needs more memory than there is\n  hint: {SMALLER}"),
    ],
)
def test_an_error_of_our_own_names_the_node_all_the_same(
    error: Exception, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setitem(lowering.HANDLERS, "Gemm", fail)
    assert refusal(dense()) == f"model: node 'gemm2' (Gemm): {said}"


def test_an_error_of_a_pass_names_the_file(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(graph: Graph) -> Graph:
        raise BitwrightError("is wrong", where="layer 'a'", hint="look")

    monkeypatch.setattr(lowering, "drop_dead", fail)
    assert refusal(dense()) == "model: layer 'a': is wrong\n  hint: look"
