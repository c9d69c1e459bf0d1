# SPDX-License-Identifier: Apache-2.0
"""Where the tensors of a source model are in the graph that was made of it: what the audit compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction

from bitwright.ir.functions import Function
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.rounding import Rounding
from bitwright.ir.weights import Ints


@dataclass(frozen=True, eq=False)
class Place:
    """A source tensor of one sample as integers q of a layer: its elements are scale * q.flat[where] + offset.

    scale and offset are those of the whole layer or of each of its channels. `of` has the elements that are these, in
    the order of `where`, if not all are: each piece of a join that is quantised by pieces has its place.
    """

    layer: str
    where: Ints
    scale: PerChannel
    offset: PerChannel
    of: Ints | None = None


@dataclass(frozen=True, eq=False)
class Curve:
    """The function of an accumulator that one or more layers compute: clip(R(f(v) / step + before), low, high) + shift.

    v is clip(scale * q + offset, bottom, top) of the integers q of `source`, what is negative times `slopes`.
    """

    source: str
    scale: PerChannel
    offset: PerChannel
    bottom: tuple[Fraction | None, ...]
    top: tuple[Fraction | None, ...]
    slopes: PerChannel
    function: Function
    step: PerChannel
    before: PerChannel
    rounding: Rounding
    low: PerChannel
    high: PerChannel
    shift: int


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The float32 arithmetic between an accumulator and its requantiser, which the integers do not show.

    `added` bounds the magnitudes of the constants that were added, in steps of the output; `roundings` counts the
    elementwise operations. Where a `curve` follows, both are of what it reads, in real numbers.
    """

    added: float
    roundings: int
    curve: Curve | None = None


@dataclass(frozen=True, eq=False)
class Trace:
    """The source tensors that are integers of a layer, in the model's order, and the arithmetic of each requantiser."""

    places: Mapping[str, tuple[Place, ...]]
    arithmetic: Mapping[str, Arithmetic]
