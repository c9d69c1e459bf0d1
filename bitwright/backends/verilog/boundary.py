# SPDX-License-Identifier: Apache-2.0
"""The AXI4-Stream ports of a design: their names, widths and frames, for the top, the bench and the simulator."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Literal

from bitwright.backends.verilog.text import comment_lines
from bitwright.backends.verilog.words import code_name
from bitwright.hardware.kernels.base import KernelGraph, Stream

Side = Literal["s", "m"]


@dataclass(frozen=True)
class Boundary:
    """One AXI4-Stream port of the top: a slave `s` for an input, a master `m` for an output."""

    side: Side
    prefix: str
    stream: Stream

    @property
    def element_bytes(self) -> int:
        """Bytes of one element: its bits, padded."""
        return -(-self.stream.type.bits // 8)

    @property
    def tdata_bits(self) -> int:
        """The width of tdata."""
        return 8 * self.element_bytes * self.stream.lanes

    @property
    def comment(self) -> tuple[str, ...]:
        """What travels, for the port list."""
        stream, side = self.stream, "input" if self.side == "s" else "output"
        real = f", {stream.real}" if stream.real else ""
        each = "1 byte" if self.element_bytes == 1 else f"{self.element_bytes} bytes"
        return comment_lines(f"{side} {stream.name}: {stream.lanes} x {stream.type}{real}; each element in {each}")


def boundaries(graph: KernelGraph) -> tuple[tuple[Boundary, ...], tuple[Boundary, ...]]:
    """The input and output ports: `s_axis` and `m_axis`, with the stream's name if there is more than one."""
    return _side("s", graph, graph.inputs), _side("m", graph, graph.outputs)


def _side(side: Side, graph: KernelGraph, streams: tuple[str, ...]) -> tuple[Boundary, ...]:
    prefixes = [f"{side}_axis"] if len(streams) == 1 else [f"{side}_axis_{name}" for name in streams]
    return tuple(Boundary(side, prefix, graph.stream(name)) for prefix, name in zip(prefixes, streams, strict=True))


def boundary_json(top: str, graph: KernelGraph) -> str:
    """`bench/boundary.json`: what a program needs to drive the top."""
    inputs, outputs = boundaries(graph)
    data = {
        "top": top,
        "interval": graph.interval,
        "inputs": [_entry(port) for port in inputs],
        "outputs": [_entry(port) for port in outputs],
    }
    return json.dumps(data, indent=2) + "\n"


def _entry(port: Boundary) -> dict[str, Any]:
    stream = port.stream
    return {
        "prefix": port.prefix,
        "lanes": stream.lanes,
        "bits": stream.type.bits,
        "code": code_name(stream.type).lower(),
        "beats": stream.beats,
        "shape": list(stream.shape),
    }
