# SPDX-License-Identifier: Apache-2.0
"""How deep the ring of a sliding window must be so that it costs no throughput.

Two schedules of endless frames are laid out over the pixels of a few frames, and the ring must hold what is written and
still needed at each moment of both: source and window as fast as they can, and everything spread evenly over a longer
interval, as slower neighbours force it. Counted in whole pixels, so up to one pixel more than the smallest depth.
"""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np

from bitwright.hardware.clocks.net import Net
from bitwright.hardware.events import earliest, patience, periodic
from bitwright.hardware.kernels.base import KernelGraph, Stream
from bitwright.hardware.kernels.windows import Window
from bitwright.ir.weights import Ints

FRAMES = 3  # laid out; the last is in steady state


class _Walk(NamedTuple):
    """One frame in output order: the pixel each kernel position shows (-1 in the padding), and what is spent after."""

    shown: Ints  # (output pixels, kernel positions)
    spent: Ints  # (output pixels,): no later window needs a pixel below this one


def ring_depth(window: Window) -> int:
    """The depth in beats at which `window` takes max(in, out) clocks per frame, and never blocks an even source."""
    walk, beats = _walk(window), window.blocks * window.inner
    rows, cols = window.reach
    field = rows * window.width + cols + 1
    depth = max(field, _as_fast_as_possible(window, walk), _spread_evenly(window, walk)) * beats
    while not _sustained(replace(window, depth=depth)):
        depth += beats
    return depth


def _sustained(window: Window) -> bool:
    """True if frames can follow each other through the window alone without a pause of whoever is slower."""
    ends = (window.input, window.in_beats), (window.output, window.out_beats)
    streams = (
        Stream(name=name, lanes=window.lanes, type=window.type, beats=beats, depth=2, shape=()) for name, beats in ends
    )
    alone = KernelGraph((window,), tuple(streams), (window.input,), (window.output,))
    sequences = periodic(Net(alone).sequences, max(window.in_beats, window.out_beats))
    return earliest(sequences, patience(sequences)) is not None


def _walk(window: Window) -> _Walk:
    (kh, kw), (sh, sw), (dh, dw), (top, left, _, _) = window.kernel, window.strides, window.dilations, window.pads
    corner_y = np.arange(window.out_height) * sh - top
    corner_x = np.arange(window.out_width) * sw - left
    y = corner_y[:, None, None, None] + np.arange(kh)[:, None] * dh
    x = corner_x[:, None, None] + np.arange(kw) * dw
    inside = (y >= 0) & (y < window.height) & (x >= 0) & (x < window.width)
    shown = np.where(inside, y * window.width + x, -1).reshape(window.out_height * window.out_width, kh * kw)
    corner = (corner_y[:, None] * window.width + corner_x).reshape(-1)
    pixels = window.height * window.width
    return _Walk(shown, np.append(np.maximum.accumulate(np.clip(corner[1:], 0, pixels)), pixels))


def _as_fast_as_possible(window: Window, walk: _Walk) -> int:
    """Pixels at an interval of max(in, out) clocks: whoever is faster waits as long as it may."""
    beats, pixels, outputs = window.blocks * window.inner, window.height * window.width, len(walk.shown)
    field = window.out_beats // outputs
    frame = np.arange(FRAMES)[:, None]
    beat = np.arange(outputs)[:, None] * field + np.arange(walk.shown.shape[1]) * window.inner
    reads = (frame[:, :, None] * window.out_beats + beat).reshape(-1)  # without a pause
    shown = np.where(walk.shown >= 0, walk.shown + frame[:, :, None] * pixels, -1).reshape(-1)
    if window.out_beats >= window.in_beats:
        written = _as_late_as_possible(shown, reads, FRAMES * pixels, beats)
    else:
        written = np.arange(FRAMES * pixels) * beats
        reads = reads + np.maximum.accumulate(np.where(shown >= 0, written[shown] + 1 - reads, 0))
    ends = reads.reshape(FRAMES * outputs, -1)[:, -1] + field - (walk.shown.shape[1] - 1) * window.inner
    wanted = _released(walk, ends, pixels)
    steps = np.arange(len(wanted)) * beats  # one beat a clock is released
    dropped = np.maximum.accumulate(np.maximum(wanted, written + 1) - steps) + steps + beats
    return _held(written, dropped, pixels)


def _as_late_as_possible(shown: Ints, reads: Ints, pixels: int, beats: int) -> Ints:
    """The latest clocks at which pixels can be written, `beats` clocks apart, each before it is first read."""
    first = np.full(pixels, np.iinfo(np.int64).max // 2)
    np.minimum.at(first, shown[shown >= 0], reads[shown >= 0])
    steps = np.arange(pixels) * beats
    late = np.minimum.accumulate((first - 1 - steps)[::-1])[::-1] + steps
    return np.asarray(np.minimum(late, reads[-1] + steps - steps[-1]))


def _spread_evenly(window: Window, walk: _Walk) -> int:
    """Pixels when source and reader move at constant rates; one frame is pixels * outputs units of time."""
    pixels, outputs = window.height * window.width, len(walk.shown)
    frame = np.arange(FRAMES)[:, None]
    begins = (frame * outputs + np.arange(outputs)).reshape(-1) * pixels
    written = np.arange(FRAMES * pixels) * outputs
    newest = (walk.shown.max(axis=1) + frame * pixels).reshape(-1)
    start = int((written[newest] + outputs - begins).max())
    wanted = _released(walk, start + begins + pixels, pixels)
    return _held(written, wanted, pixels)


def _released(walk: _Walk, ends: Ints, pixels: int) -> Ints:
    """For each pixel of all frames when it is no longer needed: the first window end after which it is spent."""
    spent = (np.arange(FRAMES)[:, None] * pixels + walk.spent).reshape(-1)
    return np.asarray(ends[np.searchsorted(spent, np.arange(FRAMES * pixels), side="right")])


def _held(written: Ints, dropped: Ints, pixels: int) -> int:
    """The most pixels in the ring when one is written, over the last frame but the end of the layout."""
    last = np.arange((FRAMES - 2) * pixels, (FRAMES - 1) * pixels)
    gone = np.searchsorted(dropped, written[last], side="left")
    return int((last - gone).max()) + 1
