# SPDX-License-Identifier: Apache-2.0
"""A TFLite file as the QDQ of the same numbers: what its operators mean on reals, between its tensors' quantisers."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256

import numpy as np

from bitwright.ir.errors import BitwrightError
from bitwright.reading.model import Model, ModelInput, Node, sample_sizes
from bitwright.reading.open_sizes import OPEN, Shape, Sizes, filled
from bitwright.reading.tflite.file import AGAIN, Operator, Tensor, parse
from bitwright.reading.tflite.flat import Damaged
from bitwright.reading.tflite.operators import OPERATORS
from bitwright.reading.tflite.schema import IDENTIFIER
from bitwright.reading.tflite.writer import Writer

OPSET = 21
"""The first that has quantisers of 16 bits."""
DOMAIN = "tflite"
"""Of operators that nothing takes."""
MALFORMED_HINT = "the file may be malformed; if other tools run it, please report it"
INPUTS = ("float32", "int8", "uint8", "int16", "uint16", "int32", "bool")


def is_tflite(data: bytes) -> bool:
    """True if a file begins as TFLite files do."""
    return data[4:8] == IDENTIFIER


def read_tflite(data: bytes, file: str, shapes: Mapping[str, Shape]) -> Model:
    """The model in the bytes of a file that errors call `file`; `shapes` fills in sizes that it leaves open."""
    try:
        return _read(data, file, shapes)
    except Damaged as error:
        raise BitwrightError(f"is damaged: it {error}", where=file, hint=AGAIN) from error


def _read(data: bytes, file: str, shapes: Mapping[str, Shape]) -> Model:
    held = parse(data, file)
    writer = Writer(file)
    writer.reserve(held.names)
    for operator in held.operators:
        _write(writer, operator)
    outputs = tuple(writer.codes(tensor) for tensor in held.outputs)
    sizes = filled({tensor.name: _declared(tensor) for tensor in held.inputs}, shapes, file)
    inputs = tuple(_input(tensor, sizes[tensor.name], file) for tensor in held.inputs)
    first = next(iter(sizes.values()), None) or [0]
    batch = first[0] if isinstance(first[0], int) else 0
    nodes = tuple(writer.nodes)
    return Model(file, sha256(data).hexdigest(), OPSET, nodes, writer.constants, inputs, outputs, batch)


def _write(writer: Writer, operator: Operator) -> None:
    if not operator.outputs:
        raise writer.error("operator", operator.name, "makes nothing", "convert the model again")
    if not operator.custom and operator.name in OPERATORS:
        try:
            OPERATORS[operator.name](writer, operator)
        except (LookupError, TypeError, ValueError) as error:
            what = f"cannot be taken as it is: {type(error).__name__}: {error}"
            raise writer.error(operator.outputs[0].name, operator.name, what, MALFORMED_HINT) from error
        return
    inputs = tuple("" if tensor is None else writer.codes(tensor) for tensor in operator.inputs)
    outputs = tuple(tensor.name for tensor in operator.outputs)
    writer.nodes.append(Node(outputs[0], operator.name, DOMAIN, inputs, outputs, {}, writer.file))


def _declared(tensor: Tensor) -> Sizes:
    return [size if size > 0 else OPEN for size in tensor.shape]


def _input(tensor: Tensor, sizes: Sizes | None, file: str) -> ModelInput:
    where = f"{file}: input '{tensor.name}'"
    if tensor.dtype not in INPUTS:
        raise BitwrightError(f"is of type {tensor.dtype}", where=where, hint="use float32, or integers up to 32 bits")
    return ModelInput(tensor.name, (1, *sample_sizes(tensor.name, sizes, where)), np.dtype(tensor.dtype))
