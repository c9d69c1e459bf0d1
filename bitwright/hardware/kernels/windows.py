# SPDX-License-Identifier: Apache-2.0
"""Kernels of sliding windows: a field a beat, or all its kernel positions in one beat."""

from __future__ import annotations

from dataclasses import dataclass

from bitwright.hardware.kernels.base import Kernel
from bitwright.ir.types import IntType


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliding(Kernel):
    """What sliding windows share: pixels of `blocks` beats in, for each output pixel its receptive field out.

    Positions in the padding read as `pad_value` in every lane.
    """

    height: int
    width: int
    blocks: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    out_height: int
    out_width: int
    pad_value: int
    lanes: int
    type: IntType


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Sliding):
    """Sliding window, one beat of the field per clock.

    Input beats: (height, width, blocks * inner); output beats, slowest first: (out_height, out_width, blocks, kernel h,
    kernel w, inner). A block is a convolution group, or, for a pool, one beat of channels (inner = 1).
    The line buffer is a ring of `depth` beats: it holds what lies between the top left pixel that is still needed and
    the newest one.
    """

    inner: int
    depth: int

    @property
    def in_beats(self) -> int:
        """Beats read per frame."""
        return self.height * self.width * self.blocks * self.inner

    @property
    def out_beats(self) -> int:
        """Beats written per frame."""
        return self.out_height * self.out_width * self.blocks * self.kernel[0] * self.kernel[1] * self.inner


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelWindow(Sliding):
    """Sliding window, all kernel positions of a block of channels in one beat.

    Input beats: (height, width, blocks); output beats: (out_height, out_width, blocks) of (kernel h, kernel w, lanes)
    elements. The pixels are shifted through a line with a tap at each kernel position: see `lines.py`, where `first`
    and `period` are explained.
    """

    first: int
    period: int

    @property
    def in_beats(self) -> int:
        """Beats read per frame."""
        return self.height * self.width * self.blocks

    @property
    def out_beats(self) -> int:
        """Beats written per frame."""
        return self.out_height * self.out_width * self.blocks

    @property
    def taps(self) -> int:
        """Kernel positions in an output beat."""
        return self.kernel[0] * self.kernel[1]

    @property
    def span(self) -> int:
        """Beats from the newest tap to the oldest."""
        rows, cols = ((k - 1) * d for k, d in zip(self.kernel, self.dilations, strict=True))
        return (rows * self.width + cols) * self.blocks
