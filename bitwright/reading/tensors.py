# SPDX-License-Identifier: Apache-2.0
"""Constants of a file as arrays: types, declared sizes and data beside the file are checked before memory is taken."""

from __future__ import annotations

import re
from collections.abc import Mapping
from math import prod
from pathlib import Path
from typing import Any, Never

import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
AGAIN = "export the model again; the file may be truncated"
BITS = {"FLOAT": 32, "DOUBLE": 64, "FLOAT16": 16, "BFLOAT16": 16, "BOOL": 8}
"""Width of an element of every type that is taken, integers aside: they say theirs in their name."""


def array_of(tensor: onnx.TensorProto, where: str, folder: Path | None) -> Array:
    """The array of a constant that errors call `where`; its external data lie in `folder`, or nowhere."""
    bits = _bits(tensor, where)
    if any(dim < 0 for dim in tensor.dims):
        raise BitwrightError(f"declares the shape {list(tensor.dims)}", where=where, hint="export the model again")
    size = -(-prod(tensor.dims) * bits // 8)
    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        inner = onnx.TensorProto(dims=tensor.dims, data_type=tensor.data_type)
        inner.raw_data = _external(tensor, size, where, folder)
        tensor = inner
    elif tensor.HasField("raw_data") and len(tensor.raw_data) != size:
        held = f"holds {len(tensor.raw_data)} bytes for the shape {list(tensor.dims)}, which takes {size}"
        raise BitwrightError(held, where=where, hint=AGAIN)
    try:
        return numpy_helper.to_array(tensor)
    except (ValueError, TypeError, OverflowError) as error:
        raise BitwrightError(f"cannot be read: {error}", where=where, hint=AGAIN) from error


def _bits(tensor: onnx.TensorProto, where: str) -> int:
    """How many bits an element takes."""
    kinds = onnx.TensorProto.DataType
    name = kinds.Name(tensor.data_type) if tensor.data_type in kinds.values() else f"number {tensor.data_type}"
    whole = re.fullmatch(r"U?INT(\d+)", name)
    if whole is not None:
        return int(whole[1])
    if name.startswith("FLOAT4") or name.startswith("FLOAT8"):
        hint = "minifloats have no integer meaning: quantise to integers"
        raise BitwrightError(f"is of type {name.lower()}", where=where, hint=hint)
    if name not in BITS:
        raise BitwrightError(f"is of type {name.lower()}", where=where, hint="use float32, or integers")
    return BITS[name]


def _external(tensor: onnx.TensorProto, size: int, where: str, folder: Path | None) -> bytes:
    """`size` bytes of the file that `tensor` names, which must be a plain file inside the model's folder."""
    entries = {str(entry.key): str(entry.value) for entry in tensor.external_data}
    location = entries.get("location", "")

    def refuse(what: str, hint: str = "put the data file beside the model, as it was exported") -> Never:
        raise BitwrightError(what, where=where, hint=hint)

    if folder is None:
        refuse(f"keeps its data in '{location}', and the model has no folder", "give the model as a file")
    offset = _offset(tensor, entries, size, where)
    try:
        target = (folder / location).resolve()
        if not target.is_relative_to(folder.resolve()):
            refuse(f"keeps its data outside the model's folder: '{location}'", "put the data file beside the model")
        if not target.is_file():
            refuse(f"keeps its data in '{location}', which is no file")
        if target.stat().st_size < offset + size:
            held = target.stat().st_size
            refuse(f"keeps {size} bytes at offset {offset} of '{location}', which has {held} bytes", AGAIN)
        with target.open("rb") as stream:
            stream.seek(offset)
            data: bytes = stream.read(size)
            return data
    except (OSError, ValueError, RuntimeError) as error:  # missing, forbidden, a null byte, a loop of links
        reason = error.strerror if isinstance(error, OSError) else "it is not the path of a file"
        refuse(f"keeps its data in '{location}', which cannot be read: {reason}")


def _offset(tensor: onnx.TensorProto, entries: Mapping[str, str], size: int, where: str) -> int:
    """Where the data begin in their file; a length, if there is one, must be `size`."""
    numbers = [entries.get("offset", "0"), entries.get("length", str(size))]
    if not all(re.fullmatch(r"\d{1,18}", number) for number in numbers):
        held = f"keeps its data at offset '{numbers[0]}' with length '{numbers[1]}'"
        raise BitwrightError(held, where=where, hint="export the model again")
    offset, length = map(int, numbers)
    if length != size:
        held = f"keeps {length} bytes for the shape {list(tensor.dims)}, which takes {size}"
        raise BitwrightError(held, where=where, hint=AGAIN)
    return offset
