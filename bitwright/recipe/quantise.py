# SPDX-License-Identifier: Apache-2.0
"""The step that quantises after training."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any, ClassVar

from bitwright.compress import BITS, Calibration, FloatNet, State, calibrate, quantised
from bitwright.compress.allocate import ALLOCATOR, ALLOCATORS
from bitwright.compress.coded import Coded
from bitwright.compress.codes import SHARINGS
from bitwright.compress.config import nearest_names, read_config
from bitwright.compress.options import WIDTHS, Options
from bitwright.compress.transforms import transformed
from bitwright.compress.yaml_file import shown
from bitwright.explore import Allocation, allocate, table
from bitwright.explore.allocation import check_budget
from bitwright.explore.menus import permitted
from bitwright.ir.errors import BitwrightError
from bitwright.planning.target import Target
from bitwright.recipe.step import Material, Place, Result


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantise(Options):
    """Quantising after training: what `bitwright quantize` does, and has options for.

    `config` says what single layers become, by name or pattern; `share` leaves each weight that many different codes.
    With a `budget` each weight and tensor gets bits of its own, up to those that are asked for, by what they cost in
    the design of `cycles` clocks (which may stand in the budget) for a `part`, as an `allocator` chooses,
    of `widths` that are listed ("2,4,8") or a menu's.
    """

    config: Mapping[str, Any] | None = None
    share: int | None = None
    sharing: str = "values"
    budget: Mapping[str, Any] | None = None
    cycles: int | None = None
    part: str | None = None
    allocator: str | None = None
    widths: str | None = None
    ends: ClassVar[bool] = True

    def __post_init__(self) -> None:
        Options.__post_init__(self)
        if self.config is not None:
            read_config(self.config)
        if self.share is not None and self.share < 2:
            what, hint = f"{self.share} cannot be used for share", "choose 2 different codes, or more"
            raise BitwrightError(what, where="quantise", hint=hint)
        if self.sharing not in SHARINGS:
            hint = nearest_names(self.sharing, set(SHARINGS))
            raise BitwrightError(f"{self.sharing!r} cannot be used for sharing", where="quantise", hint=hint)
        self._check_budget()

    def _check_budget(self) -> None:
        """Refuse a budget that cannot be, and what is for one where there is none."""
        if self.allocator is not None and self.allocator not in ALLOCATORS:
            hint = nearest_names(self.allocator, set(ALLOCATORS))
            raise BitwrightError(f"{self.allocator!r} cannot be used for allocator", where="quantise", hint=hint)
        if self.budget is not None:
            limits, target = self._limits()
            check_budget(limits, target.part)
            for option in WIDTHS:
                self._permitted(option)
        elif self.cycles is not None or self.part is not None:
            hint = "for example budget: {lut: 5000}; `bitwright compile` takes the target of a design"
            raise BitwrightError("has a target of a budget, and no budget", where="quantise", hint=hint)
        elif self.allocator is not None:
            hint = "for example budget: {lut: 5000}"
            raise BitwrightError("has an allocator of a budget, and no budget", where="quantise", hint=hint)
        elif self.widths is not None:
            hint = "for example budget: {lut: 5000}"
            raise BitwrightError("has widths of a budget, and no budget", where="quantise", hint=hint)

    def run(self, net: FloatNet, material: Material, checkpoint: Place | None) -> Result:
        """The network in integers."""
        calibration = calibrate(transformed(net, self.transforms), material.calibration)
        given: dict[str, Any] = {field.name: getattr(self, field.name) for field in fields(Options)}
        given["transforms"] = ()
        best = None if self.budget is None else self._allocated(calibration, material, given)
        state = best.state if best else quantised(calibration, config=self.config, **given)
        return Result(state if self.share is None else _sharing(state, self.share, self.sharing), calibration, best)

    def _allocated(self, calibration: Calibration, material: Material, given: Mapping[str, Any]) -> Allocation:
        """Bits within the budget."""
        limits, target = self._limits()
        found = table(
            calibration,
            bits=self._permitted("weights"),
            activation_bits=self._permitted("activations"),
            validation=material.validation,
            config=self.config,
            cycles=target.cycles,
            part=target.part,
            **given,
        )
        return allocate(found, limits, method=self.allocator or ALLOCATOR)

    def _permitted(self, option: str) -> tuple[int, ...]:
        """The widths to choose from."""
        return permitted(BITS if self.widths is None else self.widths, option, getattr(self, option))

    def _limits(self) -> tuple[dict[str, float], Target]:
        """What the budget limits, and the target of the design that it is of."""
        limits: dict[str, Any] = dict(self.budget or {})
        for kind, most in limits.items():
            if isinstance(most, bool) or not isinstance(most, int | float):
                raise BitwrightError(f"a budget of {shown(most)} {kind}", where="quantise", hint="give a number")
        clocks = limits.pop("cycles", self.cycles)
        if "cycles" in (self.budget or {}) and self.cycles is not None:
            hint = "give one of them"
            raise BitwrightError("has cycles in its budget and beside it", where="quantise", hint=hint)
        return limits, Target(cycles=clocks, part=self.part)


def _sharing(state: State, values: int, how: str) -> State:
    """The state with so many different codes in each weight."""
    weights = {name: tuple(_shared(coded, values, how) for coded in bases) for name, bases in state.weights.items()}
    return replace(state, weights=weights)


def _shared(coded: Coded, values: int, how: str) -> Coded:
    """A weight with few different codes, which channels that had narrower types may get as well."""
    kind = max(coded.type, key=lambda kind: kind.count) if isinstance(coded.type, tuple) else coded.type
    return replace(coded, codes=SHARINGS[how](coded.codes, values), type=kind)


STEPS = {"quantise": Quantise}
