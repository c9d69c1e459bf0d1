# SPDX-License-Identifier: Apache-2.0
"""What a person gives to `Net`: types as text, numbers as they come, weights; each read exactly or refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from operator import index
from typing import Any, TypedDict

import numpy as np
from numpy.typing import ArrayLike, NDArray

from bitwright.frontend.inputs import InputType
from bitwright.frontend.values import ONE
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Rounding
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights
from bitwright.ir.window import Window

Kind = str | IntType
Number = int | float | Fraction
Numbers = Number | Sequence[Number] | NDArray[Any] | PerChannel
"""One number, or one for each channel."""


class Named(TypedDict, total=False):
    """What may be said of every layer: its name, and the source nodes it stands for."""

    name: str
    source: tuple[str, ...]


class Stated(Named, total=False):
    """What may be stated in place of what follows from the layer's inputs."""

    type: Kind
    scale: Numbers
    zero: Numbers


def kind_of(given: Kind, where: str) -> tuple[IntType, Fraction]:
    """The type and its scale: `u8`, `s16.8`, `u8/255`, `bipolar`, `s4n`, `u4[3..15]`, or a type itself."""
    if isinstance(given, IntType):
        return given, ONE
    if "[" in given:
        try:
            return IntType.parse(given), ONE
        except ValueError as error:
            raise BitwrightError(f"'{given}' is not a type", where=where, hint="for example u4[3..15]") from error
    parsed = InputType.parse(given, where=where)
    return parsed.type, parsed.scale


def numbers(given: Numbers, where: str, channels: int | None = None) -> PerChannel:
    """One number, or as many as there are channels, as exact rationals; a float is the binary number that it holds."""
    row = np.asarray(given.values if isinstance(given, PerChannel) else given, dtype=object).reshape(-1)
    if channels is not None and len(row) not in (1, channels):
        raise BitwrightError(
            f"is given {len(row)} numbers for {channels} channels", where=where, hint="give one, or one per channel"
        )
    try:
        return PerChannel(tuple(Fraction(value.item() if isinstance(value, np.generic) else value) for value in row))
    except (TypeError, ValueError, OverflowError) as error:
        raise BitwrightError(
            f"{given!r} is not a number, nor a row of them", where=where, hint="give ints, Fractions or finite floats"
        ) from error


def scale_of(given: Numbers | None, where: str, channels: int, otherwise: Fraction) -> PerChannel:
    """A scale, one or one for each channel; `otherwise` where none is given."""
    scale = PerChannel((otherwise,)) if given is None else numbers(given, where, channels)
    if min(scale.values) <= 0:
        raise BitwrightError(
            f"has the scale {min(scale.values)}", where=where, hint="a scale is positive; turn weights or `gain` around"
        )
    return scale


def integers(given: int | Sequence[int]) -> tuple[int, ...]:
    """One integer, or several."""
    return tuple(index(value) for value in np.asarray(given, dtype=object).reshape(-1))


def window_of(where: str, **sizes: Sequence[int]) -> Window:
    """A window of this kernel and these strides, dilations and pads, each as long as it must be."""
    for name, given in sizes.items():
        axes = "(top, left, bottom, right)" if name == "pads" else "(down, across)"
        if not isinstance(given, Sequence) or len(given) != axes.count(",") + 1:
            raise BitwrightError(f"{name} are {given}", where=where, hint=f"{name} are {axes}")
    given_sizes: dict[str, Any] = {name: integers(given) for name, given in sizes.items()}
    return Window(**given_sizes)


def weights_of(given: ArrayLike, where: str, *axes: str) -> Weights:
    """An array of integers with these axes."""
    try:
        array = np.array(given)
    except ValueError as error:
        raise BitwrightError(
            "has weights in rows of unequal length", where=where, hint=f"weights are ({', '.join(axes)})"
        ) from error
    if array.dtype.kind not in "iub":
        raise BitwrightError(
            "has weights that are no integers",
            where=where,
            hint="quantise them: np.rint(w / scale).astype(int), and say weight_scale=scale",
        )
    if array.ndim != len(axes) or array.size == 0:
        raise BitwrightError(
            f"has weights of shape {array.shape}", where=where, hint=f"weights are ({', '.join(axes)})"
        )
    return Weights(array)


def rounding_of(given: Rounding | str, where: str) -> Rounding:
    """The rounding of that name."""
    try:
        return Rounding(given)
    except ValueError as error:
        raise BitwrightError(
            f"there is no rounding '{given}'", where=where, hint="one of " + ", ".join(r.value for r in Rounding)
        ) from error
