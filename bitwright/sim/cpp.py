# SPDX-License-Identifier: Apache-2.0
"""The `hls` engine: a generated C++ project, compiled for the host and called in this process, a batch at a time."""

from __future__ import annotations

import ctypes
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bitwright.ir.errors import BitwrightError
from bitwright.ir.weights import Ints
from bitwright.sim import tools

Shape = tuple[int, ...]
SOURCE = "host/driver.cpp"
FLAGS = ("-std=c++14", "-O3", "-fPIC", "-shared", "-fvisibility=hidden", "-Ihost")
WARNINGS = ("-Wall", "-Wextra", "-Wno-unknown-pragmas", "-Wno-unused-label")


@dataclass(frozen=True, slots=True, kw_only=True)
class CppModel:
    """A compiled accelerator: codes in, codes out, channels last, samples on axis 0."""

    inputs: tuple[Shape, ...]
    outputs: tuple[Shape, ...]
    library: ctypes.CDLL

    def run(self, inputs: Sequence[Ints]) -> list[Ints]:
        """The outputs of a batch, one array per output stream; BitwrightError if the C++ reports a broken stream."""
        assert len(inputs) == len(self.inputs), f"{len(inputs)} arrays for {len(self.inputs)} inputs"
        samples = len(inputs[0])
        for array, shape in zip(inputs, self.inputs, strict=True):
            assert array.shape == (samples, *shape), f"{array.shape} is not {samples} samples of {shape}"
        given = [np.ascontiguousarray(array, dtype=np.int64) for array in inputs]
        made = [np.empty((samples, *shape), dtype=np.int64) for shape in self.outputs]
        failure = self.library.bw_run(ctypes.c_longlong(samples), _pointers(given), _pointers(made))
        if failure is not None:
            raise BitwrightError(
                failure.decode(),
                where="the generated C++",
                hint="this is a bug in bitwright: please report it with the model",
            )
        return made


def build(
    files: Mapping[str, str | bytes], *, inputs: Sequence[Shape], outputs: Sequence[Shape], flags: Sequence[str] = ()
) -> CppModel:
    """The project in `files` (path -> text), compiled and loaded; a C++ library stays in memory with the process.

    `inputs` and `outputs` are the shapes of the boundary streams, without the samples; `flags` are added to the
    compiler's.
    """
    return CppModel(inputs=tuple(inputs), outputs=tuple(outputs), library=_compile(files, flags))


def _compile(files: Mapping[str, str | bytes], flags: Sequence[str]) -> ctypes.CDLL:
    with tempfile.TemporaryDirectory(prefix="bitwright-") as folder:
        for name, content in files.items():
            path = Path(folder, name)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(_bytes(content))
        command: list[str | Path] = [tools.cxx().path, *FLAGS, *WARNINGS, *flags, "-o", "model.so", SOURCE]
        tools.run(command, what="compiling the HLS C++ engine", cwd=Path(folder))
        library = ctypes.CDLL(str(Path(folder, "model.so")))
    library.bw_run.restype = ctypes.c_char_p
    return library


def _bytes(content: str | bytes) -> bytes:
    return content.encode() if isinstance(content, str) else content


def _pointers(arrays: Sequence[Ints]) -> ctypes.Array[ctypes.c_void_p]:
    return (ctypes.c_void_p * len(arrays))(*(array.ctypes.data for array in arrays))
