# SPDX-License-Identifier: Apache-2.0
"""Channels by the probability with which one would draw them, so that few stand for all with a bound on the error."""

from __future__ import annotations

import numpy as np

from bitwright.compress.groups import Group
from bitwright.compress.prune.facts import Array, Facts, filters, pooled
from bitwright.compress.prune.responses import places
from bitwright.compress.prune.worth import Worth, compared

RADIUS = 1.0
"""Of the ball of inputs that a channel's largest value is taken over."""


def coreset(facts: Facts, group: Group) -> Array:
    """The probability of a channel in a coreset: the weights that read it, times its largest value in a ball of inputs.

    Mussay, Osadchy, Braverman, Zhou, Feldman: "Data-independent neural pruning via coresets", ICLR 2020, arXiv
    1907.04018; R071. Drawn m times with these, and divided by m times the probability, channels stand for all without
    bias. Those of the largest stay.
    """
    largest = RADIUS * np.linalg.norm(filters(facts.net, group), axis=1)
    read = np.zeros(group.size)
    for name, axis, channels in places(group, "reads"):
        weight = np.moveaxis(np.abs(facts.net.constants[name]), axis, 0).reshape(len(channels), -1)
        read += pooled(group, weight.max(axis=1), channels)
    found = read * largest
    return np.asarray(found / max(float(found.sum()), 1e-12))


def sensitivities(facts: Facts, group: Group) -> Array:
    """The largest share that a channel has of an output's positive or negative part, over samples and outputs.

    Provable filter pruning (Liebenwein, Baykal, Lang, Feldman, Rus: "Provable filter pruning for efficient neural
    networks", ICLR 2020, arXiv 1911.07412; R072). What goes changes no output by more than the sum of the shares. Needs
    data.
    """
    values = facts.responses(group).mean(axis=1, dtype=np.float64)
    worst = np.zeros(group.size)
    for name, axis, channels in places(group, "reads"):
        weight = np.moveaxis(facts.net.constants[name], axis, 0).reshape(len(channels), -1)
        for output in np.array([pooled(group, column, channels) for column in weight.T]):
            for sign in (1, -1):
                parts = np.maximum(sign * output * values, 0)
                whole = parts.sum(axis=1, keepdims=True)
                share = np.divide(parts, whole, out=np.zeros_like(parts), where=whole > 0)
                worst = np.maximum(worst, share.max(axis=0))
    return worst


CHANNELS = {"coreset": Worth(coreset), "pfp": Worth(sensitivities, compared)}
