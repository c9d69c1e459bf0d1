# SPDX-License-Identifier: Apache-2.0
"""What is known of a network whose widths are chosen."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from bitwright.compress.calibrate import Calibration
from bitwright.compress.choices import Choices
from bitwright.compress.options import Options
from bitwright.compress.state import State

Array = NDArray[Any]


@dataclass(frozen=True, kw_only=True)
class Sensing:
    """What is asked of widths: the error that each brings to a calibrated network, whose choices are as wide as can be.

    `errs` measures a network's error, of a kind, on `arrays`, whose `labels` a loss needs.
    """

    calibration: Calibration
    choices: Choices
    options: Options
    offered: Mapping[str, tuple[int, ...]]
    kind: str
    arrays: Sequence[Array]
    errs: Callable[[State], float]
    labels: Array | None = None
