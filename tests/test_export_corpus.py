# SPDX-License-Identifier: Apache-2.0
"""Every network of the collection out to ONNX, executed there, and back: the same integers, an equal graph."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

import bitwright as bw
from tests.exported import as_list, differences, execute

MODELS = Path(__file__).parents[1].parent / "shared/models"
FOLDERS = {
    f"{path.parent.parent.name}/{path.parent.name}": path.parent
    for path in sorted(MODELS.glob("*/*/meta.json"))
    if (meta := json.loads(path.read_text())).get("expected", "exact") == "exact" and meta["format"] != "float"
}
TOO_WIDE = "ortquant/convt_concat_qoperator"
"""Float32 weights as integers: sums of 47 bits, whose quantiser no float64 constants meet."""
REFERENCE_ONLY = {"brevitas/binary_qonnx", "qonnx_zoo/TFC_1W1A", "finn/build_dataflow_tfc", "tflite/int16_conv0"} | {
    "hls4ml_examples/bnn_fc_1layer"
}
"""Networks with signs (QONNX), or with a convolution of more than 24 bits (float64), which onnxruntime does not run."""
LARGE = 10_000_000
"""Multiply-accumulates from which one sample is enough."""
pytestmark = pytest.mark.skipif(not MODELS.exists(), reason=f"no model collection at {MODELS}")


def test_the_collection_is_whole() -> None:
    assert len(FOLDERS) == 49
    assert {*REFERENCE_ONLY, TOO_WIDE} < FOLDERS.keys()


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(FOLDERS.keys() - {TOO_WIDE}))
def test_the_file_computes_the_same_and_is_read_back_equal(name: str) -> None:
    folder = FOLDERS[name]
    types = json.loads((folder / "meta.json").read_text()).get("input_types")
    net = bw.load(folder / "model.onnx", inputs=types)
    with np.load(folder / "golden.npz") as data:
        given = [data[key][: 1 if net.macs > LARGE else 2] for key in ("inputs", "inputs_1") if key in data.files]
    x = [
        array.reshape(len(array), *spec.shape).astype(spec.dtype)
        for array, spec in zip(given, net.before.specs, strict=True)
    ]

    model = bw.to_onnx(net)
    content = model.SerializeToString(deterministic=True)
    again = bw.load(content)
    assert differences(net, again) == []
    assert bw.to_onnx(again).SerializeToString(deterministic=True) == content

    ours = as_list(bw.run(net, x))
    for a, b in zip(ours, as_list(bw.run(again, x)), strict=True):
        np.testing.assert_array_equal(b, a)
    who, theirs = execute(model, dict(zip(net.before.inputs, x, strict=True)))
    assert who == ("onnx.reference" if name in REFERENCE_ONLY else "onnxruntime")
    for a, b in zip(ours, theirs, strict=True):
        noise = 2e-7 if net.after.steps[-1].op in ("softmax", "log_softmax", "sigmoid") else 0  # of float functions
        np.testing.assert_allclose(b, a, rtol=0, atol=noise)


@pytest.mark.slow
def test_sums_that_no_constants_meet_are_refused_by_name() -> None:
    with pytest.raises(bw.BitwrightError) as error:
        bw.to_onnx(bw.load(FOLDERS[TOO_WIDE] / "model.onnx"))
    assert str(error.value) == (
        "layer '/Relu_output_0_QuantizeLinear': no float64 arithmetic has its steps over integers up to "
        "105321928836400\n"
        "  hint: quantise weights or inputs to fewer bits, or save the graph in bitwright's own format, "
        "which holds all there is (docs/files.md)"
    )
