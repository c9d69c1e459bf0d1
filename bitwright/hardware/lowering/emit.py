# SPDX-License-Identifier: Apache-2.0
"""What one layer becomes: the kernels and streams that its lowering has made so far."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum

from bitwright.hardware.kernels.base import REGISTER_DEPTH, Kernel, Stream
from bitwright.hardware.kernels.moves import Reorder, WidthConverter
from bitwright.ir.layers import Layer
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints, Weights


class Contents(Enum):
    """What the tables of kernels hold: an estimate needs only their shapes, and a ring's depth by a formula."""

    REAL = "real"
    SHAPES = "shapes"


@dataclass(frozen=True, slots=True)
class Made:
    """The kernels of a layer in topological order, every stream that they write, and the one that leaves the layer.

    A stream that only got another meaning, by a reshape, has the name of the one that was read.
    """

    kernels: tuple[Kernel, ...]
    streams: tuple[Stream, ...]
    leaves: Stream


class Emit:
    """The kernels and streams of `layer` so far; `name` is its identifier in hardware."""

    def __init__(self, layer: Layer, name: str, contents: Contents = Contents.REAL) -> None:
        self.layer, self.name, self.contents = layer, name, contents
        self.kernels: list[Kernel] = []
        self.streams: dict[str, Stream] = {}

    def made(self, leaves: Stream) -> Made:
        """All of it, with the stream that leaves."""
        return Made(tuple(self.kernels), tuple(self.streams.values()), leaves)

    def add(self, kernel: Kernel) -> None:
        """One more kernel."""
        self.kernels.append(kernel)

    def stream(self, name: str, lanes: int, kind: IntType, beats: int, order: Weights | None = None) -> Stream:
        """A fresh edge that carries the tensor of the layer, its channels in `order`."""
        real = ""
        if self.contents is Contents.REAL:
            real = meaning(self.layer) + (", channels permuted" if order else "")
        return self.keep(stream_of(self.layer, name, lanes, kind, beats, order, real=real))

    def edge(self, stream: Stream) -> Stream:
        """`stream`, which no kernel writes yet, as an edge of its own with the smallest FIFO."""
        return self.keep(replace(stream, depth=REGISTER_DEPTH))

    def keep(self, stream: Stream) -> Stream:
        """`stream` as it is."""
        self.streams[stream.name] = stream
        return stream

    def widen(self, x: Stream, lanes: int, tag: str = "width") -> Stream:
        """`x` at `lanes` per beat, through a converter if it has another width."""
        if x.lanes == lanes:
            return x
        elements = x.lanes * x.beats
        name = f"{self.name}_{tag}"
        made = self.edge(replace(x, name=f"{name}_out", lanes=lanes, beats=elements // lanes))
        self.add(
            WidthConverter(
                name=name,
                layer=self.layer.name,
                input=x.name,
                output=made.name,
                in_lanes=x.lanes,
                out_lanes=lanes,
                elements=elements,
                type=x.type,
            )
        )
        return made


def stream_of(
    layer: Layer, name: str, lanes: int, kind: IntType, beats: int, order: Weights | None = None, *, real: str = ""
) -> Stream:
    """An edge that carries the tensor of `layer`, with the smallest FIFO; `real` says what its integers mean."""
    return Stream(
        name=name,
        lanes=lanes,
        type=kind,
        beats=beats,
        depth=REGISTER_DEPTH,
        shape=layer.shape,
        real=real,
        order=order,
    )


def meaning(layer: Layer) -> str:
    """What the integers of `layer` mean, for comments."""
    return f"scale {_short(layer.scale)}, zero {_short(layer.zero)}"


def _short(values: PerChannel) -> str:
    numbers = [float(value) for value in values.values]
    if min(numbers) == max(numbers):
        return f"{numbers[0]:.6g}"
    return f"{min(numbers):.6g}..{max(numbers):.6g}"


def frame_buffer(name: str, layer: Layer, x: Stream, made: Stream, order: Ints, fill: int) -> Reorder:
    """The kernel that makes `made`, beat `order[i]` of `x` each or `fill` in every lane where that is -1."""
    return Reorder(
        name=name,
        layer=layer.name,
        input=x.name,
        output=made.name,
        order=Weights(order),
        fill=fill,
        in_beats=x.beats,
        lanes=x.lanes,
        type=x.type,
    )
