# SPDX-License-Identifier: Apache-2.0
"""How sparse a network is when: over the time of a training, from 0 to 1."""

from __future__ import annotations

from dataclasses import dataclass

from bitwright.compress.prune.schedule import Schedule
from bitwright.ir.errors import BitwrightError


@dataclass(frozen=True, slots=True)
class OneShot:
    """All at once, at the start of the training or later.

    Lee, Ajanthan, Torr: "SNIP: single-shot network pruning based on connection sensitivity", ICLR 2019, arXiv
    1810.02340.
    """

    final: float
    start: float = 0.0

    def __post_init__(self) -> None:
        _check("one-shot", self.final, self.start, self.start, 1)

    @property
    def times(self) -> tuple[float, ...]:
        """The one time."""
        return (self.start,)

    def __call__(self, time: float) -> float:
        """Nothing before, all after."""
        return self.final if time >= self.start else 0.0


@dataclass(frozen=True, slots=True)
class Cubic:
    """Fast at first, when much can go, then slower and slower: final + (initial - final) (1 - t)^3, in steps.

    Zhu, Gupta: "To prune, or not to prune: exploring the efficacy of pruning for model compression", ICLR 2018
    workshop, arXiv 1710.01878; R075. From `start` to `end`, in equal times, the first step after one of them.
    """

    final: float
    initial: float = 0.0
    start: float = 0.0
    end: float = 0.7
    steps: int = 12

    def __post_init__(self) -> None:
        _check("cubic", self.final, self.start, self.end, self.steps)
        if not 0 <= self.initial <= self.final:
            raise _error("cubic", f"initial {self.initial}", f"give 0 to {self.final}")

    @property
    def times(self) -> tuple[float, ...]:
        """The steps."""
        return _equal(self.start, self.end, self.steps)

    def __call__(self, time: float) -> float:
        """By the third power of the time that is left."""
        left = 1 - min(max((time - self.start) / max(self.end - self.start, 1e-12), 0.0), 1.0)
        return self.initial * left**3 + self.final * (1 - left**3)


@dataclass(frozen=True, slots=True)
class Iterative:
    """The same share of what is left at each step, so that 1 - final is left after all of them.

    Han, Pool, Tran, Dally: "Learning both weights and connections for efficient neural networks", NeurIPS 2015, arXiv
    1506.02626; R048, R089. From `start` to `end`, in equal times, the first step at the start.
    """

    final: float
    start: float = 0.0
    end: float = 0.7
    steps: int = 5

    def __post_init__(self) -> None:
        _check("iterative", self.final, self.start, self.end, self.steps)

    @property
    def times(self) -> tuple[float, ...]:
        """The steps."""
        gap = (self.end - self.start) / max(self.steps - 1, 1)
        return tuple(self.start + step * gap for step in range(self.steps))

    def __call__(self, time: float) -> float:
        """By the number of steps that are done."""
        done = sum(step <= time + 1e-12 for step in self.times)
        return float(1 - (1 - self.final) ** (done / self.steps))


SCHEDULES = {"one-shot": OneShot, "cubic": Cubic, "iterative": Iterative}


def cubic(final: float, *, initial: float = 0.0, start: float = 0.0, end: float = 0.7, steps: int = 12) -> Cubic:
    """`Cubic` by its name in Python."""
    return Cubic(final, initial, start, end, steps)


def one_of(sparsity: float | None, schedule: Schedule | None) -> Schedule:
    """The one that is given, or all at once."""
    if schedule is not None and sparsity is None:
        return schedule
    if schedule is None and sparsity is not None:
        return OneShot(sparsity)
    raise BitwrightError(
        "both a sparsity and a schedule" if schedule else "neither a sparsity nor a schedule",
        where="prune",
        hint="give the share of weights that is removed, or a schedule that ends with it",
    )


def _equal(start: float, end: float, steps: int) -> tuple[float, ...]:
    return tuple(start + (end - start) * step / steps for step in range(1, steps + 1))


def _check(name: str, final: float, start: float, end: float, steps: int) -> None:
    if not 0 <= final < 1:
        raise _error(name, f"sparsity {final}", "give the share of the weights that is removed, from 0 to below 1")
    if not 0 <= start <= end <= 1:
        raise _error(name, f"from {start} to {end}", "give times from 0, the begin of the training, to 1, its end")
    if steps < 1:
        raise _error(name, f"{steps} steps", "give one or more")


def _error(name: str, what: str, hint: str) -> BitwrightError:
    return BitwrightError(what, where=f"schedule '{name}'", hint=hint)
