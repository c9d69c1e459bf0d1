# SPDX-License-Identifier: Apache-2.0
"""What is asked of a design, by every command that makes or prices one."""

from __future__ import annotations

from dataclasses import dataclass

from bitwright.hardware.plan import Plan
from bitwright.ir.errors import BitwrightError
from bitwright.planning.devices import part_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Clocks or frames per second to reach, or a plan; the clock and the part, or a board that carries it.

    BitwrightError if nothing can be asked so.
    """

    cycles: int | None = None
    fps: float | None = None
    clock_ns: float = 10.0
    part: str | None = None
    plan: Plan | None = None

    def __post_init__(self) -> None:
        if not 0 < self.clock_ns < float("inf"):
            hint = "give a positive period, e.g. 10"
            raise BitwrightError(f"a clock of {self.clock_ns} ns", where="--clock-ns", hint=hint)
        if self.part is not None:
            part_of(self.part)
        given = [f"--{name}" for name in ("cycles", "fps", "plan") if getattr(self, name) is not None]
        if len(given) > 1:
            raise BitwrightError(" and ".join(given) + " are given", where="target", hint="give one of them")
        if self.clocks is not None and self.clocks < 1:
            raise BitwrightError(
                f"a target of {self.cycles if self.fps is None else self.fps} cannot be met",
                where="--cycles" if self.fps is None else "--fps",
                hint="give a positive number; --fps is bounded by the clock",
            )

    @property
    def clocks(self) -> int | None:
        """The most clocks per frame; None if any will do."""
        if self.fps is None:
            return self.cycles
        return int(1e9 / (self.clock_ns * self.fps)) if self.fps > 0 else 0
