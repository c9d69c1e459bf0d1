# SPDX-License-Identifier: Apache-2.0
"""The kernels of a streaming accelerator, as data: what both backends print and the cycle model counts.

One kernel per clocked process, connected by streams with valid and ready. A beat carries `lanes` neighbouring channels
of one pixel, lane 0 in the least significant bits; pixels come in row order, channels ascending within a pixel.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from bitwright.exact.forms import Form
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights
from bitwright.plan.arithmetic import Packing, Style, packing

Memory = Literal["lut", "block"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One edge: `beats` words of `lanes` elements of `type` per frame, behind a FIFO of `depth` words.

    order: (channels,), the channel of the tensor at each place of a pixel, None if they come in their own order.
    """

    name: str
    lanes: int
    type: IntType
    beats: int
    depth: int
    shape: tuple[int, ...]  # of the tensor that travels, for comments
    real: str = ""  # what the integers mean: "scale 0.0039, zero 3", for comments
    order: Weights | None = None

    @property
    def bits(self) -> int:
        """Payload width of one beat."""
        return self.lanes * self.type.bits


@dataclass(frozen=True, slots=True, kw_only=True)
class Kernel:
    """What every kernel has: its hardware name, the IR layer it serves, the streams it reads and writes.

    `cycles` is how many clocks it needs for one frame when it is neither starved nor blocked.
    """

    name: str
    layer: str
    input: str
    output: str
    cycles: int

    @property
    def inputs(self) -> tuple[str, ...]:
        """Every stream it reads; a kernel that joins has more than `input`."""
        return (self.input,)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Every stream it writes; a fork has more than `output`."""
        return (self.output,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sliding(Kernel):
    """What sliding windows share: pixels of `blocks` beats in, for each output pixel its receptive field out.

    Positions in the padding read as `pad_value` in every lane.
    """

    height: int
    width: int
    blocks: int
    kernel: tuple[int, int]
    strides: tuple[int, int]
    dilations: tuple[int, int]
    pads: tuple[int, int, int, int]
    out_height: int
    out_width: int
    pad_value: int
    lanes: int
    type: IntType


@dataclass(frozen=True, slots=True, kw_only=True)
class Window(Sliding):
    """Sliding window, one beat of the field per clock.

    Input beats: (height, width, blocks * inner); output beats, slowest first: (out_height, out_width, blocks, kernel h,
    kernel w, inner). A block is a convolution group, or, for a pool, one beat of channels (inner = 1).
    The line buffer is a ring of `depth` beats: it holds what lies between the top left pixel that is still needed and
    the newest one.
    """

    inner: int
    depth: int

    @property
    def in_beats(self) -> int:
        """Beats read per frame."""
        return self.height * self.width * self.blocks * self.inner

    @property
    def out_beats(self) -> int:
        """Beats written per frame."""
        return self.out_height * self.out_width * self.blocks * self.kernel[0] * self.kernel[1] * self.inner


@dataclass(frozen=True, slots=True, kw_only=True)
class ParallelWindow(Sliding):
    """Sliding window, all kernel positions of a block of channels in one beat.

    Input beats: (height, width, blocks); output beats: (out_height, out_width, blocks) of (kernel h, kernel w, lanes)
    elements. The pixels are shifted through a line with a tap at each kernel position: see `plan.lines`, where `first`
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
        return self.out_height * self.out_width * self.blocks

    @property
    def taps(self) -> int:
        """Kernel positions in an output beat."""
        return self.kernel[0] * self.kernel[1]

    @property
    def span(self) -> int:
        """Beats from the newest tap to the oldest."""
        rows, cols = ((k - 1) * d for k, d in zip(self.kernel, self.dilations, strict=True))
        return (rows * self.width + cols) * self.blocks


@dataclass(frozen=True, slots=True, kw_only=True)
class MatrixVector(Kernel):
    """Matrix-vector unit of pe x simd multipliers: `vectors` times, for each of `groups` matrices (rows, cols), W x.

    Per vector and group: `col_fold` input beats of `simd` elements are read during the first row fold and replayed
    from a frame buffer for the other `row_fold - 1`; after each row fold one beat of `pe` accumulators leaves.
    """

    vectors: int
    groups: int
    rows: int
    cols: int
    pe: int
    simd: int
    weights: Weights  # (groups * row_fold * col_fold, pe, simd): the words in the order of use
    weight_type: IntType
    x_type: IntType
    acc_type: IntType
    memory: Memory
    style: Style

    @property
    def products(self) -> int:
        """Multipliers of a PE."""
        return self.simd

    @property
    def packing(self) -> Packing:
        """How the style "dsp" shares multipliers among its PE."""
        return packing(self.weight_type, self.x_type, self.pe)

    @property
    def row_fold(self) -> int:
        """Row folds per vector and group."""
        return self.rows // self.pe

    @property
    def col_fold(self) -> int:
        """Column folds per row fold."""
        return self.cols // self.simd


