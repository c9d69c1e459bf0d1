# SPDX-License-Identifier: Apache-2.0
"""What was trained, its file, the reference, the C++ and the SystemVerilog are one network, whatever the quantisers."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

import bitwright as bw
from bitwright.compress import calibrate, trainable
from tests.compress.nets import graph, node, normal
from tests.compress.torch.test_trainable import Array, moved, outputs
from tests.needs import needs_cxx, needs_package, needs_rtl

torch = pytest.importorskip("torch")
from bitwright.compress.torch import QUANTISERS  # noqa: E402
from bitwright.compress.torch.bases import Fgq  # noqa: E402
from bitwright.compress.torch.trainable import Trainable  # noqa: E402
from bitwright.ir.types import TERNARY  # noqa: E402

pytestmark = [needs_package("torch"), needs_cxx, needs_rtl]
LAYERS = {
    "dorefa:2 qil:3 inq:4 bwn twn ttq residual:2 atoms:4 fgq": [1, 1, 1, 1, 1, 2, 2, 1, 3],
    "admm:4 lsq:5 thinned:4 sawb:4 hashed:4 five abc:2 relax fgq": [1, 1, 1, 1, 1, 1, 2, 1, 3],
}
"""Quantisers of the weights of two networks, and how many bases each has."""
TENSORS = ("lsq:4", "pact:3", "dorefa:4", "xnor", "lsq:5", "pact:4", "lsq:6", "dorefa:3", "lsq:4", "pact:5")
X = normal(60, 2, 4, 4)


def net() -> Any:
    """A convolution, a depthwise one, three of single pixels and four products."""
    nodes = [
        node("Conv", "x w0 b", "h0", pads=[1, 1, 1, 1]),
        node("Relu", "h0", "r0"),
        node("Conv", "r0 w1 b", "h1", group=4, pads=[1, 1, 1, 1]),
        node("Relu", "h1", "r1"),
        *(node("Conv", f"r{place - 1} w{place} b", f"h{place}") for place in (2, 3, 4)),
        *(node("Relu", f"h{place}", f"r{place}") for place in (2, 3)),
        node("Relu", "h4", "i"),
        node("AveragePool", "i", "p", kernel_shape=[2, 2], strides=[2, 2]),
        node("Flatten", "p", "r4"),
        *(node("Gemm", f"r{place - 1} w{place} c", f"r{place}", transB=1) for place in (5, 6, 7)),
        node("Gemm", "r7 w8 c", "y", transB=1),
    ]
    shapes = [(4, 2, 3, 3), (4, 1, 3, 3), *[(4, 4, 1, 1)] * 3, (8, 16), *[(8, 8)] * 3]
    weights = {f"w{place}": normal(*shape, seed=place) * 0.5 for place, shape in enumerate(shapes)}
    return graph(nodes, {**weights, "b": normal(4) / 4, "c": normal(8) / 4}, sample=[2, 4, 4])


def check(module: Any, *, po2: bool) -> Array:
    """All engines agree with the file, and with the module: to the last element, or but for explained boundaries."""
    module = moved(module, 1)
    made = outputs(module, X)
    report = bw.verify(bw.load(module.state().onnx()), X, made, engines=["reference", "hls", "rtl"])
    assert [row["mismatches"] for row in report["engines"].values()] == [0, 0, 0]
    golden = report["golden"]
    assert golden["unexplained"] == 0 and (not po2 or golden["equal"] == golden["elements"] == made.size)
    return made


def test_every_quantiser_has_a_layer() -> None:
    named = {name.split(":")[0] for names in LAYERS for name in names.split()}
    assert {QUANTISERS[name] for name in named} == set(QUANTISERS.values())


@pytest.mark.parametrize("po2", [False, True])
@pytest.mark.parametrize("names", LAYERS)
def test_each_layer_with_a_quantiser_of_its_own(names: str, po2: bool) -> None:
    found = calibrate(net(), [X])
    scale = "po2" if po2 else "free"
    given = dict(calibration=found, scale=scale)
    weights = {
        layer.weight: trainable(found.net, weights=name, activations=4, **given).quantiser(layer.weight)
        for layer, name in zip(found.net.layers, names.split(), strict=True)
    }
    acts = {
        site.tensor: trainable(found.net, weights=4, activations=name, **given).quantiser(site.tensor)
        for site, name in zip(found.net.sites, TENSORS, strict=True)
    }
    weights["w8"] = Fgq(torch.tensor(found.net.constants["w8"]), TERNARY, torch.ones(8, 1), po2=po2, group=3)
    module = Trainable(found.net, weights=weights, acts=acts, po2=po2)
    assert len(np.unique(check(module, po2=po2), axis=0)) > len(X) / 6  # no layer is dead
    counts = [len(module.state().weights[f"w{place}"]) for place in range(9)]
    assert counts == LAYERS[names]
