# SPDX-License-Identifier: Apache-2.0
"""The sliding windows as sizes; see `streams.py`."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from bitwright.hardware.modules.streams import Part, Parts, credit_pipe, elastic_reg, log2, ram, times, wrap
from bitwright.ir.window import Pair, Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Geometry:
    """What a sliding window walks over: pixels, the windows on them, and the beats of a pixel."""

    height: int
    width: int
    blocks: int
    window: Window

    @property
    def out(self) -> Pair:
        """(rows, columns) of windows."""
        return self.window.out((self.height, self.width))

    @property
    def padded(self) -> bool:
        """True if a window reaches beyond the image."""
        ends = zip(self.out, self.window.strides, self.window.span, self.window.pads, strict=False)
        bottom, right = ((count - 1) * stride + span - pad for count, stride, span, pad in ends)
        return any(self.window.pads[:2]) or bottom >= self.height or right >= self.width

    @property
    def row_bits(self) -> int:
        """Bits of a row's place."""
        return self._place_bits(0, self.height)

    @property
    def column_bits(self) -> int:
        """Bits of a column's place."""
        return self._place_bits(1, self.width)

    def _place_bits(self, axis: int, size: int) -> int:
        window = self.window
        taps = window.kernel[axis] * window.dilations[axis]
        return log2(self.out[axis] * window.strides[axis] + taps + window.pads[axis] + size) + 1


@cache
def window(*, at: Geometry, inner: int, lanes: int, x_w: int, depth: int, ultra: bool = False) -> Parts:
    """One beat of the receptive field per clock, from a ring anywhere or in UltraRAM."""
    width, pixel = lanes * x_w, at.blocks * inner
    line = at.width * pixel
    (rows, columns), (top, left, _, _) = at.window.span, at.window.pads
    field = rows * line + columns * pixel
    reach = (at.height + top + at.window.strides[0] + 1) * line + left * pixel + field + depth
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
    return (own, _walk(at, inner), *ram(width=width, depth=depth, ultra=ultra), *flow)


def _walk(at: Geometry, inner: int) -> Part:
    places = (at.row_bits + at.column_bits) if at.padded else 0
    counters = (inner, *at.window.kernel, at.blocks, *at.out)
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
    taps, width = at.window.size, lanes * x_w
    (rows, columns), dilations = at.window.kernel, at.window.dilations
    along = dilations[1] * at.blocks
    down = dilations[0] * at.width * at.blocks - (columns - 1) * along
    places = period * at.blocks
    wait = log2((at.window.strides[0] + 1) * at.width * at.blocks + places + 1)
    own = Part("window_line", {"place": log2(places + 1), "wait": wait})
    mask = Part(
        "window_mask",
        {
            "field": taps * width if at.padded else 0,
            "places": at.row_bits + at.column_bits if at.padded else 0,
            "limits": rows * at.row_bits + columns * at.column_bits if at.padded else 0,
            "counters": log2(at.blocks) + log2(at.out[0]) + log2(at.out[1]),
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