@dataclass(frozen=True, slots=True, kw_only=True)
class Depthwise(Kernel):
    """Depthwise unit: every channel times its own `multiplier` kernels, `lanes` channels and `simd` positions a beat.

    Input beats: (vectors, blocks, fold), each `simd` kernel positions of the same `lanes` channels, one position after
    the other; after the `fold` beats of a block one beat of `pe` accumulators leaves, those of a channel together.
    """

    vectors: int
    blocks: int
    fold: int
    lanes: int
    multiplier: int
    simd: int
    weights: Weights  # (blocks * fold, pe, simd): the words in the order of use
    weight_type: IntType
    x_type: IntType
    acc_type: IntType
    memory: Memory

    @property
    def pe(self) -> int:
        """Accumulators."""
        return self.lanes * self.multiplier


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxReduce(Kernel):
    """Lane by lane the maximum of each `fold` consecutive beats; `groups` results per frame."""

    fold: int
    groups: int
    lanes: int
    type: IntType


@dataclass(frozen=True, slots=True, kw_only=True)
class Requantiser(Kernel):
    """Integers to codes, one beat per clock, by a proved form; lane i of beat b has channel (b % folds) * lanes + i."""

    form: Form
    lanes: int
    folds: int  # beats per pixel
    beats: int  # per frame
    x_type: IntType
    y_type: IntType


@dataclass(frozen=True, slots=True, kw_only=True)
class SumReduce(Kernel):
    """Lane by lane the sum of each `fold` consecutive beats; `groups` results per frame."""

    fold: int
    groups: int
    lanes: int
    x_type: IntType
    y_type: IntType


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgMaxReduce(Kernel):
    """The place of the largest element of each `fold` consecutive beats; `groups` results of one lane per frame.

    Lane i of beat b has the place b * lanes + i. Of equals the first wins, or the last if `last` is 1.
    """

    fold: int
    groups: int
    lanes: int
    last: int
    x_type: IntType
    y_type: IntType


@dataclass(frozen=True, slots=True, kw_only=True)
class Fork(Kernel):
    """Every beat to `output` and to each of `copies`; the next one is taken when all have taken this one."""

    copies: tuple[str, ...]
    lanes: int
    beats: int
    type: IntType

    @property
    def outputs(self) -> tuple[str, ...]:
        """`output` and the copies."""
        return (self.output, *self.copies)


@dataclass(frozen=True, slots=True, kw_only=True)
class Join(Kernel):
    """What kernels with several operands share: `input` and `others` bring beats of equal lanes in the same order."""

    others: tuple[str, ...]
    lanes: int
    beats: int  # per frame, of the output
    x_types: tuple[IntType, ...]
    y_type: IntType

    @property
    def inputs(self) -> tuple[str, ...]:
        """`input` and the other operands."""
        return (self.input, *self.others)


@dataclass(frozen=True, slots=True, kw_only=True)
class Adder(Join):
    """y = sum over operands k of factors[k][channel] * x[k], one beat of each per clock.

    `factors` is (operands, channels); lane i of beat b has channel (b % folds) * lanes + i.
    """

    factors: Weights
    folds: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiplier(Join):
    """y = (x[0] - zeros[0]) * (x[1] - zeros[1]) lane by lane, one beat of each per clock."""

    zeros: tuple[int, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interleave(Join):
    """Pixel by pixel `parts[k]` beats of operand k in turn, each element extended to `y_type`."""

    pixels: int
    parts: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Reorder(Kernel):
    """A frame in another order: output beat i is input beat order[i], or `fill` in every lane where order[i] is -1.

    Two frame buffers, so that the next frame enters while this one leaves. order: (output beats,).
    """

    order: Weights
    fill: int
    in_beats: int
    lanes: int
    type: IntType

    @property
    def out_beats(self) -> int:
        """Beats written per frame."""
        return int(self.order.array.size)


@dataclass(frozen=True, slots=True, kw_only=True)
class WidthConverter(Kernel):
    """Same elements in the same order, `in_lanes` per beat in, `out_lanes` per beat out; any ratio."""

    in_lanes: int
    out_lanes: int
    elements: int  # per frame; a multiple of both lane counts
    type: IntType


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

    @property
    def interval(self) -> int:
        """Clocks per frame in steady state: the slowest kernel or boundary."""
        ends = [self.stream(name).beats for name in (*self.inputs, *self.outputs)]
        return max([kernel.cycles for kernel in self.kernels] + ends)


def weight_words(matrix: Ints, groups: int, pe: int, simd: int) -> Weights:
    """The rows of `matrix` (groups * rows, cols) as words (groups * row_fold * col_fold, pe, simd) in order of use."""
    total, cols = matrix.shape
    rows = total // groups
    tiles = matrix.reshape(groups, rows // pe, pe, cols // simd, simd).transpose(0, 1, 3, 2, 4)
    return Weights(tiles.reshape(-1, pe, simd))


def depthwise_words(kernels: Ints, lanes: int, multiplier: int, simd: int) -> Weights:
    """`kernels` (channels * multiplier, positions) as words (blocks * fold, pe, simd) in the order of use."""
    total, positions = kernels.shape
    pe = lanes * multiplier
    tiles = kernels.reshape(total // pe, pe, positions // simd, simd).transpose(0, 2, 1, 3)
    return Weights(tiles.reshape(-1, pe, simd))
