# SPDX-License-Identifier: Apache-2.0
"""The verdict on outputs that another tool computed in float32.

Until the float32 replay exists, an element that differs by more than float32 noise counts as unexplained.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
RTOL, ATOL = 2e-5, 2e-6
"""Noise of a float32 dequantisation: relative, and relative to the largest output; far below a quantiser's step."""


def compare(ours: Sequence[Array], theirs: Sequence[Array]) -> dict[str, Any]:
    """elements, equal, boundary, wide, unexplained, max_steps of the model's outputs (`DESIGN` section 5)."""
    if len(ours) != len(theirs):
        raise BitwrightError(
            f"holds {len(theirs)} outputs, the model has {len(ours)}",
            where="outputs",
            hint="save outputs, outputs_1, ... in the model's order",
        )
    equal = elements = 0
    for mine, wanted in zip(ours, theirs, strict=True):
        if mine.size != wanted.size or mine.shape[:1] != wanted.shape[:1]:
            raise BitwrightError(
                f"have shape {wanted.shape}, the model gives {mine.shape}",
                where="outputs",
                hint="stack the samples on axis 0",
            )
        a, b = mine.reshape(-1).astype(np.float64), wanted.reshape(-1).astype(np.float64)
        exact = mine.dtype.kind in "iub"
        largest = float(np.max(np.abs(b[np.isfinite(b)]), initial=0)) or 1.0
        equal += int((a == b if exact else np.isclose(a, b, rtol=RTOL, atol=ATOL * largest)).sum())
        elements += b.size
    return {
        "elements": elements,
        "equal": equal,
        "boundary": 0,
        "wide": 0,
        "unexplained": elements - equal,
        "max_steps": None,
    }
