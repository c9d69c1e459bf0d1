# SPDX-License-Identifier: Apache-2.0
"""Chances of each value of each axis, and how they rise with what designs turned out to be worth."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]


class Policy:
    """A choice for each of some groups of axes, by chances of its own: the softmax of one number a value."""

    def __init__(self, logits: Sequence[Floats]) -> None:
        self._logits = [each.copy() for each in logits]

    @property
    def logits(self) -> Sequence[Floats]:
        """The numbers."""
        return self._logits

    def chances(self, warmth: float = 1.0) -> list[Floats]:
        """The chance of each value of each choice, more alike where it is warm."""
        risen = [np.exp((each - each.max()) / warmth) for each in self._logits]
        return [each / each.sum() for each in risen]

    def draw(self, rng: np.random.Generator, warmth: float = 1.0) -> tuple[int, ...]:
        """A value for each choice."""
        return tuple(int(rng.choice(len(each), p=each)) for each in self.chances(warmth))

    def gradient(self, drawn: Ints, advantages: Floats) -> list[Floats]:
        """The slope of what is to be expected, by REINFORCE: a row of values for each advantage."""
        return [
            advantages @ ((drawn[:, column, None] == np.arange(len(each))) - each) / len(drawn)
            for column, each in enumerate(self.chances())
        ]

    def likelihoods(self, drawn: Ints) -> Floats:
        """The chance of each row."""
        chances = [each[drawn[:, column]] for column, each in enumerate(self.chances())]
        return np.asarray(np.prod(chances, axis=0))

    def climb(self, slopes: Sequence[Floats], rate: float) -> None:
        """A step along slopes."""
        for each, slope in zip(self._logits, slopes, strict=True):
            each += rate * slope
