# SPDX-License-Identifier: Apache-2.0
"""The folder of a compiled design, as a mapping from path to content."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping, Sequence
from fnmatch import fnmatchcase
from hashlib import sha256
from pathlib import Path

import numpy as np

from bitwright.design import Backend, Design, to_json
from bitwright.ir.files import to_bytes
from bitwright.ir.weights import Ints
from bitwright.report.page import page

FOLDERS: dict[Backend, str] = {"hls": "hls", "verilog": "rtl"}
"""Backend -> the folder that its project gets."""
FILES = "files.json"
"""Path -> SHA-256 of every other file of a design."""
MADE_LATER = (
    *("synth.json", "report.html", "hls/*.out", "*/__pycache__", "*.pyc"),
    *("rtl/bench/results.xml", "rtl/bench/sim_build", "rtl/bench/sim_build/*"),
)
"""What `bitwright synth` and the Makefiles of a design write in its folder."""


def design_folder(
    design: Design, backends: Sequence[Backend], inputs: list[Ints] | None = None, *, hls_vendor: str = "vitis"
) -> dict[str, str | bytes]:
    """`graph.bw`, `plan.json`, `certificate.json`, `report.json`, `report.html`, `vectors/`, a folder for each backend.

    `files.json` lists them. The test vectors are `inputs` (integers, one array per input layer), or a few seeded random
    ones.
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
    listed = {name: _digest(held.encode() if isinstance(held, str) else held) for name, held in content.items()}
    return {**content, FILES: to_json({"version": 1, "files": listed})}


def foreign(folder: Path, known: Path | None = None) -> Iterator[str]:
    """The paths in `folder` of what is not as a design has it that bitwright wrote there; `known` may have changed."""
    listed = _listed(folder)
    for path in sorted(folder.rglob("*")):
        name = path.relative_to(folder).as_posix()
        later = bool(listed) and any(fnmatchcase(name, pattern) for pattern in MADE_LATER)
        if later or (known is not None and path.resolve() == known.resolve() and name in listed):
            continue
        if path.is_dir() and not path.is_symlink():
            ours = any(path.iterdir()) or any(held.startswith(f"{name}/") for held in listed)
        else:
            ours = not path.is_symlink() and path.is_file() and _as_listed(path, name, listed)
        if not ours:
            yield name


def _as_listed(path: Path, name: str, listed: Mapping[str, str]) -> bool:
    return bool(listed) and name == FILES if name not in listed else _digest(path.read_bytes()) == listed[name]


def _listed(folder: Path) -> dict[str, str]:
    """Path -> digest of the files of the design in `folder`; nothing where none was written."""
    try:
        read = json.loads((folder / FILES).read_bytes())
        return {str(name): str(digest) for name, digest in read["files"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
        return {}


def _digest(content: bytes) -> str:
    return sha256(content).hexdigest()


def _npy(array: Ints) -> bytes:
    """The `.npy` file of integers, (samples, *shape), channels last."""
    file = io.BytesIO()
    np.save(file, array, allow_pickle=False)
    return file.getvalue()
