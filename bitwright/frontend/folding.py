# SPDX-License-Identifier: Apache-2.0
"""Constant folding: a node whose inputs are all plain constants is computed once, by the ONNX reference operators."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from bitwright.frontend.values import Const, Value
from bitwright.reading.model import Array, Node
from bitwright.reading.schema import STANDARD
from bitwright.reading.sizes import check_folded

KEEP_CODES = {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Clip", "Relu", "Identity", "Cast", "Dropout"}
"""Operators with a handler that keeps the integers behind a quantised constant."""
FOLDED = {
    *KEEP_CODES,
    *("LeakyRelu", "Elu", "Selu", "Gelu", "Softplus", "HardSigmoid", "HardSwish", "PRelu"),
    *("Abs", "Ceil", "Erf", "Exp", "Floor", "Log", "Neg", "Not", "Reciprocal", "Round", "Sigmoid", "Sign", "Sqrt"),
    *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Mean", "Sum", "Where", "And", "Or", "Tanh", "MatMul"),
    *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "ArgMax", "ArgMin", "Gemm", "BatchNormalization"),
    *("ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"),
    *("Concat", "ConstantOfShape", "Expand", "Gather", "Range", "Shape", "Size", "Slice", "Split", "Tile"),
}
"""Arithmetic and layout: the same result every time, of a size that is known before it is computed."""


def foldable(node: Node, values: Sequence[Value | None]) -> bool:
    """True if `node` is arithmetic on constants that loses nothing when it is computed in floating point."""
    if (
        node.op not in FOLDED
        or values[:1] == [None]
        or not all(value is None or isinstance(value, Const) for value in values)
    ):
        return False
    coded = any(isinstance(value, Const) and value.codes is not None for value in values)
    return node.domain in STANDARD and not (coded and node.op in KEEP_CODES)


def constant_of(node: Node) -> Array:
    """The value of a Constant node."""
    for name, value in node.attributes.items():
        if name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
            kind = np.float32 if "float" in name else np.int64
            return value if isinstance(value, np.ndarray) else np.array(value, dtype=kind)
    raise node.error("holds no number", "export the model again")


def fold(node: Node, values: Sequence[Value | None], opset: int) -> list[Const]:
    """The outputs of a node of constants."""
    names = [name if value is not None else "" for name, value in zip(node.inputs, values, strict=True)]
    feeds = {n: v.array for n, v in zip(node.inputs, values, strict=True) if isinstance(v, Const) and n}
    check_folded(node, [value.array for value in values if isinstance(value, Const)])
    try:
        proto = _model(node, names, feeds, opset)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # division by zero and the like show in the result
            results = ReferenceEvaluator(proto).run(None, feeds)
    except (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError) as error:
        reason = f"{error}".partition("\n")[0][:200]
        raise node.error(
            f"cannot be computed from its constants: {reason}", "fold the constants before the export"
        ) from error
    return [Const(np.asarray(result)) for result in results]


def _model(node: Node, names: list[str], feeds: dict[str, Array], opset: int) -> onnx.ModelProto:
    attributes: dict[str, Any] = {
        name: helper.make_tensor(name, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape, v.tobytes(), raw=True)
        if isinstance(v, np.ndarray)
        else v
        for name, v in node.attributes.items()
    }
    proto = helper.make_node(node.op, names, list(node.outputs), **attributes)
    inputs = [
        helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in feeds.items()
    ]
    outputs = [helper.make_value_info(name, onnx.TypeProto()) for name in node.outputs if name]
    graph = helper.make_graph([proto], "fold", inputs, outputs)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
