# SPDX-License-Identifier: Apache-2.0
"""The step that learns how wide each layer is in proportion, and makes all as wide as a budget allows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from bitwright.compress import FloatNet
from bitwright.compress.config import nearest_names
from bitwright.compress.groups import Group
from bitwright.compress.prune.facts import Facts
from bitwright.compress.prune.work import macs
from bitwright.compress.prune.worth import Worth, compared
from bitwright.compress.qat import need_torch
from bitwright.compress.transforms.chains import Draft, column_axis, columns
from bitwright.compress.transforms.widen import widen
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.gates import LEARNER
from bitwright.recipe.shrink import Shrink
from bitwright.recipe.step import Array, Material, Place

COPIES = 2
"""Of each channel, so that a layer can become as many times as wide."""
FAINT = 0.05
"""By what a copy is read at first, in parts of what its channel is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Morph:
    """Gates that a cost draws shut say how many channels each layer needs; then all widths are multiplied to a budget.

    MorphNet (Gordon, Eban, Nachum, Chen, Wu, Yang, Choi: "MorphNet: fast and simple resource-constrained structure
    learning of deep networks", CVPR 2018, arXiv 1711.06798; R115). The factor is the largest that leaves `macs`, found
    by halving; channels come back by how far they are open, and where all are there, as copies, which are faintly read
    at first. A `budget` of the design takes the place of `macs`, for a `part`, at bits of `weights` and `activations`.
    Train what is made. Needs labels and PyTorch.
    """

    learner: str = LEARNER
    macs: float = 0.5
    rounds: int = 1
    epochs: int = 10
    multiple: int = 1
    budget: Mapping[str, Any] | None = None
    part: str | None = None
    weights: int = 8
    activations: int = 8
    ends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        need_torch("morph")
        from bitwright.compress.torch.gated import LEARNERS

        checks = (
            ("learner", self.learner, self.learner in LEARNERS, nearest_names(self.learner, set(LEARNERS))),
            ("macs", self.macs, 0 < self.macs <= 1, "give the share of the multiply-accumulates that is left, as 0.5"),
            ("rounds", self.rounds, self.rounds > 0, "give one or more"),
            ("epochs", self.epochs, self.epochs > 0, "give one or more"),
            ("multiple", self.multiple, self.multiple > 0, "give a number of channels, as 4"),
        )
        for option, given, fine, hint in checks:
            if not fine:
                raise BitwrightError(f"{given!r} cannot be used for {option}", where="morph", hint=hint)
        self._last()

    def _last(self, whole: float = 1.0) -> Shrink:
        """The step that takes out what the budget has no room for."""
        sized: dict[str, Any] = {"budget": self.budget, "part": self.part, "multiple": self.multiple}
        return Shrink(macs=max(self.macs * whole, 1.5), weights=self.weights, activations=self.activations, **sized)

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet:
        """The network of other widths."""
        from bitwright.compress.torch.constraints import by_operations
        from bitwright.compress.torch.gated import LEARNERS, learnt

        data, last = (material.trained_on, material.labelled("morph")), self._last(macs(net))
        for _ in range(self.rounds):
            module = learnt(net, data, LEARNERS[self.learner], self.macs, self.epochs, by_operations)
            needed = [max(int(held.sum()), 1) for held in module.stays()]
            opened = [module.scores().get(group.first, np.zeros(group.size)) for group in net.groups]
            wide, levels = levelled(module.float_net(), needed, opened)
            net = last.taken(wide, material, levels)
        return net


def levelled(net: FloatNet, needed: Sequence[int], opened: Sequence[Array]) -> tuple[FloatNet, Worth]:
    """The network with copies, and levels of its channels by which those stay that a multiple of widths has.

    A channel stays where the multiple of what its group needs reaches its rank, by how far it is open; copies are last.
    """
    wide, times = doubled(net)
    ranks = [np.argsort(np.argsort(-np.asarray(scores), kind="stable")) for scores in opened]
    levels = []
    for place, group in enumerate(net.groups):
        rank = ranks[place][:, None] + group.size * np.arange(times.get(place, 1))
        levels.append(needed[place] / (rank.reshape(-1) + 1))

    def reached(facts: Facts, group: Group) -> Any:
        return levels[next(place for place, other in enumerate(wide.groups) if other is group)]

    return wide, Worth(reached, compared)


def doubled(net: FloatNet) -> tuple[FloatNet, Mapping[int, int]]:
    """The network with copies of channels beside them, faintly read; and how many of each of which groups there are.

    Groups that one layer alone makes and reads have copies.
    """
    draft, times = Draft(net), dict[int, int]()
    for chain in list(draft.chains(through_depthwise=True)):
        maker, reader = draft.layers[chain.maker], draft.layers[chain.reader]
        place = next(place for place, group in enumerate(net.groups) if _makes(group, maker.weight))
        if net.groups[place].fixed or any(draft.nodes[name].op == "Reshape" for name in chain.inner):
            continue
        widen(draft, chain, np.full(net.groups[place].size, COPIES))
        weight = columns(draft, reader)
        blocks = weight.reshape(net.groups[place].size, COPIES, -1) * COPIES
        parts = np.array([1 - FAINT * (COPIES - 1), *[FAINT] * (COPIES - 1)], np.float32)
        read = (blocks * parts[:, None]).reshape(weight.shape)
        draft.set(reader.weight, np.moveaxis(read, 0, column_axis(draft, reader)))
        times[place] = COPIES
    return draft.done(), times


def _makes(group: Group, weight: str) -> bool:
    return any(part.constant == weight and part.role == "makes" for part in group.parts)


STEPS = {"morph": Morph}
