# SPDX-License-Identifier: Apache-2.0
"""The folder of a compiled design, as a mapping from path to content."""

from __future__ import annotations

import io
from collections.abc import Sequence

import numpy as np

from bitwright.design import Backend, Design, to_json
from bitwright.ir.files import to_bytes
from bitwright.ir.weights import Ints
from bitwright.report.page import page

FOLDERS: dict[Backend, str] = {"hls": "hls", "verilog": "rtl"}
"""Backend -> the folder that its project gets."""


def design_folder(
    design: Design, backends: Sequence[Backend], inputs: list[Ints] | None = None, *, hls_vendor: str = "vitis"
) -> dict[str, str | bytes]:
    """`graph.bw`, `plan.json`, `certificate.json`, `report.json`, `report.html`, `vectors/`, a folder for each backend.

    The test vectors are `inputs` (integers, one array per input layer), or a few seeded random ones.
    """
    project = design.project(inputs)
    content: dict[str, str | bytes] = {
        "graph.bw": to_bytes(design.graph),
        "plan.json": design.plan.to_json(),
        "certificate.json": to_json(design.certificate),
        "report.json": to_json(design.report()),
        "report.html": page(design.record),
    }
    for stem, arrays in (("inputs", project.inputs), ("outputs", project.outputs)):
        for index, vectors in enumerate(arrays):
            content[f"vectors/{stem}_{index}.npy" if index else f"vectors/{stem}.npy"] = _npy(vectors.array)
    for backend in backends:
        for name, text in design.files(backend, inputs, hls_vendor=hls_vendor).items():
            content[f"{FOLDERS[backend]}/{name}"] = text
    return content


def _npy(array: Ints) -> bytes:
    """The `.npy` file of integers, (samples, *shape), channels last."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
