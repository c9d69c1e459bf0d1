# SPDX-License-Identifier: Apache-2.0
"""Networks of the model collection: every golden output is met exactly, whatever tool exported them."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from bitwright.frontend.inputs import InputType
from bitwright.frontend.lowering import load_onnx
from bitwright.ir.verify import verify
from bitwright.sim.engines import ENGINES, REFERENCE
from bitwright.sim.whole import outputs

MODELS = Path(__file__).parents[1].parent / "shared/models"
FOURTEEN = [
    "qonnx_zoo/jettagging_qkeras",
    "qonnx_zoo/TFC_1W1A",
    "qonnx_zoo/TFC_2W2A",
    "qonnx_zoo/kwsmlp_w3a3",
    "finn/build_dataflow_tfc",
    "brevitas/cnn_ts_qonnx",
    "brevitas/cnn_ts_qcdq",
    "brevitas/cnn_dynamo_qonnx",
    "brevitas/binary_qonnx",
    "brevitas/po2_qonnx",
    "brevitas/prune_unstruct70_qonnx",
    "brevitas/conv1d_qonnx",
    "torch/fakequant_cnn",
    "ortquant/mlp_qdq_u8s8",
]


@pytest.mark.slow
@pytest.mark.parametrize("name", FOURTEEN)
def test_golden_outputs(name: str) -> None:
    folder = MODELS / name
    if not folder.exists():
        pytest.skip(f"no model collection at {MODELS}")
    meta, data = json.loads((folder / "meta.json").read_text()), np.load(folder / "golden.npz")
    types = {key: InputType.parse(text, where=key) for key, text in meta.get("input_types", {}).items()}
    graph = verify(load_onnx(folder / "model.onnx", inputs=types))
    (entry,), (spec,) = graph.before.inputs, graph.before.specs
    x = data["inputs"]
    (ours,) = outputs(graph, {entry: x.reshape(len(x), *spec.shape)}, ENGINES[REFERENCE].build(graph, None))
    wanted = data["outputs"]
    noise = 0 if ours.dtype.kind in "iu" else 2e-6 * float(np.abs(wanted).max())  # far below a quantiser's step
    np.testing.assert_allclose(ours.reshape(wanted.shape), wanted, rtol=2e-5 if noise else 0, atol=noise)
