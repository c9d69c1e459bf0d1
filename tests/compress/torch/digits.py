# SPDX-License-Identifier: Apache-2.0
"""scikit-learn's digits for trainings that are short, and small networks for them."""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright.compress import FloatNet, float_net, outputs_of
from tests.compress.nets import graph, node, normal

Array = NDArray[Any]
TRAINED = 1078
"""Of the 1,797 images; the others are those that accuracies are of."""


@cache
def digits() -> tuple[Array, Array, Array, Array]:
    """Images (n, 64) from 0 to 1 and their classes, to train on and to test on."""
    held = pytest.importorskip("sklearn.datasets").load_digits()
    order = np.random.default_rng(0).permutation(len(held.target))
    x, y = (held.data / 16).astype(np.float32)[order], held.target.astype(np.int64)[order]
    return x[:TRAINED], y[:TRAINED], x[TRAINED:], y[TRAINED:]


def dense(*hidden: int, seed: int = 0) -> FloatNet:
    """Layers of 64, so many and 10 neurons, drawn, with a Relu between."""
    sizes, nodes, constants, read = [64, *hidden, 10], [], {}, "x"
    for place, (before, size) in enumerate(pairwise(sizes)):
        last = place == len(hidden)
        name = "y" if last else f"h{place}"
        constants[f"w{place}"] = normal(size, before, seed=10 * seed + place) * np.float32((2 / before) ** 0.5)
        constants[f"b{place}"] = np.zeros(size, np.float32)
        nodes.append(node("Gemm", f"{read} w{place} b{place}", name, transB=1))
        if not last:
            nodes.append(node("Relu", name, f"r{place}"))
            read = f"r{place}"
    return float_net(graph(nodes, constants, sample=[64]))


def accuracy(net: Any) -> float:
    """Of a float network, or of a module, on the test images."""
    *_, x, y = digits()
    if isinstance(net, FloatNet):
        return float((outputs_of(net, [x])[0].argmax(axis=1) == y).mean())
    torch = pytest.importorskip("torch")
    with torch.no_grad():
        return float((net(torch.from_numpy(x)).argmax(dim=1).numpy() == y).mean())
