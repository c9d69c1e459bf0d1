# SPDX-License-Identifier: Apache-2.0
"""The layers: one frozen dataclass each. A layer's name is also the name of the integer tensor it makes.

Tensors are channels last and carry no batch axis: images are (height, width, channels), a one-dimensional signal is an
image of height 1, vectors are (features,). The real value of an integer q is `scale * (q - zero)`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, fields
from fractions import Fraction
from typing import ClassVar, TypeAlias, get_args

from bitwright.ir import moves
from bitwright.ir.cases import Case
from bitwright.ir.functions import Function
from bitwright.ir.per_channel import NONE, PerChannel
from bitwright.ir.rounding import Rounding as Rounding
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights
from bitwright.ir.window import Window


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer(Case):
    """What every layer has: name, readers' inputs, shape without batch, integer type, scale, zero, source nodes."""

    name: str
    inputs: tuple[str, ...]
    shape: tuple[int, ...]
    type: IntType
    scale: PerChannel
    zero: PerChannel
    source: tuple[str, ...] = ()
    counts: ClassVar[bool] = False
    """Whether its integers are places or numbers of things, and no codes of real values."""

    @property
    def channels(self) -> int:
        """The length of the last axis."""
        return self.shape[-1]

    def broken(self, *reads: Layer) -> Iterator[tuple[str, str]]:
        """Each rule of its kind that it breaks over the layers it reads, with a way out; long ones are in `verify`."""
        return iter(())


@dataclass(frozen=True, slots=True, kw_only=True)
class Input(Layer):
    """Integers that enter the accelerator; `inputs` is empty."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dense(Layer):
    """acc[..., o] = sum_i weights[o, i] * x[..., i] over the last axis; weights are (outputs, inputs)."""

    weights: Weights

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample, zeros included."""
        return self.weights.array.size * _product(self.shape[:-1])


@dataclass(frozen=True, slots=True, kw_only=True)
class Conv(Layer):
    """Cross-correlation over (height, width, channels); weights are (outputs, kernel h, kernel w, inputs / groups).

    The window's kernel is that of the weights; padded positions hold the integer `pad_value` (the input's zero point).
    Output channels are ordered by group; group g reads input channels g*I/groups .. (g+1)*I/groups - 1.
    """

    weights: Weights
    window: Window
    groups: int = 1
    pad_value: int = 0

    @property
    def macs(self) -> int:
        """Multiply-accumulates per sample, zeros and padding included."""
        return self.weights.array.size * self.shape[0] * self.shape[1]


@dataclass(frozen=True, slots=True, kw_only=True)
class MaxPool(Layer):
    """The largest integer of each window, per channel; padded positions never win."""

    window: Window
    sums: ClassVar[bool] = False  # whether the integers of a window are added

    def broken(self, *reads: Layer) -> Iterator[tuple[str, str]]:
        """It keeps type and channels, and every window has something to choose from."""
        (x,) = reads
        if self.type != x.type:
            yield f"turns {x.type} into {self.type}", f"{self.op} keeps the type of what it reads"
        if self.channels != x.channels:
            yield f"has {self.channels} channels, {x.name!r} has {x.channels}", "pooling keeps the channels"
        for axis in (0, 1):
            taps = self.window.taps(axis, self.shape[axis])
            if not ((taps >= 0) & (taps < x.shape[axis])).any(axis=1).all():
                yield "a window lies wholly in the padding", "pad by less than the kernel"


@dataclass(frozen=True, slots=True, kw_only=True)
class SumPool(Layer):
    """The sum of each window, per channel; padded positions hold `pad_value`. An average pool is this, requantised."""

    window: Window
    pad_value: int = 0
    sums: ClassVar[bool] = True

    def broken(self, *reads: Layer) -> Iterator[tuple[str, str]]:
        """It keeps the channels."""
        return makes(self, (*self.shape[:-1], reads[0].channels))


@dataclass(frozen=True, slots=True, kw_only=True)
class Sum(Layer):
    """y = sum over the inputs k of factors[k] * x[k], all of one shape; a factor is one integer or one per channel.

    Operands of unequal real scales meet here exactly: their factors are integers over the common unit of the scales.
    """

    factors: tuple[tuple[int, ...], ...]

    def broken(self, *reads: Layer) -> Iterator[tuple[str, str]]:
        """Operands of its shape, each with its factors."""
        yield from _keeps_shape(self, *reads)
        lengths = {len(factors) for factors in self.factors}
        if len(self.factors) != len(reads) or not lengths <= {1, self.channels}:
            yield "has the wrong number of factors", "each operand has one factor, or one per channel"


@dataclass(frozen=True, slots=True, kw_only=True)
class Multiply(Layer):
    """y = (x[0] - zeros[0]) * (x[1] - zeros[1]) element by element, both of one shape."""

    zeros: tuple[int, int]

    def broken(self, *reads: Layer) -> Iterator[tuple[str, str]]:
        """Two operands of its shape."""
        if len(reads) != 2:
            yield f"reads {len(reads)} tensors", "a product has two factors"
        yield from _keeps_shape(self, *reads)


