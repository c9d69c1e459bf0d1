# SPDX-License-Identifier: Apache-2.0
"""A list of steps in the library, and the memory in which threads run it."""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Sequence
from contextlib import suppress
from queue import Empty, SimpleQueue

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.weights import Ints
from bitwright.sim.fast.layout import Form, Placed
from bitwright.sim.fast.native import addresses, array, at
from bitwright.sim.threads import spread

Reals = NDArray[np.float64]
_WORD = (1 << 64) - 1


class Program:
    """Steps over tensors, `chunk` samples at a time; the tail that is put last belongs to the next step."""

    def __init__(self, library: ctypes.CDLL, chunk: int) -> None:
        self.library = library
        """What runs it."""
        self._handle = library.bw_new(chunk)
        self._free: SimpleQueue[int] = SimpleQueue()
        self.chunk = chunk
        self.layers: list[str] = []
        """The layer that each step so far belongs to."""
        self._layer = ""
        weakref.finalize(self, library.bw_delete, self._handle)

    def begin(self, layer: str) -> None:
        """The steps that follow belong to `layer`."""
        self._layer = layer

    def tensor(self, placed: Placed) -> int:
        """The number of a new tensor."""
        p = placed
        return int(
            self.library.bw_tensor(
                self._handle, p.kind, p.base, p.rows, p.columns, p.channels, *p.border, p.fill if any(p.border) else 0
            )
        )

    def entering(self, tensor: int) -> None:
        """The next input of the network."""
        self.library.bw_input(self._handle, tensor)

    def leaving(self, tensor: int) -> None:
        """The next output of the network."""
        self.library.bw_output(self._handle, tensor)

    def linear(self, doubles: bool, m: Reals, c: Reals, low: Reals, high: Reals, after: int) -> None:
        """The tail of the next step: `tails.Line`."""
        held = [array(values, np.float64) for values in (m, c, low, high)]
        self.library.bw_linear(self._handle, doubles, len(m), *map(at, held), after)

    def steps(self, narrow: bool, t: Ints, flip: Ints, first: Ints, step: int) -> None:
        """The tail of the next step: `tails.Counted`."""
        held = [array(t.clip(-(1 << 31), (1 << 31) - 1).T if narrow else t), array(flip), array(first)]
        self.library.bw_steps(self._handle, narrow, *t.shape, *map(at, held), step)

    def table(self, starts: Ints, entries: Ints) -> None:
        """The tail of the next step: `tails.Looked`."""
        held = array(starts), array(entries)
        self.library.bw_table(self._handle, len(starts), at(held[0]), len(entries), at(held[1]))

    def shift(self, wide: bool, channels: int, rows: Sequence[Ints], offsets: Sequence[int], s: int, odd: int) -> None:
        """The tail of the next step: `tails.Shifted`; rows are m, window, low and high."""
        m, window, low, high = map(array, rows)
        words = array([[c & _WORD, c >> 64 & _WORD] for c in offsets], np.uint64)
        limits = (at(window), at(low), at(high))
        self.library.bw_shift(self._handle, wide, channels, at(m), at(words), *limits, s, odd)

    def tried(self, sums: Ints, *, wide: bool) -> Ints:
        """What the tail that was put last makes of sums, (rows, channels)."""
        given, made = array(sums), np.empty(sums.shape, dtype=np.int64)
        self.library.bw_try(self._handle, wide, sums.shape[1], len(sums), at(given), at(made))
        return made

    def product(
        self, form: Form, read: int, made: int, weights: Ints, pixels: Ints, runs: Ints, groups: int, bias: Ints
    ) -> None:
        """Sums of products: weights (rows, runs, codes of a run), where the runs of each output pixel start."""
        rows, _, length = weights.shape
        held = [array(values) for values in (weights, pixels, runs, bias)]
        w, offsets, starts, constants = map(at, held)
        depth = length if groups > 1 else 0
        self.layers.append(self._layer)
        self.library.bw_product(
            self._handle, form, read, made, groups, depth, rows, w, offsets, len(runs), starts, length, constants
        )

    def pool(self, read: int, made: int, taps: Sequence[Ints], pad: Ints | None, *, wide: bool) -> None:
        """The largest element of each pixel's taps, or with `pad` their sum and what it adds; in 64 bits if `wide`."""
        counts, flat = array([len(row) for row in taps]), array(np.concatenate(taps))
        constants = array(np.zeros(len(taps)) if pad is None else pad)
        self.layers.append(self._layer)
        self.library.bw_pool(self._handle, read, made, pad is not None, wide, at(counts), at(flat), at(constants))

    def join(
        self, read: Sequence[int], made: int, factors: Ints, bias: Ints, *, product: bool, wide: bool, span: int
    ) -> None:
        """Elements by factors (operands, span * channels), or by one another, and a constant."""
        numbers, held = array(read, np.int32), (array(factors), array(bias))
        self.layers.append(self._layer)
        self.library.bw_join(self._handle, len(read), at(numbers), made, product, wide, span, at(held[0]), at(held[1]))

    def move(self, read: int, made: int, index: Ints, channel: int = 0, fill: int = 0) -> None:
        """Elements of `read` in the order of `index`, from a channel of `made` on."""
        held = array(index.reshape(-1))
        self.layers.append(self._layer)
        self.library.bw_move(self._handle, read, made, len(held), at(held), channel, fill)

    def places_of_largest(self, read: int, made: int, *, last: bool) -> None:
        """The channel of the largest element."""
        self.layers.append(self._layer)
        self.library.bw_arg_max(self._handle, read, made, last)

    def run(self, inputs: Sequence[Ints], outputs: Sequence[Ints]) -> None:
        """Fill `outputs` from `inputs`, samples on axis 0, in as many threads as pay."""
        samples = len(inputs[0])
        if samples == 0:
            return

        def part(start: int, stop: int) -> None:
            self._part([each[start:stop] for each in inputs], [each[start:stop] for each in outputs])

        spread(part, samples, self.chunk, samples)

    def seconds(self, repeats: int) -> NDArray[np.float64]:
        """Seconds of the processor that each step takes for a chunk of samples: the least of `repeats` runs."""
        memory, found = self._arena(), np.zeros(len(self.layers))
        try:
            self.library.bw_time(self._handle, memory, repeats, at(found))
        finally:
            self._free.put(memory)
        return found

    def _part(self, inputs: Sequence[Ints], outputs: Sequence[Ints]) -> None:
        memory = self._arena()
        try:
            given, made = addresses(inputs), addresses(outputs)
            widths, wanted = (array([_width(values) for values in each], np.int32) for each in (inputs, outputs))
            self.library.bw_run(self._handle, memory, len(inputs[0]), at(given), at(widths), at(made), at(wanted))
        finally:
            self._free.put(memory)

    def _arena(self) -> int:
        """Memory that no other thread uses; it lives as long as the program."""
        with suppress(Empty):
            return self._free.get_nowait()
        memory = self.library.bw_arena(self._handle)
        weakref.finalize(self, self.library.bw_free, memory)
        return int(memory)


def _width(values: Ints) -> int:
    """Bytes of an element, negative where it is signed."""
    return -values.itemsize if values.dtype.kind == "i" else values.itemsize
