# SPDX-License-Identifier: Apache-2.0
"""Input quantisers of QONNX with a zero point, whose codes a requantiser reads at once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from bitwright import api
from bitwright.frontend.lowering import load_onnx
from tests.exported import execute
from tests.frontend.nets import Net, grid

STEPS: dict[str, Callable[[Net, str], str]] = {
    "relu": lambda n, x: n.add("Relu", x),
    "leaky": lambda n, x: n.add("LeakyRelu", x, alpha=0.25),
    "doubled": lambda n, x: n.add("Add", x, x),
    "largest": lambda n, x: n.add("MaxPool", x, kernel_shape=[2, 2]),
}


@pytest.mark.parametrize("bits", [3.0, 8.0])
@pytest.mark.parametrize("mode", ["FLOOR", "ROUND"])
@pytest.mark.parametrize("name", STEPS)
def test_the_zero_point_of_an_input_is_not_lost(name: str, mode: str, bits: float) -> None:
    net = Net(2, 5, 5)
    x = net.quant(net.x, 0.25, 3.0, bits=6.0, mode=mode)
    net.quant(STEPS[name](net, x), 9.0 * 2.0**-bits, bits=bits)
    graph, data = load_onnx(net.proto()), grid(20, 2, 5, 5, span=40)
    _, (other,) = execute(api.to_onnx(graph), {"x": data})
    np.testing.assert_allclose(other, api.run(graph, data), rtol=1e-6, atol=1e-7)
