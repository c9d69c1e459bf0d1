# SPDX-License-Identifier: Apache-2.0
"""What is being done, for whoever wants to say so: functions name the stage that they begin, and nobody need listen."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

Listener = Callable[[str], None]

_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


def begins(stage: str) -> None:
    """Say that `stage` begins, and the one before it ends."""
    listener = _listener.get()
    if listener is not None:
        listener(stage)


@contextmanager
def heard(listener: Listener) -> Iterator[None]:
    """`listener` is told of every stage that begins in the block, in this thread."""
    token = _listener.set(listener)
    try:
        yield
    finally:
        _listener.reset(token)
