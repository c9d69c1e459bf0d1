# SPDX-License-Identifier: Apache-2.0
"""What a host step does: one small class each, with its constants by name, computed in NumPy.

Samples are on axis 0 of every tensor.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, TypeAlias, get_args

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.cases import Worded
from bitwright.ir.rounding import Rounding
from bitwright.ir.types import IntType

Array = NDArray[Any]


@dataclass(frozen=True, eq=False)
class Constant:
    """A read-only array of any dtype that compares by content."""

    array: Array

    def __post_init__(self) -> None:
        frozen = np.array(self.array, order="C")
        frozen.setflags(write=False)
        object.__setattr__(self, "array", frozen)

    @property
    def digest(self) -> str:
        """sha256 of dtype, shape and content, in hex."""
        return sha256(f"{self.array.dtype}{self.array.shape}".encode() + self.array.tobytes()).hexdigest()

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Constant) and self.digest == other.digest

    def __hash__(self) -> int:
        return int(self.digest[:15], 16)


ROUND: Mapping[Rounding, Callable[[Array], Array]] = {
    Rounding.HALF_EVEN: np.rint,
    Rounding.HALF_AWAY: lambda v: np.sign(v) * np.floor(np.abs(v) + v.dtype.type(0.5)),
    Rounding.HALF_ZERO: lambda v: np.sign(v) * np.ceil(np.abs(v) - v.dtype.type(0.5)),
    Rounding.FLOOR: np.floor,
    Rounding.CEIL: np.ceil,
    Rounding.TO_ZERO: np.trunc,
    Rounding.FROM_ZERO: lambda v: np.sign(v) * np.ceil(np.abs(v)),
    Rounding.SIGN: lambda v: np.where(v >= 0, v.dtype.type(1), v.dtype.type(-1)),
}
"""How the host rounds, in the floating point of what it is given."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantise(Worded):
    """Codes, channels last, of real values: float32 division, then rounding as the source's quantiser does it.

    `low` and `high` limit what `after` is then added to. With `reciprocal` x is multiplied by float32(1 / scale).
    """

    scale: Constant
    before: Constant
    after: Constant
    low: Constant
    high: Constant
    rounding: Rounding
    reciprocal: int = 0

    @classmethod
    def plain(cls, kind: IntType, scale: float) -> Quantise:
        """The nearest codes of `kind`, or the signs, without a zero point."""
        numbers = (np.float32(scale), np.float32(0), np.float64(0), np.float64(kind.lo), np.float64(kind.hi))
        one, before, after, low, high = (Constant(np.asarray(number)) for number in numbers)
        rounding = Rounding.SIGN if kind.is_bipolar else Rounding.HALF_EVEN
        return cls(scale=one, before=before, after=after, low=low, high=high, rounding=rounding)

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        x, scale = x.astype(np.float32), self.scale.array
        value = (x * (np.float32(1) / scale) if self.reciprocal else x / scale) + self.before.array
        rounded = ROUND[self.rounding](value).clip(self.low.array, self.high.array)
        return np.asarray(rounded + self.after.array).astype(np.int64)


@dataclass(frozen=True, slots=True, kw_only=True)
class Affine(Worded):
    """float32 of clip(scale * q + offset): the exact real value of integers, rounded once."""

    scale: Constant
    offset: Constant
    low: Constant
    high: Constant

    @classmethod
    def unlimited(cls, scale: Array, offset: Array) -> Affine:
        """The line without a clip."""
        low, high = Constant(np.asarray(-np.inf)), Constant(np.asarray(np.inf))
        return cls(scale=Constant(scale), offset=Constant(offset), low=low, high=high)

    def __call__(self, q: Array) -> Array:
        """The step's output."""
        value = q * self.scale.array + self.offset.array
        return np.asarray(np.clip(value, self.low.array, self.high.array), dtype=np.float32)


@dataclass(frozen=True, slots=True)
class Gather(Worded):
    """Elements re-laid: `index` holds, in the new shape, indices into the flattened sample."""

    index: Constant

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        index, flat = self.index.array, np.asarray(x).reshape(len(x), -1)
        same = index.size == flat.shape[1] and np.array_equal(index.reshape(-1), np.arange(index.size))
        return (flat if same else flat[:, index.reshape(-1)]).reshape(len(x), *index.shape)


@dataclass(frozen=True, slots=True)
class Unfold(Worded):
    """Axes 0 and 1 as one: the rows that a sample holds lie on the first axis of the model."""

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        return x.reshape(-1, *x.shape[2:])


@dataclass(frozen=True, slots=True)
class Same(Worded):
    """Nothing: another step computes the node already."""

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        return x


@dataclass(frozen=True, slots=True)
class Pair(Worded, ABC):
    """Arithmetic of the input and a constant, or of two inputs where there is none."""

    constant: Constant | None = None

    def __call__(self, x: Array, *more: Array) -> Array:
        """The step's output."""
        if more:
            return self.combine(x, more[0])
        assert self.constant is not None, f"{self.op} of one input and no constant"
        return self.combine(x, self.constant.array)

    @staticmethod
    @abstractmethod
    def combine(x: Array, other: Array) -> Array:
        """The arithmetic."""


@dataclass(frozen=True, slots=True)
class Add(Pair):
    """x + other."""

    @staticmethod
    def combine(x: Array, other: Array) -> Array:
        """The sum."""
        return np.asarray(np.add(x, other))


@dataclass(frozen=True, slots=True)
class Sub(Pair):
    """x - other."""

    @staticmethod
    def combine(x: Array, other: Array) -> Array:
        """The difference."""
        return np.asarray(np.subtract(x, other))


