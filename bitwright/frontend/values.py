# SPDX-License-Identifier: Apache-2.0
"""What an ONNX tensor is to the frontend: a constant, a float on the host, or an exact function of an IR layer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any, Literal, TypeVar

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.functions import Affine, Clip, Function
from bitwright.ir.per_channel import ONES, PerChannel, spread, width
from bitwright.ir.weights import Ints
from bitwright.ir.window import Window
from bitwright.reading.model import Node

Array = NDArray[Any]
ZERO, ONE = Fraction(0), Fraction(1)
T = TypeVar("T")


@dataclass(frozen=True, eq=False)
class Const:
    """A constant. Where it came out of a quantiser, `codes`, `scale` and `zero` say what it is exactly.

    The real value is then scale * (codes - zero); scale and zero broadcast against `array`, float32 as in the file.
    """

    array: Array
    codes: Ints | None = None
    scale: Array | None = None
    zero: Array | None = None

    def exact(self) -> Array:
        """The exact real values, an object array of Fractions of the shape of `array`."""
        if self.codes is None or self.scale is None or self.zero is None:
            return fractions(self.array)
        scale = np.broadcast_to(fractions(self.scale), self.array.shape)
        zero = np.broadcast_to(fractions(self.zero), self.array.shape)
        return np.asarray(scale * (self.codes - zero), dtype=object)


@dataclass(frozen=True, eq=False)
class Host:
    """A float tensor that a host step makes; `shape` has 1 for the samples, or what a sample has on that axis.

    The array has its samples on axis 0, and behind them the shape of one, less a first axis of length 1.
    """

    name: str
    shape: tuple[int, ...]
    side: Literal["input", "output"]

    @property
    def front(self) -> int:
        """How many axes of the array are in front of those of `shape`."""
        return int(self.shape[:1] != (1,))


@dataclass(frozen=True, eq=False)
class Pool:
    """A max-pool that waits for its quantiser: both are monotone, so the order does not matter."""

    name: str
    window: Window


@dataclass(frozen=True, eq=False)
class Tensor:
    """clip(scale * q + offset, low, high), times `slopes` where negative, then `function`, of an IR layer's integers q.

    `where` has the ONNX shape (1 for the samples) and holds indices into the layer's flattened tensor, so that every
    layout operator is an operation on `where`. scale, offset, low, high, slopes are exact, for the whole tensor or per
    channel (last axis of the layer); a bound that is None does not bind. `nodes` are the source nodes gathered so far.
    `added` bounds the magnitudes of what they added, `roundings` counts their elementwise operations: the audit's error
    bounds.
    """

    layer: str
    where: Ints
    scale: PerChannel
    offset: PerChannel
    low: tuple[Fraction | None, ...] = (None,)
    high: tuple[Fraction | None, ...] = (None,)
    slopes: PerChannel = ONES
    function: Function = ()
    pools: tuple[Pool, ...] = ()
    nodes: tuple[tuple[str, str], ...] = ()
    integer: bool = False  # the ONNX tensor has an integer type, so that division truncates
    added: float = 0.0
    roundings: int = 0
    rest: tuple[Tensor, ...] = ()  # what is added to scale * q + offset: lines of other layers, where a clip fell apart

    @property
    def shape(self) -> tuple[int, ...]:
        """The ONNX shape behind the pools that wait."""
        shape = self.where.shape
        for pool in self.pools:
            rows, columns = pool.window.out((1, shape[2]) if len(shape) == 3 else (shape[2], shape[3]))
            shape = (*shape[:2], columns) if len(shape) == 3 else (*shape[:2], rows, columns)
        return shape

    @property
    def bounded(self) -> bool:
        """True if a clip waits to be applied."""
        return any(bound is not None for bound in (*self.low, *self.high))

    @property
    def curved(self) -> bool:
        """True if a function that is no line waits for its quantiser."""
        return bool(self.function) or self.slopes != ONES

    def affine(self, scale: PerChannel, offset: PerChannel) -> Tensor:
        """The tensor `scale * self + offset`, the waiting clip moved along; behind a function not per channel."""
        if self.curved:
            assert scale.is_single and offset.is_single
            return replace(self, function=(*self.function, Affine(scale.of(0), offset.of(0))))
        if scale == ONES and not self.bounded:
            return self._shifted(offset)
        size = width(self.scale, self.offset, self.low, self.high, scale, offset)
        a, b = scale.each(size), offset.each(size)
        low, high = spread(self.low, size), spread(self.high, size)
        moved = [
            tuple(None if bound is None else a[i] * bound + b[i] for i, bound in enumerate(bounds))
            for bounds in (low, high)
        ]
        flip = [x < 0 for x in a]
        return replace(
            self,
            scale=PerChannel((scale * self.scale).each(size)),
            offset=PerChannel((scale * self.offset + offset).each(size)),
            low=tuple(h if f else lo for f, lo, h in zip(flip, moved[0], moved[1], strict=True)),
            high=tuple(lo if f else h for f, lo, h in zip(flip, moved[0], moved[1], strict=True)),
            added=self.added * _largest(a) + _largest(b),
            roundings=self.roundings + 1,
        )

    def _shifted(self, offset: PerChannel) -> Tensor:
        """The tensor `self + offset`, which no clip waits for: most of what a bias is added to."""
        size = width(self.scale, self.offset, offset)
        scale, moved = (PerChannel(values.each(size)) for values in (self.scale, self.offset + offset))
        added = self.added + _largest(offset.values)
        return replace(self, scale=scale, offset=moved, added=added, roundings=self.roundings + 1)

    def clip(self, low: Fraction | None, high: Fraction | None) -> Tensor:
        """min(max(self, low), high) for low <= high."""
        if self.curved:
            return replace(self, function=(*self.function, Clip(low, high)))
        size = max(len(self.low), len(self.high))
        pairs = [
            clip_bounds(a, b, low, high) for a, b in zip(spread(self.low, size), spread(self.high, size), strict=True)
        ]
        return replace(self, low=tuple(a for a, _ in pairs), high=tuple(b for _, b in pairs))

    def then(self, name: str, op: str) -> Tensor:
        """The same tensor, with one more source node behind it."""
        return replace(self, nodes=(*self.nodes, (name, op)))


def _largest(numbers: Iterable[Fraction]) -> float:
    """The largest magnitude."""
    return max(abs(float(number)) for number in numbers)


@dataclass(frozen=True, eq=False)
class Pieces:
    """The join of `parts` along `axis` by `node`, which waits for a quantiser: each part meets it alone.

    `where` has the ONNX shape and holds indices into the flattened join, as that of a tensor does into its layer.
    """

    node: Node
    parts: tuple[Tensor | Const, ...]
    axis: int
    where: Ints


Settled = Const | Host | Tensor
Value = Settled | Pieces


@dataclass(frozen=True, eq=False)
class Mask:
    """Where a value lies below a bound, or else above it; which holds at the bound itself makes no difference."""

    name: str  # of the ONNX tensor that is compared
    value: Host | Tensor
    bound: Const
    below: bool
    nodes: tuple[tuple[str, str], ...] = ()

    @property
    def opposite(self) -> Mask:
        """Where this one does not hold."""
        return replace(self, below=not self.below)


@dataclass(frozen=True, eq=False)
class Kept:
    """A value where a mask holds, and 0 elsewhere."""

    mask: Mask
    value: Value
    nodes: tuple[tuple[str, str], ...] = ()


def of_sample(array: Array) -> Array:
    """An array of an ONNX shape without the axis of the samples, which is kept where a sample holds several rows."""
    return array[0] if array.shape[:1] == (1,) else array


def clip_bounds(
    low: Fraction | None, high: Fraction | None, new_low: Fraction | None, new_high: Fraction | None
) -> tuple[Fraction | None, Fraction | None]:
    """Bounds of clip(clip(x, low, high), new_low, new_high)."""

    def clamp(x: Fraction) -> Fraction:
        x = x if new_low is None else max(x, new_low)
        return x if new_high is None else min(x, new_high)

    return (new_low if low is None else clamp(low)), (new_high if high is None else clamp(high))


def fractions(array: Array) -> Array:
    """The exact rationals of a float or integer array, as objects of the same shape."""
    flat = array.reshape(-1)
    items = [Fraction(int(x)) if flat.dtype.kind in "iub" else Fraction(float(x)) for x in flat]
    out = np.empty(len(items), dtype=object)
    out[:] = items
    return out.reshape(array.shape)
