# SPDX-License-Identifier: Apache-2.0
"""What tests of refusals share: small broken models, and the message that each must give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest

from bitwright.frontend.lowering import load_onnx
from bitwright.ir.errors import BitwrightError
from tests.frontend.nets import QONNX, Net, grid

AGAIN = "export the model again"
FIT = "export the model again; the shapes do not fit"
ONLY_CONSTANTS = "only constants can set it"
ACTIVATION = "quantise the activation"
BATCH = ("moves the batch axis", "keep the samples on axis 0, or fix the batch to one (--shape NAME=1x...)")
TABLE = "quantise the activation to at most 16 bits before the function"

Case = tuple[str, Callable[[Net], Any], str, str]
"""Node that is named, how the model is built, what is said, and the way out."""


def axes(net: Net, *numbers: int) -> str:
    return net.const(numbers, np.int64)


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


def dense() -> onnx.ModelProto:
    """A sound model: quant0, quant1 (of the weights c3), gemm2, quant3."""
    net = Net(4)
    y = net.add("Gemm", net.quant(net.x, 0.25, bits=6.0), net.weights(grid(3, 4, span=3)), transB=1)
    net.quant(y, 2.0, bits=5.0)
    return net.proto()


def refusal(source: Any, **options: Any) -> str:
    """The message of the error that loading gives."""
    with pytest.raises(BitwrightError) as error:
        load_onnx(source, **options)
    return str(error.value)


def check(case: Case) -> None:
    """The model of a case is refused word for word."""
    node, build, what, hint = case
    net = Net(2, 4, 4)
    build(net)
    kinds = {proto.name: proto.op_type for proto in net.nodes}
    assert refusal(net.proto()) == f"model: node '{node}' ({kinds.get(node, 'output')}): {what}\n  hint: {hint}"


def name_of(case: Case) -> str:
    """A readable test name."""
    return f"{case[0]}: {case[2]}"[:60]
