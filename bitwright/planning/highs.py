# SPDX-License-Identifier: Apache-2.0
"""HiGHS by SciPy, without what it should not do: end in an exception of C++, and print."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from ctypes import CDLL
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
from numpy.typing import NDArray

STDOUT = 1
"""The file that C prints to."""
_ALONE = Lock()


def solved(objective: NDArray[np.float64], **program: Any) -> Any:
    """SciPy's answer. HiGHS' presolve ends a few programs with an exception of C++, which it solves without it."""
    from scipy.optimize import milp

    with _ALONE, _unheard():
        try:
            return milp(objective, **program)
        except ValueError:
            return milp(objective, **program | {"options": {**program["options"], "presolve": False}})


@contextmanager
def _unheard() -> Iterator[None]:
    """What C prints on stdout inside the block is dropped: HiGHS says a line where it repairs an answer, unasked."""
    flush = CDLL(None).fflush
    sys.stdout.flush()
    flush(None)
    try:
        kept = os.dup(STDOUT)
    except OSError:  # there is no stdout
        yield
        return
    try:
        with Path(os.devnull).open("w") as nowhere:
            os.dup2(nowhere.fileno(), STDOUT)
        yield
    finally:
        flush(None)
        os.dup2(kept, STDOUT)
        os.close(kept)
