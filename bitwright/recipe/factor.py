# SPDX-License-Identifier: Apache-2.0
"""The step that makes several smaller layers of one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from bitwright.compress import FloatNet
from bitwright.compress.config import nearest_names
from bitwright.compress.factor import FACTORISERS, factored
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.step import Material, Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Factor:
    """Layers as products of smaller ones, by a method of `FACTORISERS`, of as much energy as a share of work allows.

    Efficient neural network compression (Kim, Khan, Kyung: "Efficient neural network compression", CVPR 2019, arXiv
    1811.12781; R137).
    """

    method: str = "svd"
    share: float = 0.5
    ends: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if self.method not in FACTORISERS:
            hint = nearest_names(self.method, set(FACTORISERS))
            raise BitwrightError(f"{self.method!r} cannot be used for method", where="factor", hint=hint)
        if not 0 < self.share <= 1:
            hint = "give the share of the multiply-accumulates that may be left, as 0.5"
            raise BitwrightError(f"{self.share!r} cannot be used for share", where="factor", hint=hint)

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> FloatNet:
        """The network of smaller layers."""
        return factored(net, material.trained_on, method=self.method, share=self.share)


STEPS = {"factor": Factor}
