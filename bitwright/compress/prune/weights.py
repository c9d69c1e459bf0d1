# SPDX-License-Identifier: Apache-2.0
"""What can be said of weights by themselves."""

from __future__ import annotations

import numpy as np

from bitwright.compress.groups import Group, Role
from bitwright.compress.network import FloatNet
from bitwright.compress.prune.criteria import Criterion
from bitwright.compress.prune.evidence import Array, Evidence
from bitwright.compress.prune.granularity import Grain
from bitwright.compress.prune.responses import places

BOTH: tuple[tuple[Role, Role], ...] = (("makes", "reads"), ("reads", "makes"))
"""The side of a channel that a weight is on, and the other."""


def by_magnitude(evidence: Evidence, grain: Grain) -> Array:
    """The sum of the magnitudes: what is small is least missed.

    Han, Pool, Tran, Dally: "Learning both weights and connections for efficient neural networks", NeurIPS 2015, arXiv
    1506.02626; R048, R052, R069. Of blocks: Mao, Han, Pool, Li, Liu, Wang, Dally: "Exploring the regularity of sparse
    structure in convolutional neural networks", CVPR workshops 2017, arXiv 1705.08922; R058.
    """
    return grain.pooled(np.abs(evidence.weight))


def lookahead(evidence: Evidence, grain: Grain) -> Array:
    """The magnitude of a weight times the norms of the weights that make what it reads, and of those that read it.

    Park, Lee, Mo, Shin: "Lookahead: a far-sighted alternative of magnitude-based pruning", ICLR 2020, arXiv 2002.04809;
    R065. It is how much the product of three linear layers changes without the weight. While a network trains, the
    layers around are those that it began with.
    """
    assert evidence.net is not None
    name, scores = evidence.view.layer.weight, np.abs(evidence.weight).astype(np.float64)
    for group in evidence.net.groups:
        for role, other in BOTH:
            for axis, channels in [(axis, held) for own, axis, held in places(group, role) if own == name]:
                norms = np.append(around(evidence.net, group, other, name), 1.0)
                shape = [1] * scores.ndim
                shape[axis] = -1
                scores = scores * norms[channels].reshape(shape)
    return grain.pooled(scores)


def around(net: FloatNet, group: Group, role: Role, but: str) -> Array:
    """The norm of the weights, but for one, that make or read each channel of a group; 1 where there are none."""
    squares, found = np.zeros(group.size), False
    for name, axis, channels in places(group, role):
        if name != but:
            found, weight = True, np.moveaxis(net.constants[name], axis, 0).reshape(len(channels), -1)
            held = channels >= 0
            np.add.at(squares, channels[held], (weight[held].astype(np.float64) ** 2).sum(axis=1))
    return np.sqrt(squares) if found else np.ones(group.size)


CRITERIA = {"magnitude": Criterion(by_magnitude, "weights"), "lookahead": Criterion(lookahead, "weights")}
