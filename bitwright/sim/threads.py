# SPDX-License-Identifier: Apache-2.0
"""Samples in several threads, where that pays."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import suppress
from functools import cache
from queue import Empty, SimpleQueue

WORTH = 1e-3
"""Seconds of work for which a thread is woken: to share it costs half of that."""
PIECES = 4
"""Pieces of each thread at least, so that one that began late leaves some of its own to the others."""

Work = Callable[[int, int], None]
_inside = threading.local()


def spread(work: Work, samples: int, unit: int, most: int) -> None:
    """`work(start, stop)` for all of `samples`, at most `most` at a time.

    The first `unit` of them tell how long the rest will take, and that how many threads it is worth. They take pieces
    of whole units from one another; this thread is one of them, so that nobody waits for one that never begins.
    """
    if samples <= unit:
        return work(0, samples)
    start, lead = time.perf_counter(), unit
    work(0, lead)
    seconds = (time.perf_counter() - start) / lead * (samples - lead)
    threads = 1 if getattr(_inside, "pieces", False) else int(seconds / WORTH)
    if threads > 1:
        threads = min(threads, processors())
        least = -(-int(WORTH / 2 / seconds * (samples - lead)) // unit) * unit
        share = (samples - lead) // (threads * PIECES) // unit * unit
        most = min(most, max(unit, least, share))
    pieces = [(first, min(first + most, samples)) for first in range(lead, samples, most)]
    if min(threads, len(pieces)) > 1:
        _shared(work, pieces, min(threads, len(pieces)) - 1)
    else:
        for piece in pieces:
            work(*piece)


def _shared(work: Work, pieces: list[tuple[int, int]], helpers: int) -> None:
    """The pieces, by this thread and as many helpers as come before all are taken."""
    left: SimpleQueue[tuple[int, int]] = SimpleQueue()
    for piece in pieces:
        left.put(piece)
    futures = [pool().submit(_some, work, left) for _ in range(helpers)]
    try:
        _some(work, left)
    finally:
        with suppress(Empty):  # after an error, or an interrupt
            while True:
                left.get_nowait()
        begun = [future for future in futures if not future.cancel()]
        wait(begun)
    for future in begun:
        future.result()


def _some(work: Work, left: SimpleQueue[tuple[int, int]]) -> None:
    """Pieces as long as there are any; what they call takes no threads of its own."""
    _inside.pieces = True
    try:
        with suppress(Empty):
            while True:
                work(*left.get_nowait())
    finally:
        _inside.pieces = False


def processors() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@cache
def pool() -> ThreadPoolExecutor:
    """The threads of this process."""
    return ThreadPoolExecutor(max(1, (os.cpu_count() or 1) - 1), thread_name_prefix="bitwright-fast")


os.register_at_fork(after_in_child=pool.cache_clear)  # a child has the executor, and none of its threads
