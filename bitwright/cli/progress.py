# SPDX-License-Identifier: Apache-2.0
"""What a command says while it works, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from bitwright.ir.stages import heard

PATIENCE = 1.0
"""Seconds after which a command says what it is at."""


class _Watch:
    """Calls `say` once `PATIENCE` has passed, counted anew from each start."""

    def __init__(self, say: Callable[[], None]) -> None:
        self.say = say
        self.start()

    def start(self) -> None:
        self.timer = Timer(PATIENCE, self.say)
        self.timer.daemon = True
        self.timer.start()

    def stop(self) -> None:
        self.timer.cancel()
        if self.timer.is_alive():  # not so where a signal came before its thread had begun
            self.timer.join()


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """Says on stderr what takes longer than `PATIENCE`, and of its stages those that do.

    With a clock on a terminal, in lines elsewhere.
    """
    console = Console(stderr=True, highlight=False, markup=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True)
    task, at = bar.add_task(what), [what]

    def say() -> None:
        if console.is_terminal:
            bar.start()
        else:
            console.print(f"{at[0]} ...", soft_wrap=True)

    def begins(stage: str) -> None:
        watch.stop()
        at[0] = f"{what}: {stage}"
        bar.update(task, description=at[0])
        watch.start()

    watch = _Watch(say)
    try:
        with heard(begins):
            yield lambda text: bar.update(task, description=text)
    finally:
        watch.stop()
        if bar.live.is_started:
            bar.stop()
