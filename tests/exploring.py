# SPDX-License-Identifier: Apache-2.0
"""A space, and what evaluates its designs by a formula; each evaluation leaves a line in a file, to be counted."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from threading import Event
from typing import Any

from bitwright.explore.objectives import ACCURACY, OBJECTIVES
from bitwright.explore.record import Record, Score, Task
from bitwright.explore.space import Axis, Space
from bitwright.explore.strategies import Problem
from bitwright.explore.sweep import Sweep
from bitwright.ir.errors import BitwrightError

LAYERS = ("conv1", "conv2", "dense")


def space(most: int = 5) -> Space:
    return Space(tuple(Axis(f"weights.{name}", "weights", tuple(range(2, most + 1)), (name,)) for name in LAYERS))


def problem(most: int = 5, **more: Any) -> Problem:
    given: dict[str, Any] = {"objectives": (ACCURACY, OBJECTIVES["lut"]), "budget": {}, "evaluations": 1000}
    return Problem(space=space(most), **given | more)


def record_of(task: Task, samples: int = 100) -> Record:
    """More bits are better and dearer; with all samples and the price of `compile` where it is final."""
    bits = [int(bits) for _, bits in task.design.choices]
    value = 1 - sum(2.0**-b * (1 + 0.1 * place) for place, b in enumerate(bits))
    total = 200
    score = Score(
        value=value, low=value - 0.01, high=value + 0.01, samples=total if task.final else samples, total=total
    )
    figures = {"accuracy": value, "lut": float(sum(b * b for b in bits)) + task.final}
    return Record(design=task.design, figures=figures, score=score, compiled=task.final)


@dataclass(frozen=True)
class Fake:
    """What evaluates, and whom it counts in a file; `bad` is what it does for designs of these bits."""

    counted: Path
    seconds: float = 0.0
    bad: Mapping[tuple[int, ...], Callable[[], None]] = field(default_factory=dict)

    def __call__(self, task: Task) -> Record:
        does = self.bad.get(tuple(int(bits) for _, bits in task.design.choices))
        if does is not None:
            self._count(f"bad {task.key}")
            does()
        Event().wait(self.seconds)
        found = record_of(task)
        self._count(task.key)
        return found

    def _count(self, what: str) -> None:
        with self.counted.open("a", encoding="utf-8") as file:
            file.write(f"{what}\n")

    @property
    def counts(self) -> Counter[str]:
        return Counter(self.counted.read_text(encoding="utf-8").splitlines()) if self.counted.exists() else Counter()


def refuse() -> None:
    raise BitwrightError("2 bits cannot hold it", where="node 'conv2'", hint="use more")


def fill_the_disk() -> None:
    try:
        raise OSError(28, "No space left on device")
    except OSError as error:
        raise BitwrightError("cannot be written", where="tuned", hint="choose another") from error


def fail() -> None:
    raise ZeroDivisionError("division by zero")


def fill() -> None:
    bytearray(1 << 34)


def hang() -> None:
    Event().wait(3600)


def die() -> None:
    os._exit(7)


def fake_sweep(evaluate: Fake, **more: Any) -> Sweep:
    return Sweep(problem=problem(**more), evaluate=evaluate, settings={"network": "abc"}, files={"model.onnx": b"net"})


def contents(folder: Path) -> dict[str, bytes]:
    """All files of a sweep but its lock."""
    files = (path for path in folder.rglob("*") if path.is_file() and path.name != "lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}
