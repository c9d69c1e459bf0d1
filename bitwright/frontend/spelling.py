# SPDX-License-Identifier: Apache-2.0
"""Functions that an exporter wrote with exponentials, quotients and powers, as the one step that they are."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction

from bitwright.ir.functions import (
    Abs,
    Affine,
    Exp,
    Function,
    Log,
    Power,
    Sigmoid,
    Softplus,
    Softsign,
    Step,
    TimesInput,
)

ONE, ZERO = Fraction(1), Fraction(0)
INVERSE = Power(-ONE)
ONE_MORE = Affine(ONE, ONE)
WORDS: tuple[tuple[Function, Function], ...] = (
    ((Exp(), ONE_MORE, INVERSE), (Affine(-ONE, ZERO), Sigmoid())),
    ((Exp(), ONE_MORE, Log()), (Softplus(),)),
)
"""Steps, and what they are wherever they stand."""
FIRST: tuple[tuple[Function, Function], ...] = (((Abs(), ONE_MORE, INVERSE, TimesInput()), (Softsign(),)),)
"""The same at the beginning of a function, where what it is given is its input."""


def spelled(steps: Function) -> Function:
    """The same function in fewer steps, if it is one that we know in other words."""
    steps = _joined(steps)
    for words, known in FIRST:
        if steps[: len(words)] == words:
            steps = (*known, *steps[len(words) :])
    for words, known in WORDS:
        for start in range(len(steps) - len(words) + 1):
            if steps[start : start + len(words)] == words:
                return spelled((*steps[:start], *known, *steps[start + len(words) :]))
    return steps


def mirrored(steps: Function) -> Function:
    """The same function of x, given that of -x."""
    flip = Affine(-ONE, ZERO)
    again = (each for step in steps for each in ((step, flip) if step == TimesInput() else (step,)))
    return spelled((flip, *again))


def _joined(steps: Sequence[Step]) -> Function:
    """The steps with neighbouring lines as one, and none that changes nothing."""
    made: list[Step] = []
    for step in steps:
        if made and isinstance(step, Affine) and isinstance(before := made[-1], Affine):
            step = Affine(step.slope * before.slope, step.slope * before.offset + step.offset)
            made.pop()
        if step != Affine(ONE, ZERO):
            made.append(step)
    return tuple(made)


def with_cubic(steps: Function, ratio: Fraction) -> Function | None:
    """The steps of c * x**3, which are given, plus `ratio` times x; None if they are those of another function."""
    steps = _joined(steps)
    last = steps[-1] if steps and isinstance(steps[-1], Affine) else Affine(ONE, ZERO)
    power = steps[:-1] if steps and isinstance(steps[-1], Affine) else steps
    if last.offset or power not in ((Power(Fraction(3)),), (Power(Fraction(2)), TimesInput())):
        return None
    return (Power(Fraction(2)), Affine(last.slope, ratio), TimesInput())
