# SPDX-License-Identifier: Apache-2.0
"""Which memories of a design are in UltraRAM, where its part has any: deep FIFOs, rings of windows, frame buffers.

All are written before they are read, and read by one port while another one writes: an UltraRAM can do that, in the
same clocks as a block RAM. It cannot hold weights: it has no initial content.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from bitwright.hardware.kernels.base import Kernel, KernelGraph, Stream
from bitwright.hardware.kernels.fifos import fifo_kind
from bitwright.hardware.modules.memories import block_rams, ram_memory, ultra_rams

WORTH = 4
"""Block RAMs that an UltraRAM must spare. In most parts that have it, it is as large a share of them as four to six."""


def spared(words: int, bits: int) -> float:
    """Block RAMs of a memory for each UltraRAM that it would take instead; 0 where it is not worth one."""
    if not words or ram_memory(words, bits, "xcup") != "block":
        return 0.0
    found = block_rams(words, bits).blocks / ultra_rams(words, bits).blocks
    return found if found >= WORTH else 0.0


def in_ultra(kernels: Iterable[Kernel]) -> tuple[Kernel, ...]:
    """`kernels` with every buffer that is worth it in UltraRAM."""
    return tuple(replace(kernel, ultra=True) if spared(*kernel.store) else kernel for kernel in kernels)


def placed(graph: KernelGraph, held: int) -> KernelGraph:
    """`graph` with the memories in UltraRAM that spare most block RAMs, as far as `held` of them go."""
    memories: list[tuple[Stream | Kernel, int, int]] = [
        (stream, stream.depth, stream.bits) for stream in graph.streams if fifo_kind(stream) == "block"
    ]
    memories += [(kernel, *kernel.store) for kernel in graph.kernels]
    streams, kernels = set[str](), set[str]()
    for memory, words, bits in sorted(memories, key=lambda found: -spared(*found[1:])):
        taken = ultra_rams(words, bits).blocks
        if spared(words, bits) and taken <= held:
            (streams if isinstance(memory, Stream) else kernels).add(memory.name)
            held -= taken
    return replace(
        graph,
        kernels=tuple(replace(kernel, ultra=True) if kernel.name in kernels else kernel for kernel in graph.kernels),
        streams=tuple(replace(stream, ultra=True) if stream.name in streams else stream for stream in graph.streams),
    )
