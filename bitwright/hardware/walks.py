# SPDX-License-Identifier: Apache-2.0
"""What a ring must hold while fields of an image leave it: which pixels they show, and which are spent after them."""

from __future__ import annotations

from typing import NamedTuple

from bitwright.ir.weights import Ints


class Walk(NamedTuple):
    """One frame in output order: the pixel each kernel position shows (-1 in the padding), and what is spent after.

    A pixel enters in `blocks` * `inner` beats. Each block of a window leaves position by position, `inner` beats each.
    """

    shown: Ints  # (output pixels, kernel positions)
    spent: Ints  # (output pixels,): no later window needs a pixel below this one
    pixels: int  # of the image
    field: int  # pixels from the first of a window to its last, both counted
    blocks: int
    inner: int

    @property
    def beats(self) -> int:
        """Beats of a pixel."""
        return self.blocks * self.inner

    @property
    def in_beats(self) -> int:
        """Beats of the image."""
        return self.pixels * self.beats

    @property
    def field_beats(self) -> int:
        """Beats of a window."""
        return int(self.shown.shape[1]) * self.beats

    @property
    def out_beats(self) -> int:
        """Beats of all windows."""
        return len(self.shown) * self.field_beats
