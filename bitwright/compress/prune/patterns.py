# SPDX-License-Identifier: Apache-2.0
"""Patterns of zeros as one value: a share of single weights, n of m neighbours, or a share of blocks."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.calibrate import Calibration
from bitwright.compress.network import FloatNet
from bitwright.compress.prune.granularity import Block, Grain, grains, n_of_m
from bitwright.compress.yaml_file import shown
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
OF_BLOCKS = re.compile(r"(0?\.[0-9]+) in ([1-9][0-9]{0,4})x([1-9][0-9]{0,4})")


@dataclass(frozen=True, slots=True)
class Pattern:
    """The share of a weight's units that go, and what a unit is."""

    share: float
    block: Block = None

    @staticmethod
    def of(value: object) -> Pattern:
        """`0.5` of single weights, `2:4`: as many of so many neighbours stay, or `0.8 in 4x2`: of blocks."""
        if isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value < 1:
            return Pattern(float(value))
        if isinstance(value, str) and ":" in value:
            n, m = n_of_m(value)
            return Pattern(1 - n / m, value)
        found = OF_BLOCKS.fullmatch(value) if isinstance(value, str) else None
        if found is None:
            hint = "give a share below 1 as 0.5, n of m as '2:4', or a share of blocks as '0.8 in 4x2'"
            raise BitwrightError(f"{shown(value)} cannot be used for sparsity", where="prune", hint=hint)
        return Pattern(float(found[1]), (int(found[2]), int(found[3])))


@dataclass(frozen=True)
class Zeroing:
    """Weights of a network with zeros in place of those of the smallest magnitudes, each kept for the next design."""

    calibration: Calibration
    _grains: dict[Block, dict[str, Grain]] = field(default_factory=dict, repr=False, compare=False)
    _zeroed: dict[tuple[str, Pattern], Array] = field(default_factory=dict, repr=False, compare=False)

    def __call__(self, patterns: Mapping[str, Pattern]) -> Calibration:
        """The calibrated network with zeros in the weights that are named, if these have any.

        What its tensors held, and what its layers should make, is still what the whole network did.
        """
        asked = {name: pattern for name, pattern in patterns.items() if pattern.share}
        if not asked:
            return self.calibration
        arrays = {name: self._array(name, pattern) for name, pattern in asked.items()}
        return self.calibration.with_weights(arrays, asked)

    def able(self, pattern: Pattern) -> set[str]:
        """The weights that can have such zeros: with blocks none whose zeros no unit skips."""
        return set(self._of(pattern.block))

    @property
    def _net(self) -> FloatNet:
        return self.calibration.net

    def _of(self, block: Block) -> dict[str, Grain]:
        if block not in self._grains:
            self._grains[block] = grains(self._net, block)
        return self._grains[block]

    def _array(self, name: str, pattern: Pattern) -> Array:
        key = (name, pattern)
        if key not in self._zeroed:
            grain, weight = self._of(pattern.block)[name], self._net.constants[name]
            kept = grain.smallest(grain.pooled(np.abs(weight)), pattern.share)
            self._zeroed[key] = weight * grain.mask(kept, weight.shape)
        return self._zeroed[key]
