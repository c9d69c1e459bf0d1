# SPDX-License-Identifier: Apache-2.0
"""How far a quantised network is from its float one, and how much of that each width brings by itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.allocate.sensing import Sensing
from bitwright.compress.allocate.tables import Term, Widths
from bitwright.compress.choices import Choices, reading
from bitwright.compress.execute import outputs_of
from bitwright.compress.fidelity import gives_scores
from bitwright.compress.network import FloatNet
from bitwright.compress.quantise import quantised_by
from bitwright.compress.sites import key
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
TINY = 1e-12
"""The least probability that is told from none."""
WIDE = 6
"""Bits from which on the nearest codes are as good as any: only for fewer are they chosen where nothing is measured."""


@dataclass(frozen=True, eq=False)
class Judge:
    """The error of outputs: of a kind, a key of `ERRORS`, against what the float network gives for the samples."""

    kind: str
    arrays: Sequence[Array]
    wanted: Sequence[Array]
    labels: Array | None = None

    def __call__(self, outputs: Sequence[Array]) -> float:
        """The error; 0 for the float network's own outputs, but for a loss."""
        return ERRORS[self.kind](self.wanted, outputs, self.labels)


def judge(net: FloatNet, arrays: Sequence[Array], labels: Array | None = None, kind: str = "") -> Judge:
    """What measures errors on some samples.

    Without a kind the divergence where the network gives scores, else noise over signal. BitwrightError if a kind is
    unknown, or needs labels that are not there.
    """
    wanted = outputs_of(net, arrays)
    kind = kind or ("kl" if gives_scores(net, wanted) else "noise")
    if kind not in ERRORS:
        raise BitwrightError(f"no error '{kind}'", where="allocate", hint=f"choose {' or '.join(ERRORS)}")
    if kind == "loss" and (labels is None or labels.shape != (len(arrays[0]),)):
        raise BitwrightError(
            "the loss needs labels, one for each sample",
            where="allocate",
            hint="give y beside the samples, or choose kl, which needs none",
        )
    return Judge(kind, arrays, wanted, labels)


def kl(wanted: Sequence[Array], found: Sequence[Array], labels: Array | None) -> float:
    """The mean divergence of the probabilities found from those wanted, in nats."""
    total = 0.0
    for ours, theirs in zip(found, wanted, strict=True):
        p, log_p, log_q = _exp(_log_probabilities(theirs)), _log_probabilities(theirs), _log_probabilities(ours)
        total += float(np.mean((p * (log_p - log_q)).sum(axis=1)))
    return max(total, 0.0)


def noise(wanted: Sequence[Array], found: Sequence[Array], labels: Array | None) -> float:
    """The energy of the differences over that of the signal around its mean."""
    total = 0.0
    for ours, theirs in zip(found, wanted, strict=True):
        signal = theirs.astype(np.float64)
        spread = float(np.square(signal - signal.mean(axis=0)).sum())
        total += float(np.square(ours - signal).sum()) / (spread or 1.0)
    return total


def loss(wanted: Sequence[Array], found: Sequence[Array], labels: Array | None) -> float:
    """The mean cross entropy with the labels."""
    assert labels is not None
    log_q = _log_probabilities(found[0])
    return float(-np.mean(log_q[np.arange(len(labels)), labels]))


ERRORS: Mapping[str, Callable[[Sequence[Array], Sequence[Array], Array | None], float]] = {
    "kl": kl,
    "noise": noise,
    "loss": loss,
}
"""What can be measured of outputs, by name."""


def _log_probabilities(scores: Array) -> Array:
    """Of scores, or of what are probabilities already: a row a sample."""
    rows = scores.reshape(len(scores), -1).astype(np.float64)
    if (rows >= 0).all() and np.allclose(rows.sum(axis=1), 1, atol=0.05):
        rows = np.log(np.maximum(rows, TINY))
    rows = rows - rows.max(axis=1, keepdims=True)
    return np.asarray(rows - np.log(_exp(rows).sum(axis=1, keepdims=True)))


def _exp(rows: Array) -> Array:
    return np.asarray(np.exp(rows))


def one_by_one(sensing: Sensing) -> Iterator[Term]:
    """Each width of each weight and tensor is measured by itself, all others as wide as they can be.

    Codes are chosen as they will be, for the weight that is measured and for those that read the tensor that is, with
    biases corrected behind them. The first term is the error that is left with all of them wide. That errors add up is
    taken for granted, and checked on the design that is chosen (Zhou, Moosavi-Dezfooli, Cheung, Frossard: "Adaptive
    quantization for deep neural network", AAAI 2018, arXiv 1712.01048; R109).
    """
    offered, kind = sensing.offered, sensing.kind
    wide = {name: max(widths) for name, widths in offered.items()}
    least = measured_at(sensing, wide, frozenset())
    yield Term((), {(): {kind: least}})
    for name, widths in offered.items():
        others = (bits for bits in widths if bits != wide[name])
        brought = {bits: measured_at(sensing, wide | {name: bits}, frozenset((name,))) - least for bits in others}
        yield Term((name,), {(bits,): {kind: max(brought.get(bits, 0.0), 0.0)} for bits in widths})


def measured_at(sensing: Sensing, widths: Widths, names: frozenset[str]) -> float:
    """The error at some widths, with codes chosen as they will be for the weights that names stand for."""
    readers = _readers(sensing.calibration.net)
    measured = names.union(*(readers.get(name, frozenset()) for name in names))
    choices = _nearest(sensing.choices.at(widths), measured)
    return sensing.errs(quantised_by(choices, sensing.calibration, sensing.options))


def _nearest(choices: Choices, measured: frozenset[str]) -> Choices:
    """The nearest codes for wide weights that are not measured: others would be no better, and take their time."""
    weights = {
        name: choice if name in measured or choice.bits < WIDE else replace(choice, rounding="nearest")
        for name, choice in choices.weights.items()
    }
    return Choices(weights, choices.acts)


def _readers(net: FloatNet) -> dict[str, frozenset[str]]:
    """The weights that are multiplied with each tensor that is quantised."""
    weights = {layer.name: layer.weight for layer in net.layers}
    read = {site.tensor: [key(node) for node in reading(net, site)] for site in net.sites}
    return {tensor: frozenset(weights[name] for name in names if name in weights) for tensor, names in read.items()}


SENSITIVITIES = {"one-by-one": one_by_one}
