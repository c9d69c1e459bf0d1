# SPDX-License-Identifier: Apache-2.0
"""The kernels of a streaming accelerator, as data: what both backends print and the cycle model counts.

One kernel per clocked process, connected by streams with valid and ready. A beat carries `lanes` neighbouring channels
of one pixel, lane 0 in the least significant bits; pixels come in row order, channels ascending within a pixel.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from bitwright.hardware.events import Course, Events, Made, Taken
from bitwright.hardware.indices import Indices
from bitwright.hardware.kernels.interface import Interface
from bitwright.hardware.loops import Loops
from bitwright.hardware.modules.streams import Parts
from bitwright.ir.columns import aligned, tail
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights

Memory = Literal["lut", "block"]
FRAME = "a frame must take fewer than 2^31 beats"
Needs = Iterator[tuple[bool, str]]
"""Whether each need is kept, and its words."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One edge: `beats` words of `lanes` elements of `type` per frame, behind a FIFO of `depth` words.

    order: (channels,), the channel of the tensor at each place of a pixel, None if they come in their own order.
    ultra: what would be a FIFO in block RAM is in UltraRAM.
    """

    name: str
    lanes: int
    type: IntType
    beats: int
    depth: int
    shape: tuple[int, ...]  # of the tensor that travels, for comments
    real: str = ""  # what the integers mean: "scale 0.0039, zero 3", for comments
    order: Weights | None = None
    ultra: bool = False

    @property
    def bits(self) -> int:
        """Payload width of one beat."""
        return self.lanes * self.type.bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel(ABC):
    """What every kernel has: its hardware name, the IR layer it serves, the streams it reads and writes.

    What a kind of kernel must say of itself, its methods say: all that the cycle model, the estimate of its resources
    and the backends know of it. Its clocks are facts of `hls_templates/verilog`, which `tests/rtl` measures; its loops
    are those of `hls_templates/hls`. With `ultra` its `store` is in UltraRAM.
    """

    name: str
    layer: str
    input: str
    output: str
    ultra: bool = False

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every stream it reads; a kernel that joins has more than `input`."""
        return (self.input,)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Every stream it writes; a fork has more than `output`."""
        return (self.output,)

    @property
    @abstractmethod
    def cycles(self) -> int:
        """Clocks for one frame when it is neither starved nor blocked."""

    @property
    @abstractmethod
    def latency(self) -> int:
        """Clocks from the handshake of the input beat that completes an output beat to that output beat.

        The FIFO behind it is not included.
        """

    @property
    def credits(self) -> int:
        """Beats that its pipeline and the buffer behind it hold: it decides no further one while they are there."""
        return self.latency + 1

    @property
    def is_ring(self) -> bool:
        """Whether what it writes waits in a ring of its own, so that no FIFO behind it has to hold that."""
        return False

    @property
    def store(self) -> tuple[int, int]:
        """Words and bits of the memory in it that may be in UltraRAM; no words where it has none."""
        return 0, 0

    @property
    def replays(self) -> bool:
        """Whether it reads a vector, and then nothing while it uses that again."""
        return False

    @property
    def reads_in_bursts(self) -> bool:
        """Whether its C++ function reads a row or a vector at once, and then for a while nothing."""
        return self.replays

    @property
    def writes_in_bursts(self) -> bool:
        """Whether its C++ function writes much in a part of the frame, and in the rest little."""
        return False

    @abstractmethod
    def course(self) -> Course:
        """Its events in one frame: which beats each takes and decides."""

    @abstractmethod
    def loops(self) -> Loops:
        """In which order its C++ function reads and writes words."""

    @abstractmethod
    def modules(self, *, contents: bool) -> Parts:
        """Its modules and ROMs, as sizes.

        With `contents` the words of the ROMs are read: columns that are constant or equal take no logic. Without, or
        where there are no words yet, they count as random.
        """

    def needs(self) -> Needs:
        """What its modules need of its sizes; most take any."""
        return iter(())

    @abstractmethod
    def interface(self) -> Interface:
        """What it is told in both languages."""

    @property
    def iterations(self) -> int:
        """Iterations of the longest loop of its C++ function in a frame."""
        return max(loop.iterations for loop in self.loops())

    @property
    def most_iterations(self) -> int:
        """The same, where no frame begins before the one before it has left."""
        return sum(loop.iterations + loop.more for loop in self.loops())

    def counting(self, count: int, takes: Sequence[Indices] = (), fold: int = 1) -> Course:
        """One event for each beat in; each `fold` of them decide a beat on every output."""
        every = range(count)
        taken = zip(self.inputs, takes or [every] * len(self.inputs), strict=True)
        return Course(
            sequences={self.name: Events(every, count)},
            taken={name: Taken(self.name, beats, beats) for name, beats in taken},
            made=self.making(self.name, every[fold - 1 :: fold]),
        )

    def making(self, sequence: str, at: Indices) -> dict[str, Made]:
        """Every output made by the events `at` of `sequence`."""
        return {name: Made(sequence, at, self.latency, self.credits) for name in self.outputs}


def fits(beats: int) -> bool:
    """Whether the counters of both libraries hold so many beats."""
    return beats < 1 << 31


@dataclass(frozen=True, slots=True)
class KernelGraph:
    """Kernels in topological order, their streams by order of appearance, and the streams at the boundary."""

    kernels: tuple[Kernel, ...]
    streams: tuple[Stream, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]

    def stream(self, name: str) -> Stream:
        """The stream called `name`."""
        return next(stream for stream in self.streams if stream.name == name)

    def __str__(self) -> str:
        """A line a kernel: kind, clocks a frame, what it reads and makes, as lanes x type / words of the FIFO."""
        held = {stream.name: stream for stream in self.streams}

        def ends(names: tuple[str, ...]) -> str:
            return " ".join(
                f"{x.lanes}x{str(x.type).partition('[')[0]}/{x.depth}" for x in map(held.__getitem__, names)
            )

        rows = [
            (tail(kernel.name), type(kernel).__name__, str(kernel.cycles), ends(kernel.inputs), ends(kernel.outputs))
            for kernel in self.kernels
        ]
        head = f"{len(self.kernels)} kernels, a frame every {self.interval} clocks\n"
        return head + aligned([("kernel", "kind", "clocks", "reads", "makes"), *rows], numbers=(2,))

    @property
    def interval(self) -> int:
        """Clocks per frame in steady state: the slowest kernel or boundary."""
        ends = [self.stream(name).beats for name in (*self.inputs, *self.outputs)]
        return max([kernel.cycles for kernel in self.kernels] + ends)


REGISTER_DEPTH = 2
"""FIFO depth of an edge that needs no slack: one elastic register."""
