# SPDX-License-Identifier: Apache-2.0
"""The step that quantises after training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from bitwright.compress import FloatNet, State, calibrate, quantised
from bitwright.compress.codes import shared
from bitwright.compress.config import read_config
from bitwright.compress.options import Options
from bitwright.compress.transforms import transformed
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.step import Material, Place, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantise(Options):
    """Quantising after training: what `bitwright quantize` does, and has options for.

    `config` says what single layers become, by name or pattern; `share` leaves each weight that many different codes.
    """

    config: Mapping[str, Any] | None = None
    share: int | None = None
    ends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Options.__post_init__(self)
        if self.config is not None:
            read_config(self.config)
        if self.share is not None and self.share < 2:
            what, hint = f"{self.share} cannot be used for share", "choose 2 different codes, or more"
            raise BitwrightError(what, where="quantise", hint=hint)

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> Result:
        """The network in integers."""
        calibration = calibrate(transformed(net, self.transforms), material.calibration)
        given: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(Options)}
        state = quantised(calibration, config=self.config, **{**given, "transforms": ()})
        return Result(state if self.share is None else _sharing(state, self.share), calibration)


def _sharing(state: State, values: int) -> State:
    """The state with so many different codes in each weight."""
    weights = {
        name: tuple(replace(coded, codes=shared(coded.codes, values)) for coded in bases)
        for name, bases in state.weights.items()
    }
    return replace(state, weights=weights)
