# SPDX-License-Identifier: Apache-2.0
"""What a step of a recipe is, what it works with, and what the last one gives."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from hashlib import sha256
from itertools import chain
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bitwright.compress import Calibration, FloatNet, State
from bitwright.explore import Allocation
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
Place = Callable[[], Path]
"""Makes room for a file, and says where."""


@dataclass(frozen=True)
class Material:
    """What steps work with: samples to calibrate on, and to train on, whose `labels` are integers if there are any.

    Choices are compared on those of `validation`. `first` is the network before all steps, from which others can learn.
    """

    calibration: Sequence[Array]
    train: Sequence[Array] | None = None
    labels: Array | None = None
    validation: Sequence[Array] | None = None
    file: str = "data"
    first: FloatNet | None = None

    @cached_property
    def digest(self) -> str:
        """The sha256 of all samples and labels."""
        found = sha256()
        others = (() if self.labels is None else (self.labels,), self.validation or ())
        for array in (*self.calibration, *self.trained_on, *chain(*others)):
            found.update(repr((array.dtype.str, array.shape)).encode())
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()

    @property
    def trained_on(self) -> Sequence[Array]:
        """The samples to train on: those to calibrate on, where there are no others."""
        return self.calibration if self.train is None else self.train

    def some(self, step: str, most: int) -> tuple[Sequence[Array], Array]:
        """Labelled samples to train on, drawn where there are more than so many."""
        labels = self.labelled(step)
        picked = np.sort(np.random.default_rng(0).permutation(len(labels))[:most])
        return [array[picked] for array in self.trained_on], labels[picked]

    def labelled(self, step: str) -> Array:
        """The labels of the samples to train on, which a step needs."""
        if self.labels is None:
            raise BitwrightError(
                f"has no labels, without which '{step}' cannot tell right from wrong",
                where=self.file,
                hint="save train=x beside y_train=y, integers, one per sample",
            )
        return self.labels


@dataclass(frozen=True, slots=True)
class Result:
    """A network that is quantised, and the float one that it was made of, calibrated; how widths were chosen, if so."""

    state: State
    calibration: Calibration
    allocation: Allocation | None = None


class Step(Protocol):
    """One step: it makes another float network of one, or ends the recipe with a quantised one."""

    @property
    def ends(self) -> bool:
        """True if nothing can follow."""

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet | Result:
        """What the step makes of a network; what it has of it when it is ended may lie in `checkpoint`."""
