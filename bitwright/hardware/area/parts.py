# SPDX-License-Identifier: Apache-2.0
"""FIFOs and the ends of a design as the modules that the Verilog backend makes of them, with the sizes of each.

A kernel says itself what it is made of: `Kernel.modules`.
"""

from __future__ import annotations

from typing import assert_never

from bitwright.hardware.kernels.base import KernelGraph, Stream
from bitwright.hardware.kernels.fifos import fifo_kind
from bitwright.hardware.modules import streams
from bitwright.hardware.modules.streams import Parts


def fifo_parts(stream: Stream) -> Parts:
    """The FIFO of an edge."""
    match kind := fifo_kind(stream):
        case "wire":
            return ()
        case "register":
            return streams.elastic_reg(width=stream.bits)
        case "shift":
            return streams.fifo_shift(width=stream.bits, depth=stream.depth)
        case "distributed":
            return streams.fifo(width=stream.bits, depth=stream.depth)
        case "block":
            return streams.fifo_block(width=stream.bits, depth=stream.depth)
        case "ultra":
            return streams.fifo_block(width=stream.bits, depth=stream.depth, ultra=True)
        case _:
            assert_never(kind)


def boundary_parts(graph: KernelGraph) -> Parts:
    """The AXI4-Stream ends of the streams that enter and leave the design, and the FIFOs of those that leave."""
    found: list[Parts] = []
    for name in graph.inputs:
        stream = graph.stream(name)
        found.append(streams.axis_sink(lanes=stream.lanes, elem_w=stream.type.bits, beats=stream.beats))
    for name in graph.outputs:
        stream = graph.stream(name)
        found += [
            fifo_parts(stream),
            streams.axis_source(lanes=stream.lanes, elem_w=stream.type.bits, beats=stream.beats),
        ]
    return tuple(part for parts_of_end in found for part in parts_of_end)
