# SPDX-License-Identifier: Apache-2.0
"""Reading a float ONNX file."""

from __future__ import annotations

from pathlib import Path

import onnx
from google.protobuf.message import DecodeError
from onnx import external_data_helper

from bitwright.ir.errors import BitwrightError


def read_float(path: Path) -> onnx.ModelProto:
    """The model in the file `path`; BitwrightError if it cannot be read, is no ONNX, or keeps its weights elsewhere."""
    model = onnx.ModelProto()
    try:
        model.ParseFromString(path.read_bytes())
    except OSError as error:
        hint = "give the path of an ONNX file"
        raise BitwrightError(f"cannot be read: {error.strerror}", where=str(path), hint=hint) from error
    except DecodeError as error:
        raise _not_onnx(path) from error
    if not model.graph.output:
        raise _not_onnx(path)
    for tensor in model.graph.initializer:
        if external_data_helper.uses_external_data(tensor):
            raise BitwrightError(
                f"tensor {tensor.name!r} is kept in another file",
                where=str(path),
                hint="save the model as one file: onnx.save(onnx.load(path), path)",
            )
    return model


def _not_onnx(path: Path) -> BitwrightError:
    return BitwrightError("is not an ONNX model", where=str(path), hint="export the network to ONNX")
