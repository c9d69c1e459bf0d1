# SPDX-License-Identifier: Apache-2.0
"""A few networks of the model collection on every engine, and through the linters; `make corpus` takes all of them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright import api
from bitwright.design import Design
from bitwright.sim.lint import project_sources, verilator_lint, yosys_check
from tests.needs import needs_cxx, needs_rtl, needs_yosys

MODELS = Path(__file__).parents[1].parent / "shared/models"
NETWORKS = [
    "brevitas/upcat_qonnx",  # concatenation, transposed convolution, nearest resize
    "deeploy/miniMobileNet",  # depthwise, RequantShift
    "hls4ml_examples/bnn_fc_1layer",  # bipolar
    "ortquant/cnn_qdq_u8u8",  # residual addition, leaky ReLU, global average pool, asymmetric weights
    "tflite/int16_add0",  # sixteen bits
]
pytestmark = pytest.mark.skipif(not MODELS.exists(), reason=f"no model collection at {MODELS}")


@cache
def network(name: str) -> tuple[Design, list[NDArray[Any]], NDArray[Any]]:
    """The design, three golden samples of each input, and the outputs for them."""
    meta = json.loads((MODELS / name / "meta.json").read_text())
    with np.load(MODELS / name / "golden.npz") as data:
        inputs = [data[key][:3] for key in ("inputs", "inputs_1") if key in data.files]
        outputs = data["outputs_exact" if "outputs_exact" in data.files else "outputs"][:3]
    return api.compile(api.load(MODELS / name / "model.onnx", inputs=meta.get("input_types"))), inputs, outputs


def verified(name: str, engine: str) -> dict[str, Any]:
    """The row of `engine`, which must give the integers of the reference; that must give the golden outputs."""
    design, inputs, outputs = network(name)
    report = api.verify(design.graph, inputs, outputs, engines=("reference", engine), design=design)
    assert api.passed(report)
    assert report["engines"][engine]["elements"] == report["engines"]["reference"]["elements"] > 0
    assert report["golden"]["elements"] == outputs.size
    return dict(report["engines"][engine])


@needs_cxx
@pytest.mark.parametrize("name", NETWORKS)
def test_hls_gives_the_integers_of_the_reference(name: str) -> None:
    verified(name, "hls")


@needs_rtl
@pytest.mark.parametrize("name", NETWORKS)
def test_rtl_gives_the_integers_of_the_reference_in_the_clocks_of_the_report(name: str) -> None:
    row, report = verified(name, "rtl"), network(name)[0].report()
    assert row["cycles_per_frame"] == report["interval_cycles"]
    assert row["latency_cycles"] == report["latency_cycles"]


@needs_rtl
@needs_yosys
@pytest.mark.parametrize("name", NETWORKS[:2])
def test_the_systemverilog_is_clean(name: str) -> None:
    design, _, _ = network(name)
    files = design.files("verilog")
    verilator_lint(files, project_sources(files), f"{design.name}_top")
    yosys_check(files, project_sources(files), [f"{design.name}_top"])
