# SPDX-License-Identifier: Apache-2.0
"""Channels by what they hold on samples: how often something, how much that says, and whether others say the same."""

from __future__ import annotations

import numpy as np

from bitwright.compress.groups import Group
from bitwright.compress.prune.facts import Array, Facts
from bitwright.compress.prune.worth import Worth

BINS = 16
"""Of histograms."""


def nonzeros(facts: Facts, group: Group) -> Array:
    """The share of values of a channel that are not zero: 1 less APoZ, the average percentage of zeros.

    Hu, Peng, Tai, Tang: "Network trimming: a data-driven neuron pruning approach towards efficient deep architectures",
    arXiv 1607.03250; R060. Needs data.
    """
    return np.asarray((facts.responses(group) != 0).mean(axis=(0, 1)))


def entropies(facts: Facts, group: Group) -> Array:
    """The entropy of a channel's means over the samples, of a histogram: what is always the same says nothing.

    Luo, Wu: "An entropy-based pruning method for CNN compression", arXiv 1706.05791; R061. Needs data.
    """
    return np.array([entropy(np.bincount(row)) for row in binned(means(facts, group))])


def information(facts: Facts, group: Group) -> Array:
    """What a channel's mean tells of the label, in nats: their mutual information, of histograms.

    Anonymous: "Interpreting CNN compression using information bottleneck", ICLR 2020 submission; R074.
    Needs data with labels.
    """
    labels = np.unique(facts.answers()[: len(means(facts, group))], return_inverse=True)[1]
    width = int(labels.max()) + 1
    return np.array([mutual(np.bincount(row * width + labels, minlength=BINS * width).reshape(BINS, width))
                     for row in binned(means(facts, group))])  # fmt: skip


def class_correlations(facts: Facts, group: Group) -> Array:
    """The share of a channel's variance that is between classes: the correlation of two samples of one class.

    Shrout, Fleiss: "Intraclass correlations: uses in assessing rater reliability", Psychological Bulletin 86, 1979;
    R070. Needs data with labels.
    """
    values = means(facts, group)
    labels = facts.answers()[: len(values)]
    classes = [values[labels == label] for label in np.unique(labels)]
    count = len(values) / len(classes)
    between = sum(len(part) * (part.mean(axis=0) - values.mean(axis=0)) ** 2 for part in classes) / (len(classes) - 1)
    within = sum(((part - part.mean(axis=0)) ** 2).sum(axis=0) for part in classes) / (len(values) - len(classes))
    whole = between + (count - 1) * within
    return np.asarray(np.divide(between - within, whole, out=np.zeros_like(whole), where=whole > 0))


def apartness(facts: Facts, group: Group) -> Array:
    """How far a channel is from a multiple of one that stays: 1 less the largest correlation, one after the other.

    Singh, Verma, Rai, Namboodiri: "Leveraging filter correlations for deep model compression", WACV 2020, arXiv
    1811.10559; R064. Of two that are one, one goes, and those that read both make it good. Needs data.
    """
    values = facts.responses(group).reshape(-1, group.size).astype(np.float64)
    values -= values.mean(axis=0)
    norms = np.linalg.norm(values, axis=0)
    values = np.divide(values, norms, out=np.zeros_like(values), where=norms > 0)
    alike = np.abs(values.T @ values)
    np.fill_diagonal(alike, -1)
    scores, left, most = np.ones(group.size), np.ones(group.size, bool), 0.0
    for channel in np.flatnonzero(norms == 0):
        scores[channel], left[channel] = -1, False
    while left.sum() > 1:
        held = np.where(left[:, None] & left, alike, -1)
        pair = np.unravel_index(held.argmax(), held.shape)
        gone = int(min(pair, key=lambda channel: (norms[channel], channel)))
        most = max(float(np.nextafter(most, np.inf)), 1 - float(held.max()))
        scores[gone], left[gone] = most, False
    scores[left] = max(most, 1.0)
    return scores


def means(facts: Facts, group: Group) -> Array:
    """The mean of each channel in each sample, (samples, channels)."""
    return np.asarray(facts.responses(group).mean(axis=1, dtype=np.float64))


def binned(values: Array) -> Array:
    """The bin of each value between the ends of its channel, a row a channel; of equal ones the first."""
    low, high = values.min(axis=0), values.max(axis=0)
    places = np.divide(values - low, high - low, out=np.zeros_like(values), where=high > low)
    return np.asarray(np.minimum(places * BINS, BINS - 1).astype(np.int64).T)


def entropy(counts: Array) -> float:
    """In nats, of how often what is."""
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def mutual(counts: Array) -> float:
    """The mutual information of rows and columns, in nats."""
    return entropy(counts.sum(axis=0)) + entropy(counts.sum(axis=1)) - entropy(counts.ravel())


CHANNELS = {
    "apoz": Worth(nonzeros),
    "entropy": Worth(entropies),
    "information": Worth(information),
    "icc": Worth(class_correlations),
    "correlation": Worth(apartness),
}
