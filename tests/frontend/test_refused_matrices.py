# SPDX-License-Identifier: Apache-2.0
"""Matrix layers that cannot be taken, word for word."""

from __future__ import annotations

import numpy as np
import pytest

from tests.frontend.refusing import (
    ACTIVATION,
    AGAIN,
    BATCH,
    FIT,
    Case,
    check,
    chip,
    convolution,
    kernel,
    name_of,
)

MATRICES: list[Case] = [
    (
        "conv2",
        lambda n: chip(n) and n.add("Conv", n.x, kernel(n, 3, 2, 2, 2)),
        "reads real values that no quantiser turned into integers",
        "give the input a type, for example --input x=s16.8, or quantise the network first",
    ),
    (
        "conv3",
        lambda n: n.add("Conv", n.add("Softmax", chip(n)), kernel(n, 3, 2, 2, 2)),
        "reads what node 'softmax1' (Softmax) computes in float on the host",
        "Softmax has no integer meaning: end the network there, or cut it in two",
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
        lambda n: n.add("Conv", n.quant(n.x, 1.0, 1 / 3), kernel(n, 3, 2, 2, 2), pads=[1, 1, 1, 1]),
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
        lambda n: n.add("Conv", n.quant(chip(n), [[[1e-9]], [[1e9]]]), kernel(n, 3, 2, 2, 2)),
        "reads channels whose scales need weights of 86 bits",
        "use scales that are closer to one another, or one scale for the activation",
    ),
    (
        "conv3",
        lambda n: n.add("Conv", n.add("Tanh", chip(n)), kernel(n, 3, 2, 2, 2)),
        "reads a real value that no quantiser turned into integers",
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
        "has a number in its input 1 that is not finite",
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
        *BATCH,
    ),
    (
        "matmul1",
        lambda n: n.add("MatMul", n.const(np.ones((2, 3, 4))), chip(n)),
        "multiplies (2, 3, 4) by (1, 2, 4, 4)",
        "use one matrix for the whole tensor",
    ),
    ("matmul2", lambda n: n.add("MatMul", n.const(np.ones((3, 1))), n.add("Flatten", chip(n))), *BATCH),
    (
        "matmul1",
        lambda n: n.add("MatMul", n.const(np.ones((3, 5))), chip(n)),
        "multiplies (1, 2, 4, 4) by (5, 3)",
        FIT,
    ),
    ("matmul1", lambda n: n.add("MatMul", chip(n), n.const(np.ones((3, 5)))), "multiplies (1, 2, 4, 4) by (3, 5)", FIT),
    (
        "matmul1",
        lambda n: n.add("MatMul", chip(n), n.const(np.ones((2, 4, 5)))),
        "multiplies (1, 2, 4, 4) by (2, 4, 5)",
        FIT,
    ),
    (
        "convtranspose3",
        lambda n: n.add(
            "ConvTranspose", n.add("Reshape", chip(n), n.const([-1, 1, 4, 4], np.int64)), kernel(n, 1, 3, 2, 2)
        ),
        "acts on 2 frames of each sample, which are independent of one another",
        "export the network of one frame, and give every frame as a sample",
    ),
]


@pytest.mark.parametrize("case", MATRICES, ids=name_of)
def test_a_node_that_cannot_be_taken_is_named(case: Case) -> None:
    check(case)
