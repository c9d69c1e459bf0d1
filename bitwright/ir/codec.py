# SPDX-License-Identifier: Apache-2.0
"""Dataclasses to plain JSON values and back, driven by their field types; arrays are set aside under their digests."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import Field, fields, is_dataclass
from enum import StrEnum
from fractions import Fraction
from functools import cache
from types import NoneType, UnionType
from typing import Any, Literal, Never, get_args, get_origin, get_type_hints

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.cases import Case
from bitwright.ir.errors import BitwrightError
from bitwright.ir.host_ops import Constant
from bitwright.ir.layers import LAYERS, Layer
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights

HINT = "docs/files.md describes the layout"
Held = Weights | Constant


def encode(value: object, arrays: dict[str, Held]) -> Any:
    """`value` as dicts, lists, strings and integers; every array met is added to `arrays` under its digest."""
    match value:
        case Weights() | Constant():
            arrays[value.digest] = value
            return value.digest
        case IntType():
            return [value.lo, value.hi, value.step]
        case Fraction() | StrEnum():
            return str(value)
        case PerChannel():
            return [str(number) for number in value.values]
        case tuple():
            return [encode(item, arrays) for item in value]
        case _ if is_dataclass(value):
            kind = {"op": value.op} if isinstance(value, Case) else {}
            return kind | {f.name: encode(getattr(value, f.name), arrays) for f in value_fields(type(value))}
        case _:
            return value


def decode(kind: Any, data: Any, arrays: Mapping[str, NDArray[Any]], where: str) -> Any:
    """The value of the type `kind` that `data` encodes (or already is); errors name its path, `where`."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is tuple:
        return _decode_tuple(arguments, data, arrays, where)
    if origin is Literal:
        return _one_of(arguments, data, where)
    if isinstance(data, kind) and not isinstance(data, bool):
        return _encodable(data, where) if kind is str else data
    if kind in _ATOMS:
        return _ATOMS[kind](data, where)
    if origin is UnionType:
        return _decode_union(arguments, data, arrays, where)
    return _decode_class(kind, data, arrays, where)


def _decode_union(kinds: tuple[Any, ...], data: Any, arrays: Mapping[str, NDArray[Any]], where: str) -> Any:
    """One of a closed union of layers, or of other cases; or what may be missing."""
    if NoneType in kinds:
        (inner,) = (kind for kind in kinds if kind is not NoneType)
        return None if data is None else decode(inner, data, arrays, where)
    decode_case = _decode_layer if issubclass(kinds[0], Layer) else _decode_case
    return decode_case(kinds, data, arrays, where)


def _one_of(allowed: Sequence[str], data: Any, where: str) -> Any:
    return data if data in allowed else refuse(where, f"one of {', '.join(allowed)}", data)


def _decode_class(kind: Any, data: Any, arrays: Mapping[str, NDArray[Any]], where: str) -> Any:
    """The object of a class of the graph that `data` encodes."""
    if issubclass(kind, StrEnum):
        return kind(_one_of(list(kind), data, where))
    if kind in (Weights, Constant):
        return _decode_array(kind, data, arrays, where)
    if kind is PerChannel:
        return PerChannel(_decode_tuple((Fraction, Ellipsis), data, arrays, where))
    if issubclass(kind, Layer):
        return _decode_layer((kind,), data, arrays, where)
    return _decode_fields(kind, data, arrays, where)


def refuse(where: str, expected: str, found: object) -> Never:
    """Raise the error of a value at `where` that is not what the layout asks for."""
    text = repr(found)
    shown = text if len(text) <= 60 else text[:57] + "..."
    raise BitwrightError(f"expected {expected}, found {shown}", where=where, hint=HINT)


def value_fields(kind: Any) -> tuple[Field[Any], ...]:
    """The fields that make the value of a dataclass, in order of declaration: those by which it compares."""
    return tuple(field for field in fields(kind) if field.compare)