@dataclass(frozen=True, slots=True)
class Rsub(Pair):
    """other - x."""

    @staticmethod
    def combine(x: Array, other: Array) -> Array:
        """The difference."""
        return np.asarray(np.subtract(other, x))


@dataclass(frozen=True, slots=True)
class Mul(Pair):
    """x * other."""

    @staticmethod
    def combine(x: Array, other: Array) -> Array:
        """The product."""
        return np.asarray(np.multiply(x, other))


@dataclass(frozen=True, slots=True)
class Div(Pair):
    """x / other."""

    @staticmethod
    def combine(x: Array, other: Array) -> Array:
        """The quotient."""
        return np.asarray(np.divide(x, other))


@dataclass(frozen=True, slots=True)
class Clip(Worded):
    """min(max(x, low), high)."""

    low: Constant
    high: Constant

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        return np.asarray(np.clip(x, self.low.array, self.high.array))


@dataclass(frozen=True, slots=True)
class LeakyRelu(Worded):
    """x where x >= 0, else slope * x."""

    slope: Constant

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        return np.asarray(np.where(x >= 0, x, x * self.slope.array))


@dataclass(frozen=True, slots=True)
class Elu(Worded):
    """x where x >= 0, else slope * (exp(x) - 1)."""

    slope: Constant

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        return np.asarray(np.where(x >= 0, x, self.slope.array * np.expm1(np.minimum(x, 0))))


@dataclass(frozen=True, slots=True)
class Relu(Worded):
    """max(x, 0)."""

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        return np.asarray(np.maximum(x, x.dtype.type(0)))


@dataclass(frozen=True, slots=True)
class Sigmoid(Worded):
    """1 / (1 + exp(-x)), which never overflows."""

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        e = np.exp(-np.abs(x))
        return np.asarray(np.where(x >= 0, 1, e) / (1 + e), dtype=x.dtype)


@dataclass(frozen=True, slots=True)
class Tanh(Worded):
    """tanh(x)."""

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        return np.asarray(np.tanh(x))


@dataclass(frozen=True, slots=True)
class Exp(Worded):
    """exp(x)."""

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        return np.asarray(np.exp(x))


@dataclass(frozen=True, slots=True)
class Abs(Worded):
    """|x|."""

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        return np.asarray(np.abs(x))


@dataclass(frozen=True, slots=True)
class Softplus(Worded):
    """log(1 + exp(x))."""

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        return np.asarray(np.logaddexp(x, x.dtype.type(0)))


@dataclass(frozen=True, slots=True)
class Product(Worded):
    """The last axis times a matrix of (inputs, outputs), summed in float64."""

    weights: Constant

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        return np.asarray(x.astype(np.float64) @ self.weights.array.astype(np.float64), dtype=x.dtype)


@dataclass(frozen=True, slots=True)
class Softmax(Worded):
    """exp(x) over its sum along `axis`."""

    axis: int

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        e = np.exp(x - x.max(axis=self.axis, keepdims=True))
        return np.asarray(e / e.sum(axis=self.axis, keepdims=True), dtype=x.dtype)


@dataclass(frozen=True, slots=True)
class LogSoftmax(Worded):
    """The logarithm of the softmax along `axis`."""

    axis: int

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        shifted = x - x.max(axis=self.axis, keepdims=True)
        return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=self.axis, keepdims=True)), dtype=x.dtype)


@dataclass(frozen=True, slots=True, kw_only=True)
class TopK(Worded):
    """Values, or with `indices` places, of the `k` largest or smallest along `axis`; the lowest place wins a tie."""

    axis: int
    k: int
    largest: int
    indices: int = 0

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        sign = -1 if self.largest else 1
        order = np.argsort(sign * x.astype(np.float64), axis=self.axis, kind="stable")
        best = np.take(order, np.arange(self.k), axis=self.axis)
        return np.asarray(best if self.indices else np.take_along_axis(x, best, axis=self.axis))


@dataclass(frozen=True, slots=True, kw_only=True)
class ArgMax(Worded):
    """The place of the largest along `axis`; the lowest of a tie, or with `last` the highest."""

    axis: int
    keepdims: int
    last: int = 0

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        best = np.argmax(x, axis=self.axis)
        if self.last:
            best = x.shape[self.axis] - 1 - np.argmax(np.flip(x, self.axis), axis=self.axis)
        return np.asarray(np.expand_dims(best, self.axis) if self.keepdims else best)


@dataclass(frozen=True, slots=True, kw_only=True)
class CountLevels(Worded):
    """First + step * how many of the channel's levels (last axis of `levels`) are <= x."""

    levels: Constant
    first: int
    step: int

    def __call__(self, x: Array) -> Array:
        """The step's output."""
        counts = (x.astype(np.float32)[..., None] >= self.levels.array).sum(axis=-1, dtype=np.int64)
        return np.asarray(self.first + self.step * counts)


Arithmetic: TypeAlias = Add | Sub | Rsub | Mul | Div
"""Operations of two numbers."""
Curve: TypeAlias = Relu | Sigmoid | Tanh | Exp | Abs | Softplus
"""Functions of one number that need nothing else."""
Real: TypeAlias = Arithmetic | Clip | LeakyRelu | Elu | Curve | Product | Softmax | LogSoftmax | TopK | ArgMax
"""What computes on real numbers as its operator in ONNX does."""
HostOp: TypeAlias = Quantise | CountLevels | Affine | Gather | Same | Unfold | Real
"""Everything that a host step can do, and nothing else."""
HOST_OPS: Mapping[str, type[HostOp]] = {kind.kind(): kind for kind in get_args(HostOp)}
"""Each by its `op`."""


def curve(op: str) -> Curve:
    """The function of that name."""
    made = HOST_OPS[op]()  # type: ignore[call-arg]
    assert isinstance(made, Curve)
    return made
