# SPDX-License-Identifier: Apache-2.0
"""Small float networks as ONNX, written node by node."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

Floats = NDArray[np.float32]


def graph(
    nodes: Sequence[onnx.NodeProto],
    weights: Mapping[str, NDArray[Any]],
    *,
    sample: Sequence[int],
    batch: int | str = "N",
    outputs: Sequence[str] = ("y",),
    opset: int = 17,
) -> onnx.ModelProto:
    """A model with one input `x` of `sample`, stored as a protobuf that errors call "model"."""
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, *sample])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", "outputs"]) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)


def node(op: str, inputs: str, output: str, **attributes: Any) -> onnx.NodeProto:
    """A node called after its operator and its output."""
    return helper.make_node(op, inputs.split(), [output], name=f"{op}_{output}", **attributes)


def normal(*shape: int, seed: int = 0) -> Floats:
    """Draws of a normal distribution."""
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)
