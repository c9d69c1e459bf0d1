# SPDX-License-Identifier: Apache-2.0
"""What a sweep leaves beside its models: a table with one row per point, and samples to verify them with."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.explore.points import Result

CHOICE = "weight_bits activation_bits per_channel range scale".split()
FIGURES = "macs weight_memory_bits lut ff dsp bram uram cost interval_cycles fits on_front".split()


def table(results: Sequence[Result]) -> str:
    """One row per point, in the order of the sweep; `model` is its ONNX file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("key", *CHOICE, "accuracy", *FIGURES, "model"))
    for result in results:
        point = result.point
        choice = [getattr(point, name) for name in CHOICE]
        figures = [getattr(result, name) for name in FIGURES]
        writer.writerow((point.key, *choice, f"{result.accuracy:.6f}", *figures, result.file))
    return text.getvalue()


def samples(inputs: NDArray[Any]) -> bytes:
    """A data file with `inputs` and no outputs: what the network meant is the reference engine's to say."""
    content = io.BytesIO()
    np.savez_compressed(content, inputs=inputs)
    return content.getvalue()
