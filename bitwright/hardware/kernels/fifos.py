# SPDX-License-Identifier: Apache-2.0
"""The FIFO behind a kernel: what an edge of some depth becomes, and the clocks that it takes."""

from __future__ import annotations

from typing import Literal

from bitwright.hardware.kernels.base import Stream

SHIFT_FIFO_WORDS = 16
"""A FIFO of no more words is a shift register: a look-up table holds 16 words of two bits of it and there are no
pointers; of a dual-port memory it holds 32 words of one and a half bits."""

BLOCK_FIFO_WORDS, BLOCK_FIFO_BITS = 64, 4096
"""A FIFO beyond both is in block RAM: a smaller one would leave most of a block of 512 words unused, and takes fewer
look-up tables than a block is worth."""

FifoKind = Literal["wire", "register", "shift", "distributed", "block", "ultra"]


def stream_latency(stream: Stream) -> int:
    """Clocks through the FIFO of an edge."""
    return {"wire": 0, "register": 1, "shift": 1, "distributed": 1, "block": 2, "ultra": 2}[fifo_kind(stream)]


def fifo_words(stream: Stream) -> int:
    """Words that the FIFO of an edge holds: an elastic register two, also where one would do."""
    return max(stream.depth, 2) if stream.depth else 0


def fifo_kind(stream: Stream) -> FifoKind:
    """What an edge of `depth` words becomes: a wire (0), an elastic register (up to 2), or the cheapest memory."""
    if stream.depth <= 2:
        return "register" if stream.depth else "wire"
    if stream.depth <= SHIFT_FIFO_WORDS:
        return "shift"
    large = stream.depth > BLOCK_FIFO_WORDS and stream.depth * stream.bits > BLOCK_FIFO_BITS
    if large:
        return "ultra" if stream.ultra else "block"
    return "distributed"
