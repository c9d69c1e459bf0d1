# SPDX-License-Identifier: Apache-2.0
"""What a layer becomes: stages, each a smaller layer, whose product is near its weight."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.family import Family

Array = NDArray[Any]


@dataclass(frozen=True, slots=True, eq=False)
class Stage:
    """A smaller layer: its weight (outputs, inputs of a group, *window), its groups, and the axes of its window.

    What a layer has of strides, padding and dilation is that of its window: of "both" axes, of "rows" or of "columns"
    alone, or of "none", where it is a product at each place. A dense layer whose stages have windows reads its input as
    an image of one row, with the channels of the first and the columns of the last; `times` is at how many places.
    """

    weight: Array
    window: Literal["both", "rows", "columns", "none"] = "none"
    groups: int = 1
    times: int = 1


@dataclass(frozen=True, slots=True)
class Factoriser:
    """How a weight (outputs, inputs, *window) becomes stages of a rank, and which share of its energy each rank keeps.

    `most` is the highest rank, which is exact; `energy` has a share for each rank from 1 on, and never falls. `fits`
    says which weights it is for. What it needs beside the weight are the second moments of a layer's inputs, (inputs,
    inputs), or all weights that are alike in shape, (layers, outputs, inputs, *window).
    """

    parts: Callable[[Array, int, Array | None], Sequence[Stage]]
    energy: Callable[[Array, Array | None], Array]
    fits: Callable[[Array], bool]
    needs: Literal["weights", "inputs", "alike"] = "weights"


def is_windowed(weight: Array) -> bool:
    """True for a weight with a window of two axes that is more than one place."""
    return weight.ndim == 4 and weight.shape[2] * weight.shape[3] > 1


def kept(values: Array) -> Array:
    """The share of the energy in the first of some singular values, in their first two, and so on."""
    squares = np.cumsum(values.astype(np.float64) ** 2)
    return np.asarray(squares / max(float(squares[-1]), 1e-30))


FACTORISERS: Family[Factoriser] = Family("bitwright.compress.factor", "FACTORISERS")
"""By name."""
