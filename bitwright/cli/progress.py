# SPDX-License-Identifier: Apache-2.0
"""What a command says while it works, on stderr."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Timer

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

PATIENCE = 1.0
"""Seconds after which a command says what it is at."""


@contextmanager
def progress(what: str) -> Iterator[Callable[[str], None]]:
    """Says on stderr what takes longer than `PATIENCE`: with a clock on a terminal, in a line elsewhere."""
    console = Console(stderr=True, highlight=False, markup=False)
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    bar = Progress(*columns, console=console, transient=True)
    task = bar.add_task(what)
    timer = Timer(PATIENCE, bar.start if console.is_terminal else lambda: console.print(f"{what} ...", soft_wrap=True))
    timer.daemon = True
    timer.start()
    try:
        yield lambda text: bar.update(task, description=text)
    finally:
        timer.cancel()
        timer.join()
        if bar.live.is_started:
            bar.stop()
