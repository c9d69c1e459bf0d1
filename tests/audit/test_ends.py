# SPDX-License-Identifier: Apache-2.0
"""A clip that ends at a tie of its quantiser: float32 may round the limit to the other code, everywhere at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime as ort
import pytest

from bitwright import api
from tests.frontend.nets import Net


def clipped(net: Net, x: str, way: str) -> str:
    if way == "both":
        return net.add("Clip", x, net.const(-0.3), net.const(1.23))
    return net.add("Min", net.add("Conv", x, net.const(np.reshape([1.0, -1, 0.5, 2], (2, 2, 1, 1)))), net.const(1.23))


@pytest.mark.parametrize("way", ["both", "above a convolution"])
def test_a_limit_at_a_tie_is_explained(way: str) -> None:
    net = Net(2, 5, 4, batch=1)
    net.qdq(clipped(net, net.qdq(net.x, 0.07, 3, np.int8), way), 0.06, -4, np.int8)
    proto = net.proto()
    options: Any = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    samples = (np.random.default_rng(0).standard_normal((6, 2, 5, 4)) * 3).astype(np.float32)
    wanted = np.concatenate([session.run(None, {"x": sample[None]})[0] for sample in samples])
    golden = api.verify(api.load(proto), samples, [wanted])["golden"]
    assert golden["unexplained"] == 0
    assert golden["boundary"] > 50
    wanted[0, 0, 0, 0] += 0.12
    assert api.verify(api.load(proto), samples, [wanted])["golden"]["unexplained"] == 1
