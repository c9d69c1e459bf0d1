# SPDX-License-Identifier: Apache-2.0
"""Reading an ONNX file: nodes with parsed attributes, constants as arrays, declared inputs; every dialect alike."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import external_data_helper, helper, numpy_helper

from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]


@dataclass(frozen=True, slots=True)
class Node:
    """One operator; `name` is its first output's if it has none of its own, an absent input is ""."""

    name: str
    op: str
    domain: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    attributes: Mapping[str, Any]
    file: str

    @property
    def where(self) -> str:
        """The place that errors name."""
        return f"{self.file}: node '{self.name}' ({self.op})"

    def error(self, what: str, hint: str) -> BitwrightError:
        """The error that this node cannot be taken."""
        return BitwrightError(what, where=self.where, hint=hint)


@dataclass(frozen=True, slots=True)
class ModelInput:
    """A declared input; `shape` has 1 in place of the batch."""

    name: str
    shape: tuple[int, ...]
    dtype: np.dtype[Any]


@dataclass(frozen=True, slots=True)
class Model:
    """An ONNX graph as plain data."""

    file: str
    digest: str
    opset: int
    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    inputs: tuple[ModelInput, ...]
    outputs: tuple[str, ...]
    batch: int  # samples that the file was exported for; 0 for any number


def read_model(source: str | Path | bytes | onnx.ModelProto) -> Model:
    """The model in a file, in bytes or in a protobuf; BitwrightError if it is none, or reaches out of its folder."""
    if isinstance(source, onnx.ModelProto):
        return _model(source, "model", source.SerializeToString(), None)
    if isinstance(source, bytes):
        return _model(_parse(source, "model"), "model", source, None)
    path = Path(source)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BitwrightError(
            f"cannot be read: {error.strerror}", where=str(source), hint="give the path of an ONNX file"
        ) from error
    return _model(_parse(data, path.name), path.name, data, path.parent)


def _parse(data: bytes, file: str) -> onnx.ModelProto:
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except DecodeError as error:
        raise _not_onnx(file) from error
    if not proto.HasField("graph") or not proto.graph.output:
        raise _not_onnx(file)
    return proto


def _not_onnx(file: str) -> BitwrightError:
    return BitwrightError(
        "is not an ONNX model", where=file, hint="export the network to ONNX, or give a graph saved by bitwright"
    )


def _model(proto: onnx.ModelProto, file: str, data: bytes, folder: Path | None) -> Model:
    graph = proto.graph
    constants = {tensor.name: _array(tensor, file, folder) for tensor in graph.initializer}
    entries = [info for info in graph.input if info.name not in constants]
    inputs = tuple(_input(info, file) for info in entries)
    batch = entries[0].type.tensor_type.shape.dim[0].dim_value if entries else 0
    opsets = {entry.domain: entry.version for entry in proto.opset_import}
    nodes = tuple(_node(node, file, folder) for node in graph.node)
    outputs = tuple(output.name for output in graph.output)
    opset = opsets.get("", opsets.get("ai.onnx", 13))
    return Model(file, sha256(data).hexdigest(), opset, nodes, constants, inputs, outputs, batch)


def _node(proto: onnx.NodeProto, file: str, folder: Path | None) -> Node:
    name = proto.name or (proto.output[0] if proto.output else proto.op_type)
    attributes: dict[str, Any] = {}
    for attribute in proto.attribute:
        if attribute.type == onnx.AttributeProto.TENSOR:
            attributes[attribute.name] = _array(attribute.t, file, folder)
        elif attribute.type in (onnx.AttributeProto.GRAPH, onnx.AttributeProto.GRAPHS):
            raise BitwrightError(
                f"has a subgraph '{attribute.name}'",
                where=f"{file}: node '{name}' ({proto.op_type})",
                hint="export the network without control flow",
            )
        else:
            value = helper.get_attribute_value(attribute)
            attributes[attribute.name] = value.decode(errors="replace") if isinstance(value, bytes) else value
    return Node(name, proto.op_type, proto.domain, tuple(proto.input), tuple(proto.output), attributes, file)


def _array(tensor: onnx.TensorProto, file: str, folder: Path | None) -> Array:
    where = f"{file}: tensor '{tensor.name}'"
    try:
        if external_data_helper.uses_external_data(tensor):
            _check_external(tensor, where, folder)
        return numpy_helper.to_array(tensor, str(folder or ""))
    except (ValueError, TypeError, OSError, KeyError, onnx.checker.ValidationError) as error:
        raise BitwrightError(
            f"cannot be read: {error}", where=where, hint="export the model again; the file may be truncated"
        ) from error


def _check_external(tensor: onnx.TensorProto, where: str, folder: Path | None) -> None:
    location = external_data_helper.ExternalDataInfo(tensor).location
    if folder is None:
        raise BitwrightError(
            f"keeps its data in '{location}', and the model has no folder", where=where, hint="give the model as a file"
        )
    target = (folder / location).resolve()
    if not target.is_relative_to(folder.resolve()):
        raise BitwrightError(
            f"keeps its data outside the model's folder: '{location}'",
            where=where,
            hint="put the data file beside the model",
        )


def _input(info: onnx.ValueInfoProto, file: str) -> ModelInput:
    where = f"{file}: input '{info.name}'"
    tensor = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not tensor.HasField("shape") or not tensor.shape.dim:
        raise BitwrightError("declares no shape", where=where, hint="export the model with the input's shape")
    dims = [dim.dim_value if dim.HasField("dim_value") else -1 for dim in tensor.shape.dim]
    if any(dim < 1 for dim in dims[1:]):
        raise BitwrightError(
            f"has an unknown size: {[d if d > 0 else '?' for d in dims]}",
            where=where,
            hint="export the model with every size but the batch fixed",
        )
    name = onnx.TensorProto.DataType.Name(tensor.elem_type)
    if name not in ("FLOAT", "DOUBLE", "FLOAT16", "BOOL") and not re.fullmatch("U?INT(8|16|32)", name):
        raise BitwrightError(f"is of type {name.lower()}", where=where, hint="use float32, or integers up to 32 bits")
    dtype = np.dtype(helper.tensor_dtype_to_np_dtype(tensor.elem_type))
    return ModelInput(info.name, (1, *dims[1:]), dtype)
