# SPDX-License-Identifier: Apache-2.0
"""A sweep of the digits network that is there: its data split in three, a few designs, its folder."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

DIGITS = Path(__file__).parents[1] / "examples" / "digits"
FLOAT = DIGITS / "digits_float.onnx"
Arrays = dict[str, NDArray[Any]]


def splits(count: int = 120) -> Arrays:
    """Samples to calibrate on, others to choose by, and again others to test with."""
    with np.load(DIGITS / "digits_data.npz") as file:
        x, y, calibration = file["x"], file["y"], file["calibration"][:64]
    end = 2 * count
    return {
        "calibration": calibration,
        "validation": x[:count],
        "y_validation": y[:count],
        "x": x[count:end],
        "y": y[count:end],
    }
