# SPDX-License-Identifier: Apache-2.0
"""A graph from its text form; see `printing.py`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, is_dataclass, replace
from fractions import Fraction
from types import NoneType, UnionType
from typing import Any, get_args, get_origin

import numpy as np

from bitwright.ir.codec import cases, decode, field_types, value_fields
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph, HostStep
from bitwright.ir.host_ops import HOST_OPS
from bitwright.ir.layers import LAYERS, AnyLayer, Input
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.source import Source
from bitwright.ir.tokens import Line
from bitwright.ir.types import IntType
from bitwright.ir.verify import verify
from bitwright.ir.weights import Weights


def parse(text: str, constants: Mapping[str, object] | None = None) -> Graph:
    """The verified graph that prints as `text`; `constants` maps its digests to values.

    BitwrightError names the line that cannot be read.
    """
    inputs: list[Input] = []
    layers: list[AnyLayer] = []
    outputs: tuple[str, ...] = ()
    heads: dict[str, Any] = {"source": Source(), "before": HostGraph(), "after": HostGraph()}
    steps: dict[str, list[HostStep]] = {"before": [], "after": []}
    side = "before"
    for number, line in enumerate(text.splitlines(), start=1):
        reader = Line(line, constants or {}, f"line {number}")
        if reader.ended:
            continue
        name = reader.word()
        if reader.starts(":"):
            layer = _read_layer(name, reader)
            if isinstance(layer, Input):
                inputs.append(layer)
            else:
                layers.append(layer)
        elif reader.starts("="):
            steps[side].append(_read_step(name, reader))
        elif name == "outputs":
            outputs = _read_value(tuple[str, ...], reader)
        elif name in heads:
            side = name if name in steps else side
            heads[name] = _read_fields(type(heads[name]), {}, reader)
        else:
            reader.refuse("source, before, outputs, after, a layer or a host step", name)
    return verify(
        Graph(
            inputs=tuple(inputs),
            layers=tuple(layers),
            outputs=outputs,
            before=replace(heads["before"], steps=tuple(steps["before"])),
            after=replace(heads["after"], steps=tuple(steps["after"])),
            source=heads["source"],
        )
    )


def _read_layer(name: str, reader: Line) -> Input | AnyLayer:
    head = {"name": name, "type": _read_value(IntType, reader), "shape": _read_value(tuple[int, ...], reader)}
    reader.expect("=")
    op = reader.word()
    if op not in LAYERS:
        reader.refuse(f"one of {', '.join(LAYERS)}", op)
    layer = _read_fields(LAYERS[op], head | {"op": op, "inputs": _read_value(tuple[str, ...], reader)}, reader)
    assert isinstance(layer, Input | AnyLayer)
    return layer


def _read_step(output: str, reader: Line) -> HostStep:
    op = reader.word()
    if op not in HOST_OPS:
        reader.refuse(f"one of {', '.join(HOST_OPS)}", op)
    head = {"output": output, "inputs": _read_value(tuple[str, ...], reader)}
    kind: Any = HOST_OPS[op]
    data = _read_named((HostStep, kind), head, reader)
    does = {"op": op} | {name: data.pop(name) for name in field_types(kind) if name in data}
    step = decode(HostStep, data | {"does": does}, {}, reader.where)
    assert isinstance(step, HostStep)
    return step


def _read_fields(kind: type, head: dict[str, Any], reader: Line) -> Any:
    """A dataclass from its `head` and the line's `name=value` pairs."""
    return decode(kind, _read_named((kind,), head, reader), {}, reader.where)


def _read_named(kinds: tuple[type, ...], head: dict[str, Any], reader: Line) -> dict[str, Any]:
    """The fields of all `kinds`: their defaults, `head`, and the line's `name=value` pairs."""
    types = {name: of for kind in kinds for name, of in field_types(kind).items()}
    data = {f.name: f.default for kind in kinds for f in value_fields(kind) if f.default is not MISSING}
    while not reader.ended:
        name = reader.word()
        if name not in types or name in head:
            reader.refuse(f"a field of {kinds[0].__name__.lower()} once", name)
        reader.expect("=")
        head[name] = _read_value(types[name], reader)
    return data | head


def _read_value(kind: Any, reader: Line) -> Any:
    try:
        return decode(kind, _fit(kind, reader.value()), {}, reader.where)
    except ValueError as error:
        raise BitwrightError(str(error), where=reader.where, hint="print a graph to see how it is written") from error


def _fit(kind: Any, value: Any) -> Any:
    """`value` as `decode` takes it: fractions, types, weights and nested dataclasses have a shorter text form."""
    if get_origin(kind) is UnionType and NoneType in get_args(kind):
        return None if value == "none" else _fit(get_args(kind)[0], value)
    if kind is Fraction and isinstance(value, int):
        return Fraction(value)
    if kind is IntType and isinstance(value, str):
        return IntType.parse(value)
    return _fit_tuple(kind, value) if isinstance(value, tuple) else value


def _fit_tuple(kind: Any, value: tuple[Any, ...]) -> Any:
    if kind is Weights:
        return Weights(np.array(value, dtype=np.int64))
    if kind is PerChannel:
        return _fit_tuple(tuple[Fraction, ...], value)
    if get_origin(kind) is tuple:
        kinds = get_args(kind)
        kinds = kinds[:1] * len(value) if kinds[-1] is Ellipsis else kinds
        return tuple(map(_fit, kinds, value)) if len(kinds) == len(value) else value
    if get_origin(kind) is UnionType:
        return _fit_case(get_args(kind), value)
    return _fit_fields(kind, value) if is_dataclass(kind) else value


def _fit_case(kinds: tuple[Any, ...], value: tuple[Any, ...]) -> Any:
    op = value[0] if value and isinstance(value[0], str) else ""
    known = cases(kinds)
    return {"op": op} | _fit_fields(known[op], value[1:]) if op in known else op


def _fit_fields(kind: Any, value: tuple[Any, ...]) -> dict[str, Any]:
    types = field_types(kind)
    return dict(zip(types, map(_fit, types.values(), value), strict=False))
