# SPDX-License-Identifier: Apache-2.0
"""Channels by what training says of them: the factors of normalisations, and gates in front of what reads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bitwright.compress.groups import Group
from bitwright.compress.network import FloatNet
from bitwright.compress.prune.facts import Array, Facts, pooled
from bitwright.compress.prune.responses import places
from bitwright.compress.prune.worth import Worth, compared
from bitwright.compress.training import Aid
from bitwright.ir.errors import BitwrightError


def by_gammas(facts: Facts, group: Group) -> Array:
    """The magnitudes of the factors by which batch normalisations multiply a channel.

    Liu, Li, Shen, Huang, Yan, Zhang: "Learning efficient convolutional networks through network slimming", ICCV 2017,
    arXiv 1708.06519; R076. All groups are compared; those without a normalisation stay whole. `slim` makes the factors
    small while the network is trained.
    """
    names = gammas(facts.net)
    held = [(name, channels) for name, _, channels in places(group, "meets") if name in names]
    if not held:
        return np.full(group.size, np.inf)
    return np.asarray(sum(pooled(group, np.abs(facts.net.constants[name]), channels) for name, channels in held))


def by_gates(facts: Facts, group: Group) -> Array:
    """How much a sample's loss moves, to first order, when a gate on the channel closes; squared, over samples.

    Molchanov, Tyree, Karras, Aila, Kautz: "Pruning convolutional neural networks for resource efficient inference",
    ICLR 2017, arXiv 1611.06440; R054. The mean of squares is the Fisher information of the gate: Theis, Korshunova,
    Tejani, Huszar: "Faster gaze prediction with dense networks and Fisher pruning", 2018, arXiv 1801.05787; R059. Needs
    labels and PyTorch.
    """
    return facts.gates(group)


def gammas(net: FloatNet) -> frozenset[str]:
    """The factors of a network's batch normalisations, by name; BitwrightError if it has none."""
    found = {node.inputs[1] for node in net.nodes if node.op == "BatchNormalization"}
    if not found:
        raise BitwrightError(
            "has no batch normalisation, whose factors the criterion looks at",
            where=net.file,
            hint="export the network in training mode, or choose another criterion",
        )
    return frozenset(found)


def slim(module: Any, weight: float = 1e-4) -> Aid:
    """An aid for `fit`: the magnitudes of the factors of all batch normalisations, times `weight`, are loss.

    The `slimming` criterion then finds the channels that training can do without: R076.
    """
    names = sorted(gammas(module.net))

    def penalty(outputs: Any, teacher: Any, y: Any, taps: Mapping[str, Any]) -> Any:
        return weight * sum(module.tensor(name).abs().sum() for name in names)

    return penalty


CHANNELS = {"slimming": Worth(by_gammas, compared), "gates": Worth(by_gates)}