@dataclass(frozen=True, slots=True, kw_only=True)
class Concat(Layer):
    """The inputs side by side along the last axis; the other axes agree. Scale and zero are those of each channel."""

    def broken(self, *reads: Layer) -> Iterator[tuple[str, str]]:
        """Channels that add up, and a type that holds all."""
        fits = all(x.shape[:-1] == self.shape[:-1] for x in reads)
        if not fits or sum(x.channels for x in reads) != self.channels:
            yield "joins tensors that do not fit its shape", "all axes but the last agree, which add up"
        yield from covers(self, *(x.type for x in reads))


@dataclass(frozen=True, slots=True, kw_only=True)
class Gather(Layer):
    """y.flat[i] = x.flat[index[i]] for the index of the move, or `fill` where that is -1."""

    move: moves.Move
    fill: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Requantise(Layer):
    """y = clip(R(v), low, high) + shift with v = multiplier * x + offset, exactly, per channel.

    `shift` is a zero point that is added after rounding (ONNX); a QONNX zero point is part of `offset`. `low` and
    `high` are limits before the shift and already contain ReLU and Clip. `levels` (channels or 1, steps) belongs to
    `Rounding.LEVELS` and is ascending along its last axis. With a `slope` (positive; 1 or channels; empty is 1) a
    negative v counts as slope * v: leaky ReLU in front of the quantiser.
    """

    multiplier: PerChannel
    offset: PerChannel
    rounding: Rounding
    low: tuple[int, ...]
    high: tuple[int, ...]
    shift: int = 0
    levels: tuple[tuple[Fraction, ...], ...] = ()
    slope: PerChannel = NONE


@dataclass(frozen=True, slots=True, kw_only=True)
class Table(Layer):
    """y = entries[x - lo of the input's type]: any function of one code, the same for every channel.

    `function` says what was tabulated, exactly, so that a checker can do it again: the steps from the real value
    `scale * (x - zero)` of the input to the real value that `rounding`, `low`, `high` and `shift` then quantise.
    """

    entries: Weights
    function: Function
    rounding: Rounding
    low: int
    high: int
    shift: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgMax(Layer):
    """The place of the largest channel of each pixel, one channel: of equals the first, or the last if `last` is 1."""

    last: int = 0
    counts: ClassVar[bool] = True

    def broken(self, *reads: Layer) -> Iterator[tuple[str, str]]:
        """One channel, which holds every place."""
        (x,) = reads
        yield from makes(self, (*x.shape[:-1], 1))
        yield from covers(self, IntType(0, x.channels - 1))
        if self.last not in (0, 1):
            yield f"its `last` is {self.last}", "0: of equals the first wins, 1: the last"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reshape(Layer):
    """The same integers in the same order under another shape; costs no hardware."""


def makes(layer: Layer, shape: tuple[int, ...]) -> Iterator[tuple[str, str]]:
    """That a layer states the shape that it makes."""
    if layer.shape != shape:
        yield f"makes the shape {spelled(shape)}, not {spelled(layer.shape)}", "state the shape it makes"


def covers(layer: Layer, *parts: IntType) -> Iterator[tuple[str, str]]:
    """That the type of a layer holds all of `parts`."""
    for part in parts:
        if not layer.type.covers(part):
            yield f"holds values of {part}, its type is {layer.type}", "the type covers all that it holds"


def spelled(shape: Iterable[int]) -> str:
    """`(2, 3, 4)`."""
    return f"({', '.join(map(str, shape))})"


def _keeps_shape(layer: Layer, *reads: Layer) -> Iterator[tuple[str, str]]:
    if any(x.shape != layer.shape for x in reads):
        yield "reads tensors of other shapes than its own", "gather the operands into one shape first"


Matrix: TypeAlias = Dense | Conv
"""Layers with weights: a product with a constant matrix."""
Pool: TypeAlias = MaxPool | SumPool
"""One integer of each window, per channel."""
Windowed: TypeAlias = Conv | Pool
"""Layers that slide a window over an image."""
Join: TypeAlias = Sum | Multiply | Concat
"""Layers that read several tensors."""
Pointwise: TypeAlias = Requantise | Table | ArgMax
"""Layers that compute each pixel from that pixel alone, without weights."""
Move: TypeAlias = Gather | Reshape
"""Layers that only say where integers go."""
Sums: TypeAlias = Matrix | SumPool | Sum | Multiply
"""Layers of sums and products of integers, which no quantiser limits."""
Passing: TypeAlias = MaxPool | Concat | Move
"""Layers whose integers are some of those that they read, in their code."""
Limited: TypeAlias = Pointwise | Input
"""Layers whose integers are codes of their own."""
AnyLayer: TypeAlias = Matrix | Pool | Join | Pointwise | Move
"""Every kind of layer that computes, and no other.

A `match` on one ends in `assert_never`: mypy then names each place that does not know a new kind, and running it fails.
"""

LAYERS: dict[str, type[Layer]] = {kind.__name__.lower(): kind for kind in (Input, *get_args(AnyLayer))}
"""Every kind by its `op`."""


def attributes(layer: Layer) -> Iterator[tuple[str, object]]:
    """(name, value) of the fields that this kind of layer adds to `Layer`, in order of declaration."""
    common = {field.name for field in fields(Layer)}
    return ((f.name, getattr(layer, f.name)) for f in fields(layer) if f.name not in common)


def _product(numbers: tuple[int, ...]) -> int:
    total = 1
    for number in numbers:
        total *= number
    return total
