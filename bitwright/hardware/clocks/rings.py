# SPDX-License-Identifier: Apache-2.0
"""How deep the ring of a sliding window must be so that it costs no throughput.

Two schedules of endless frames are laid out over the pixels of a few frames, and the ring must hold what is written and
still needed at each moment of both: source and window as fast as they can, and everything spread evenly over a longer
interval, as slower neighbours force it. Counted in whole pixels, so up to one pixel more than the smallest depth.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bitwright.hardware.clocks.fifos import sustained
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.hardware.walks import Walk
from bitwright.ir.weights import Ints

FRAMES = 3  # laid out; the last is in steady state


def ring_depth(walk: Walk, alone: Callable[[int], KernelGraph]) -> int:
    """The depth in beats at which a window takes max(in, out) clocks per frame, and never blocks an even source.

    `alone` is the window by itself, with a ring of some depth.
    """
    depth = max(walk.field, _as_fast_as_possible(walk), _spread_evenly(walk)) * walk.beats
    while not sustained(alone(depth)):  # whoever is slower makes a pause
        depth += walk.beats
    return depth


def _as_fast_as_possible(walk: Walk) -> int:
    """Pixels at an interval of max(in, out) clocks: whoever is faster waits as long as it may."""
    beats, pixels, outputs, field = walk.beats, walk.pixels, len(walk.shown), walk.field_beats
    frame = np.arange(FRAMES)[:, None]
    beat = np.arange(outputs)[:, None] * field + np.arange(walk.shown.shape[1]) * walk.inner
    reads = (frame[:, :, None] * walk.out_beats + beat).reshape(-1)  # without a pause
    shown = np.where(walk.shown >= 0, walk.shown + frame[:, :, None] * pixels, -1).reshape(-1)
    if walk.out_beats >= walk.in_beats:
        written = _as_late_as_possible(shown, reads, FRAMES * pixels, beats)
    else:
        written = np.arange(FRAMES * pixels) * beats
        reads = reads + np.maximum.accumulate(np.where(shown >= 0, written[shown] + 1 - reads, 0))
    ends = reads.reshape(FRAMES * outputs, -1)[:, -1] + field - (walk.shown.shape[1] - 1) * walk.inner
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


def _spread_evenly(walk: Walk) -> int:
    """Pixels when source and reader move at constant rates; one frame is pixels * outputs units of time."""
    pixels, outputs = walk.pixels, len(walk.shown)
    frame = np.arange(FRAMES)[:, None]
    begins = (frame * outputs + np.arange(outputs)).reshape(-1) * pixels
    written = np.arange(FRAMES * pixels) * outputs
    newest = (walk.shown.max(axis=1) + frame * pixels).reshape(-1)
    start = int((written[newest] + outputs - begins).max())
    wanted = _released(walk, start + begins + pixels, pixels)
    return _held(written, wanted, pixels)


def _released(walk: Walk, ends: Ints, pixels: int) -> Ints:
    """For each pixel of all frames when it is no longer needed: the first window end after which it is spent."""
    spent = (np.arange(FRAMES)[:, None] * pixels + walk.spent).reshape(-1)
    return np.asarray(ends[np.searchsorted(spent, np.arange(FRAMES * pixels), side="right")])


def _held(written: Ints, dropped: Ints, pixels: int) -> int:
    """The most pixels in the ring when one is written, over the last frame but the end of the layout."""
    last = np.arange((FRAMES - 2) * pixels, (FRAMES - 1) * pixels)
    gone = np.searchsorted(dropped, written[last], side="left")
    return int((last - gone).max()) + 1
