# SPDX-License-Identifier: Apache-2.0
"""Weights that are put where they shall be every so many steps of a training, which is free between them.

The longer one waits, the more one may change at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor

from bitwright.compress.config import nearest_names
from bitwright.compress.family import Family
from bitwright.compress.torch.executor import Executor, key_of
from bitwright.compress.training import WHERE, Training
from bitwright.ir.errors import BitwrightError


@dataclass(frozen=True, slots=True)
class Projection:
    """From a weight (outputs, terms) and a number within limits to the nearest that there is, which stays as it is.

    The number is a whole one where limits are.
    """

    nearest: Callable[[Tensor, float], Tensor]
    least: float
    most: float

    def takes(self, number: float) -> bool:
        """True of a number that it has a nearest for."""
        return self.least <= number <= self.most and (isinstance(self.most, float) or number == int(number))

    @property
    def kind(self) -> str:
        """What the number is."""
        return "number" if isinstance(self.most, float) else "whole number"


PROJECTIONS: Family[Projection] = Family("bitwright.compress.torch", "NEAREST")
"""By the name that stands before the number in `project`."""


def to_zeros(rows: Tensor, share: float) -> Tensor:
    """The nearest weight with a share of zeros, every so many steps of a training that is free between them.

    Lee, Kwon, Kim, Jeon, Park, Yun, Wei: "Decoupling weight regularization from batch size for model compression", ICLR
    2020 submission; R093.
    """
    made = rows.flatten().clone()
    made[made.abs().argsort(stable=True)[: round(share * made.numel())]] = 0
    return made.reshape(rows.shape)


def to_rank(rows: Tensor, share: float) -> Tensor:
    """The nearest weight with a share of the ranks, every so many steps of a training that is free between them.

    Lee, Kwon, Kim, Jeon, Park, Yun, Wei: "Decoupling weight regularization from batch size for model compression", ICLR
    2020 submission; R093.
    """
    left, values, right = torch.linalg.svd(rows.double(), full_matrices=False)
    most = max(1, round(share * len(values)))
    made: Tensor = ((left[:, :most] * values[:most]) @ right[:most]).to(rows.dtype)
    return made


def to_levels(rows: Tensor, bits: float) -> Tensor:
    """Weights on the levels of so many bits of each row, every so many steps of a training that is free between them.

    Lee, Kwon, Kim, Jeon, Park, Yun, Wei: "Decoupling weight regularization from batch size for model compression", ICLR
    2020 submission; R093. The largest weight of a row has the largest level.
    """
    step = rows.abs().amax(dim=1, keepdim=True).clamp_min(1e-30) / (2 ** (int(bits) - 1) - 1)
    made: Tensor = (rows / step).round() * step
    return made


NEAREST = {
    "zeros": Projection(to_zeros, 0.0, 1.0),
    "rank": Projection(to_rank, 0.0, 1.0),
    "codes": Projection(to_levels, 2, 16),
}


def projection(asked: str) -> Callable[[Tensor], Tensor]:
    """That of a name and a number, as "zeros:0.8": from a weight (outputs, terms) to the nearest."""
    name, _, number = asked.partition(":")
    if name not in PROJECTIONS:
        hint = f"write a number behind it, as zeros:0.8; {nearest_names(name, set(PROJECTIONS))}"
        raise BitwrightError(f"there is no projection {asked!r}", where=WHERE, hint=hint)
    found = PROJECTIONS[name]
    amount = float(number) if number.replace(".", "", 1).isdecimal() else -1.0
    if not found.takes(amount):
        hint = f"give {name}: and a {found.kind} from {found.least:g} to {found.most:g}"
        raise BitwrightError(f"{asked!r} cannot be used for project", where=WHERE, hint=hint)
    return lambda rows: found.nearest(rows, amount)


def project(module: Executor, training: Training, done: int, total: int) -> None:
    """Puts the weights there if it is time: as often as there are whole periods, for the last time at the end."""
    if training.project is None or done < training.every or (total - done) % training.every:
        return
    nearest = projection(training.project)
    with torch.no_grad():
        for layer in {layer.weight: layer for layer in module.net.layers}.values():
            if key_of(layer.weight) in module.constants and module.tensor(layer.weight).requires_grad:
                held = module.tensor(layer.weight).movedim(layer.axis, 0)
                held.copy_(nearest(held.flatten(1)).reshape(held.shape))
