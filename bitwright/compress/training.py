# SPDX-License-Identifier: Apache-2.0
"""How a network is trained, checked by name before anything is computed; nothing here needs PyTorch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from numbers import Integral
from pathlib import Path
from typing import Any, TypedDict

from bitwright.ir.errors import BitwrightError

WHERE = "fit"
DISTILLATIONS = ("kd", "logits")
"""Of the outputs of a teacher: their distributions (`kd`), or the numbers before the soft maximum (`logits`)."""
Tensor = Any
"""One of PyTorch's, which is imported when it is needed."""
Aid = Callable[[Tensor, Tensor, Tensor | None, Mapping[str, Tensor]], Tensor]
"""(outputs, teacher's outputs, labels, every tensor by name) -> what is added to the loss."""
Progress = Callable[[int, int, float], None]
"""(steps that are done, steps in all, the loss of the last one)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Distil:
    """An aid: the outputs shall be the teacher's, as far as `weight` of the loss; labels have what is left.

    The teacher is the float network that the training began with, or a function of the inputs.
    """

    kind: str
    weight: float = 0.5
    temperature: float = 1.0
    teacher: Callable[..., Tensor] | None = field(default=None, repr=False)  # a checkpoint knows what it said

    def __post_init__(self) -> None:
        if self.kind not in DISTILLATIONS:
            raise _refusal("distil", f"there is no distillation {self.kind!r}", f"choose {' or '.join(DISTILLATIONS)}")
        if not 0 < self.weight <= 1:
            raise _refusal(
                "distil", f"weight {self.weight!r}", "give more than 0, and at most 1: the share of the loss"
            )
        if not self.temperature > 0:
            raise _refusal("distil", f"temperature {self.temperature!r}", "give more than 0")

    @property
    def share(self) -> float:
        """What of the loss is not the labels'."""
        return self.weight

    def __call__(self, outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Mapping[str, Tensor]) -> Tensor:
        """The part of the loss."""
        from bitwright.compress.torch.distil import LOSSES

        return self.weight * LOSSES[self.kind](outputs, teacher, self.temperature)


def distil(
    kind: str, *, weight: float = 0.5, temperature: float = 1.0, teacher: Callable[..., Tensor] | None = None
) -> Distil:
    """An aid for `fit`: learning the outputs of a teacher, "kd" their distributions or "logits" their numbers.

    `weight` is its share of the loss, labels have the rest; without labels it is all. `temperature` softens "kd". The
    teacher is the float network that the training began with, or any function of the inputs.
    """
    return Distil(kind=kind, weight=weight, temperature=temperature, teacher=teacher)


class Fitted(TypedDict, total=False):
    """The fields of `Training`, as a caller may give them."""

    epochs: int
    lr: float
    batch: int
    seed: int
    aids: Sequence[Aid]
    checkpoint: str | Path | None
    progress: Progress | None
    gradient: str | None
    project: str | None
    every: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Training:
    """How long and how fast: BitwrightError says what cannot be.

    `lr` is relative: a step moves a tensor by about this share of its root mean square, scales by half of it, less and
    less along a cosine. After each epoch all that the rest depends on is in the file `checkpoint`, if one is named, and
    a training that finds its own there goes on, to the same end bit by bit. With `gradient`, a name of `bitwright
    methods gradient`, what is learnt by has few levels. With `project`, as "zeros:0.8", weights are put there after
    each `every` steps, the last time at the end.
    """

    epochs: int = 10
    lr: float = 2e-3
    batch: int = 64
    seed: int = 0
    aids: Sequence[Aid] = ()
    checkpoint: str | Path | None = None
    progress: Progress | None = None
    gradient: str | None = None
    project: str | None = None
    every: int = 1

    def __post_init__(self) -> None:
        self._check_numbers()
        if not isinstance(self.lr, int | float) or not 0 < self.lr < 1:
            raise _refusal(WHERE, f"lr {self.lr!r}", "give a share of each tensor's size, for example 0.002")
        if not isinstance(self.checkpoint, str | Path | None):
            raise _refusal(WHERE, f"checkpoint {self.checkpoint!r}", "give the path of a file")
        if not (self.progress is None or callable(self.progress)):
            raise _refusal(WHERE, f"progress {self.progress!r}", "give a function of (steps done, steps in all, loss)")
        self._check_aids()

    def _check_numbers(self) -> None:
        for name, least in (("epochs", 1), ("batch", 1), ("seed", 0), ("every", 1)):
            number = getattr(self, name)
            if not isinstance(number, Integral) or isinstance(number, bool) or int(number) < least:
                raise _refusal(WHERE, f"{name} {number!r}", f"give a whole number, at least {least}")
        if self.every != 1 and self.project is None:
            hint = "give a project too, as zeros:0.8; without one nothing is put anywhere"
            raise _refusal(WHERE, f"every {self.every} without project", hint)

    def _check_aids(self) -> None:
        if not isinstance(self.aids, list | tuple):
            raise _refusal(WHERE, f"{self.aids!r} for aids", "give a list, as [distil('kd')]")
        for aid in self.aids:
            if not callable(aid):
                raise _refusal(WHERE, f"{aid!r} among the aids", "give functions, as distil('kd') makes one")
        if self.share > 1:
            raise _refusal(WHERE, f"aids of {self.share:g} of the loss", "give weights whose sum is at most 1")

    @property
    def share(self) -> float:
        """What of the loss the aids have instead of the labels."""
        return float(sum(getattr(aid, "share", 0.0) for aid in self.aids))


def _refusal(where: str, what: str, hint: str) -> BitwrightError:
    return BitwrightError(f"{what} cannot be used" if not what.startswith("there") else what, where=where, hint=hint)
