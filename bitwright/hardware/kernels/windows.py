# SPDX-License-Identifier: Apache-2.0
"""Kernels of sliding windows: a field a beat, or all its kernel positions in one beat."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace

import numpy as np

from bitwright.hardware.events import Course, Events, Made, Taken, Wait
from bitwright.hardware.indices import by_frame, lean, shifted
from bitwright.hardware.kernels.base import FRAME, REGISTER_DEPTH, Kernel, KernelGraph, Needs, Stream, fits
from bitwright.hardware.kernels.interface import Interface, Sizes, Told, Unit
from bitwright.hardware.lines import out_positions
from bitwright.hardware.loops import Loop, Loops, buffered, phased
from bitwright.hardware.modules import windows as sizes
from bitwright.hardware.modules.streams import Parts
from bitwright.hardware.modules.windows import Geometry
from bitwright.hardware.walks import Walk
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints
from bitwright.ir.window import Pair
from bitwright.ir.window import Window as LayerWindow


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliding(Kernel):
    """What sliding windows share: pixels of `blocks` beats in, for each output pixel its receptive field out.

    Positions in the padding read as `pad_value` in every lane.
    """

    height: int
    width: int
    blocks: int
    window: LayerWindow
    pad_value: int
    lanes: int
    type: IntType

    @property
    def geometry(self) -> Geometry:
        """What it walks over."""
        return Geometry(height=self.height, width=self.width, blocks=self.blocks, window=self.window)

    @property
    def out(self) -> Pair:
        """(rows, columns) of windows."""
        return self.window.out((self.height, self.width))

    @property
    @abstractmethod
    def in_beats(self) -> int:
        """Beats read per frame."""

    @property
    @abstractmethod
    def out_beats(self) -> int:
        """Beats written per frame."""

    @property
    def writes_in_bursts(self) -> bool:
        """Rows of pixels that it leaves out."""
        return self.in_beats > self.out_beats

    def walk(self, h: int = 0, w: int = 1) -> tuple[Sizes, Sizes, Sizes, Sizes]:
        """Its sizes, with `h` and `w` the axes that are down and along: image, kernel, strides, dilations."""
        size, window = (self.height, self.width), self.window
        return (
            {"Height": size[h], "Width": size[w], "Blocks": self.blocks},
            {"KernelH": window.kernel[h], "KernelW": window.kernel[w]},
            {"StrideH": window.strides[h], "StrideW": window.strides[w]},
            {"DilationH": window.dilations[h], "DilationW": window.dilations[w]},
        )

    def image_needs(self) -> Needs:
        """An image, windows, and where they stand."""
        yield min(self.height, self.width, self.blocks) > 0, "the input is empty"
        yield min(self.window.strides) > 0, "a stride must be positive"
        yield min(self.window.dilations) > 0, "a dilation must be positive"
        yield min(self.window.pads) >= 0, "a pad must not be negative"
        yield min(*self.window.kernel, *self.out) > 0, "no output"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Sliding):
    """Sliding window, one beat of the field per clock.

    Input beats: (height, width, blocks * inner); output beats, slowest first: (out_height, out_width, blocks, kernel h,
    kernel w, inner). A block is a convolution group, or, for a pool, one beat of channels (inner = 1).
    The line buffer is a ring of `depth` beats, in UltraRAM if `ultra`: it holds what lies between the top left pixel
    that is still needed and the newest one.
    """

    inner: int
    depth: int

    @property
    def store(self) -> tuple[int, int]:
        """The ring."""
        return self.depth, self.lanes * self.type.bits

    @property
    def in_beats(self) -> int:
        """Beats read per frame."""
        return self.height * self.width * self.blocks * self.inner

    @property
    def out_beats(self) -> int:
        """Beats written per frame."""
        return self.out[0] * self.out[1] * self.blocks * self.window.size * self.inner

    @property
    def cycles(self) -> int:
        """A beat per clock, in or out."""
        return max(self.in_beats, self.out_beats)

    @property
    def latency(self) -> int:
        """A beat is shown in the clock after it was written, and leaves two later."""
        return 3

    @property
    def credits(self) -> int:
        """Those of the buffer behind the ring."""
        return 3

    def needs(self) -> Needs:
        """A ring that holds a field, windows that start on the image, and a frame that can be counted."""
        yield from self.image_needs()
        (rows, columns), pixel = self.window.span, self.blocks * self.inner
        last = self.window.starts(0, self.out[0])[-1], self.window.starts(1, self.out[1])[-1]
        yield self.depth > (rows * self.width + columns) * pixel + pixel - 1, "Depth does not hold one receptive field"
        yield last[0] < self.height and last[1] < self.width, "the last window starts beyond the image"
        yield fits(self.in_beats + self.out_beats), FRAME

    @property
    def covers_image(self) -> bool:
        """Whether it has one field, the whole image: then C++ gathers a frame, and has no ring of rows."""
        window = self.window
        return window.kernel == (self.height, self.width) and not window.is_padded and set(window.dilations) == {1}

    @property
    def is_signal(self) -> bool:
        """Whether it is along a one-dimensional signal, which C++ takes as a column of pixels."""
        return self.height == 1 and self.window.kernel[0] == 1 and not (self.window.pads[0] or self.window.pads[2])

    @property
    def is_ring(self) -> bool:
        """It is."""
        return True

    @property
    def reads_in_bursts(self) -> bool:
        """A row."""
        return not self.covers_image

    def walk_over(self) -> Walk:
        """A frame in the order of its output."""
        (height, width), pixels = self.out, self.height * self.width
        y, x = self.window.taps(0, height)[:, None, :, None], self.window.taps(1, width)[:, None, :]
        inside = (y >= 0) & (y < self.height) & (x >= 0) & (x < self.width)
        shown = np.where(inside, y * self.width + x, -1).reshape(height * width, -1)
        spent = np.maximum.accumulate(np.clip(self._corners()[1:], 0, pixels))
        rows, columns = self.window.span
        field = rows * self.width + columns + 1
        return Walk(shown, np.append(spent, pixels), pixels, field, self.blocks, self.inner)

    def alone(self, depth: int) -> KernelGraph:
        """Nothing else between its streams, its ring so deep."""
        ends = (self.input, self.in_beats), (self.output, self.out_beats)
        streams = (
            Stream(name=name, lanes=self.lanes, type=self.type, beats=beats, depth=REGISTER_DEPTH, shape=())
            for name, beats in ends
        )
        return KernelGraph((replace(self, depth=depth),), tuple(streams), (self.input,), (self.output,))

    def _corners(self) -> Ints:
        """The place of the top left corner of each window."""
        rows, columns = self.window.starts(0, self.out[0]), self.window.starts(1, self.out[1])
        return np.asarray((rows[:, None] * self.width + columns).reshape(-1))

    def course(self) -> Course:
        """Beats are written to the ring, shown, and dropped when no later window needs them."""
        writes, reads, drops = f"{self.name} in", self.name, f"{self.name} drop"
        every, needed = range(self.in_beats), self._needed()
        shown = range(int(needed[-1]) + 1)
        first = np.searchsorted(needed, shown)  # the first beat out that shows this beat, or a newer one
        waits = [Wait(lean(first), writes, shown, 1)]
        spent = Wait(every, reads, lean(self._spent()), 1)
        out = range(len(needed))
        return Course(
            sequences={
                writes: Events(every, len(every), [Wait(every, drops, shifted(every, -self.depth), 1)]),
                reads: Events(out, len(out), waits),
                drops: Events(every, len(every), [Wait(every, writes, every, 1), spent]),
            },
            taken={self.input: Taken(writes, every, every)},
            made={self.output: Made(reads, out, self.latency - 1, self.credits)},
        )

    def _needed(self) -> Ints:
        """For each output beat the newest input beat that it or one before shows; the first needs the first."""
        rows, cols = self.window.taps(0, self.out[0]), self.window.taps(1, self.out[1])
        y, x = rows[:, None, None, :, None, None], cols[None, :, None, None, :, None]
        block, inner = np.arange(self.blocks)[:, None, None, None], np.arange(self.inner)
        inside = (y >= 0) & (y < self.height) & (x >= 0) & (x < self.width)
        place = ((y * self.width + x) * self.blocks + block) * self.inner + inner
        return np.asarray(np.maximum.accumulate(np.where(inside, place, 0).reshape(-1)))

    def _spent(self) -> Ints:
        """For each input beat of a frame the output beat after which the corner of the window has moved beyond it.

        Above the next frame the corner starts in the last rows of this one: they are spent in the next, or later.
        """
        corners = self._corners()
        pixels, field = self.height * self.width, self.out_beats // len(corners)
        frames = np.arange(2 + int(-corners[0]) // pixels)[:, None] * pixels
        moved = np.maximum.accumulate((corners + frames).reshape(-1))[1:]
        windows = np.searchsorted(moved, np.arange(pixels), side="right")
        return np.repeat(windows * field + field - 1, self.blocks * self.inner)

    def loops(self) -> Loops:
        """Phase by phase: a phase writes a row of fields, and meanwhile reads the rows that the next one needs."""
        if self.covers_image:
            return buffered(self.in_beats, self.out_beats)
        axis = 1 if self.is_signal else 0
        height, rows_out = (self.height, self.width)[axis], self.out[axis]
        row_in, row_out = self.in_beats // height, self.out_beats // rows_out
        tops, field = self.window.starts(axis, rows_out), self.window.reach[axis]
        wanted = np.append(np.clip(tops + field, 1, height), height)  # rows that are there before each row of fields
        return (phased(int(wanted[0]) * row_in, np.diff(wanted) * row_in, row_out),)

    def modules(self, *, contents: bool) -> Parts:
        """It has no ROM."""
        at, x_w = self.geometry, self.type.bits
        return sizes.window(at=at, inner=self.inner, lanes=self.lanes, x_w=x_w, depth=self.depth, ultra=self.ultra)

    def interface(self) -> Interface:
        """A ring; in C++ a frame is gathered if it is one field, and a signal is a column.

        Its pixels are then rows of one pixel, and the ring of rows holds no more of them than a field needs.
        """
        (kh, kw), (sh, sw), (top, left, _, _) = self.window.kernel, self.window.strides, self.window.pads
        told: dict[str, Told] = {name: size for group in self.walk() for name, size in group.items()}
        told |= {"OutHeight": self.out[0], "OutWidth": self.out[1], "Top": top, "Left": left}
        function, shape, title, groups = self._in_cpp()
        unit = Unit(called="window", function=function, header=f"bw_{function}.hpp", shape=shape, module="bw_window")
        return Interface(
            unit=unit.placed(ultra=self.ultra),
            title=title,
            notes=(
                f"{kh} x {kw} windows of {self.height} x {self.width} pixels, strides {sh} {sw}, pads {top} {left}",
                f"ring of {self.depth} beats of {self.lanes} x {self.type}{', in UltraRAM' if self.ultra else ''}",
            ),
            sizes=groups,
            more=told | {"Inner": self.inner, "Depth": self.depth, "PadValue": self.pad_value},
            elements={"T": self.type},
        )

    def _in_cpp(self) -> tuple[str, str, str, tuple[Sizes, ...]]:
        """Function, Shape, title and sizes."""
        if self.covers_image:
            pixels = {"Pixels": self.height * self.width}
            gathered = ({**pixels, "Blocks": self.blocks, "Inner": self.inner, "Lanes": self.lanes},)
            return "gather", "GatherShape", "the whole image as one field", gathered
        (h, w), out, pads = (1, 0) if self.is_signal else (0, 1), self.out, self.window.pads
        image, *walk = self.walk(h, w)
        groups = (
            {**image, "Inner": self.inner},
            *walk,
            {"PadTop": pads[h], "PadLeft": pads[w], "PadValue": self.pad_value},
            {"OutHeight": out[h], "OutWidth": out[w], "Lanes": self.lanes},
        )
        return "window", "WindowShape", "sliding window" + ", a signal as a column" * self.is_signal, groups


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
        return self.out[0] * self.out[1] * self.blocks

    @property
    def span(self) -> int:
        """Beats from the newest tap to the oldest."""
        rows, cols = self.window.span
        return (rows * self.width + cols) * self.blocks

    @property
    def cycles(self) -> int:
        """A place of the line per clock."""
        return self.period * self.blocks

    @property
    def latency(self) -> int:
        """The newest beat enters the line, and the field leaves it masked."""
        return 2

    @property
    def credits(self) -> int:
        """Those of the register behind the line."""
        return 2

    def needs(self) -> Needs:
        """Windows in the order of the line, and a frame that can be counted."""
        yield from self.image_needs()
        window, out = self.window, self.out
        (rows, columns), (top, left, _, _), (down, right) = window.span, window.pads, window.strides
        beyond = self.height + out[0] * down + window.kernel[0] * window.dilations[0]
        in_order = out[0] == 1 or (out[1] - 1) * right < down * self.width
        apart = window.kernel[0] == 1 or window.dilations[0] * self.width > columns
        yield fits(beyond * self.width * self.blocks), FRAME
        yield apart, "the image is narrower than the kernel"
        yield top <= rows and left <= columns, "a pad must be less than the kernel"
        yield in_order, "windows must come in the order of their newest pixels"
        yield self.period >= self.height * self.width, "Period must hold a frame"

    def _newest(self) -> Ints:
        """The place in the line of the newest beat of each output beat."""
        positions = out_positions(self.first, self.width, self.out, self.window.strides)
        return np.asarray((positions[:, None] * self.blocks + np.arange(self.blocks)).reshape(-1))

    def course(self) -> Course:
        """The line moves on place by place, except while a window in it is not given; some lie behind the frame."""
        moves, gives, places = f"{self.name} line", self.name, self.cycles
        newest = self._newest()
        last, every = np.minimum(newest, places - 1), range(len(newest))
        beyond = newest - last
        waits = [  # of the place behind each window
            Wait(held, gives, shifted(every[among], -frame * len(newest)), 0)
            for frame, among, held in by_frame(lean(newest + 1), places)
        ]
        lag = 1 + beyond if beyond.any() else 1
        beats = range(self.in_beats)
        return Course(
            sequences={
                moves: Events(range(places), places, waits),
                gives: Events(every, len(every), [Wait(every, moves, lean(last), lag)]),
            },
            taken={self.input: Taken(moves, beats, beats)},
            made={self.output: Made(gives, every, self.latency - 1, self.credits)},
        )

    def loops(self) -> Loops:
        """A word in, and a field out where its newest word has come, or would: some of them in the next frame."""
        writes = self._newest()
        places = max(self.in_beats, int(writes[-1] - writes[0]) + 1)  # no more than it needs: it waits for no frame
        return (Loop((np.arange(self.in_beats),), writes, places, max(0, int(writes[-1]) + 1 - places)),)

    def modules(self, *, contents: bool) -> Parts:
        """It has no ROM."""
        return sizes.window_line(at=self.geometry, period=self.period, lanes=self.lanes, x_w=self.type.bits)

    def interface(self) -> Interface:
        """A line with taps."""
        (kh, kw), (sh, sw), (top, left, _, _) = self.window.kernel, self.window.strides, self.window.pads
        return Interface(
            unit=Unit(
                called="parallel window",
                function="window_line",
                header="bw_window_line.hpp",
                shape="LineShape",
                module="bw_window_line",
            ),
            title="sliding window, all positions at once",
            notes=(
                f"{kh} x {kw} windows of {self.height} x {self.width} pixels at once, strides {sh} {sw}, pads {top} "
                f"{left}",
                f"line of {self.span + 1} beats of {self.lanes} x {self.type}, {self.window.size} taps",
            ),
            sizes=(
                *self.walk(),
                {"PadTop": top, "PadLeft": left, "PadValue": self.pad_value},
                {"OutHeight": self.out[0], "OutWidth": self.out[1], "Lanes": self.lanes},
            ),
            more={"Top": top, "Left": left, "First": self.first, "Period": self.period},
            elements={"T": self.type},
        )
