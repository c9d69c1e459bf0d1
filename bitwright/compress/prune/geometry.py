# SPDX-License-Identifier: Apache-2.0
"""Channels by the weights that make them: how large they are, and how much like the others."""

from __future__ import annotations

import numpy as np

from bitwright.compress.groups import Group
from bitwright.compress.prune.facts import Array, Facts, filters, pooled
from bitwright.compress.prune.responses import places
from bitwright.compress.prune.worth import Worth


def filter_norms(facts: Facts, group: Group) -> Array:
    """The sum of the magnitudes of the weights that make a channel.

    Li, Kadav, Durdanovic, Samet, Graf: "Pruning filters for efficient ConvNets", ICLR 2017, arXiv 1608.08710; R048. As
    every group loses an equal share, it is a width multiplier, too (Gordon, Eban, Nachum, Chen, Wu, Yang, Choi:
    "MorphNet: fast and simple resource-constrained structure learning of deep networks", CVPR 2018; R116).
    """
    return np.asarray(np.abs(filters(facts.net, group)).sum(axis=1))


def filter_distances(facts: Facts, group: Group) -> Array:
    """The sum of a channel's distances to all others of its group: what lies in their middle is what they can replace.

    He, Liu, Wang, Hu, Yang: "Filter pruning via geometric median for deep convolutional neural networks acceleration",
    CVPR 2019, arXiv 1811.00250; R050.
    """
    rows = filters(facts.net, group)
    return np.array([np.linalg.norm(rows - row, axis=1).sum() for row in rows])


def joint_norms(facts: Facts, group: Group) -> Array:
    """The norm of all weights that make a channel times that of those that read it, depthwise filters among them.

    Tu, Lee, Chan, Chen: "Pruning depthwise separable convolutions for mobilenet compression", IJCNN 2020; R057. A
    depthwise filter and its column of the pointwise layer go together.
    """
    made = np.linalg.norm(filters(facts.net, group), axis=1)
    read = np.zeros(group.size)
    for name, axis, channels in places(group, "reads"):
        weight = np.moveaxis(facts.net.constants[name], axis, 0).reshape(len(channels), -1)
        read += pooled(group, (weight**2).sum(axis=1), channels)
    return np.asarray(made * np.sqrt(read))


CHANNELS = {"norm": Worth(filter_norms), "median": Worth(filter_distances), "joint": Worth(joint_norms)}
