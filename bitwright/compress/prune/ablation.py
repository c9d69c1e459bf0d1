# SPDX-License-Identifier: Apache-2.0
"""Channels by what the network does without them."""

from __future__ import annotations

import numpy as np

from bitwright.compress.execute import outputs_of
from bitwright.compress.groups import Group
from bitwright.compress.prune.facts import Array, Facts
from bitwright.compress.prune.responses import places
from bitwright.compress.prune.statistics import means
from bitwright.compress.prune.worth import Worth, compared

SAMPLES = 256
"""That are run without each channel, at most."""
RIDGE = 1e-6
"""Of the mean square of the features, where a classifier of few of them is solved for."""


def divergences(facts: Facts, group: Group) -> Array:
    """How far the network's probabilities are from those that it gives when a channel is zero wherever it is read.

    CURL (Luo, Wu: "Neural network pruning with residual-connections and limited-data", CVPR 2020, arXiv 1911.08114;
    R067). All channels are compared, inside and outside of residual branches. Needs data.
    """
    data = [array[:SAMPLES] for array in facts.samples()]
    wanted = _log_softmax(outputs_of(facts.net, data)[0])
    scores = np.zeros(group.size)
    for channel in range(group.size):
        closed: dict[str, Array] = {}
        for name, axis, channels in places(group, "reads"):
            weight = np.array(closed.get(name, facts.net.constants[name]))
            np.moveaxis(weight, axis, 0)[channels == channel] = 0
            closed[name] = weight
        found = _log_softmax(outputs_of(facts.net.replace(**closed), data)[0])
        scores[channel] = (np.exp(wanted) * (wanted - found)).sum(axis=1).mean()
    return np.maximum(scores, 0)


def discrimination(facts: Facts, group: Group) -> Array:
    """The order in which channels are taken, each the one along which a linear classifier's loss has the largest slope.

    DCP (Zhuang, Tan, Zhuang, Liu, Guo, Wu, Huang, Zhu: "Discrimination-aware channel pruning for deep neural networks",
    NeurIPS 2018, arXiv 1810.11809; R062): the loss is that of the labels by the means of the channels that are taken,
    in least squares, and as much of what all channels hold. Needs data with labels.
    """
    values = means(facts, group)
    values = (values - values.mean(axis=0)) / np.maximum(values.std(axis=0), 1e-12)
    labels = facts.answers()[: len(values)]
    wanted = (labels[:, None] == np.unique(labels)).astype(np.float64)
    aims = np.concatenate([_unit(wanted - wanted.mean(axis=0)), _unit(values)], axis=1)
    scores, taken = np.zeros(group.size), list[int]()
    for place in range(group.size):
        left = aims - values[:, taken] @ _solved(values[:, taken], aims)
        slopes = np.linalg.norm(values.T @ left, axis=1)
        slopes[taken] = -1
        taken.append(int(slopes.argmax()))
        scores[taken[-1]] = group.size - place
    return scores


def _unit(values: Array) -> Array:
    """Of unit energy altogether."""
    return np.asarray(values / max(float(np.linalg.norm(values)), 1e-12))


def _solved(values: Array, aims: Array) -> Array:
    """The least squares of aims by values, a little damped."""
    products = values.T @ values
    return np.asarray(np.linalg.solve(products + RIDGE * len(values) * np.eye(len(products)), values.T @ aims))


def _log_softmax(outputs: Array) -> Array:
    rows = outputs.reshape(len(outputs), -1).astype(np.float64)
    rows = rows - rows.max(axis=1, keepdims=True)
    return np.asarray(rows - np.log(np.exp(rows).sum(axis=1, keepdims=True)))


CHANNELS = {"ablation": Worth(divergences, compared), "discrimination": Worth(discrimination)}
