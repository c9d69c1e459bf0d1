# SPDX-License-Identifier: Apache-2.0
"""QONNX `Quant` for `onnx.reference`, written from the specification: float32 division, clip, round half even."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun


class Quant(OpRun):
    op_domain = "qonnx.custom_op.general"

    def _run(
        self,
        x: NDArray[np.float32],
        scale: NDArray[np.float32],
        zero: NDArray[np.float32],
        bits: NDArray[np.float32],
        signed: int,
        narrow: int,
        rounding_mode: str,
    ) -> tuple[NDArray[np.float32]]:
        assert rounding_mode == "ROUND"
        low = -(2 ** (bits - 1)) + narrow if signed else 0
        high = 2 ** (bits - 1) - 1 if signed else 2**bits - 1 - narrow
        return (((np.rint(np.clip(x / scale + zero, low, high)) - zero) * scale).astype(np.float32),)


def evaluate(model: onnx.ModelProto, x: NDArray[Any]) -> NDArray[np.float32]:
    """The first output of a QONNX model in float32, as the source framework would compute it."""
    return np.asarray(ReferenceEvaluator(model, new_ops=[Quant]).run(None, {model.graph.input[0].name: x})[0])
