# SPDX-License-Identifier: Apache-2.0
"""The table that a sweep leaves: one row per point, as CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from bitwright.explore.evaluate import Result

CHOICE = "weight_bits activation_bits per_channel range scale".split()
FIGURES = "accuracy macs weight_memory_bits lut bram on_front".split()


def table(results: Sequence[Result]) -> str:
    """One row per point, in the order of the sweep; `model` is its ONNX file."""
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("key", *CHOICE, *FIGURES, "model"))
    for result in results:
        point = result.point
        choice = (point.weight_bits, point.activation_bits, int(point.per_channel), point.range, point.scale)
        figures = (f"{result.accuracy:.6f}", result.macs, result.weight_memory_bits, result.lut, result.bram)
        writer.writerow((point.key, *choice, *figures, int(result.on_front), result.file))
    return text.getvalue()
