# SPDX-License-Identifier: Apache-2.0
"""In which order the functions of `hls_templates/hls` read and write their words, and how many clocks they loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitwright.ir.weights import Ints


@dataclass(frozen=True, slots=True)
class Loop:
    """In which iteration of one loop each word of a frame is read, from each input, and each word is written.

    The next frame begins `iterations` later. A word that is written after that is so while the next frame enters, or
    while nothing does where that has not begun: the frame then takes `more` iterations.
    """

    reads: tuple[Ints, ...]
    writes: Ints
    iterations: int
    more: int = 0


Loops = tuple[Loop, ...]
"""What of a kernel runs side by side, each handing one token on to the next: a buffer that is full.

All kernels are one but those that fill a buffer while they empty another one. Within an iteration a kernel reads before
it writes; only windows and those with buffers write first.
"""


def folded(groups: int, fold: int) -> Loops:
    """A word in each iteration, and one out after each `fold` of them."""
    beats = np.arange(groups * fold)
    return (Loop((beats,), beats[fold - 1 :: fold], beats.size),)


def together(inputs: int, beats: int) -> Loops:
    """In each iteration a word of every input, and one out."""
    every = np.arange(beats)
    return (Loop((every,) * inputs, every, beats),)


def buffered(words_in: int, words_out: int) -> Loops:
    """A frame buffer is filled, then drained while the next one is filled."""
    fill = Loop((np.arange(words_in),), np.array([words_in - 1]), words_in)
    return fill, Loop((np.array([0]),), np.arange(words_out), words_out)


def phased(first: int, read: Ints, written: int) -> Loop:
    """Phases that write so many words each, and meanwhile read what only the next one needs.

    The last one reads what none needs, and then the `first` words of the next frame, which its first phase needs.
    """
    lengths, words = np.maximum(read, written), np.full(read.size, written)
    alone, rest = first + int(lengths.sum()), int(read[-1])
    lengths[-1] = max(rest + first, written)
    starts = int(lengths[-1]) - rest + np.append(0, np.cumsum(lengths[:-1]))  # since the frame's first word
    reads = np.append(np.arange(first), runs(starts, read))
    return Loop((reads,), runs(starts, words), int(lengths.sum()), alone - int(lengths.sum()))


def runs(starts: Ints, lengths: Ints) -> Ints:
    """starts[0], starts[0] + 1, ... lengths[0] of them; then from starts[1] on."""
    firsts = np.repeat(starts - np.append(0, np.cumsum(lengths)[:-1]), lengths)
    return np.asarray(firsts + np.arange(firsts.size))
