# SPDX-License-Identifier: Apache-2.0
"""The step that takes channels out."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

from bitwright.compress import CHANNELS, FloatNet, shrunk
from bitwright.compress.config import nearest_names
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.step import Material


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrink:
    """Whole channels taken out, until `macs` are left: a share of the multiply-accumulates, or a number from 1 on.

    Of each group of channels a `multiple` stays.
    """

    criterion: str = "norm"
    macs: float = 0.5
    multiple: int = 1
    ends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        checks = (
            ("criterion", self.criterion, self.criterion in CHANNELS, nearest_names(self.criterion, set(CHANNELS))),
            ("macs", self.macs, self.macs > 0, "give a share of the network's, as 0.5, or a number of them"),
            ("multiple", self.multiple, self.multiple > 0, "give a number of channels, as 4"),
        )
        for option, given, fine, hint in checks:
            if not fine:
                raise BitwrightError(f"{given!r} cannot be used for {option}", where="shrink", hint=hint)

    def run(self, net: FloatNet, material: Material, checkpoint: Path | None) -> FloatNet:
        """The network with fewer channels."""
        data, labels = material.trained_on, material.labels
        return shrunk(net, data, labels=labels, criterion=self.criterion, macs=self.macs, multiple=self.multiple)
