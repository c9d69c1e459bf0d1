# SPDX-License-Identifier: Apache-2.0
"""What a user should know of calibration data: too little of it, one value that fills a range, a lost signal."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.calibrate import Calibration
from bitwright.compress.coded import ActQuant

Array = NDArray[Any]
ENOUGH = 16
"""Samples below which ranges are those of the samples, and not of what the network will meet."""
FAR = 8.0
"""How many times what nearly all reach a value reaches that fills a range."""
NEARLY_ALL = 0.999
"""Of the values that are not zero."""
MOST = 0.9
"""Of the samples."""
SHARE = 16
"""A feature that spans less than this part of its tensor's range, and fewer than `CODES` codes, is lost."""
CODES = 16
LOST = 4
"""A signal away from zero that spans less than this part of the codes is lost."""

Kind = Literal["few samples", "left out", "equal samples", "constant", "outlier", "far from zero", "unlike features"]


@dataclass(frozen=True, slots=True)
class Finding:
    """Something of a tensor, or of the calibration data for an input, that makes a quantised network worse."""

    tensor: str
    kind: Kind
    what: str
    figures: Mapping[str, float]
    hint: str

    def __str__(self) -> str:
        return f"tensor '{self.tensor}' {self.what}; {self.hint}"


def findings(calibration: Calibration, acts: Mapping[str, ActQuant]) -> tuple[Finding, ...]:
    """All of a calibrated network that is quantised by `acts`: its inputs' first, then tensor by tensor."""
    inputs = dict(zip((entry.name for entry in calibration.net.inputs), calibration.data, strict=True))
    found: list[Finding] = []
    for name, data in inputs.items():
        found.extend(_of_samples(name, data))
        if calibration.walked < len(data):
            found.append(_left_out(name, calibration.walked, len(data)))
    for name in (site.tensor for site in calibration.net.sites if site.tensor in acts):
        said = list(_of_tensor(calibration, name, acts[name], name in inputs))
        if name in inputs and not said:
            said.extend(_of_features(name, inputs[name], acts[name]))
        found.extend(said)
    return tuple(found)


def _of_samples(name: str, data: Array) -> Iterator[Finding]:
    """What is said of the samples of an input."""
    hint = f"give {ENOUGH} samples or more, as unlike each other as those that the network will meet"
    if len(data) < ENOUGH:
        plural = "sample" if len(data) == 1 else "samples"
        yield Finding(name, "few samples", f"has {len(data)} calibration {plural}", {"samples": len(data)}, hint)
    if len(data) > 1 and (data == data[:1]).all():
        value = "zero" if not data.any() else "equal"
        yield Finding(name, "equal samples", f"has calibration samples that are all {value}", {}, hint)


def _left_out(name: str, walked: int, samples: int) -> Finding:
    what = f"has {samples} calibration samples, of which {walked} fit in memory: codes and biases are chosen by those"
    return Finding(name, "left out", what, {"samples": walked}, "ranges are chosen by all")


def _of_tensor(calibration: Calibration, name: str, act: ActQuant, given: bool) -> Iterator[Finding]:
    """What is said of the values of a quantised tensor; `given` is true for an input."""
    held = calibration.values[name]
    low, high = held.low.item(), held.high.item()
    reach = max(high, -low)
    if low == high:
        hint = "check the calibration data" if given else "check what the float network computes there"
        yield Finding(name, "constant", f"is {low:.3g} throughout the calibration data", {"value": low}, hint)
        return
    inside = min(NEARLY_ALL, 1 - 1.5 / held.weight.sum())  # one value at least is an outlier
    usual = min(_usual(calibration.peaks.get(name, np.zeros(0))), held.magnitude(inside).item())
    if reach > FAR * usual:
        what = f"has a range of {reach:.3g} that an outlier fills: nearly all values lie within {usual:.3g}"
        hint = "remove the broken sample from the calibration data, or choose another range rule"
        yield Finding(name, "outlier", what, {"largest": reach, "usual": usual}, hint)
    kinds = act.type if isinstance(act.type, tuple) else (act.type,)
    used, count = (high - low) / float(act.scale.max()) + 1, max(kind.count for kind in kinds)
    if low * high > 0 and used < count / LOST:
        what = f"lies in {low:.5g}..{high:.5g}, far from zero: the signal has {used:.0f} of its range of {count} codes"
        hint = "subtract its level in front of the network, or use more bits"
        yield Finding(name, "far from zero", what, {"low": low, "high": high, "codes": used}, hint)


def _usual(peaks: Array) -> float:
    """What most samples do not exceed; no limit where they are too few to say."""
    if len(peaks) < 1 / (1 - MOST):
        return np.inf
    return float(np.quantile(peaks, MOST, method="lower"))


def _of_features(name: str, data: Array, act: ActQuant) -> Iterator[Finding]:
    """What is said of the features of an input: along its axis of channels and that of a sequence, and of all elements.

    Of many features a few are lost anyhow: the corners of images.
    """
    if act.scale.size > 1 or data.ndim < 2 or len(data) < 2:
        return
    low, high = (bound(data, axis=0).astype(np.float64) for bound in (np.min, np.max))
    whole = high.max() - low.min() if act.zero.any() else max(high.max(), 0) - min(low.min(), 0)
    least = min(whole / SHARE, CODES * float(act.scale))
    for axis in range(low.ndim if low.ndim < 3 else 1):
        others = tuple(other for other in range(low.ndim) if other != axis)
        spans = high.max(axis=others) - low.min(axis=others)
        lost = np.flatnonzero((spans > 0) & (spans < least))
        if len(lost) > len(spans) // SHARE:
            yield _unlike(name, f"feature {lost[0]} of axis {axis + 1}", spans[lost[0]], len(lost), whole)
            return
    yield from _of_elements(name, high - low, least, whole)


def _of_elements(name: str, spans: Array, least: float, whole: float) -> Iterator[Finding]:
    """What is said of an input, most of whose elements are lost beside a few."""
    lost = (spans > 0) & (spans < least)
    if lost.sum() * 2 > lost.size:
        yield _unlike(name, "most of its elements", float(np.median(spans)), int(lost.sum()), whole)


def _unlike(name: str, which: str, span: float, lost: int, whole: float) -> Finding:
    what = f"has features of unlike units: the signal of {which} spans {span:.3g} of a range of {whole:.3g}"
    figures = {"span": float(span), "range": float(whole), "features": lost}
    return Finding(name, "unlike features", what, figures, "scale its features alike in front of the network")
