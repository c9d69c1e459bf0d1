# SPDX-License-Identifier: Apache-2.0
"""Types and shapes of a model's tensors, one node after the other, as ONNX infers them; samples count as 1."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.shape_inference import InferenceError, infer_node_outputs

from bitwright.ir.errors import BitwrightError
from bitwright.reading.constants import FOLDED, compute, constant_of
from bitwright.reading.model import Array, Model, Node
from bitwright.reading.order import reachable
from bitwright.reading.schema import STANDARD

MAX_DATA = 1 << 10
"""Elements of a constant that may decide a shape."""
AS_FIRST = {
    *("Quant", "IntQuant", "BipolarQuant", "MultiThreshold", "Trunc", "RequantShift", "FloatQuant"),
    *("QuantizeLinear", "DequantizeLinear", "QLinearLeakyRelu", "QLinearSigmoid", "QLinearSoftmax"),
}
"""Operators without a schema that make a tensor of the shape of their first input."""


@dataclass(frozen=True, slots=True)
class Kind:
    """Type, a number of ONNX, and shape of a tensor."""

    dtype: int
    shape: tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Inferred:
    """What is known before anything runs: `kinds` of tensors, and the `constants` that follow from shapes."""

    kinds: Mapping[str, Kind]
    constants: Mapping[str, Array]


def infer(model: Model, *, guess: bool = False) -> Inferred:
    """The kinds of all tensors that can be known, whatever else is wrong with the model.

    With a `guess` an operator that nobody knows makes what its first input is.
    """
    constants: dict[str, Array] = dict(model.constants)
    kinds = {name: _kind(array) for name, array in constants.items()}
    kinds |= {entry.name: Kind(helper.np_dtype_to_tensor_dtype(entry.dtype), entry.shape) for entry in model.inputs}
    for node in reachable(model):
        values = _values(node, constants, kinds, model.opset)
        if values is not None:
            constants |= values
            kinds |= {name: _kind(array) for name, array in values.items()}
        else:
            kinds |= _inferred(node, constants, kinds, model.opset, guess)
    return Inferred(kinds, constants)


def _kind(array: Array) -> Kind:
    return Kind(helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)


def _values(
    node: Node, constants: Mapping[str, Array], kinds: Mapping[str, Kind], opset: int
) -> dict[str, Array] | None:
    """What a node makes where that follows from constants and shapes alone."""
    try:
        if node.op == "Constant" and node.domain in STANDARD:
            return dict(zip(node.outputs[:1], [constant_of(node)], strict=True))
        operands = _operands(node, constants, kinds)
        if operands is None:
            return None
        return dict(zip(filter(None, node.outputs), compute(node, operands, opset), strict=True))
    except (BitwrightError, ValueError):
        return None


def _operands(node: Node, constants: Mapping[str, Array], kinds: Mapping[str, Kind]) -> list[Array | None] | None:
    """What a node computes from, where nothing else is needed: constants, or anything of a shape that it asks for."""
    first = node.inputs[0] if node.inputs and node.domain in STANDARD else ""
    if node.op in ("Shape", "Size") and first in kinds:
        return [np.broadcast_to(np.int8(0), kinds[first].shape)]
    if first and node.op in FOLDED and constants.keys() >= set(filter(None, node.inputs)):
        return [constants.get(name) for name in node.inputs]
    return None


def _inferred(
    node: Node, constants: Mapping[str, Array], kinds: Mapping[str, Kind], opset: int, guess: bool
) -> dict[str, Kind]:
    """The kinds of what a node makes, as far as its schema tells."""
    names = list(filter(None, node.inputs))
    if node.domain not in STANDARD or not onnx.defs.has(node.op, opset):
        return (
            {node.outputs[0]: kinds[names[0]]} if (guess or node.op in AS_FIRST) and {*names[:1]} & kinds.keys() else {}
        )
    if not kinds.keys() >= set(names):
        return {}
    try:
        made = infer_node_outputs(
            onnx.defs.get_schema(node.op, opset),
            helper.make_node(node.op, node.inputs, node.outputs, **_attributes(node, opset)),
            {name: helper.make_tensor_type_proto(kinds[name].dtype, kinds[name].shape) for name in names},
            _small(names, constants),
            opset_imports=[helper.make_opsetid("", opset)],
        )
    except (InferenceError, RuntimeError, TypeError, ValueError):
        return {}
    return _known(made)


def _small(names: Sequence[str], constants: Mapping[str, Array]) -> dict[str, onnx.TensorProto]:
    """The constants among the operands that may decide a shape."""
    held = constants.keys() & set(names)
    return {name: numpy_helper.from_array(constants[name]) for name in held if constants[name].size <= MAX_DATA}


def _attributes(node: Node, opset: int) -> dict[str, Any]:
    known = onnx.defs.get_schema(node.op, opset).attributes
    return {
        name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in node.attributes.items()
        if name in known
    }


def _known(made: Mapping[str, onnx.TypeProto]) -> dict[str, Kind]:
    """The kinds of those types that state every size."""
    tensors = {name: proto.tensor_type for name, proto in made.items()}
    return {
        name: Kind(tensor.elem_type, tuple(dim.dim_value for dim in tensor.shape.dim))
        for name, tensor in tensors.items()
        if tensor.HasField("shape") and all(dim.HasField("dim_value") for dim in tensor.shape.dim)
    }
