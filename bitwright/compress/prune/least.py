# SPDX-License-Identifier: Apache-2.0
"""The least squares of a layer while a network becomes sparser: one value for single weights and for channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.acts import FloatSide, gathered
from bitwright.compress.columns import View
from bitwright.compress.network import FloatNet
from bitwright.compress.round import Problem

Array = NDArray[Any]


def least_squares(net: FloatNet, side: FloatSide, view: View, inputs: Sequence[Array]) -> Problem:
    """What a layer reads, and what it made at first; a weight that is 0 stays so."""
    weight = view.rows(view.weight)
    return Problem(
        weight=weight,
        inputs=gathered(view, inputs, side.picked[view.layer.name]),
        outputs=side.outputs[view.layer.name],
        scale=np.ones(1, np.float32),
        low=np.full(1, -np.inf, np.float32),
        high=np.full(1, np.inf, np.float32),
        mask=weight != 0,
        offset=view.offset(net.constants),
        rectified=view.rectified,
        where=f"{net.file}: layer '{view.layer.name}'",
    )
