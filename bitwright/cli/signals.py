# SPDX-License-Identifier: Apache-2.0
"""Signals that ask the program to end: an exception, so that everything on the way out is cleaned up."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

ASKING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
ECHOES = 2
"""Signals after the first that are passed over: `timeout` and terminals send one to the process and to its group."""


class Stopped(BaseException):
    """A signal asked the process to end; `code` is the exit code by which a shell knows it."""

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.code = 128 + number


@contextmanager
def stoppable() -> Iterator[None]:
    """The signals raise `Stopped` in the block, those excepted that whoever started us had us ignore.

    Only a main thread hears of signals; in another one the block runs as it is.
    """
    count = 0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal count
        count += 1
        if count == 1 or count > 1 + ECHOES:
            raise Stopped(number)

    here = threading.current_thread() is threading.main_thread()
    heard = [number for number in ASKING if here and signal.getsignal(number) is not signal.SIG_IGN]
    before: dict[signal.Signals, Any] = {number: signal.signal(number, stop) for number in heard}
    try:
        yield
    except Stopped:
        if count:  # an echo on the way out is passed over, also where the interpreter has let its handlers go
            before = dict.fromkeys(before, signal.SIG_IGN)
        raise
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
