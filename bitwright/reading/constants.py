# SPDX-License-Identifier: Apache-2.0
"""Operators on constants, computed once by the ONNX reference operators, their size checked before memory is taken."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import helper
from onnx.reference import ReferenceEvaluator

from bitwright.reading.model import Array, Model, Node
from bitwright.reading.order import in_order
from bitwright.reading.schema import STANDARD, check_node
from bitwright.reading.sizes import check_folded

FOLDED = {
    *("Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Clip", "Relu", "Identity", "Cast", "Dropout"),
    *("LeakyRelu", "Elu", "Selu", "Gelu", "Softplus", "HardSigmoid", "HardSwish", "PRelu"),
    *("Abs", "Ceil", "Erf", "Exp", "Floor", "Log", "Neg", "Not", "Reciprocal", "Round", "Sigmoid", "Sign", "Sqrt"),
    *("Add", "Sub", "Mul", "Div", "Pow", "Mod", "Max", "Min", "Mean", "Sum", "Where", "And", "Or", "Tanh", "MatMul"),
    *("Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual", "ArgMax", "ArgMin", "Gemm", "BatchNormalization"),
    *("ReduceL1", "ReduceL2", "ReduceMax", "ReduceMean", "ReduceMin", "ReduceProd", "ReduceSum", "ReduceSumSquare"),
    *("Concat", "ConstantOfShape", "Expand", "Gather", "Range", "Shape", "Size", "Slice", "Split", "Tile"),
}
"""Arithmetic and layout: the same result every time, of a size that is known before it is computed."""
FAILURES = (ArithmeticError, AttributeError, LookupError, RuntimeError, TypeError, ValueError)
"""What the reference operators raise on inputs and attributes that do not fit together."""


def constant_of(node: Node) -> Array:
    """The value of a Constant node."""
    for name, value in node.attributes.items():
        if name in ("value", "value_float", "value_floats", "value_int", "value_ints"):
            kind = np.float32 if "float" in name else np.int64
            return value if isinstance(value, np.ndarray) else np.array(value, dtype=kind)
    raise node.error("holds no number", "export the model again")


def compute(node: Node, operands: Sequence[Array | None], opset: int) -> list[Array]:
    """The outputs of a node on constants; an operand that is absent is None."""
    check_folded(node, [array for array in operands if array is not None])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # division by zero and the like show in the result
            return evaluator(node, opset)(operands)
    except FAILURES as error:
        reason = f"{error}".partition("\n")[0][:200]
        raise node.error(
            f"cannot be computed from its constants: {reason}", "fold the constants before the export"
        ) from error
    except MemoryError as error:
        raise node.error("needs more memory than there is", "fold the constants before the export") from error


def evaluator(node: Node, opset: int) -> Callable[[Sequence[Array | None]], list[Array]]:
    """The function of a standard operator, by the ONNX reference: from its operands to its outputs.

    Attributes that its schema does not know are left out.
    """
    known = onnx.defs.get_schema(node.op, opset).attributes if onnx.defs.has(node.op, opset) else node.attributes
    attributes: dict[str, Any] = {
        name: helper.make_tensor(name, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape, v.tobytes(), raw=True)
        if isinstance(v, np.ndarray)
        else v
        for name, v in node.attributes.items()
        if name in known
    }
    proto = helper.make_node(node.op, node.inputs, node.outputs, **attributes)
    inputs, outputs = (
        [helper.make_value_info(name, onnx.TypeProto()) for name in dict.fromkeys(names) if name]
        for names in (node.inputs, node.outputs)
    )
    graph = helper.make_graph([proto], "node", inputs, outputs)
    run = ReferenceEvaluator(helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])).run

    def apply(operands: Sequence[Array | None]) -> list[Array]:
        feeds = {name: array for name, array in zip(node.inputs, operands, strict=True) if name}
        return [np.asarray(result) for result in run(None, feeds)]

    return apply


def fold_constants(model: Model) -> Model:
    """`model` with its nodes in order, without those that depend on no input: their results are constants."""
    known: dict[str, Array] = dict(model.constants)
    kept = []
    for node in in_order(model):
        check_node(node, model.opset)
        results = _folded(node, known, model.opset)
        if results is None:
            kept.append(node)
        else:
            known |= results
    read = {name for node in kept for name in node.inputs}.union(model.outputs)
    left = {name: array for name, array in known.items() if name in read}
    return replace(model, nodes=tuple(kept), constants=left)


def _folded(node: Node, known: Mapping[str, Array], opset: int) -> dict[str, Array] | None:
    """What a node makes by name; None if it depends on an input."""
    if node.op == "Constant" and node.domain in STANDARD:
        return {node.outputs[0]: constant_of(node)}
    if not _is_constant(node, known):
        return None
    operands = [known[name] if name else None for name in node.inputs]
    return dict(zip(filter(None, node.outputs), compute(node, operands, opset), strict=True))


def _is_constant(node: Node, known: Mapping[str, Array]) -> bool:
    if node.op not in FOLDED or node.domain not in STANDARD or not node.inputs or not node.inputs[0]:
        return False
    return all(name in known for name in node.inputs if name)
