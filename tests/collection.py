# SPDX-License-Identifier: Apache-2.0
"""The collection of published networks beside the repository, as the tests read it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from bitwright import api
from bitwright.ir.graph import Graph

MODELS = Path(__file__).parents[1].parent / "shared/models"
needs_collection = pytest.mark.skipif(not MODELS.exists(), reason=f"no model collection at {MODELS}")


def taken() -> list[str]:
    """FAMILY/NAME of each network that has an exact integer meaning."""
    metas = {path.parent: json.loads(path.read_text()) for path in sorted(MODELS.glob("*/*/meta.json"))}
    exact = [
        folder
        for folder, meta in metas.items()
        if meta.get("expected", "refused" if meta["format"] == "float" else "exact") == "exact"
    ]
    return [f"{folder.parent.name}/{folder.name}" for folder in exact]


def load(name: str) -> Graph:
    """The graph of a network, real-valued inputs typed as its meta.json says."""
    meta = json.loads((MODELS / name / "meta.json").read_text())
    return api.load(MODELS / name / "model.onnx", inputs=meta.get("input_types", {}))


def golden(name: str, samples: int | None = None) -> tuple[list[NDArray[Any]], list[NDArray[Any]]]:
    """The first samples, or all: inputs and outputs, in the order of the model's."""
    with np.load(MODELS / name / "golden.npz") as data:
        arrays = {key: data[key][:samples] for key in data.files}
    return numbered(arrays, "inputs"), numbered(arrays, "outputs")


def numbered(arrays: dict[str, NDArray[Any]], stem: str) -> list[NDArray[Any]]:
    """`stem`, `stem`_1, `stem`_2, ... as far as they go."""
    names = [stem, *(f"{stem}_{index}" for index in range(1, len(arrays)))]
    return [arrays[name] for name in names if name in arrays]
