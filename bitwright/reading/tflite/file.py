# SPDX-License-Identifier: Apache-2.0
"""A TFLite file as plain data: tensors with their quantisation, operators with the tables of their options."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import prod

import numpy as np

from bitwright.ir.errors import BitwrightError
from bitwright.reading.model import Array
from bitwright.reading.tflite.flat import Damaged, Record
from bitwright.reading.tflite.schema import BUILTINS, CUSTOM, TYPES

AGAIN = "convert the model again; the file may be truncated"


@dataclass(frozen=True, eq=False)
class Quantisation:
    """Scale and zero point of a tensor, or of each index along `axis`."""

    scale: Array
    zero: Array
    axis: int


@dataclass(frozen=True, eq=False)
class Tensor:
    """A tensor: `shape` has -1 for an open size, `sizes` what the file was made for; `value` is that of a constant."""

    name: str
    dtype: str
    sizes: tuple[int, ...]
    shape: tuple[int, ...]
    quantisation: Quantisation | None
    value: Array | None


@dataclass(frozen=True, eq=False)
class Operator:
    """An operator on tensors, None where an operand is absent."""

    name: str
    custom: bool
    inputs: tuple[Tensor | None, ...]
    outputs: tuple[Tensor, ...]
    options: Record | None


@dataclass(frozen=True, eq=False)
class File:
    """The main graph of a file, and the names of all its tensors."""

    names: tuple[str, ...]
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    operators: tuple[Operator, ...]


def parse(data: bytes, name: str) -> File:
    """What is in the bytes of a file that errors call `name`; Damaged where they are no such file."""
    model = Record.root(data)
    graphs = model.tables(2)
    if not graphs:
        raise Damaged("holds no graph")
    graph, buffers = graphs[0], model.tables(4)
    tables = graph.tables(0)
    names = _names([table.text(3) for table in tables])
    tensors = [_tensor(t, title, buffers, name) for t, title in zip(tables, names, strict=True)]
    codes = [_code(table) for table in model.tables(1)]

    def chosen(indices: Sequence[int]) -> tuple[Tensor, ...]:
        return tuple(tensors[_within(i, len(tensors), "tensors")] for i in indices)

    operators = []
    for table in graph.tables(3):
        operator, custom = codes[_within(table.number(0, "I"), len(codes), "operators")]
        inputs = tuple(None if i == -1 else chosen([i])[0] for i in table.integers(1))
        operators.append(Operator(operator, custom, inputs, chosen(table.integers(2)), table.table(4)))
    return File(tuple(names), chosen(graph.integers(1)), chosen(graph.integers(2)), tuple(operators))


def _within(index: int, count: int, of: str) -> int:
    if not 0 <= index < count:
        raise Damaged(f"names number {index} of {count} {of}")
    return index


def _names(given: Sequence[str]) -> list[str]:
    """A name of its own for each tensor."""
    names: dict[str, None] = {}
    for i, text in enumerate(given):
        name = text or f"tensor{i}"
        while name in names:
            name = f"{name}#{i}"
        names[name] = None
    return list(names)


def _code(table: Record) -> tuple[str, bool]:
    """The name of an operator, and whether it is a custom one."""
    number = max(table.number(0, "b"), table.number(3, "i"))
    name = BUILTINS[number] if 0 <= number < len(BUILTINS) else f"number {number}"
    return (table.text(1) or CUSTOM, True) if name == CUSTOM else (name, False)


def _tensor(table: Record, name: str, buffers: Sequence[Record], file: str) -> Tensor:
    sizes, kind = table.integers(0), table.number(1, "b")
    dtype = TYPES.get(kind, f"type {kind}")
    where = f"{file}: tensor '{name}'"
    if min(sizes, default=1) < 0:
        raise BitwrightError(f"declares the shape {list(sizes)}", where=where, hint=AGAIN)
    if table.table(6) is not None:
        hint = "convert the model without sparse weights; zeros are found"
        raise BitwrightError("is stored as a sparse tensor", where=where, hint=hint)
    raw = _raw(table, buffers)
    value = _value(raw, dtype, sizes, where) if raw.size else None
    held = _quantisation(table.table(4), sizes)
    if held is not None and dtype not in TYPES.values():
        raise BitwrightError(f"holds codes of {dtype}", where=where, hint="use integers of 4 to 32 bits")
    codes = held if "int" in dtype else None  # of a float tensor a range may be left
    return Tensor(name, dtype, sizes, table.integers(7) or sizes, codes, value)


def _value(raw: Array, dtype: str, sizes: tuple[int, ...], where: str) -> Array:
    """A constant from its bytes."""
    if dtype not in TYPES.values():
        raise BitwrightError(f"is a constant of {dtype}", where=where, hint="use floats or integers")
    half = dtype == "int4"
    size = -(-prod(sizes) // 2) if half else prod(sizes) * np.dtype(dtype).itemsize
    if raw.size != size:
        held = f"holds {raw.size} bytes for the shape {list(sizes)}, which takes {size}"
        raise BitwrightError(held, where=where, hint=AGAIN)
    flat = _nibbles(raw, prod(sizes)) if half else raw.view(np.dtype(dtype).newbyteorder("<"))
    return flat.reshape(sizes)


def _raw(table: Record, buffers: Sequence[Record]) -> Array:
    """The bytes of a constant; none of a tensor that is computed."""
    index = table.number(2, "I")
    if not index:
        return np.zeros(0, np.uint8)
    buffer = buffers[_within(index, len(buffers), "buffers")]
    start, size = buffer.number(1, "Q"), buffer.number(2, "Q")
    if start > 1:  # a large file keeps its constants behind the tables
        if start + size > len(table.data):
            raise Damaged(f"keeps {size} bytes at {start} of {len(table.data)}")
        return np.frombuffer(table.data, np.uint8, size, start)
    found = buffer.array(0, "u1", shared=True)
    return np.zeros(0, np.uint8) if found is None else found


def _nibbles(raw: Array, count: int) -> Array:
    """Signed integers of four bits, the first in the low half of its byte."""
    halves = np.stack([raw & 15, raw >> 4], axis=1).reshape(-1)[:count].astype(np.int8)
    return np.asarray((halves ^ 8) - 8, dtype=np.int8)


def _quantisation(table: Record | None, sizes: tuple[int, ...]) -> Quantisation | None:
    scale = None if table is None else table.array(2, "f4")
    if table is None or scale is None or not scale.size:
        return None
    zero, axis = table.array(3, "i8"), table.number(6, "i")
    zeros = np.zeros(1, np.int64) if zero is None or not zero.size else zero.astype(np.int64)
    if zeros.size == 1:
        zeros = np.broadcast_to(zeros, scale.shape)
    _check_along(scale, zeros, sizes, axis)
    return Quantisation(scale.astype(np.float32), zeros, axis)


def _check_along(scale: Array, zero: Array, sizes: tuple[int, ...], axis: int) -> None:
    """One scale, or one for each index along `axis`, and as many zero points."""
    along = sizes[axis] if 0 <= axis < len(sizes) else 1
    if zero.shape != scale.shape or scale.size not in (1, along):
        raise Damaged(f"has {scale.size} scales and {zero.size} zero points for a tensor of shape {list(sizes)}")
