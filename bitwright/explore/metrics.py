# SPDX-License-Identifier: Apache-2.0
"""How good answers are: a number for each sample, and what is said of all of them; by name in `METRICS`.

A metric of one's own is any function of a module, (outputs, wanted) -> a number for each sample:

    def distance(outputs, wanted):
        return np.abs(outputs - wanted).max(axis=1)

    Metric(Objective("distance", "the largest error of a sample", "mm"), distance)
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf, log10
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitwright.explore.objectives import ACCURACY, Objective
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
Values = Callable[[Any, Any], Array]
"""(outputs, as `bitwright.run` gives them, of some samples; what is wanted of these) -> a row of numbers a sample."""
SILENCE = 1e-30
"""Of the signal, the noise that there is at least: 300 dB are as good as none."""


@dataclass(frozen=True)
class Metric:
    """What answers are judged by: `values` for each sample, and the mean of these, or what `whole` makes of the means.

    It `wants` labels, numbers (the float network's own answers, where there are none), or the float network's answers.
    Where a sample's value is surely between two `bounds`, or it is 0 or 1 because the metric is `binary`, designs can
    be ruled out before all samples are seen.
    """

    objective: Objective
    values: Values
    wants: Literal["labels", "numbers", "float"] = "numbers"
    binary: bool = False
    bounds: tuple[float, float] | None = None
    whole: Callable[[Array], float] | None = None

    @property
    def name(self) -> str:
        """What records have it by."""
        return self.objective.name

    @property
    def ends(self) -> tuple[float, float]:
        """What the value of a sample is surely between, if anything."""
        return (0.0, 1.0) if self.binary else self.bounds or (-inf, inf)

    def rows(self, outputs: Any, wanted: Any, samples: int) -> Array:
        """The values of some samples, (samples, numbers of each); BitwrightError if they are none."""
        found = np.asarray(self.values(outputs, wanted), dtype=np.float64)
        if found.ndim not in (1, 2) or len(found) != samples:
            what = f"makes an array of shape {found.shape} of {samples} samples"
            raise BitwrightError(what, where=f"metric '{self.name}'", hint="return one number for each sample")
        if not np.isfinite(found).all():
            hint = "return finite numbers, whatever the answers are"
            raise BitwrightError("makes numbers that are not finite", where=f"metric '{self.name}'", hint=hint)
        if found.size and (found.min() < self.ends[0] or found.max() > self.ends[1]):
            what = f"makes numbers from {found.min()} to {found.max()}"
            hint = f"its bounds are {self.ends[0]} and {self.ends[1]}"
            raise BitwrightError(what, where=f"metric '{self.name}'", hint=hint)
        if self.binary and not np.isin(found, (0, 1)).all():
            hint = "give it bounds; a binary metric makes 0 or 1 of each sample"
            raise BitwrightError("makes other numbers than 0 and 1", where=f"metric '{self.name}'", hint=hint)
        return found.reshape(samples, -1)

    def value(self, means: Array) -> float:
        """The metric of all samples from the means of what each of them has."""
        return float(means[0]) if self.whole is None else self.whole(means)


def accuracy(scores: Array, labels: Array) -> float:
    """The share of samples whose highest score is at their label; the lowest index wins a tie."""
    return float(np.mean(_right(scores, labels)))


def _classes(scores: Array, samples: int) -> Array:
    return np.asarray(scores.reshape(samples, -1).argmax(axis=1))


def _right(scores: Array, labels: Array) -> Array:
    return np.asarray(_classes(scores, len(labels)) == labels)


def _among_five(scores: Array, labels: Array) -> Array:
    """Whether fewer than five classes are before the label's; of equal scores the lower index is."""
    rows, labels = scores.reshape(len(labels), -1), np.asarray(labels)[:, None]
    own = np.take_along_axis(rows, labels, axis=1)
    before = (rows > own) | ((rows == own) & (np.arange(rows.shape[1]) < labels))
    return np.asarray(before.sum(axis=1) < 5)


def _agreeing(scores: Array, wanted: Array) -> Array:
    return np.asarray(_classes(scores, len(wanted)) == _classes(wanted, len(wanted)))


def _energies(outputs: Any, wanted: Any) -> Array:
    """Of each sample what the answers should be and what they are beside that, squared and summed."""
    pairs = zip(*(each if isinstance(each, list) else [each] for each in (outputs, wanted)), strict=True)
    sums = []
    for made, ideal in pairs:
        ideal = np.asarray(ideal, dtype=np.float64).reshape(len(ideal), -1)
        noise = made.reshape(ideal.shape) - ideal
        sums.append(np.stack([np.square(ideal).sum(axis=1), np.square(noise).sum(axis=1)], axis=1) / ideal.shape[1])
    return np.asarray(np.sum(sums, axis=0))


def _squared(outputs: Any, wanted: Any) -> Array:
    return _energies(outputs, wanted)[:, 1]


def _decibel(means: Array) -> float:
    signal, noise = means
    return 10 * log10(signal / max(noise, signal * SILENCE)) if signal > 0 else 0.0


METRICS: dict[str, Metric] = {
    each.name: each
    for each in (
        Metric(ACCURACY, _right, "labels", binary=True),
        Metric(
            Objective("top5", "the share of samples whose label is among the five highest scores", "", True),
            _among_five,
            "labels",
            binary=True,
        ),
        Metric(
            Objective("agreement", "the share of samples whose highest score is where that of float is", "", True),
            _agreeing,
            "float",
            binary=True,
        ),
        Metric(Objective("mse", "the mean of the squared errors"), _squared),
        Metric(Objective("snr", "the signal over the noise", "dB", True), _energies, whole=_decibel),
    )
}
"""What answers can be judged by, by name."""
