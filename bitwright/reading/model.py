# SPDX-License-Identifier: Apache-2.0
"""Reading an ONNX file: nodes with parsed attributes, constants as arrays, declared inputs; every dialect alike."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from google.protobuf.message import DecodeError
from numpy.typing import NDArray
from onnx import helper

from bitwright.ir.errors import BitwrightError
from bitwright.reading.open_sizes import Shape, Sizes, declared, filled
from bitwright.reading.tensors import array_of

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
    written: str = ""  # the operator in the file, where another acts for it

    @property
    def where(self) -> str:
        """The place that errors name."""
        return f"{self.file}: node '{self.name}' ({self.written or self.op})"

    def acting(self, op: str) -> Node:
        """The node as the operator `op` inside its own; errors name its own."""
        return replace(self, op=op, written=self.written or self.op)

    def error(self, what: str, hint: str) -> BitwrightError:
        """The error that this node cannot be taken."""
        return BitwrightError(what, where=self.where, hint=hint)


@dataclass(frozen=True, slots=True)
class Branch:
    """A graph inside a node: what an `If` computes in one of its cases. It may read every tensor around it."""

    nodes: tuple[Node, ...]
    constants: Mapping[str, Array]
    outputs: tuple[str, ...]


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
    left: tuple[Node, ...] = ()  # nodes that only lay behind the outputs that were asked for


def read_onnx(
    source: str | Path | bytes | onnx.ModelProto, instead: str = "", shapes: Mapping[str, Shape] | None = None
) -> Model:
    """The model in a file, in bytes or in a protobuf; BitwrightError if it is none, or reaches out of its folder.

    `instead` says what else the caller takes, for whoever gave something that is not ONNX; `shapes` fills in sizes that
    the file leaves open.
    """
    shapes = shapes or {}
    if isinstance(source, onnx.ModelProto):
        return _model(source, "model", source.SerializeToString(), None, shapes)
    if isinstance(source, bytes):
        return _model(_parse(source, "model", instead), "model", source, None, shapes)
    path = Path(source)
    try:
        data = path.read_bytes()
    except OSError as error:
        raise BitwrightError(
            f"cannot be read: {error.strerror}", where=str(source), hint="give the path of an ONNX file"
        ) from error
    return _model(_parse(data, path.name, instead), path.name, data, path.parent, shapes)


def _parse(data: bytes, file: str, instead: str) -> onnx.ModelProto:
    proto = onnx.ModelProto()
    try:
        proto.ParseFromString(data)
    except DecodeError as error:
        raise _not_onnx(file, instead) from error
    if not proto.HasField("graph") or not proto.graph.output:
        raise _not_onnx(file, instead)
    return proto


def _not_onnx(file: str, instead: str) -> BitwrightError:
    return BitwrightError("is not an ONNX model", where=file, hint=f"export the network to ONNX{instead}")


def _model(proto: onnx.ModelProto, file: str, data: bytes, folder: Path | None, shapes: Mapping[str, Shape]) -> Model:
    graph = proto.graph
    _refuse_undecodable(proto, file)
    opset = _opset(proto, file)
    nodes = tuple(_node(node, file, folder) for node in graph.node)
    outputs = tuple(output.name for output in graph.output)
    _refuse_own_operators(proto, nodes)
    read = {name for node in nodes for name in node.inputs} | set(outputs)
    constants = _constants(graph, read, file, folder)
    entries = _entries(graph, file)
    sizes = filled(declared(entries), shapes, file)
    inputs = tuple(_input(info, sizes[info.name], file) for info in entries)
    first = next(iter(sizes.values()), None) or [0]
    batch = first[0] if isinstance(first[0], int) else 0
    return Model(file, sha256(data).hexdigest(), opset, nodes, constants, inputs, outputs, batch)


def _constants(graph: onnx.GraphProto, read: set[str], file: str, folder: Path | None) -> dict[str, Array]:
    """The constants that are `read`, by name."""
    _refuse_twins((tensor.name for tensor in graph.initializer), f"{file}: tensor")
    _refuse_sparse(graph, read, file)
    return {
        tensor.name: array_of(tensor, f"{file}: tensor '{tensor.name}'", folder)
        for tensor in graph.initializer
        if tensor.name in read
    }


def _entries(graph: onnx.GraphProto, file: str) -> list[onnx.ValueInfoProto]:
    """The inputs that no constant of the file is a default of."""
    fixed = {tensor.name for tensor in graph.initializer}
    entries = [info for info in graph.input if info.name not in fixed]
    _refuse_twins((info.name for info in entries), f"{file}: input")
    return entries


def _refuse_undecodable(proto: onnx.ModelProto, file: str) -> None:
    """Protobuf gives a name that is not UTF-8 as bytes."""
    graph = proto.graph
    things = (*graph.initializer, *graph.input, *graph.output, *proto.functions)
    texts = [thing.name for thing in (*things, *graph.node)]
    texts += [thing.domain for thing in (*proto.opset_import, *proto.functions, *graph.node)]
    texts += [tensor.values.name for tensor in graph.sparse_initializer]
    for node in graph.node:
        texts += [node.op_type, *node.input, *node.output, *(attribute.name for attribute in node.attribute)]
    for text in texts:
        if not isinstance(text, str):
            raise BitwrightError(
                f"holds a name that is not UTF-8: {text!r}",
                where=file,
                hint="export the model again; the file is damaged",
            )


def _opset(proto: onnx.ModelProto, file: str) -> int:
    opsets = {entry.domain: entry.version for entry in proto.opset_import}
    opset = int(opsets.get("", opsets.get("ai.onnx", 13)))
    newest = onnx.defs.onnx_opset_version()
    if not 1 <= opset <= newest:
        raise BitwrightError(
            f"is written in opset {opset}", where=file, hint=f"export the model in an opset from 7 to {newest}"
        )
    return opset


def _refuse_own_operators(proto: onnx.ModelProto, nodes: tuple[Node, ...]) -> None:
    """A model may define functions, and redefine standard operators by them."""
    own = {(function.domain, function.name) for function in proto.functions}
    for node in nodes:
        if (node.domain, node.op) in own:
            raise node.error("is a function of the model's own", "inline it (onnx.inliner.inline_local_functions)")


def _refuse_twins(names: Iterable[str], where: str) -> None:
    seen = set()
    for name in names:
        if name in seen:
            raise BitwrightError("is there twice", where=f"{where} '{name}'", hint="give every tensor its own name")
        seen.add(name)


def _refuse_sparse(graph: onnx.GraphProto, read: set[str], file: str) -> None:
    for tensor in graph.sparse_initializer:
        if tensor.values.name in read:
            where = f"{file}: tensor '{tensor.values.name}'"
            raise BitwrightError("is stored as a sparse tensor", where=where, hint="store it dense; zeros are found")


def _node(proto: onnx.NodeProto, file: str, folder: Path | None) -> Node:
    name = proto.name or (proto.output[0] if proto.output else proto.op_type)
    attributes: dict[str, Any] = {}
    node = Node(name, proto.op_type, proto.domain, tuple(proto.input), tuple(proto.output), attributes, file)
    for attribute in proto.attribute:
        if attribute.name in attributes:
            raise node.error(f"has the attribute '{attribute.name}' twice", "export the model again")
        attributes[attribute.name] = _value(attribute, node, folder)
    return node


def _value(attribute: onnx.AttributeProto, node: Node, folder: Path | None) -> Any:
    """An attribute as a number, a text, a list of these, or an array."""
    kind = onnx.AttributeProto.AttributeType
    match attribute.type:
        case kind.GRAPH:
            return _branch(attribute.g, node, folder)
        case kind.GRAPHS:
            raise node.error(f"has a subgraph '{attribute.name}'", "export the network without control flow")
        case kind.TENSOR:
            return array_of(attribute.t, f"{node.where}, attribute '{attribute.name}'", folder)
        case kind.STRING:
            return attribute.s.decode(errors="replace")
        case kind.STRINGS:
            return [text.decode(errors="replace") for text in attribute.strings]
        case kind.INT | kind.INTS | kind.FLOAT | kind.FLOATS if not attribute.ref_attr_name:
            return helper.get_attribute_value(attribute)
        case _:
            raise node.error(
                f"has an attribute '{attribute.name}' of a kind that is not read", "export the model again"
            )


def _branch(graph: onnx.GraphProto, node: Node, folder: Path | None) -> Branch:
    """The nodes and constants of a branch; tensors that two of them make are refused where the branch is taken."""
    nodes = tuple(_node(inner, node.file, folder) for inner in graph.node)
    read = {name for inner in nodes for name in inner.inputs} | {output.name for output in graph.output}
    constants = _constants(graph, read, node.file, folder)
    return Branch(nodes, constants, tuple(output.name for output in graph.output))


def _input(info: onnx.ValueInfoProto, sizes: Sizes | None, file: str) -> ModelInput:
    where = f"{file}: input '{info.name}'"
    sample = sample_sizes(info.name, sizes, where)
    return ModelInput(info.name, (1, *sample), _dtype(info.type.tensor_type.elem_type, where))


def sample_sizes(name: str, sizes: Sizes | None, where: str) -> list[int]:
    """The sizes of an input behind its batch."""
    if sizes is None:
        raise BitwrightError("declares no shape", where=where, hint=f"say it: --shape {name}=1x3x96x96, for example")
    known = [size for size in sizes[1:] if isinstance(size, int)]
    if len(known) < len(sizes) - 1:
        open_sizes = "x".join(map(str, [1, *sizes[1:]]))
        hint = f"fill it in: --shape {name}={open_sizes}, with numbers throughout; in Python load(..., shapes={{...}})"
        raise BitwrightError(f"has an unknown size: {sizes}", where=where, hint=hint)
    return known


def _dtype(number: int, where: str) -> np.dtype[Any]:
    """The type of an input's elements, which has this number in ONNX."""
    kinds = onnx.TensorProto.DataType
    name = kinds.Name(number) if number in kinds.values() else f"number {number}"
    if name not in ("FLOAT", "DOUBLE", "FLOAT16", "BOOL") and not re.fullmatch("U?INT(8|16|32)", name):
        raise BitwrightError(f"is of type {name.lower()}", where=where, hint="use float32, or integers up to 32 bits")
    return np.dtype(helper.tensor_dtype_to_np_dtype(number))
