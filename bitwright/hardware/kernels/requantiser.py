# SPDX-License-Identifier: Apache-2.0
"""The requantiser: accumulators to codes by a proved form."""

from __future__ import annotations

from dataclasses import dataclass

from bitwright.exact.forms import Form
from bitwright.hardware.kernels.base import Kernel
from bitwright.ir.types import IntType


@dataclass(frozen=True, slots=True, kw_only=True)
class Requantiser(Kernel):
    """Integers to codes, one beat per clock, by a proved form; lane i of beat b has channel (b % folds) * lanes + i."""

    form: Form
    lanes: int
    folds: int  # beats per pixel
    beats: int  # per frame
    x_type: IntType
    y_type: IntType
