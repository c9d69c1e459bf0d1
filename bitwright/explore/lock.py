# SPDX-License-Identifier: Apache-2.0
"""One process at a time works in a folder: a lock that its end takes away, however it ends."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from socket import gethostname
from typing import IO

from bitwright.ir.errors import BitwrightError

TRIES, PAUSE = 10, 0.05
"""How often the lock is asked for, and the seconds between: who looks whether it is held has it for a moment."""


@contextmanager
def held(path: Path) -> Iterator[None]:
    """The lock of a file, which says who has it; BitwrightError with that if somebody else has it."""
    with path.open("a+", encoding="utf-8") as file:
        if not _taken(file):
            raise BitwrightError(
                f"a sweep of {holder(path)} is at work in it",
                where=str(path.parent),
                hint="wait for its end, or stop it: what it finished is kept",
            )
        file.truncate(0)
        file.write(f"process {os.getpid()} on {gethostname()}")
        file.flush()
        try:
            yield
        finally:
            file.truncate(0)


def holder(path: Path) -> str:
    """Who has the lock of a file; nothing if nobody has."""
    try:
        with path.open(encoding="utf-8") as file:
            return "" if _locked(file, fcntl.LOCK_SH) else file.read() or "another process"
    except FileNotFoundError:
        return ""


def _taken(file: IO[str]) -> bool:
    for _ in range(TRIES):
        if _locked(file, fcntl.LOCK_EX):
            return True
        time.sleep(PAUSE)
    return False


def _locked(file: IO[str], how: int) -> bool:
    """Whether a lock of the open file could be had; the end of the process gives it back, or closing the file."""
    try:
        fcntl.flock(file, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
