# SPDX-License-Identifier: Apache-2.0
"""What the frontend cannot take: one message each, word for word."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bitwright.frontend.inputs import InputType
from bitwright.frontend.lowering import load_onnx
from bitwright.ir.errors import BitwrightError
from tests.frontend.nets import QONNX, Net, grid

AGAIN = "export the model again"
FIT = "export the model again; the shapes do not fit"
ONLY_CONSTANTS = "only constants can set it"
ACTIVATION = "quantise the activation"
BATCH = ("moves the batch axis", "keep the samples on axis 0")
TABLE = "quantise the activation to at most 16 bits before the function"


def chip(net: Net, bits: float = 6.0) -> str:
    return net.quant(net.x, 0.25, bits=bits)


def kernel(net: Net, *shape: int) -> str:
    return net.weights(grid(shape[0], *shape[1:], span=3))


def convolution(net: Net, **attributes: Any) -> str:
    return net.add("Conv", chip(net), kernel(net, 3, 2, 2, 2), **attributes)


def pool(net: Net, x: str, **attributes: Any) -> str:
    return net.add("MaxPool", x, **({"kernel_shape": [2, 2]} | attributes))


def uneven(net: Net) -> str:
    """Codes with a scale per channel."""
    return net.quant(chip(net), np.reshape([0.5, 0.25], (1, 2, 1, 1)))


def norm(net: Net, x: str, var: float = 1.0, **attributes: Any) -> str:
    ones = [net.const(np.ones(2)) for _ in range(3)]
    return net.add("BatchNormalization", x, *ones, net.const(np.full(2, var)), **attributes)


def levels(net: Net, x: str, array: Any, **attributes: Any) -> str:
    return net.add("MultiThreshold", x, net.const(array), domain=QONNX, **attributes)


Case = tuple[str, Callable[[Net], Any], str, str]

QUANTISERS: list[Case] = [
    (
        "quant0",
        lambda n: n.quant(n.x, 1.0, mode="nearest"),
        "rounds by 'NEAREST'",
        "known modes: ROUND, HALF_EVEN, CEIL, FLOOR, UP, DOWN, HALF_UP, HALF_DOWN",
    ),
    ("quant0", lambda n: n.quant(n.x, 1.0, bits=2.5), "has a bit width that is not a positive integer", AGAIN),
    ("quant0", lambda n: n.quant(n.x, 1.0, bits=0.0), "has a bit width that is not a positive integer", AGAIN),
    ("quant0", lambda n: n.quant(n.x, 1.0, bits=33.0), "has 33 bits", "at most 32 bits are supported"),
    (
        "quant0",
        lambda n: n.quant(n.x, 1.0, bits=[[[[1.0]], [[2.0]]]]),
        "has one signed bit in some channels only",
        "use one bit in every channel, or none",
    ),
    (
        "quant0",
        lambda n: n.add("Quant", n.x, n.const(1.0), n.const(0.0), n.const(8.0), domain=QONNX, signed=1),
        "lacks the attribute 'narrow'",
        "export the model with an explicit value; tools disagree on the default",
    ),
    ("quant0", lambda n: n.add("Quant", n.x, n.const(1.0), n.const(0.0), domain=QONNX), "lacks input 3", AGAIN),
    ("quant0", lambda n: n.quant("", 1.0), "has no input", AGAIN),
    (
        "quant0",
        lambda n: n.add("Quant", n.x, n.x, n.const(0.0), n.const(8.0), domain=QONNX, signed=1, narrow=0),
        "computes its input 1 ('x') from data",
        ONLY_CONSTANTS,
    ),
    *(
        (
            "quant0",
            lambda n, s=scale: n.quant(n.x, s),
            "has a scale that is not a positive number",
            "export the model again with a valid scale",
        )
        for scale in (0.0, -1.0, np.inf, np.nan)
    ),
    (
        "quant0",
        lambda n: n.quant(n.x, [[[[1.0]], [[2.0]]]]),
        "quantises on the host per channel",
        "use one scale for the whole tensor",
    ),
    ("quant0", lambda n: n.weights([np.inf, 1.0]), "quantises a constant that is not finite", AGAIN),
    ("quant1", lambda n: n.quant(chip(n), np.ones(3)), "combines shapes (1, 2, 4, 4) and [(3,)]", FIT),
    *(
        (
            "multithreshold0",
            lambda n, a=array, s=scale: levels(n, n.x, a, out_scale=s),
            "has thresholds that are not a finite matrix, or a scale of 0",
            AGAIN,
        )
        for array, scale in (([1.0, 2.0], 1.0), ([[np.nan]], 1.0), ([[1.0]], 0.0))
    ),
    (
        "multithreshold0",
        lambda n: levels(n, n.const([[1.0]]), [[0.5]]),
        "has a constant input",
        "fold the constant before the export",
    ),
    (
        "multithreshold2",
        lambda n: levels(n, n.add("Relu", chip(n)), [[0.5]]),
        "counts thresholds of a clipped or non-linear value",
        "put a quantiser before it",
    ),
    (
        "multithreshold2",
        lambda n: levels(n, n.add("Softmax", chip(n)), [[0.5]]),
        "quantises a value that only the host can compute",
        "quantise around the float operators, or remove them",
    ),
    (
        "multithreshold0",
        lambda n: levels(n, n.x, [[0.5]], data_layout="NC"),
        "has the layout 'NC' on a tensor of rank 4",
        AGAIN,
    ),
    (
        "quantizelinear0",
        lambda n: n.quantize(n.x, [1.0, 2.0], [1, 2]),
        "has a zero point per channel",
        "use one zero point",
    ),
    (
        "quantizelinear0",
        lambda n: n.quantize(n.x, 1.0, 0.0, np.float32),
        "has a zero point of type float32",
        "use integers of 8 bits or more",
    ),
    (
        "quantizelinear0",
        lambda n: n.quantize(n.x, 1.0, block_size=2),
        "is quantised in blocks",
        "use one scale per tensor or per channel",
    ),
    (
        "quantizelinear0",
        lambda n: n.quantize(n.x, [[1.0, 2.0]]),
        "has parameters of shape (1, 2) along axis 1 of 4",
        AGAIN,
    ),
    (
        "quantizelinear0",
        lambda n: n.quantize(n.x, [1.0, 2.0], axis=4),
        "has parameters of shape (2,) along axis 4 of 4",
        AGAIN,
    ),
    (
        "dequantizelinear0",
        lambda n: n.dequantize(n.const(1, np.uint8), 0.0),
        "has a scale that is not a positive number",
        "export the model again with a valid scale",
    ),
    ("dequantizelinear0", lambda n: n.dequantize(n.x, 1.0), "dequantises real values", AGAIN),
    ("dequantizelinear2", lambda n: n.dequantize(n.add("Tanh", chip(n)), 1.0), "dequantises real values", AGAIN),
]

MATRICES: list[Case] = [
    (
        "conv1",
        lambda n: n.add("Conv", n.x, kernel(n, 3, 2, 2, 2)),
        "reads real values that no quantiser turned into integers",
        "give the input a type, for example --input x=s16.8, or quantise the network first",
    ),
    (
        "conv3",
        lambda n: n.add("Conv", n.add("Softmax", chip(n)), kernel(n, 3, 2, 2, 2)),
        "reads a value that only the host can compute",
        "quantise around the float operators",
    ),
    (
        "conv1",
        lambda n: n.add("Conv", n.const(np.ones((1, 2, 4, 4))), n.const(np.ones((3, 2, 2, 2))), chip(n)),
        "reads only constants",
        "fold them before the export",
    ),
    (
        "conv2",
        lambda n: n.add("Conv", chip(n), chip(n)),
        "computes its input 1 ('quant1.out') from data",
        "only constant kernels are supported",
    ),
    (
        "conv2",
        lambda n: n.add("Conv", chip(n), kernel(n, 3, 2, 2)),
        "has a kernel of rank 3",
        "only Conv1d and Conv2d are supported",
    ),
    (
        "conv2",
        lambda n: n.add("Conv", chip(n), kernel(n, 3, 3, 2, 2)),
        "reads 2 channels with weights of shape (3, 3, 2, 2) in 1 groups",
        AGAIN,
    ),
    (
        "conv2",
        lambda n: n.add("Conv", chip(n), kernel(n, 3, 1, 2, 2), group=2),
        "reads 2 channels with weights of shape (3, 1, 2, 2) in 2 groups",
        AGAIN,
    ),
    (
        "conv2",
        lambda n: n.add("Conv", n.quant(n.x, 1.0, 0.5), kernel(n, 3, 2, 2, 2), pads=[1, 1, 1, 1]),
        "pads around a zero point that is no integer",
        "use an integer zero point, or no padding",
    ),
    (
        "conv2",
        lambda n: n.add("Conv", chip(n), kernel(n, 3, 2, 5, 2)),
        "has a kernel larger than its 4 x 4 input",
        AGAIN,
    ),
    ("conv2", lambda n: convolution(n, strides=[0, 1]), "has strides [0, 1]", "give 2 positive numbers"),
    ("conv2", lambda n: convolution(n, dilations=[1]), "has dilations [1]", "give 2 positive numbers"),
    ("conv2", lambda n: convolution(n, pads=[1, 1]), "has pads [1, 1]", "give 4 numbers that are not negative"),
    (
        "conv2",
        lambda n: convolution(n, pads=[0, -1, 0, 0]),
        "has pads [0, -1, 0, 0]",
        "give 4 numbers that are not negative",
    ),
    (
        "conv2",
        lambda n: convolution(n, auto_pad="SAME"),
        "has auto_pad 'SAME'",
        "use NOTSET, VALID, SAME_UPPER or SAME_LOWER",
    ),
    (
        "conv3",
        lambda n: n.add("Conv", uneven(n), kernel(n, 3, 2, 2, 2)),
        "reads a tensor whose scale differs per channel",
        "use one scale for the activation",
    ),
    (
        "conv3",
        lambda n: n.add("Conv", n.add("Mul", chip(n), n.const(0.0)), kernel(n, 3, 2, 2, 2)),
        "reads a tensor whose scale differs per channel",
        "use one scale for the activation",
    ),
    (
        "conv3",
        lambda n: n.add("Conv", n.add("Tanh", chip(n)), kernel(n, 3, 2, 2, 2)),
        "reads a real value that no quantiser turned into integers",
        ACTIVATION,
    ),
    (
        "conv3",
        lambda n: n.add("Conv", n.add("Clip", chip(n), n.const(0.1)), kernel(n, 3, 2, 2, 2)),
        "reads a clip that does not fall on integers",
        ACTIVATION,
    ),
    (
        "conv2",
        lambda n: n.add("Conv", chip(n), n.quant(n.const(np.ones((3, 2, 2, 2))), 1.0, 0.5)),
        "has weights with a zero point that is no integer",
        "use an integer zero point",
    ),
    (
        "conv2",
        lambda n: n.add("Conv", chip(n), n.quant(n.const(np.ones((3, 2, 2, 2))), [[[[1.0]], [[2.0]]]])),
        "has weights whose scale differs within an output channel",
        "use one scale per output channel",
    ),
    (
        "conv1",
        lambda n: n.add("Conv", chip(n), n.const(np.full((3, 2, 2, 2), np.nan))),
        "has weights that are not finite",
        AGAIN,
    ),
    (
        "conv1",
        lambda n: n.add("Conv", chip(n), n.const(np.geomspace(1e-12, 1, 24).reshape(3, 2, 2, 2))),
        "has float weights that no quantiser turned into integers",
        "quantise the weights (bitwright quantize)",
    ),
    (
        "conv2",
        lambda n: n.add("Conv", chip(n), kernel(n, 3, 2, 2, 2), n.const(np.ones(2))),
        "combines shapes (1, 3, 3, 3) and [(1, 2, 1, 1)]",
        FIT,
    ),
    (
        "conv3",
        lambda n: n.add("Conv", chip(n), kernel(n, 3, 2, 2, 2), chip(n)),
        "computes its input 2 ('quant2.out') from data",
        "only a constant is supported here",
    ),
    (
        "gemm2",
        lambda n: n.add("Gemm", n.add("Flatten", chip(n)), n.const(np.ones((32, 3))), transA=1),
        "transposes its data input",
        "export the layer as a Linear or MatMul",
    ),
    (
        "matmul1",
        lambda n: n.add("MatMul", n.const(np.ones((4, 4))), chip(n)),
        "has its constant on the left",
        "export the layer as x @ W",
    ),
    ("matmul1", lambda n: n.add("MatMul", chip(n), n.const(np.ones((3, 5)))), "multiplies (1, 2, 4, 4) by (3, 5)", FIT),
    (
        "matmul1",
        lambda n: n.add("MatMul", chip(n), n.const(np.ones((2, 4, 5)))),
        "multiplies (1, 2, 4, 4) by (2, 4, 5)",
        FIT,
    ),
    (
        "matmul2",
        lambda n: n.add("MatMul", n.add("Reshape", chip(n), n.const([4, 8], np.int64)), n.const(np.ones((8, 2)))),
        *BATCH,
    ),
]

ELEMENTWISE: list[Case] = [
    (
        "div0",
        lambda n: n.add("Div", n.const(1.0), n.x),
        "divides a constant by data",
        "not supported; put it before the input quantiser",
    ),
    *(
        (
            "div1",
            lambda n, f=flip: n.add("Div", *([n.const(0.0), chip(n)] if f else [chip(n), n.const(0.0)])),
            "divides by data or by zero",
            "not a function of fixed-point numbers; quantise around it",
        )
        for flip in (True, False)
    ),
    (
        "add1",
        lambda n: n.add("Add", chip(n), n.x),
        "combines an activation with a float tensor",
        "quantise both operands",
    ),
    ("add1", lambda n: n.add("Add", chip(n), n.const(np.ones(3))), "combines shapes (1, 2, 4, 4) and [(3,)]", FIT),
    (
        "mul4",
        lambda n: n.add("Mul", pool(n, convolution(n)), n.const(-1.0)),
        "turns a max-pool of real values upside down",
        "quantise the activation before the pool",
    ),
    (
        "mul2",
        lambda n: n.add("Mul", n.add("Tanh", chip(n)), n.const([[[1.0]], [[2.0]]])),
        "scales a non-linear function per channel",
        "quantise the activation behind the function",
    ),
    (
        "batchnormalization1",
        lambda n: norm(n, chip(n), training_mode=1),
        "trains",
        "export the model in inference mode",
    ),
    ("batchnormalization1", lambda n: norm(n, chip(n), -1.0), "has a variance that is not positive", AGAIN),
    ("batchnormalization1", lambda n: norm(n, chip(n), np.nan), "has a variance that is not positive", AGAIN),
    (
        "quant2",
        lambda n: n.quant(n.add("Tanh", chip(n, 17.0)), 0.1),
        "follows a function of a tensor of type s17: too wide for a table, or with scales per channel",
        TABLE,
    ),
    (
        "quant3",
        lambda n: n.quant(n.add("Tanh", uneven(n)), 0.1),
        "follows a function of a tensor of type s8: too wide for a table, or with scales per channel",
        TABLE,
    ),
]

POOLS: list[Case] = [
    (
        "maxpool1",
        lambda n: n.add("MaxPool", chip(n), outputs=2, kernel_shape=[2, 2]),
        "asks for the places of its maxima",
        "only the values are supported",
    ),
    ("maxpool0", lambda n: pool(n, n.x), "pools a float tensor", "quantise the input first"),
    (
        "maxpool2",
        lambda n: pool(n, n.add("Flatten", chip(n))),
        "pools a tensor that is no signal or image",
        "only MaxPool1d and MaxPool2d are supported",
    ),
    ("maxpool1", lambda n: pool(n, chip(n), kernel_shape=[5, 5]), "has a kernel larger than its 4 x 4 input", AGAIN),
    (
        "maxpool4",
        lambda n: pool(n, pool(n, convolution(n))),
        "pools twice before a quantiser",
        "quantise the activation between the pools",
    ),
    (
        "flatten4",
        lambda n: n.add("Flatten", pool(n, convolution(n))),
        "re-lays a max-pool of real values",
        "quantise the activation first",
    ),
    (
        "quant4",
        lambda n: n.quant(pool(n, convolution(n), pads=[0, 0, 1, 1]), np.arange(1.0, 4).reshape(1, 1, 1, 3)),
        "combines a max-pool of real values with a constant per element",
        "quantise the activation before the pool",
    ),
    (
        "maxpool3.out",
        lambda n: pool(n, convolution(n)),
        "reads a max-pool of values that no quantiser turned into integers",
        ACTIVATION,
    ),
]

LAYOUTS: list[Case] = [
    ("transpose0", lambda n: n.add("Transpose", n.x, perm=[0, 1]), "has perm [0, 1] on a tensor of rank 4", AGAIN),
    ("transpose0", lambda n: n.add("Transpose", n.x), *BATCH),
    ("reshape0", lambda n: n.add("Reshape", n.x, n.const([4, 8], np.int64)), *BATCH),
    ("squeeze0", lambda n: n.add("Squeeze", n.x, n.const([0], np.int64)), *BATCH),
    ("unsqueeze0", lambda n: n.add("Unsqueeze", n.x, n.const([0], np.int64)), *BATCH),
    (
        "reshape1",
        lambda n: n.add("Reshape", chip(n), n.const([0, 5], np.int64)),
        "reshapes [1, 2, 4, 4] to [1, 5]",
        "export the model again; the sizes do not fit",
    ),
    (
        "reshape1",
        lambda n: n.add("Reshape", chip(n), n.const([-1, -1], np.int64)),
        "reshapes [1, 2, 4, 4] to [-1, -1]",
        "export the model again; the sizes do not fit",
    ),
    (
        "reshape2",
        lambda n: n.add("Reshape", chip(n), chip(n)),
        "computes its input 1 ('quant1.out') from data",
        "only constant shapes are supported",
    ),
    (
        "squeeze1",
        lambda n: n.add("Squeeze", chip(n), n.const([1], np.int64)),
        "squeezes axes [1] of [1, 2, 4, 4]",
        "only axes of length 1 can go",
    ),
    (
        "reshape1.out",
        lambda n: n.add("Reshape", chip(n), n.const([4, 8], np.int64)),
        "leaves without its batch axis",
        "keep the samples on axis 0",
    ),
]

ENDS: list[Case] = [
    (
        "softmax1",
        lambda n: n.add("Softmax", chip(n), axis=0),
        "normalises over axis 0 of 4",
        "normalise over the last axis",
    ),
    (
        "topk1",
        lambda n: n.add("TopK", chip(n), n.const([5], np.int64), outputs=2),
        "takes 5 along axis 3 of (1, 2, 4, 4)",
        "take 1 or more along a data axis",
    ),
    (
        "topk2",
        lambda n: n.add("TopK", chip(n), chip(n), outputs=2),
        "computes its input 1 ('quant1.out') from data",
        "only a constant k is supported",
    ),
    *(
        (
            "argmax1",
            lambda n, a=attributes: n.add("ArgMax", chip(n), **a),
            "searches over the samples or prefers the last index",
            "use a data axis and the first index",
        )
        for attributes in ({}, {"axis": 1, "select_last_index": 1})
    ),
    (
        "softmax0",
        lambda n: n.add("Softmax", n.x),
        "stands before the first quantiser",
        "only supported at the end of a quantised network",
    ),
    (
        "relu0.out",
        lambda n: n.add("Relu", n.x),
        "does not depend on any quantised layer",
        "quantise the network first (bitwright quantize)",
    ),
]

NODES: list[Case] = [
    ("relu0", lambda n: n.add("Relu", ""), "has no input", AGAIN),
    ("add0", lambda n: n.add("Add", n.x), "has 1 inputs of at least 2", AGAIN),
    ("maxpool0", lambda n: n.add("MaxPool", n.x), "lacks the attribute 'kernel_shape'", AGAIN),
    (
        "add1",
        lambda n: n.add("Add", chip(n), "nothing"),
        "reads 'nothing', which nothing makes before it",
        "the graph has a cycle or a gap; export it again",
    ),
    ("constant0", lambda n: n.add("Constant", value_string="x"), "holds no number", AGAIN),
    (
        "reshape0",
        lambda n: n.add("Reshape", n.const([1.0, 2.0]), n.const([3], np.int64)),
        "cannot be computed from its constants: cannot reshape array of size 2 into shape (3,)",
        "fold the constants before the export",
    ),
]


def two(net: Net) -> tuple[str, str]:
    """Two activations of one shape."""
    return net.quant(chip(net), 0.5), net.quant(chip(net), 0.75)


def dead_channel(net: Net) -> str:
    """A product with a channel that a gamma of 0 made constant."""
    a, b = two(net)
    constants = (net.const(v) for v in ([0.0, 1.0], [3.0, 0.0], [0.0, 0.0], [1.0, 1.0]))
    return net.add("Mul", net.add("BatchNormalization", a, *constants), b)


ONE_ZERO = "multiplies by a tensor whose zero point is no single integer"
BRANCHES: list[Case] = [
    (
        "div4",
        lambda n: n.add("Div", *two(n)),
        "divides one activation by another",
        "not a function of fixed-point numbers",
    ),
    ("mul5", dead_channel, ONE_ZERO, "quantise it with one integer zero point"),
    (
        "mul2",
        lambda n: n.add("Mul", n.quant(n.x, 1.0, 0.5), chip(n)),
        ONE_ZERO,
        "quantise it with one integer zero point",
    ),
    (
        "mul2",
        lambda n: n.add("Mul", n.add("Tanh", chip(n)), n.nodes[-1].output[0]),
        "multiplies two functions of one tensor",
        "quantise one of them first",
    ),
    (
        "add3",
        lambda n: n.add("Add", chip(n), n.add("Tanh", chip(n))),
        "reads a real value that no quantiser turned into integers",
        ACTIVATION,
    ),
    (
        "add4",
        lambda n: n.add("Add", chip(n), convolution(n)),
        "combines shapes (1, 3, 3, 3) and (1, 2, 4, 4)",
        FIT,
    ),
    (
        "concat1",
        lambda n: n.add("Concat", chip(n), n.x, axis=1),
        "joins activations with a tensor that is none",
        "quantise all operands",
    ),
    (
        "concat3",
        lambda n: n.add("Concat", chip(n), n.add("Tanh", chip(n)), axis=1),
        "joins a real value that no quantiser turned into integers",
        "quantise the operand",
    ),
    (
        "concat2",
        lambda n: n.add("Concat", chip(n), chip(n), axis=0),
        "joins along the samples",
        "join along a data axis",
    ),
    (
        "concat3",
        lambda n: n.add("Concat", chip(n), n.add("Flatten", chip(n)), axis=1),
        "joins shapes (1, 2, 4, 4) and (1, 32)",
        FIT,
    ),
]

CASES = [*BRANCHES, *QUANTISERS, *MATRICES, *ELEMENTWISE, *POOLS, *LAYOUTS, *ENDS, *NODES]


def refusal(source: Any, **options: Any) -> str:
    with pytest.raises(BitwrightError) as error:
        load_onnx(source, **options)
    return str(error.value)


@pytest.mark.parametrize(("node", "build", "what", "hint"), CASES, ids=[f"{c[0]}: {c[2]}"[:60] for c in CASES])
def test_a_node_that_cannot_be_taken_is_named(node: str, build: Callable[[Net], Any], what: str, hint: str) -> None:
    net = Net(2, 4, 4)
    build(net)
    kinds = {proto.name: proto.op_type for proto in net.nodes}
    assert refusal(net.proto()) == f"model: node '{node}' ({kinds.get(node, 'output')}): {what}\n  hint: {hint}"


@pytest.mark.parametrize(
    ("op", "domain", "home"),
    [
        ("NonMaxSuppression", "", ""),
        ("FloatQuant", QONNX, f" in the domain '{QONNX}'"),
        ("Relu", "com.example", " in the domain 'com.example'"),
    ],
)
def test_operators_that_nobody_handles(op: str, domain: str, home: str) -> None:
    net = Net(4)
    net.add(op, net.x, net.x, domain=domain)
    text = refusal(net.proto())
    assert text.startswith(
        f"model: node '{op.lower()}0' ({op}): is not supported{home}\n  hint: supported operators: Add, ArgMax, "
    )


def test_a_network_without_a_layer() -> None:
    net = Net(4)
    net.quant(net.x, 1.0)
    assert refusal(net.proto()) == (
        "model: holds no quantised layer\n  hint: quantise the network first (bitwright quantize)"
    )


def test_an_output_that_no_node_makes() -> None:
    net = Net(4)
    net.quant(net.x, 1.0)
    assert refusal(net.proto("y")) == "model: output 'y' is made by no node\n  hint: export the model again"


def test_types_for_inputs_that_do_not_take_them() -> None:
    net = Net(4, kind=TensorProto.INT8)
    net.dequantize(net.x, 1.0, 0, np.int8)
    given = InputType.parse("u8", where="--input x")
    assert refusal(net.proto(), inputs={"x": given}) == (
        "--input x: is of type int8 already\n  hint: only real-valued inputs take a type"
    )
    assert refusal(net.proto(), inputs={"y": given}) == (
        "--input y: the model has no input 'y'\n  hint: its inputs are 'x'"
    )


@pytest.mark.parametrize("text", ["", "8", "s1", "u0", "u33", "s8.2.1", "u8/0", "s8/", "float", "S8", "u8 "])
def test_a_type_that_is_none(text: str) -> None:
    with pytest.raises(BitwrightError) as error:
        InputType.parse(text, where="--input x")
    assert str(error.value) == (
        f"--input x: '{text}' is not a type\n  hint: for example s16.8, u8, u8/255, bipolar or s4n, up to 32 bits"
    )


NOT_ONNX = "is not an ONNX model\n  hint: export the network to ONNX, or give a graph saved by bitwright"


@pytest.mark.parametrize("data", [b"", b"hello", b"\x00" * 100, b"PK\x03\x04"])
def test_files_that_are_no_models(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    assert refusal(path) == f"net.onnx: {NOT_ONNX}"
    assert refusal(data) == f"model: {NOT_ONNX}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.onnx"
    assert refusal(path) == f"{path}: cannot be read: No such file or directory\n  hint: give the path of an ONNX file"


@pytest.mark.parametrize(
    ("info", "what", "hint"),
    [
        (
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
            "declares no shape",
            "export the model with the input's shape",
        ),
        (
            helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [1]),
            "declares no shape",
            "export the model with the input's shape",
        ),
        (
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "W"]),
            "has an unknown size: ['?', 3, '?']",
            "export the model with every size but the batch fixed",
        ),
        (
            helper.make_tensor_value_info("x", TensorProto.STRING, ["N", 3]),
            "is of type string",
            "use float32, or integers up to 32 bits",
        ),
        (
            helper.make_tensor_value_info("x", TensorProto.INT64, ["N", 3]),
            "is of type int64",
            "use float32, or integers up to 32 bits",
        ),
    ],
)
def test_inputs_that_declare_too_little(info: onnx.ValueInfoProto, what: str, hint: str) -> None:
    net = Net(3)
    net.quant(net.x, 1.0)
    net.inputs = [info]
    assert refusal(net.proto()) == f"model: input 'x': {what}\n  hint: {hint}"


def test_a_subgraph() -> None:
    net = Net(3)
    body = helper.make_graph([], "body", [], [helper.make_value_info("y", onnx.TypeProto())])
    net.nodes.append(helper.make_node("If", ["x"], ["y"], name="if", then_branch=body, else_branch=body))
    assert refusal(net.proto()) == (
        "model: node 'if' (If): has a subgraph 'else_branch'\n  hint: export the network without control flow"
    )


def test_a_truncated_tensor() -> None:
    net = Net(3)
    net.quant(net.x, 1.0)
    proto = net.proto()
    proto.graph.initializer[0].dims.append(7)
    text = refusal(proto)
    assert text.startswith("model: tensor 'c0': cannot be read: ")
    assert text.endswith("\n  hint: export the model again; the file may be truncated")


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd"])
def test_data_outside_the_folder(tmp_path: Path, location: str) -> None:
    net = Net(3)
    net.quant(net.x, 1.0)
    proto = net.proto()
    tensor = numpy_helper.from_array(np.float32([1.0]), "c0")
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    proto.graph.initializer[0].CopyFrom(tensor)
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    assert refusal(path) == (
        f"net.onnx: tensor 'c0': keeps its data outside the model's folder: '{location}'\n"
        "  hint: put the data file beside the model"
    )
    assert refusal(proto) == (
        f"model: tensor 'c0': keeps its data in '{location}', and the model has no folder\n"
        "  hint: give the model as a file"
    )
