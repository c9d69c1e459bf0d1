# SPDX-License-Identifier: Apache-2.0
"""What a recipe can be made of: one frozen dataclass a step, whose fields are the options that a recipe may give."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from bitwright.compress import Calibration, FloatNet, State, calibrate, quantised
from bitwright.compress.codes import shared
from bitwright.compress.config import read_config
from bitwright.compress.options import Options
from bitwright.compress.transforms import transformed
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]


@dataclass(frozen=True)
class Material:
    """What steps work with: samples to calibrate on."""

    calibration: Sequence[Array]

    @cached_property
    def digest(self) -> str:
        """The sha256 of all of it."""
        found = sha256()
        for array in self.calibration:
            found.update(repr((array.dtype.str, array.shape)).encode())
            found.update(np.ascontiguousarray(array).data)
        return found.hexdigest()


@dataclass(frozen=True, slots=True)
class Result:
    """A network that is quantised, and the float one that it was made of, calibrated."""

    state: State
    calibration: Calibration


class Step(Protocol):
    """One step: it makes another float network of one, or ends the recipe with a quantised one."""

    @property
    def ends(self) -> bool:
        """True if nothing can follow."""

    def run(self, net: FloatNet, material: Material, checkpoint: Path | None) -> FloatNet | Result:
        """What the step makes of a network; what it has of it when it is ended may lie in `checkpoint`."""


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

    def run(self, net: FloatNet, material: Material, checkpoint: Path | None) -> Result:
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


STEPS: Mapping[str, type[Step]] = {"quantise": Quantise}
"""The steps by their names in a recipe."""
SPELLED = {"quantize": "quantise"}
"""Other ways to write them."""
