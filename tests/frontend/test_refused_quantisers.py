# SPDX-License-Identifier: Apache-2.0
"""Quantisers that cannot be taken, word for word."""

from __future__ import annotations

import numpy as np
import pytest

from tests.frontend.nets import QONNX
from tests.frontend.refusing import AGAIN, FIT, ONLY_CONSTANTS, Case, check, chip, levels, name_of

QUANTISERS: list[Case] = [
    (
        "quant0",
        lambda n: n.quant(n.x, 1.0, mode="nearest"),
        "rounds by 'NEAREST'",
        "known modes: ROUND, HALF_EVEN, CEIL, FLOOR, UP, DOWN, ROUND_TO_ZERO, HALF_UP, HALF_DOWN",
    ),
    ("quant0", lambda n: n.quant(n.x, 1.0, bits=2.5), "has bit widths that are no whole numbers, or are all 0", AGAIN),
    ("quant0", lambda n: n.quant(n.x, 1.0, bits=0.0), "has bit widths that are no whole numbers, or are all 0", AGAIN),
    ("quant0", lambda n: n.quant(n.x, 1.0, bits=33.0), "has 33 bits", "at most 32 bits are supported"),
    (
        "quant0",
        lambda n: n.quant(n.x, 1.0, bits=[[[[1.0]], [[2.0]]]]),
        "has one signed bit in some channels only",
        "use one bit in every channel, or none",
    ),
    (
        "quant0",
        lambda n: n.quant(n.x, 1.0, bits=[[[[1.0]], [[0.0]]]]),
        "has one signed bit in some channels only",
        "use one bit in every channel, or none",
    ),
    (
        "quant0",
        lambda n: n.add("Quant", n.x, n.const(1.0), n.const(0.0), n.const(8.0), domain=QONNX, signed=1),
        "lacks the attribute 'narrow'",
        "export the model with an explicit value; tools disagree on the default",
    ),
    (
        "quant0",
        lambda n: n.add("Quant", n.x, n.const(1.0), n.const(0.0), domain=QONNX),
        "has 3 inputs of at least 4",
        AGAIN,
    ),
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
            "has thresholds that are not a matrix, or a scale of 0",
            AGAIN,
        )
        for array, scale in (([1.0, 2.0], 1.0), ([[1.0]], 0.0))
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
        "quantises what node 'softmax1' (Softmax) computes in float on the host",
        "Softmax has no integer meaning: end the network there, or cut it in two",
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
        "quantises on the host per channel",
        "use one scale for the whole tensor",
    ),
    (
        "quantizelinear0",
        lambda n: n.quantize(n.x, 1.0, 0.0, np.float32),
        "has a zero point of type float32",
        "use an integer type",
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


@pytest.mark.parametrize("case", QUANTISERS, ids=name_of)
def test_a_node_that_cannot_be_taken_is_named(case: Case) -> None:
    check(case)
