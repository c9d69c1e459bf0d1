# SPDX-License-Identifier: Apache-2.0
"""Averages, indexing and the rarer dialects: what cannot be taken, word for word."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, numpy_helper

from tests.frontend.nets import QONNX, Net
from tests.frontend.refusing import AGAIN, BATCH, Case, check, chip, kernel, name_of


def mean(net: Net, x: str, **attributes: Any) -> str:
    return net.add("AveragePool", x, **({"kernel_shape": [2, 2]} | attributes))


def transposed(net: Net, x: str, **attributes: Any) -> str:
    return net.add("ConvTranspose", x, kernel(net, 2, 3, 2, 2), **attributes)


def shift(net: Net, x: str, **attributes: Any) -> str:
    constants = (net.const(1.0), net.const(0.0))
    return net.add(
        "RequantShift", x, *constants, domain="PULP", **({"div": 4, "n_levels_out": 16, "signed": 0} | attributes)
    )


def resized(net: Net, *scales: float, **attributes: Any) -> str:
    return net.add("Resize", chip(net), "", net.const(scales), **attributes)


def padded(net: Net, x: str, *pads: int, **attributes: Any) -> str:
    return net.add("Pad", x, net.const(pads, np.int64), **attributes)


FOLD = "fold the constant before the export"
CONSTANTS = {"QLinearSigmoid": 1, "QLinearLeakyRelu": 1, "QLinearAdd": 2, "QLinearMul": 2}
"""Operators on integers, which no tool folds, and how many operands they have."""


def constants(net: Net, op: str) -> str:
    """The operator, of constants alone."""
    scale = [(net.const(0.5), net.const(3, np.uint8)) for _ in range(2)]
    codes = [(net.const([[1, 2, 3]], np.uint8), *scale[0]) for _ in range(CONSTANTS[op])]
    return net.add(op, *sum(codes, ()), *scale[1], domain="com.microsoft")


OTHERS: list[Case] = [
    (
        "averagepool0",
        lambda n: mean(n, n.x),
        "averages a tensor that no quantiser turned into integers",
        "quantise its input",
    ),
    (
        "globalaveragepool2",
        lambda n: n.add("GlobalAveragePool", n.add("Flatten", chip(n))),
        "averages a tensor that is no signal or image",
        "only 1-D and 2-D pools are supported",
    ),
    (
        "averagepool1",
        lambda n: mean(n, n.quant(n.x, 1.0, 1 / 3), pads=[1, 1, 0, 0]),
        "pads around a zero point that is no integer",
        "use an integer zero point, or no padding",
    ),
    (
        "averagepool1",
        lambda n: mean(n, chip(n), kernel_shape=[5, 2]),
        "has a kernel larger than its 4 x 4 input",
        AGAIN,
    ),
    (
        "convtranspose2",
        lambda n: chip(n) and transposed(n, n.x),
        "is no convolution of a quantised signal or image",
        "only ConvTranspose1d and 2d of integers are supported",
    ),
    (
        "convtranspose2",
        lambda n: transposed(n, n.quant(n.x, 1.0, 1 / 3)),
        "spreads its input around a zero point that is no integer",
        "use an integer zero point",
    ),
    (
        "convtranspose2",
        lambda n: transposed(n, chip(n), pads=[2, 0, 0, 0]),
        "crops more than its kernel reaches",
        "use smaller pads",
    ),
    (
        "trunc0",
        lambda n: n.add("Trunc", n.x, *(n.const(v) for v in (1.0, 0.0, 8.0, 4.0)), domain=QONNX),
        "truncates a real value, or has a scale that is not positive",
        "quantise its input first",
    ),
    (
        "trunc1",
        lambda n: n.add(
            "Trunc", chip(n), *(n.const(v) for v in (1.0, 0.0, 8.0, 4.0)), domain=QONNX, rounding_mode="ODD"
        ),
        "rounds by 'ODD'",
        "known modes: ROUND, HALF_EVEN, CEIL, FLOOR, UP, DOWN, ROUND_TO_ZERO, HALF_UP, HALF_DOWN",
    ),
    (
        "requantshift0",
        lambda n: shift(n, n.x),
        "requantises real values",
        "give the input an integer type, for example --input NAME=u8",
    ),
    (
        "requantshift1",
        lambda n: shift(n, chip(n), div=3),
        "divides by 3 into 16 levels",
        "div is a power of two, n_levels at least 2",
    ),
    (
        "requantshift1",
        lambda n: n.add("RequantShift", chip(n), n.const(1.0), n.const(0.0), div=2, domain="PULP"),
        "lacks the attribute 'n_levels_out'",
        AGAIN,
    ),
    (
        "requantshift1",
        lambda n: shift(n, chip(n), div=numpy_helper.from_array(np.float32([2, 4]))),
        "has an attribute 'div' that is not one integer",
        AGAIN,
    ),
    (
        "quant0",
        lambda n: n.add("Quant", n.x, "", n.const(0.0), n.const(4.0), domain=QONNX, signed=1, narrow=0),
        "lacks input 1",
        AGAIN,
    ),
    ("floor0", lambda n: n.add("Floor", n.x), "rounds real values", "quantise the input first"),
    (
        "cast0",
        lambda n: n.add("Cast", n.x, to=TensorProto.INT32),
        "casts real values to an integer type",
        "quantise the input first",
    ),
    (
        "cast1",
        lambda n: n.add("Cast", chip(n), to=TensorProto.STRING),
        "casts to type 8",
        "only float and integer types are supported",
    ),
    (
        "div2",
        lambda n: n.add("Div", n.add("Cast", chip(n), to=TensorProto.INT32), n.const(0, np.int32)),
        "divides integers by a vector or a number below 1",
        "divide by one positive constant",
    ),
    ("resize1", lambda n: resized(n, 2, 2), "has no scales for its axes", AGAIN),
    ("resize1", lambda n: resized(n, 2, 1, 1, 1), *BATCH),
    (
        "pad1",
        lambda n: padded(n, chip(n), 0, 0, 1, 1, 0, 0, 0, 0, mode="mirror"),
        "pads by 'mirror'",
        "known modes: constant, reflect, edge, wrap",
    ),
    (
        "pad1",
        lambda n: padded(n, chip(n), 0, 0, 4, 1, 0, 0, 0, 0, mode="reflect"),
        "pads a tensor of shape (1, 2, 4, 4) by 'reflect' beyond its length",
        "pad by less, or by 'edge'",
    ),
    *(
        (
            name,
            build,
            "pads a float tensor, or the samples",
            "pad quantised tensors only",
        )
        for name, build in (
            ("pad0", lambda n: padded(n, n.x, 0, 0, 1, 1, 0, 0, 0, 0)),
            ("pad1", lambda n: padded(n, chip(n), 1, 0, 0, 0, 0, 0, 0, 0)),
        )
    ),
    (
        "pad1",
        lambda n: n.add("Pad", chip(n), n.const([0, 0, 1, 0, 0, 0, 0, 0], np.int64), n.const(0.1)),
        "pads with 0.1, which is no integer of its input",
        "pad with the zero point's value",
    ),
    (
        "slice2",
        lambda n: n.add("Slice", chip(n), chip(n), n.const([1], np.int64)),
        "computes its input 1 ('quant1.out') from data",
        "only a constant is supported here",
    ),
    (
        "gather2",
        lambda n: n.add("Gather", chip(n), chip(n), axis=1),
        "computes its input 1 ('quant1.out') from data",
        "only constant indices are supported",
    ),
    (
        "relu1",
        lambda n: n.add("Relu", chip(n), domain="qonnx.custom_op.channels_last"),
        "has no meaning with its channels last",
        "export it with channels first",
    ),
    (
        "qlinearaveragepool1",
        lambda n: n.add(
            "QLinearAveragePool",
            n.quantize(n.x, 1.0),
            *(n.const(1.0), n.const(0, np.uint8)) * 2,
            domain="com.microsoft",
            kernel_shape=[2, 2],
            channels_last=1,
        ),
        "has its channels last",
        "export it with channels first",
    ),
    *((f"{op.lower()}0", lambda n, o=op: constants(n, o), "has a constant input", FOLD) for op in CONSTANTS),
    (
        "batchnormalization0",
        lambda n: n.add(
            "BatchNormalization",
            n.const(np.ones((1, 4, 4, 2))),
            *(n.const(np.ones(2)) for _ in range(4)),
            domain="qonnx.custom_op.channels_last",
        ),
        "has a constant input",
        FOLD,
    ),
]


@pytest.mark.parametrize("case", OTHERS, ids=name_of)
def test_a_node_that_cannot_be_taken_is_named(case: Case) -> None:
    check(case)
