# SPDX-License-Identifier: Apache-2.0
"""Exact real functions of one code, as data: the steps that a `Table` layer records.

A function is a tuple of steps, applied in order to the real value of the input.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from fractions import Fraction
from typing import TypeAlias, get_args

from bitwright.ir.cases import Worded
from bitwright.ir.errors import BitwrightError


@dataclass(frozen=True, slots=True)
class Affine(Worded):
    """v -> slope * v + offset."""

    slope: Fraction
    offset: Fraction


@dataclass(frozen=True, slots=True)
class Clip(Worded):
    """v -> min(max(v, low), high); None is no limit."""

    low: Fraction | None
    high: Fraction | None


@dataclass(frozen=True, slots=True)
class LeakyRelu(Worded):
    """v -> v if v >= 0 else slope * v."""

    slope: Fraction


@dataclass(frozen=True, slots=True)
class Elu(Worded):
    """v -> v if v >= 0 else slope * (exp(v) - 1)."""

    slope: Fraction


@dataclass(frozen=True, slots=True)
class Abs(Worded):
    """v -> |v|."""


@dataclass(frozen=True, slots=True)
class Above(Worded):
    """v -> v if v > limit else 0."""

    limit: Fraction


@dataclass(frozen=True, slots=True)
class Power(Worded):
    """v -> v ** exponent, a whole number but 0; a zero to a negative power is infinite."""

    exponent: Fraction


@dataclass(frozen=True, slots=True)
class Softsign(Worded):
    """v -> v / (1 + |v|)."""


@dataclass(frozen=True, slots=True)
class Sqrt(Worded):
    """v -> the root of v, which is not negative."""


@dataclass(frozen=True, slots=True)
class Log(Worded):
    """v -> log(v) of a v that is not negative; that of zero is infinite."""


@dataclass(frozen=True, slots=True)
class Sigmoid(Worded):
    """v -> 1 / (1 + exp(-v))."""


@dataclass(frozen=True, slots=True)
class Tanh(Worded):
    """v -> tanh(v)."""


@dataclass(frozen=True, slots=True)
class Exp(Worded):
    """v -> exp(v)."""


@dataclass(frozen=True, slots=True)
class Softplus(Worded):
    """v -> log(1 + exp(v))."""


@dataclass(frozen=True, slots=True)
class Erf(Worded):
    """v -> erf(v)."""


@dataclass(frozen=True, slots=True)
class NormalCdf(Worded):
    """v -> (1 + erf(v / sqrt(2))) / 2."""


@dataclass(frozen=True, slots=True)
class TimesInput(Worded):
    """v -> v * x, with x the real value that the first step was given."""


Rising: TypeAlias = Exp | Sigmoid | Softplus | Erf | NormalCdf
"""Steps that rise, and are irrational nearly everywhere."""
Algebraic: TypeAlias = Above | Power | Softsign | Sqrt | Log
"""Steps that are monotone on either side of one place, where they may have a jump, a pole or an end."""
Step: TypeAlias = Affine | Clip | LeakyRelu | Elu | Abs | Tanh | Rising | Algebraic | TimesInput
"""Every kind of step, and no other."""
INFINITE = Fraction(1 << 200)
"""A number beyond what any quantiser holds: the value of a function at its pole."""
Function: TypeAlias = tuple[Step, ...]
STEPS: dict[str, type[Step]] = {kind.kind(): kind for kind in get_args(Step)}
"""Every kind by its `op`."""
SIXTH = Fraction(11184811, 1 << 26)
"""HardSwish's slope, the float32 number that ONNX writes as 1/6."""
HARD_SWISH: Function = (Affine(SIXTH, Fraction(1, 2)), Clip(Fraction(0), Fraction(1)), TimesInput())


def numbers(step: Step) -> tuple[Fraction | None, ...]:
    """The numbers of a step, in order."""
    return tuple(getattr(step, field.name) for field in fields(step))


def words(step: Step) -> list[str]:
    """A step as a certificate writes it: its name and its numbers, "" where there is no limit."""
    return [step.op, *("" if number is None else str(number) for number in numbers(step))]


def function_of(*given: str | tuple[str, ...] | Step) -> Function:
    """The function of these steps, in order."""
    return tuple(map(step_of, given))


def step_of(given: str | tuple[str, ...] | Step) -> Step:
    """The step of these words, `"sigmoid"` or `("leaky_relu", "1/8")`; BitwrightError if there is none."""
    if isinstance(given, Step):
        return given
    name, *texts = (given,) if isinstance(given, str) else given
    try:
        found = [None if name == "clip" and not text else Fraction(text) for text in texts]
        return STEPS[name](*found)  # type: ignore[arg-type]
    except (KeyError, TypeError, ValueError, ZeroDivisionError) as error:
        raise BitwrightError(
            f"'{' '.join(map(str, (name, *texts)))}' is not a function that can be tabulated",
            where="table",
            hint="use " + ", ".join(" ".join((op, *(f.name for f in fields(STEPS[op])))) for op in STEPS),
        ) from error
