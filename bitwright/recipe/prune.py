# SPDX-License-Identifier: Apache-2.0
"""The step that sets weights to zero, by themselves or in the shapes that hardware skips."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any, ClassVar

from bitwright.compiling import compile_graph
from bitwright.compress import CRITERIA, SCHEDULES, FloatNet, calibrate, pruned, quantised
from bitwright.compress.config import nearest_names
from bitwright.compress.prune.granularity import Block, n_of_m
from bitwright.compress.prune.pruner import check_scope
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.step import Material, Place

SAMPLES = 1024
"""Of those to train on, that a criterion looks at the loss of, at most."""
PLAN = "plan"
"""The block that stands for those of the network's own plan."""
TILE = re.compile(r"([1-9]\d{0,5})x([1-9]\d{0,5})")


@dataclass(frozen=True, slots=True, kw_only=True)
class Prune:
    """Zeros in place of the weights that are missed least, the others solved for on samples.

    The share is that of every layer, or with `scope` "network" of all weights. Samples are those to calibrate on, or to
    train on with their labels, where a criterion looks at the loss. `block` is what goes together: nothing (single
    weights), "2:4" (n of m neighbours), "4x8" (rows x columns), or "plan": what each unit can skip of the plan that the
    network has at `weights` and `activations` bits and `cycles`.
    """

    criterion: str = "magnitude"
    sparsity: float | None = None
    schedule: str = "one-shot"
    block: str | None = None
    scope: str = "layer"
    repair: bool = True
    cycles: int | None = None
    weights: int = 4
    activations: int = 4
    ends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        check_pruning(self.criterion, self.sparsity, self.schedule, self.block, self.scope)
        if not self.repair and CRITERIA[self.criterion].needs != "weights":
            raise _refusal(
                "repair", False, f"'{self.criterion}' looks at samples, and the others are solved for on them"
            )
        if self.block != PLAN and self.cycles is not None:
            raise _refusal("cycles", self.cycles, f"only block: {PLAN} looks at a plan; leave it out")

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet:
        """The network with zeros."""
        asked: dict[str, Any] = {"criterion": self.criterion, "scope": self.scope}
        asked["block"] = self._plan(net, material) if self.block == PLAN else block_of(self.block)
        asked["schedule"] = None if self.sparsity is None else SCHEDULES[self.schedule](self.sparsity)
        if CRITERIA[self.criterion].needs == "loss":
            data, asked["labels"] = material.some("prune", SAMPLES)
            return pruned(net, data, **asked)
        return pruned(net, material.calibration if self.repair else None, **asked)

    def _plan(self, net: FloatNet, material: Material) -> Block:
        """What the units of the network's plan can skip."""
        return plan_blocks(net, material, weights=self.weights, activations=self.activations, cycles=self.cycles)


def check_pruning(criterion: str, sparsity: float | None, schedule: str, block: str | None, scope: str) -> None:
    """Refuse what cannot be pruned by."""
    if criterion not in CRITERIA:
        raise _refusal("criterion", criterion, nearest_names(criterion, set(CRITERIA)))
    if schedule not in SCHEDULES:
        raise _refusal("schedule", schedule, nearest_names(schedule, set(SCHEDULES)))
    if sparsity is None and (block is None or ":" not in block):
        what, hint = "says not how many weights go", "give their share as sparsity, for example 0.8"
        raise BitwrightError(what, where="prune", hint=hint)
    if sparsity is not None and not 0 <= sparsity < 1:
        raise _refusal("sparsity", sparsity, "give the share of the weights that go, from 0 to below 1")
    check_scope(scope, None if block == PLAN else block_of(block))


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


def plan_blocks(net: FloatNet, material: Material, *, weights: int, activations: int, cycles: int | None) -> Block:
    """What the units of the plan can skip that a network has at these widths, in so many clocks."""
    calibration = calibrate(net, material.calibration)
    state = quantised(calibration, weights=weights, activations=activations, rounding="nearest", correct="none")
    return compile_graph(state.graph(), cycles=cycles).plan.blocks()


def _refusal(option: str, given: object, hint: str) -> BitwrightError:
    return BitwrightError(f"{given!r} cannot be used for {option}", where="prune", hint=hint)
