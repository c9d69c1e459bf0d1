# SPDX-License-Identifier: Apache-2.0
"""Networks of well-known shapes through the whole chain: quantised, compiled, the same integers everywhere."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

import bitwright as bw
from bitwright.compress import outputs_of, quantize, trainable
from bitwright.compress.prune.work import macs
from tests.needs import needs_cxx, needs_package, needs_rtl

torch = pytest.importorskip("torch")
from bitwright.compress.torch.zoo import NETS, mobilenet, wide  # noqa: E402

pytestmark = needs_package("torch")
Array = NDArray[Any]
X = np.random.default_rng(0).normal(size=(24, 1, 8, 8)).astype(np.float32)
ROWS = {"mobilenet": "R171", "resnet": "R172", "googlenet": "R173", "squeezenet": "R174", "shufflenet": "R175"}


def made(name: str, width: float = 0.5) -> Any:
    torch.manual_seed(0)
    module = NETS[name](10, width, 1)
    with torch.no_grad():
        for _ in range(3):
            module(torch.from_numpy(X))  # statistics of its own
    return trainable(module.eval(), torch.from_numpy(X[:1])).float_net()


@pytest.mark.rows("R171", "R172", "R173", "R174", "R175")
@pytest.mark.parametrize("name", NETS)
def test_a_network_is_compiled_and_computes_what_its_file_says(name: str, tmp_path: Path) -> None:
    net = made(name)
    state = quantize(net, X, weights=8, activations=8)
    design = bw.compile(state.graph())
    assert design.plan is not None
    state.save(tmp_path / "q.onnx")
    got = bw.run(bw.load(tmp_path / "q.onnx"), X, engine="reference")
    np.testing.assert_array_equal(bw.run(state.graph(), X), got)
    (wanted,) = outputs_of(net, [X])
    step = float(np.abs(wanted).max()) / 40
    assert np.abs(got - wanted).max() < step


@pytest.mark.rows("R176")
@pytest.mark.parametrize("name", ["resnet", "mobilenet"])
def test_another_runtime_computes_the_same_of_the_exported_file(name: str, tmp_path: Path) -> None:
    runtime = pytest.importorskip("onnxruntime")
    net = quantize(made(name), X, weights=8, activations=8).graph()
    path = tmp_path / "export.onnx"
    path.write_bytes(bw.to_onnx(net).SerializeToString())
    session = runtime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (got,) = session.run(None, {session.get_inputs()[0].name: X})
    ours = bw.run(net, X, engine="reference")
    np.testing.assert_allclose(got.reshape(ours.shape), ours, rtol=1e-5, atol=1e-6 * np.abs(ours).max())


def test_a_width_makes_more_of_each() -> None:
    sizes = [macs(made("mobilenet", width)) for width in (0.5, 1.0, 2.0)]
    assert sizes[0] < sizes[1] < sizes[2]
    assert [wide(8, width) for width in (0.25, 0.5, 1.0, 1.5)] == [4, 4, 8, 12]
    deep, point = 3 * 3 * 8 * 64, 8 * 16 * 64  # of one block at full width: 1 / 16 + 1 / 9 of a convolution's
    assert (deep + point) / (9 * 8 * 16 * 64) == pytest.approx(1 / 16 + 1 / 9)
    assert isinstance(mobilenet(), torch.nn.Module)


@pytest.mark.long
@needs_cxx
@needs_rtl
@pytest.mark.parametrize("name", NETS)
def test_hardware_computes_the_same(name: str) -> None:
    net = quantize(made(name), X, weights=4, activations=4).graph()
    found = bw.verify(net, X[:4], engines=("reference", "fast", "hls", "rtl"))["engines"]
    assert len(found) == 4 and all(engine["mismatches"] == 0 for engine in found.values())
