# SPDX-License-Identifier: Apache-2.0
"""The step that sets weights to zero, by themselves or in the shapes that hardware skips."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from bitwright.compiling import compile_graph
from bitwright.compress import CRITERIA, SCHEDULES, FloatNet, State, calibrate, pruned, quantised
from bitwright.compress.config import nearest_names
from bitwright.compress.prune.granularity import Block, n_of_m
from bitwright.compress.prune.pruned import zeros
from bitwright.compress.prune.pruner import check_scope
from bitwright.compress.prune.schedule import Schedule
from bitwright.compress.qat import need_torch
from bitwright.explore.work import by_energy
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.step import Material, Place

SAMPLES = 1024
"""Of those to train on, that a criterion looks at the loss of, at most."""
PLAIN, MENDING = "magnitude", "obs"
"""The criteria where none is named: of weights alone, and where the others are solved for on samples."""
PLAN = "plan"
"""The block that stands for those of the network's own plan."""
ORDERS = ("network", "energy")
"""In which layers are pruned one after the other."""
TILE = re.compile(r"([1-9]\d{0,5})x([1-9]\d{0,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Zeros:
    """Which weights are set to zero, and when: a share of every layer's, or with `scope` "network" of all weights.

    `block` is what goes together: nothing (single weights), "2:4" (n of m neighbours), "4x8" (rows x columns), or
    "plan": what each unit can skip of the plan that the network has at `weights` and `activations` bits and `cycles`.
    """

    criterion: str = PLAIN
    sparsity: float | None = None
    schedule: str = "one-shot"
    block: str | None = None
    scope: str = "layer"
    cycles: int | None = None
    weights: int = 4
    activations: int = 4

    def __post_init__(self) -> None:
        for option, given, names in (("criterion", self.criterion, CRITERIA), ("schedule", self.schedule, SCHEDULES)):
            if given not in names:
                raise _refusal(option, given, nearest_names(given, set(names)))
        if self.sparsity is None and (self.block is None or ":" not in self.block):
            what, hint = "says not how many weights go", "give their share as sparsity, for example 0.8"
            raise BitwrightError(what, where="prune", hint=hint)
        if self.sparsity is not None and not 0 <= self.sparsity < 1:
            raise _refusal("sparsity", self.sparsity, "give the share of the weights that go, from 0 to below 1")
        if CRITERIA[self.criterion].needs == "loss":
            need_torch("prune")
        check_scope(self.scope, None if self.block == PLAN else block_of(self.block))
        if self.block != PLAN and self.cycles is not None:
            raise _refusal("cycles", self.cycles, f"only block: {PLAN} looks at a plan; leave it out")

    def times(self) -> Schedule:
        """How sparse the network is when, to the share that a block of n of m has, if no other is given."""
        share = self.sparsity
        if share is None:
            n, m = n_of_m(str(self.block))
            share = 1 - n / m
        return SCHEDULES[self.schedule](share)

    def blocks(self, net: FloatNet, material: Material) -> Block:
        """What goes together."""
        if self.block != PLAN:
            return block_of(self.block)
        return compile_graph(self.state(net, material).graph(), cycles=self.cycles).plan.blocks()

    def state(self, net: FloatNet, material: Material) -> State:
        """The network at its bits."""
        widths: dict[str, Any] = {"weights": self.weights, "activations": self.activations}
        return quantised(calibrate(net, material.calibration), **widths, rounding="nearest", correct="none")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune(Zeros):
    """Zeros in place of the weights that are missed least, the others solved for on samples, unless `repair` is false.

    Samples are those to calibrate on, or to train on with their labels, where a criterion looks at the loss. What is
    missed least is said by `obs`, or where no samples are looked at by `magnitude`, if no `criterion` is given. Layers
    are pruned from the inputs on, or with `order` "energy" first those that take most of it at these bits.
    """

    criterion: str = ""
    repair: bool = True
    order: str = "network"
    ends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not self.criterion:
            object.__setattr__(self, "criterion", MENDING if self.repair else PLAIN)
        Zeros.__post_init__(self)
        if self.order not in ORDERS:
            raise _refusal("order", self.order, f"choose {' or '.join(ORDERS)}")
        if not self.repair and self.order != ORDERS[0]:
            raise _refusal("order", self.order, "without repair no layer sees what another has lost: leave one out")
        if not self.repair and CRITERIA[self.criterion].needs != "weights":
            hint = f"'{self.criterion}' looks at samples, and the others are solved for on them"
            raise _refusal("repair", False, hint)

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet:
        """The network with zeros."""
        asked: dict[str, Any] = {"criterion": self.criterion, "scope": self.scope, "schedule": self.times()}
        asked["block"] = self.blocks(net, material)
        data = material.calibration if self.repair else None
        if CRITERIA[self.criterion].needs == "loss":
            data, asked["labels"] = material.some("prune", SAMPLES)
        if self.order == "energy":
            asked["order"] = by_energy(self.state(net, material))
        made = pruned(net, data, **asked)
        if self.sparsity != 0 and not any(zeros(made).values()):
            hint = "prune without a block; or shrink with a multiple, so that blocks divide what is left"
            raise BitwrightError(f"block '{self.block}' fits no layer", where=f"{net.file}: prune", hint=hint)
        return made


def block_of(block: str | None) -> Block:
    """What goes together, as it is written in a recipe."""
    if block is None:
        return None
    tile = TILE.fullmatch(block)
    if tile:
        return int(tile[1]), int(tile[2])
    if ":" not in block:
        raise _refusal("block", block, f'give "2:4", n of m neighbours, 4x8, rows and columns, or {PLAN}')
    n_of_m(block)
    return block


def _refusal(option: str, given: object, hint: str) -> BitwrightError:
    return BitwrightError(f"{given!r} cannot be used for {option}", where="prune", hint=hint)


STEPS = {"prune": Prune}
