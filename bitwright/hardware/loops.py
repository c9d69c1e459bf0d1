# SPDX-License-Identifier: Apache-2.0
"""In which order the functions of `hls_templates/hls` read and write their words, and how many clocks they loop."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from bitwright.ir.weights import Ints


@dataclass(frozen=True, slots=True)
class Loop:
    """In which iteration of one loop each word of a frame is read, from each input, and each word is written."""

    reads: tuple[Ints, ...]
    writes: Ints
    iterations: int


Loops = tuple[Loop, ...]
"""The loops of a kernel that run side by side, each handing one token on to the next: a frame buffer that is full.

All kernels are one loop but those that fill a frame buffer and then drain it. Within an iteration a kernel reads before
it writes; only a window writes first.
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


def runs(starts: Ints, lengths: Ints) -> Ints:
    """starts[0], starts[0] + 1, ... lengths[0] of them; then from starts[1] on."""
    firsts = np.repeat(starts - np.append(0, np.cumsum(lengths)[:-1]), lengths)
    return np.asarray(firsts + np.arange(firsts.size))
