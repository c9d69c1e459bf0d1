# SPDX-License-Identifier: Apache-2.0
"""A start is what its file is: both answer alike, or it is refused."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.acts import fake
from bitwright.compress.started import Start
from bitwright.compress.stripped import HINT, OTHER
from bitwright.explore.score import answers_of
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
SAMPLES = 64
"""Of the calibration data, on which a start is compared with its file."""
CLOSE = 1e-5
"""Of the largest answer, what float32 may make of the same integers; of an output with a quantiser a step counts."""


def check_same(start: Start, arrays: Sequence[Array]) -> None:
    """Refuse a start whose integers answer otherwise than those of the file that it was read from."""
    some = [array[:SAMPLES] for array in arrays]
    ours, theirs = (answers_of(graph, some) for graph in (start.state().graph(), start.graph()))
    for name, mine, wanted in zip(start.net.outputs, ours, theirs, strict=True):
        end = start.ends.get(name)
        made = mine if end is None else fake(end, mine)
        step = CLOSE * float(np.abs(wanted).max(initial=0)) + (0.0 if end is None else float(end.scale.max()))
        if made.shape != wanted.shape or not (np.abs(made - wanted) <= step).all():
            what = f"{OTHER}: the integers that are read from it answer otherwise"
            raise BitwrightError(what, where=f"{start.net.file}: output '{name}'", hint=HINT)
