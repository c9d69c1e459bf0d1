# SPDX-License-Identifier: Apache-2.0
"""Element-wise, pooling, layout and terminal operators that cannot be taken, word for word."""

from __future__ import annotations

import numpy as np
import pytest

from tests.frontend.refusing import (
    ACTIVATION,
    AGAIN,
    BATCH,
    FIT,
    TABLE,
    Case,
    check,
    chip,
    convolution,
    name_of,
    norm,
    pool,
    uneven,
)

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
    (
        "add2",
        lambda n: n.add("Add", n.add("Softmax", chip(n)), n.nodes[0].output[0]),
        "combines an activation with what node 'softmax1' (Softmax) computes in float on the host",
        "Softmax has no integer meaning: end the network there, or cut it in two",
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
    (
        "batchnormalization1",
        lambda n: norm(n, chip(n), np.nan),
        "has a number in its input 4 that is not finite",
        AGAIN,
    ),
    (
        "quant2",
        lambda n: n.quant(n.add("Tanh", chip(n, 17.0)), 2.0**-12, bits=12.0),
        "follows a function of a tensor of type s17: too wide for a table, or with scales per channel",
        TABLE,
    ),
    (
        "quant3",
        lambda n: n.quant(n.add("Reciprocal", uneven(n)), 0.1),
        "follows a function of a tensor of type s8: too wide for a table, or with scales per channel",
        TABLE,
    ),
    *(
        (
            f"{op.lower()}1",
            lambda n, o=op: (chip(n), n.add(o, n.x)),
            "is a function of real values",
            "quantise its input, and its output",
        )
        for op in ("Neg", "HardSigmoid", "Erf")
    ),
    (
        "erf1.out",
        lambda n: n.add("Erf", chip(n)),
        "leaves the function 'erf', which only a table computes",
        "quantise the output",
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
    ("argmax1", lambda n: n.add("ArgMax", chip(n)), "searches over the samples", "use a data axis"),
    (
        "argmax1",
        lambda n: n.add("ArgMax", chip(n), axis=4),
        "axis 4 of a tensor of 4 dimensions",
        "an axis lies between -rank and rank - 1",
    ),
    (
        "argmax0",
        lambda n: n.add("ArgMax", n.x, axis=1),
        "stands before the first quantiser",
        "only supported at the end of a quantised network",
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


@pytest.mark.parametrize("case", [*ELEMENTWISE, *POOLS, *LAYOUTS, *ENDS, *NODES], ids=name_of)
def test_a_node_that_cannot_be_taken_is_named(case: Case) -> None:
    check(case)
