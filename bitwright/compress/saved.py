# SPDX-License-Identifier: Apache-2.0
"""A float network as an ONNX file: the nodes and the constants that it has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper

from bitwright.reading.inference import Kind, infer
from bitwright.reading.model import Model, Node

FLOAT = int(onnx.TensorProto.FLOAT)


def written(model: Model) -> onnx.ModelProto:
    """The model of nodes, constants, inputs and outputs; it takes as many samples as it was read to take."""
    kinds = infer(model).kinds
    inputs = [_entry(entry.name, _type(entry.dtype), [model.batch or "N", *entry.shape[1:]]) for entry in model.inputs]
    outputs = [_output(name, kinds.get(name), model.batch) for name in model.outputs]
    initializers = [numpy_helper.from_array(np.ascontiguousarray(array).reshape(array.shape), name)
                    for name, array in model.constants.items()]  # fmt: skip
    graph = helper.make_graph([_node(node) for node in model.nodes], "network", inputs, outputs, initializers)
    opsets = [
        helper.make_opsetid(domain, 1) for domain in sorted({node.domain for node in model.nodes} - {"", "ai.onnx"})
    ]
    opsets.insert(0, helper.make_opsetid("", model.opset))
    return helper.make_model(
        graph, opset_imports=opsets, producer_name="bitwright", ir_version=_ir_version(model.opset)
    )


def _type(dtype: np.dtype[Any]) -> int:
    """The type of an input: real numbers are float32 throughout."""
    return FLOAT if dtype.kind == "f" else int(helper.np_dtype_to_tensor_dtype(dtype))


def _entry(name: str, kind: int, shape: list[Any]) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


def _output(name: str, kind: Kind | None, batch: int) -> onnx.ValueInfoProto:
    """An output of the shape that is known of it; its first axis has the samples where it has one for one."""
    if kind is None:
        return helper.make_empty_tensor_value_info(name)
    shape: list[Any] = list(kind.shape)
    if shape and shape[0] == 1:
        shape[0] = batch or "N"
    return _entry(name, kind.dtype, shape)


def _node(node: Node) -> onnx.NodeProto:
    attributes: Mapping[str, Any] = {
        name: numpy_helper.from_array(value) if isinstance(value, np.ndarray) else value
        for name, value in node.attributes.items()
        if not isinstance(value, list) or value
    }
    return helper.make_node(node.op, node.inputs, node.outputs, name=node.name, domain=node.domain, **attributes)


def _ir_version(opset: int) -> int:
    """The version of the format that an opset came with."""
    return int(helper.find_min_ir_version_for([helper.make_opsetid("", opset)], ignore_unknown=True))
