# SPDX-License-Identifier: Apache-2.0
"""Integers in place of real numbers: those of a weight, and what makes them of a tensor."""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.types import IntType

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Coded:
    """A weight as `codes * scale`: int32 codes of the weight's shape, a float32 scale that broadcasts against them.

    `type` holds the codes: one, or one for each output.
    """

    codes: Array
    scale: Array
    type: IntType | tuple[IntType, ...]

    def __post_init__(self) -> None:
        object.__setattr__(self, "codes", _held(self.codes, np.int32))
        object.__setattr__(self, "scale", _held(self.scale, np.float32))

    @property
    def value(self) -> NDArray[np.float32]:
        """The real numbers that the codes stand for, rounded to float32."""
        return np.asarray(self.codes * self.scale, dtype=np.float32)

    @property
    def digest(self) -> str:
        """The sha256 of codes, scale and type."""
        return _digest(self.type, self.codes, self.scale)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Coded) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


@dataclass(frozen=True, eq=False)
class ActQuant:
    """A quantiser of activations, to `scale * (code - zero)`: float32 arrays of one number, or one per channel.

    Those of several numbers have the shape that broadcasts against the tensor. A zero point outside the codes stands
    for a signal that is far from zero.
    """

    type: IntType
    scale: Array
    zero: Array

    def __post_init__(self) -> None:
        object.__setattr__(self, "scale", _held(self.scale, np.float32))
        object.__setattr__(
            self, "zero", _held(self.zero + np.float32(0), np.float32)
        )  # -0.0 is no zero point of its own

    @property
    def digest(self) -> str:
        """The sha256 of type, scale and zero."""
        return _digest(self.type, self.scale, self.zero)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ActQuant) and self.digest == other.digest

    def __hash__(self) -> int:
        return hash(self.digest)


def nearest_codes(array: Array, scale: Array, kind: IntType) -> NDArray[np.int32]:
    """The codes of a type that are next to an array; of zero the sign is +1."""
    if kind.is_bipolar:
        return np.where(array < 0, np.int32(-1), np.int32(1))
    return np.rint(array / scale).clip(kind.lo, kind.hi).astype(np.int32)


def _held(array: Array, kind: type[np.generic]) -> Array:
    """A read-only view of an array that must be of a kind."""
    assert array.dtype == kind, f"{array.dtype} in place of {kind.__name__}"
    view = np.asarray(array).view()
    view.flags.writeable = False
    return view


def _digest(kind: object, *arrays: Array) -> str:
    found = sha256(repr(kind).encode())
    for array in arrays:
        found.update(repr(array.shape).encode())
        found.update(array.tobytes())
    return found.hexdigest()
