# SPDX-License-Identifier: Apache-2.0
"""Codes of a join whose pieces meet their quantiser one by one: the replay's are followed piece by piece."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort

from bitwright import api
from tests.frontend.nets import Net


def test_ties_of_many_elements_of_a_piece_are_explained() -> None:
    """An image that grows twofold joined to a skip connection: float32 takes many of its exact ties elsewhere."""
    rng = np.random.default_rng(1)
    net = Net(3, 6, 6, batch=1)
    x = net.qdq(net.x, 0.04, 0, np.int8)
    kernel = net.dequantize(net.const(rng.integers(-7, 8, (2, 3, 3, 3)), np.int8), 0.03125, 0, np.int8)
    y = net.qdq(net.add("Conv", x, kernel, strides=[2, 2], pads=[1] * 4), 0.05, 0, np.int8)
    y = net.add("Resize", y, "", net.const([1, 1, 2, 2]), mode="linear")
    y = net.qdq(net.add("Concat", y, x, axis=1), 0.05, 0, np.int8)
    kernel = net.dequantize(net.const(rng.integers(-7, 8, (4, 5, 3, 3)), np.int8), 0.03125, 0, np.int8)
    net.qdq(net.add("Conv", y, kernel), 0.05, 0, np.int8)
    proto = net.proto()
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    samples = (rng.standard_normal((12, 3, 6, 6)) * 3).astype(np.float32)
    wanted = np.concatenate([session.run(None, {"x": sample[None]})[0] for sample in samples])
    golden = api.verify(api.load(proto), samples, [wanted])["golden"]
    assert golden["unexplained"] == 0
    assert golden["boundary"] > 40
