# SPDX-License-Identifier: Apache-2.0
"""What a criterion may know of a layer: its weight, what it reads, how the loss depends on it; computed when asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.columns import View
from bitwright.compress.network import FloatNet
from bitwright.compress.round import Problem
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]


class Slopes(Protocol):
    """How the loss moves with a weight, in the weight's shape."""

    @property
    def gradient(self) -> Array:
        """The mean of the samples' gradients."""

    @property
    def squares(self) -> Array:
        """The mean of their squares."""

    @property
    def curvature(self) -> Array:
        """The second derivative of the loss along each weight."""

    @property
    def path(self) -> Array:
        """The mean of the gradients while all weights shrink to zero together."""

    @property
    def stretch(self) -> Array:
        """The gradient of how much outputs move when all inputs do alike, squared."""


@dataclass(frozen=True, eq=False)
class Evidence:
    """A layer while a network is pruned, layer by layer: `weight` is that of the network so far.

    `least` is its least squares on the data, if there are any: what it reads in the network so far, and what it made in
    the network at first. `learnt` is how the loss moves with the weight, if there are labels; `net` is the network.
    """

    view: View
    weight: Array
    where: str
    least: Problem | None = None
    learnt: Slopes | None = None
    net: FloatNet | None = None

    @property
    def problem(self) -> Problem:
        """The least squares of the layer; BitwrightError without data."""
        if self.least is None:
            raise BitwrightError(
                "the criterion looks at what the layers read, but there are no data",
                where=self.where,
                hint="give calibration data, samples of the network's inputs",
            )
        return self.least

    @property
    def slopes(self) -> Slopes:
        """How the loss moves with the weight; BitwrightError without labels."""
        if self.learnt is None:
            raise BitwrightError(
                "the criterion looks at the loss, but there are no labels",
                where=self.where,
                hint="give data with labels, or a criterion that needs none: magnitude, obs",
            )
        return self.learnt

    @property
    def places(self) -> Array:
        """For each place in the flattened weight, that among the (groups, outputs, terms) of the problem."""
        rows = self.view.rows(np.arange(self.weight.size).reshape(self.weight.shape))
        return np.argsort(rows, axis=None)
