# SPDX-License-Identifier: Apache-2.0
"""What designs are scored on: samples in an order that is drawn once, what is wanted of them, and the metric."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import prod, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtri, stdtrit

from bitwright.compress import FloatNet, check_arrays, outputs_of
from bitwright.compress.fidelity import gives_scores
from bitwright.compress.fixed import Fixed
from bitwright.explore.metrics import METRICS, Metric
from bitwright.explore.own_metric import metric_of
from bitwright.explore.record import Score
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.sim import whole
from bitwright.sim.engines import ENGINES, best

Array = NDArray[Any]
Origin = FloatNet | Fixed
"""What designs begin at: a float network, or a quantised one that stays what it is."""
SURE = 0.95
"""The share of intervals that hold what the value would be over all samples there could be."""
DRAWN = 1000
"""How often samples are drawn again for an interval of what is no mean."""


@dataclass(frozen=True)
class Scoring:
    """Samples in their order, an array for each input; what is `wanted` of each, for each output; and the metric."""

    arrays: tuple[Array, ...]
    wanted: tuple[Array, ...]
    metric: Metric

    @property
    def samples(self) -> int:
        """How many there are."""
        return len(self.arrays[0])

    def rows(self, outputs: Sequence[Array], some: slice) -> Array:
        """What the metric makes of the outputs for some of the samples, (samples, numbers of each)."""
        wanted = [array[some] for array in self.wanted]
        return self.metric.rows(_given(outputs), _given(wanted), some.stop - some.start)

    def score(self, rows: Array) -> Score:
        """The score by the rows of the first samples."""
        low, high = interval(rows, self.metric)
        value = self.metric.value(rows.mean(axis=0))
        return Score(value=value, low=low, high=high, samples=len(rows), total=self.samples)

    def float_score(self, net: Origin) -> Score:
        """The score of what designs begin at itself."""
        return self.score(self.rows(answers(net, self.arrays), slice(0, self.samples)))


def answers(net: Origin, arrays: Sequence[Array]) -> list[Array]:
    """The outputs of a network, in float, or of its integers."""
    return answers_of(net.graph, arrays) if isinstance(net, Fixed) else list(outputs_of(net, arrays))


def answers_of(graph: Graph, arrays: Sequence[Array]) -> list[Array]:
    """The outputs of a graph for arrays of its inputs."""
    engine = ENGINES[best(graph.macs * len(arrays[0]))].build(graph, None)
    return whole.outputs(graph, dict(zip(graph.entry.inputs, arrays, strict=True)), engine)


def scoring(
    net: Origin,
    x: Array | Sequence[Array],
    y: Array | None,
    metric: str | Metric = "",
    *,
    seed: int = 0,
    names: tuple[str, str] = ("x", "y"),
) -> Scoring:
    """Samples `x`, one array or one for each input, with `y` as what is wanted, in an order that `seed` draws.

    Without a metric it is the accuracy of labels; else the mean squared error of what is wanted; without `y` agreement
    with the float network, of classes or, as a signal over its noise, of numbers. BitwrightError if they do not fit, by
    the `names` that both have.
    """
    arrays = [x] if isinstance(x, np.ndarray) else list(x)
    check_arrays(net.inputs, arrays, f"data '{names[0]}'")
    for array in (*arrays, *([] if y is None else [y])):
        _check_finite(array, f"data '{names[array is y]}'")
    shape = answers(net, [array[:1] for array in arrays])
    found = metric if isinstance(metric, Metric) else metric_of(metric) if metric else METRICS[_usual(net, shape, y)]
    wanted = _wanted(net, arrays, y, found, shape, names)
    order = np.random.default_rng(seed).permutation(len(arrays[0]))
    return Scoring(tuple(array[order] for array in arrays), tuple(array[order] for array in wanted), found)


def _usual(net: Origin, shape: Sequence[Array], y: Array | None) -> str:
    """The name of the metric that there is without asking for one."""
    if y is None:
        return "agreement" if gives_scores(net, shape) else "snr"
    return "accuracy" if y.dtype.kind in "iu" and y.ndim == 1 else "mse"


def _wanted(
    net: Origin,
    arrays: Sequence[Array],
    y: Array | None,
    metric: Metric,
    shape: Sequence[Array],
    names: tuple[str, str],
) -> Sequence[Array]:
    """What the metric compares answers with."""
    if metric.wants == "float" or (metric.wants == "numbers" and y is None):
        return answers(net, arrays)
    if y is None:
        hint = f"give a labelled set: {names[0]}=images, {names[1]}=labels; agreement needs none"
        raise BitwrightError(f"has no array '{names[1]}'", where="data", hint=hint)
    if metric.wants == "labels":
        _check_labels(y, len(arrays[0]), prod(shape[0].shape), names)
    elif len(y) != len(arrays[0]):
        what = f"'{names[1]}' is {y.dtype} of shape {y.shape}, where '{names[0]}' holds {len(arrays[0])} samples"
        raise BitwrightError(what, where="data", hint="give what is wanted of each sample")
    elif metric in METRICS.values() and y[0].size != prod(shape[0].shape):
        what = f"'{names[1]}' is {y.dtype} of shape {y.shape}, where the network makes {prod(shape[0].shape)} numbers"
        hint = "give as many for each sample, or integers, one per sample, for the accuracy"
        raise BitwrightError(what, where="data", hint=hint)
    return [y]


def _check_labels(y: Array, samples: int, classes: int, names: tuple[str, str]) -> None:
    if y.shape != (samples,) or y.dtype.kind not in "iu":
        raise BitwrightError(
            f"'{names[1]}' is {y.dtype} of shape {y.shape}, where '{names[0]}' holds {samples} samples",
            where="data",
            hint="labels are integers, one per sample",
        )
    if y.min() < 0 or y.max() >= classes:
        raise BitwrightError(
            f"'{names[1]}' holds labels from {y.min()} to {y.max()}, where the network has {classes} scores",
            where="data",
            hint=f"labels are the places of classes, from 0 to {classes - 1}",
        )


def _check_finite(array: Array, where: str) -> None:
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        hint = "leave out samples that are NaN or infinite"
        raise BitwrightError("holds numbers that are not finite", where=where, hint=hint)


def _given(arrays: Sequence[Array]) -> Any:
    return arrays[0] if len(arrays) == 1 else list(arrays)


def interval(rows: Array, metric: Metric) -> tuple[float, float]:
    """Of the metric over all samples there could be, by those that were seen.

    Right and wrong answers by Wilson: "Probable inference, the law of succession, and statistical inference", Journal
    of the American Statistical Association 22, 1927; means by Student's t; others by percentiles of samples that are
    drawn again (Efron: "Bootstrap methods", Annals of Statistics 7(1), 1979).
    """
    if metric.binary:
        return wilson(int(rows.sum()), len(rows))
    if len(rows) < 2:
        hint = "give at least two"
        raise BitwrightError("one sample says nothing of others", where=f"metric '{metric.name}'", hint=hint)
    return student(rows[:, 0]) if metric.whole is None else drawn_again(rows, metric.whole)


def wilson(right: int, seen: int) -> tuple[float, float]:
    """Of a share."""
    z, share = float(ndtri((1 + SURE) / 2)), right / seen
    middle, half = share + z * z / 2 / seen, z * sqrt(share * (1 - share) / seen + z * z / 4 / seen**2)
    return max(0.0, (middle - half) / (1 + z * z / seen)), min(1.0, (middle + half) / (1 + z * z / seen))


def student(values: Array) -> tuple[float, float]:
    """Of a mean."""
    half = float(stdtrit(len(values) - 1, (1 + SURE) / 2)) * float(values.std(ddof=1)) / sqrt(len(values))
    return float(values.mean()) - half, float(values.mean()) + half


def drawn_again(rows: Array, whole: Callable[[Array], float]) -> tuple[float, float]:
    """Of what is made of means: the same of samples that are drawn from these."""
    random, count = np.random.default_rng(0), len(rows)
    means = [np.bincount(random.integers(count, size=count), minlength=count) @ rows / count for _ in range(DRAWN)]
    low, high = np.quantile([whole(each) for each in means], [(1 - SURE) / 2, (1 + SURE) / 2])
    return float(low), float(high)