@cache
def field_types(kind: Any) -> dict[str, Any]:
    """The type of each field that makes the value of a dataclass, in order of declaration."""
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in value_fields(kind)}


@cache
def cases(kinds: tuple[type[Case], ...]) -> dict[str, type[Case]]:
    """The members of a closed union by their `op`."""
    return {kind.kind(): kind for kind in kinds}


def _decode_tuple(arguments: tuple[Any, ...], data: Any, arrays: Mapping[str, NDArray[Any]], where: str) -> Any:
    if not isinstance(data, list | tuple):
        refuse(where, "a list", data)
    kinds = [arguments[0]] * len(data) if arguments[-1] is Ellipsis else arguments
    if len(kinds) != len(data):
        refuse(where, f"{len(kinds)} values", data)
    return tuple(
        decode(kind, item, arrays, f"{where}[{i}]") for i, (kind, item) in enumerate(zip(kinds, data, strict=True))
    )


def _decode_layer(kinds: tuple[type[Layer], ...], data: Any, arrays: Mapping[str, NDArray[Any]], where: str) -> Any:
    op = data.get("op") if isinstance(data, dict) else None
    if not isinstance(op, str) or op not in LAYERS:
        refuse(where, f"a layer with an op of {', '.join(LAYERS)}", op)
    return _decode_case(kinds, data, arrays, where)


def _decode_case(kinds: tuple[type[Case], ...], data: Any, arrays: Mapping[str, NDArray[Any]], where: str) -> Any:
    op = data.get("op") if isinstance(data, dict) else data
    known = cases(kinds)
    if not isinstance(op, str) or op not in known or not isinstance(data, dict):
        refuse(where, f"the op {' or '.join(known)}", op)
    return _decode_fields(known[op], {key: value for key, value in data.items() if key != "op"}, arrays, where)


def _decode_fields(kind: Any, data: Any, arrays: Mapping[str, NDArray[Any]], where: str) -> Any:
    types = field_types(kind)
    if not isinstance(data, dict) or data.keys() != types.keys():
        refuse(where, f"the fields {', '.join(types)}", list(data) if isinstance(data, dict) else data)
    return kind(**{name: decode(types[name], data[name], arrays, f"{where}.{name}") for name in types})


def _decode_array(kind: type[Held], data: Any, arrays: Mapping[str, NDArray[Any]], where: str) -> Held:
    if not isinstance(data, str) or data not in arrays:
        refuse(where, "the digest of an array in the file", data)
    array = arrays[data]
    if kind is Weights and array.dtype.kind not in "iu":
        refuse(where, "an array of integers", array.dtype.name)
    if kind is Weights and array.dtype == np.uint64:
        refuse(where, "an array of signed integers of at most 64 bits", array.dtype.name)
    held = kind(array)
    if held.digest != data:
        refuse(where, f"an array with the digest {data[:12]}", held.digest[:12])
    return held


def _decode_int(data: Any, where: str) -> int:
    return refuse(where, "an integer", data)


def _decode_str(data: Any, where: str) -> str:
    return refuse(where, "a string", data)


def _encodable(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        refuse(where, "text that UTF-8 can hold", text)
    return text


def _decode_fraction(data: Any, where: str) -> Fraction:
    if isinstance(data, str) and re.fullmatch(r"-?[0-9]{1,4000}(/0*[1-9][0-9]{0,3999})?", data):
        return Fraction(data)
    return refuse(where, "a fraction 'p/q'", data)


def _decode_type(data: Any, where: str) -> IntType:
    lo, hi, step = decode(tuple[int, int, int], data, {}, where)
    try:
        return IntType(lo, hi, step)
    except ValueError as error:
        raise BitwrightError(str(error), where=where, hint=HINT) from error


_ATOMS: dict[Any, Callable[[Any, str], Any]] = {
    int: _decode_int,
    str: _decode_str,
    Fraction: _decode_fraction,
    IntType: _decode_type,
}
