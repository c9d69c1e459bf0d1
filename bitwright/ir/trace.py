# SPDX-License-Identifier: Apache-2.0
"""Where the tensors of a source model are in the graph that was made of it: what the audit compares."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bitwright.ir.per_channel import PerChannel
from bitwright.ir.weights import Ints


@dataclass(frozen=True, eq=False)
class Place:
    """A source tensor of one sample as integers q of a layer: its elements are scale * q.flat[where] + offset.

    scale and offset are those of the whole layer or of each of its channels.
    """

    layer: str
    where: Ints
    scale: PerChannel
    offset: PerChannel


@dataclass(frozen=True, slots=True)
class Arithmetic:
    """The float32 arithmetic between an accumulator and its requantiser, which the integers do not show.

    `added` bounds the magnitudes of the constants that were added, in steps of the output; `roundings` counts the
    elementwise operations.
    """

    added: float
    roundings: int


@dataclass(frozen=True, eq=False)
class Trace:
    """The source tensors that are integers of a layer, in the model's order, and the arithmetic of each requantiser."""

    places: Mapping[str, Place]
    arithmetic: Mapping[str, Arithmetic]
