# SPDX-License-Identifier: Apache-2.0
"""The `rtl` engine: a generated SystemVerilog project in Verilator, driven over its AXI4-Streams, a batch per call."""

from __future__ import annotations

import json
import shutil
import tempfile
import weakref
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files as package_files
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.weights import Ints
from bitwright.sim import tools
from bitwright.sim.places import new_scratch
from bitwright.sim.runtime import compile_model

BOUNDARY = "bench/boundary.json"
STEADY_FRAMES = 6
"""Frames that a run has at least if it has more than one, so that the interval before the last one is steady."""

PATIENCE = 10_000_000
"""Clocks without a transfer after which a model counts as hung."""
SPEED = ("OPT_FAST=-O1", "OPT_SLOW=-O0", "OPT_GLOBAL=-O0")
"""What make is told: most models run for less time than they are compiled."""


@dataclass(frozen=True)
class Port:
    """One AXI4-Stream of the top: `beats` of `lanes` elements per frame, `bits` each, padded to bytes."""

    prefix: str
    lanes: int
    bits: int
    code: str  # unsigned, signed or bipolar
    beats: int
    shape: tuple[int, ...]

    @staticmethod
    def of(entry: Mapping[str, Any]) -> Port:
        """The port that an entry of `bench/boundary.json` describes."""
        return Port(**{**entry, "shape": tuple(entry["shape"])})

    @property
    def element_bytes(self) -> int:
        """Bytes of one element."""
        return -(-self.bits // 8)

    @property
    def beat_bytes(self) -> int:
        """Bytes of one beat."""
        return self.element_bytes * self.lanes

    def pack(self, codes: Ints) -> bytes:
        """`codes` (frames, *shape) as the bytes of their beats."""
        raw = (codes + 1) // 2 if self.code == "bipolar" else codes
        return np.ascontiguousarray(raw, dtype="<i8").view(np.uint8).reshape(-1, 8)[:, : self.element_bytes].tobytes()

    def unpack(self, data: bytes) -> Ints:
        """The codes (frames, *shape) in the bytes of whole frames."""
        raw = np.frombuffer(data, dtype=np.uint8).reshape(-1, self.element_bytes)
        filled = np.zeros((len(raw), 8), dtype=np.uint8)
        filled[:, : self.element_bytes] = raw
        if self.code == "signed":
            filled[:, self.element_bytes :] = np.where(raw[:, -1:] >= 128, 255, 0)
        codes: NDArray[np.int64] = filled.view("<i8").astype(np.int64).reshape(-1, *self.shape)
        return 2 * codes - 1 if self.code == "bipolar" else codes


@dataclass(frozen=True)
class RtlResult:
    """What a run gave: outputs in the order of the ports, and the clocks it took (None with one frame or stalls)."""

    outputs: list[Ints]
    cycles_per_frame: int | None
    latency_cycles: int | None
    port_cycles: tuple[tuple[int, int], ...] = ()  # (cycles per frame, latency) of each output alone


@dataclass(frozen=True, eq=False)
class RtlModel:
    """A compiled simulation in a temporary folder that lives as long as it."""

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    folder: Path

    @property
    def program(self) -> Path:
        """The compiled simulation."""
        return self.folder / "obj_dir" / "bw_sim"

    def run(self, inputs: Sequence[Ints], *, seed: int = 0, patience: int = PATIENCE) -> RtlResult:
        """`inputs` (frames, *shape), one array per input port, through the model.

        A seed other than 0 stalls source and sink in half of the clocks. With more than one frame at least
        `STEADY_FRAMES` are run, the given ones again in turn. A model that makes no transfer in `patience` clocks, or
        errs at its boundary, is a BitwrightError.
        """
        frames = len(inputs[0])
        if frames == 0:
            return RtlResult([np.zeros((0, *port.shape), dtype=np.int64) for port in self.outputs], None, None)
        total = frames if frames == 1 else max(frames, STEADY_FRAMES)
        index = np.arange(total) % frames
        packed = [port.pack(codes[index].astype(np.int64)) for port, codes in zip(self.inputs, inputs, strict=True)]
        with tempfile.TemporaryDirectory(dir=self.folder) as scratch:
            source, sink = Path(scratch, "in.bin"), Path(scratch, "out.bin")
            source.write_bytes(b"".join(packed))
            arguments = [str(number) for number in (total, patience, seed)]
            said = tools.run(
                [self.program, source, sink, *arguments], what="running the Verilog engine", cwd=self.folder
            )
            data = sink.read_bytes()
        return _timed(self._split(data, total, frames), said, timed=not seed)

    def _split(self, data: bytes, total: int, frames: int) -> list[Ints]:
        outputs, at = [], 0
        for port in self.outputs:
            size = total * port.beats * port.beat_bytes
            outputs.append(port.unpack(data[at : at + size])[:frames])
            at += size
        return outputs


def _timed(outputs: list[Ints], said: str, *, timed: bool) -> RtlResult:
    """The result with the clocks that the harness printed: the ends of the first frame, and of two before the last."""
    ends = np.array([line.split() for line in said.splitlines()], dtype=np.int64)
    if not timed:
        return RtlResult(outputs, None, None)
    first, before, then = (int(clock) for clock in ends.max(axis=0))
    ports = tuple((int(row[2] - row[1]), int(row[0])) for row in ends)
    return RtlResult(outputs, (then - before) or None, first, ports)


def build(files: Mapping[str, str]) -> RtlModel:
    """The generated project `files` (path -> text), compiled."""
    data = json.loads(files[BOUNDARY])
    command, env = _command(str(data["top"])), tools.verilator_environment()
    inputs, outputs = (tuple(Port.of(entry) for entry in data[side]) for side in ("inputs", "outputs"))
    model = RtlModel(inputs, outputs, new_scratch("bitwright-rtl-"))
    weakref.finalize(model, shutil.rmtree, model.folder, ignore_errors=True)
    harness = package_files("bitwright").joinpath("hls_templates/bench/bw_harness.cpp").read_text(encoding="utf-8")
    for name, text in {**files, "bw_harness.cpp": harness, "bw_ports.h": _ports_header(model)}.items():
        path = model.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    tools.run(command, what="compiling the Verilog engine", cwd=model.folder, env=env)
    compile_model(model.folder / "obj_dir", SPEED, env)
    return model


def _ports_header(model: RtlModel) -> str:
    lines = []
    for name, ports in (("BW_INPUTS", model.inputs), ("BW_OUTPUTS", model.outputs)):
        entries = " ".join(f"X({port.prefix}, {port.beat_bytes}, {port.beats})" for port in ports)
        lines.append(f"#define {name} {entries}\n")
    return "".join(lines)


def _command(top: str) -> list[str | Path]:
    verilator = ["--cc", "--exe", "--prefix", "Vtop", "--top-module", top]
    speed = ["-O3", "--x-assign", "fast", "--x-initial", "fast", "--no-assert", "--output-split", "20000"]
    sources = ["-CFLAGS", "-std=c++17 -I..", "-o", "bw_sim", "-f", "filelist.f", "bw_harness.cpp"]
    return [tools.verilator().path, *verilator, *speed, *sources]
