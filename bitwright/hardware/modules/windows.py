# SPDX-License-Identifier: Apache-2.0
"""The sliding windows as sizes; see `streams.py`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from math import prod

from bitwright.hardware.modules.streams import Part, Parts, credit_pipe, elastic_reg, log2, ram, times, wrap


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """What a sliding window walks over: pixels, the windows on them, and the beats of a pixel."""

    height: int
    width: int
    out_height: int
    out_width: int
    blocks: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    top: int
    left: int

    @property
    def padded(self) -> bool:
        """True if a window reaches beyond the image."""
        bottom = (self.out_height - 1) * self.strides[0] - self.top + (self.kernel[0] - 1) * self.dilations[0]
        right = (self.out_width - 1) * self.strides[1] - self.left + (self.kernel[1] - 1) * self.dilations[1]
        return self.top > 0 or self.left > 0 or bottom >= self.height or right >= self.width

    @property
    def row_bits(self) -> int:
        """Bits of a row's place."""
        reach = self.out_height * self.strides[0] + self.kernel[0] * self.dilations[0] + self.top + self.height
        return log2(reach) + 1

    @property
    def column_bits(self) -> int:
        """Bits of a column's place."""
        reach = self.out_width * self.strides[1] + self.kernel[1] * self.dilations[1] + self.left + self.width
        return log2(reach) + 1


@cache
def window(*, at: Geometry, inner: int, lanes: int, x_w: int, depth: int) -> Parts:
    """One beat of the receptive field per clock."""
    width, pixel = lanes * x_w, at.blocks * inner
    line = at.width * pixel
    field = (at.kernel[0] - 1) * at.dilations[0] * line + (at.kernel[1] - 1) * at.dilations[1] * pixel
    reach = (at.height + at.top + at.strides[0] + 1) * line + at.left * pixel + field + depth
    own = Part(
        "window",
        {
            "width": width if at.padded else 0,
            "address": log2(reach + 1) + 2,
            "pointer": log2(depth),
            "wrap": wrap(depth),
            "fill": log2(depth + 1),
        },
    )
    flow = credit_pipe(width=width, latency=1, depth=3)
    return (own, _walk(at, inner), *ram(width=width, depth=depth), *flow)


def _walk(at: Geometry, inner: int) -> Part:
    places = (at.row_bits + at.column_bits) if at.padded else 0
    counters = (inner, *at.kernel, at.blocks, at.out_width, at.out_height)
    return Part(
        "window_walk",
        {
            "places": places,
            "counters": sum(map(log2, counters)),
            "levels": sum(count > 1 for count in counters),
        },
    )


@cache
def window_line(*, at: Geometry, period: int, lanes: int, x_w: int) -> Parts:
    """All positions of the receptive field in one beat."""
    taps, width = prod(at.kernel), lanes * x_w
    rows, columns = at.kernel
    along = at.dilations[1] * at.blocks
    down = at.dilations[0] * at.width * at.blocks - (columns - 1) * along
    places = period * at.blocks
    wait = log2((at.strides[0] + 1) * at.width * at.blocks + places + 1)
    own = Part("window_line", {"place": log2(places + 1), "wait": wait})
    mask = Part(
        "window_mask",
        {
            "field": taps * width if at.padded else 0,
            "places": at.row_bits + at.column_bits if at.padded else 0,
            "limits": rows * at.row_bits + columns * at.column_bits if at.padded else 0,
            "counters": log2(at.blocks) + log2(at.out_width) + log2(at.out_height),
        },
    )
    steps = delay(width=width, depth=1), times(rows * (columns - 1), delay(width=width, depth=along))
    line = (*steps[0], *steps[1], *times(rows - 1, delay(width=width, depth=down)))
    return (own, mask, *line, *elastic_reg(width=taps * width))


@cache
def delay(*, width: int, depth: int) -> Parts:
    """A word that comes out `depth` shifts later."""
    if depth == 1:
        return (Part("delay_register", {"width": width}),)
    words = depth - 1
    pointer = Part("delay", {"pointer": log2(words), "wrap": wrap(words)})
    return (pointer, *ram(width=width, depth=words))
