# SPDX-License-Identifier: Apache-2.0
"""The bench of a generated project: a cocotb test with its Makefile, and the test vectors as beats in hexadecimal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bitwright.backends.project import Project
from bitwright.backends.verilog.boundary import Boundary, boundaries, boundary_json
from bitwright.backends.verilog.text import environment, header
from bitwright.backends.verilog.words import hex_words
from bitwright.hardware.roms import coded, fields
from bitwright.ir.weights import Weights


@dataclass(frozen=True)
class BenchView:
    """What the bench's Makefile and test print."""

    header: str
    top: str
    test: str
    sources: tuple[str, ...]
    weight_dir: bool


def bench_files(project: Project, top: str, sources: Sequence[str], *, weight_dir: bool) -> dict[str, str]:
    """Every file under `bench/`, path -> text."""
    test = f"test_{project.name}"
    view = BenchView(header(project, "#"), top, test, tuple(sources), weight_dir)
    inputs, outputs = boundaries(project.kernels)
    files = {
        "bench/Makefile": environment().get_template("bench/Makefile.j2").render(bench=view),
        f"bench/{test}.py": environment().get_template("bench/test_top.py.j2").render(bench=view),
        "bench/boundary.json": boundary_json(top, project.kernels),
    }
    for ports, arrays in ((inputs, project.inputs), (outputs, project.outputs)):
        for port, vectors in zip(ports, arrays, strict=True):
            files[f"bench/vectors/{port.prefix}.hex"] = "\n".join(beats(port, vectors)) + "\n"
    return files


def beats(port: Boundary, vectors: Weights) -> list[str]:
    """The tdata of every beat of every frame, one hexadecimal number each."""
    kind = port.stream.type
    rows = coded(vectors.array, kind).reshape(-1, port.stream.lanes)
    bits = (
        fields(rows, 8 * port.element_bytes)
        if kind.signed
        else fields(rows & ((1 << kind.bits) - 1), 8 * port.element_bytes)
    )
    return hex_words(bits.reshape(len(rows), -1))
