# SPDX-License-Identifier: Apache-2.0
"""What the loss does when a weight goes, by its first derivatives."""

from __future__ import annotations

import numpy as np

from bitwright.compress.prune.criteria import Criterion
from bitwright.compress.prune.evidence import Array, Evidence
from bitwright.compress.prune.granularity import Grain


def by_taylor(evidence: Evidence, grain: Grain) -> Array:
    """The squared first-order change of the loss when a weight goes, summed over a unit.

    Molchanov, Tyree, Karras, Aila, Kautz: "Pruning convolutional neural networks for resource efficient inference",
    ICLR 2017, arXiv 1611.06440; R054. Of single weights: Molchanov, Mallya, Tyree, Frosio, Kautz: "Importance
    estimation for neural network pruning", CVPR 2019, arXiv 1906.10771. Needs labels and PyTorch.
    """
    return grain.pooled((evidence.weight * evidence.slopes.gradient) ** 2)


def by_fisher(evidence: Evidence, grain: Grain) -> Array:
    """Half the mean squared slope of each sample's loss times the squared weight, the Fisher information.

    Theis, Korshunova, Tejani, Huszar: "Faster gaze prediction with dense networks and Fisher pruning", 2018, arXiv
    1801.05787; R059. Needs labels and PyTorch.
    """
    return grain.pooled(evidence.slopes.squares * evidence.weight**2 / 2)


def snip(evidence: Evidence, grain: Grain) -> Array:
    """The magnitude of the slope of the loss along each weight, as of a gate in front of it.

    Lee, Ajanthan, Torr: "SNIP: single-shot network pruning based on connection sensitivity", ICLR 2019, arXiv
    1810.02340; R066. Needs labels and PyTorch.
    """
    return grain.pooled(np.abs(evidence.weight * evidence.slopes.gradient))


def by_path(evidence: Evidence, grain: Grain) -> Array:
    """What the loss gains by each weight while all shrink to zero together: its slopes on the way times the weight.

    Karnin: "A simple procedure for pruning back-propagation trained neural networks", IEEE Transactions on Neural
    Networks 1, 1990; R068. Of a loss that is a sum over weights it is exact; while a network trains, the slope is that
    of the last steps. Needs labels and PyTorch.
    """
    return grain.pooled(np.abs(evidence.weight * evidence.slopes.path))


def by_jacobian(evidence: Evidence, grain: Grain) -> Array:
    """How the squared response of the outputs to all inputs together moves along each weight.

    Zhang, Stadie: "One-shot pruning of recurrent neural networks by Jacobian spectrum evaluation", ICLR 2020, arXiv
    1912.00120; R073. The product of the Jacobian with ones takes two passes back. While a network trains, it is the
    slope of the loss instead. Needs labels and PyTorch.
    """
    return grain.pooled(np.abs(evidence.weight * evidence.slopes.stretch))


CRITERIA = {
    "fisher": Criterion(by_fisher, "loss"),
    "taylor": Criterion(by_taylor, "loss"),
    "snip": Criterion(snip, "loss"),
    "karnin": Criterion(by_path, "loss"),
    "jacobian": Criterion(by_jacobian, "loss"),
}
