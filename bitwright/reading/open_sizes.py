# SPDX-License-Identifier: Apache-2.0
"""Sizes that a file leaves open, and that a person fills in: of a whole input, or of a dimension by its name."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

import onnx

from bitwright.ir.errors import BitwrightError

Shape = str | int | Sequence[int]
"""A shape as it is given: `1x3x96x96` or (1, 3, 96, 96); one number for a dimension."""
OPEN = "?"
Sizes = list[int | str]
"""The sizes of an input: a number, the name of a dimension, or `?`."""


def parse_shape(given: Shape, where: str) -> tuple[int, ...]:
    """The numbers of a shape, each at least 1."""
    if isinstance(given, int):
        given = (given,)
    texts = given.split("x") if isinstance(given, str) else [str(size) for size in given]
    if not all(re.fullmatch(r"[1-9]\d{0,8}", text) for text in texts) or not texts:
        raise BitwrightError(
            f"{given!r} is no shape", where=where, hint="for example 1x3x96x96 for an input, or 96 for a dimension"
        )
    return tuple(map(int, texts))


def declared(entries: Sequence[onnx.ValueInfoProto]) -> dict[str, Sizes | None]:
    """The sizes that each input declares; None of one that has no shape."""
    return {info.name: _sizes(info) for info in entries}


def filled(found: Mapping[str, Sizes | None], given: Mapping[str, Shape], file: str) -> dict[str, Sizes | None]:
    """`found` with what is `given` filled in, by the name of an input or of a dimension."""
    whole, named = dict(found), _names(found)
    numbers: dict[str, int] = {}
    for name, shape in given.items():
        where = f"--shape {name}"
        sizes = parse_shape(shape, where)
        if name in found:
            _bind(numbers, found[name] or [], sizes, where)
            whole[name] = list(sizes)
        elif name in named:
            _bind(numbers, [name], sizes, where)
        else:
            raise _unknown(name, found, named, file)
    return {name: sizes and [numbers.get(str(size), size) for size in sizes] for name, sizes in whole.items()}


def _sizes(info: onnx.ValueInfoProto) -> Sizes | None:
    tensor = info.type.tensor_type
    if not info.type.HasField("tensor_type") or not tensor.HasField("shape") or not tensor.shape.dim:
        return None
    return [dim.dim_value if dim.dim_value > 0 else dim.dim_param or OPEN for dim in tensor.shape.dim]


def _names(found: Mapping[str, Sizes | None]) -> list[str]:
    """The names of dimensions, each once."""
    sizes = [size for row in found.values() for size in row or () if isinstance(size, str) and size != OPEN]
    return list(dict.fromkeys(sizes))


def _bind(numbers: dict[str, int], sizes: Sizes, given: tuple[int, ...], where: str) -> None:
    """Keep in `numbers` what the names among `sizes` became; refuse what does not fit."""
    fits = not sizes or len(sizes) == len(given)
    for old, new in zip(sizes, given, strict=False):
        known = numbers.setdefault(old, new) if isinstance(old, str) and old != OPEN else old
        fits = fits and known in (new, OPEN)
    if not fits:
        wanted = "x".join(str(numbers.get(str(size), size)) for size in sizes)
        raise BitwrightError(
            f"{'x'.join(map(str, given))} does not fit {wanted}",
            where=where,
            hint="only sizes that the model leaves open can be given, each the same everywhere",
        )


def _unknown(name: str, found: Mapping[str, Sizes | None], named: Sequence[str], file: str) -> BitwrightError:
    inputs = ", ".join(f"'{entry}'" for entry in found) or "none"
    dimensions = ", ".join(f"'{entry}'" for entry in named) or "none"
    return BitwrightError(
        f"{file} has no input and no dimension of this name",
        where=f"--shape {name}",
        hint=f"its inputs are {inputs}; its named dimensions are {dimensions}",
    )
