# SPDX-License-Identifier: Apache-2.0
"""A graph as text, one line per layer, and back.

    source file=mlp.onnx rounding=onnx
    x: u8 (4) = input() scale=(1/255) zero=(0)
    fc: s11[-510..765] (2) = dense(x) scale=(1/510) zero=(0) source=(/fc) weights=((1, 0, 2, -2), (1, 1, 0, 1))
    outputs (fc)

Host steps stand under `before` and `after` lines, fields that hold their default are left out, and names that are not
plain words are JSON strings. A long value stands as `<what #digest>`; `constants` returns what the digests mean.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from fractions import Fraction
from hashlib import sha256
from typing import Any

from bitwright.ir.cases import Case
from bitwright.ir.codec import value_fields
from bitwright.ir.columns import by
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph, HostStep
from bitwright.ir.host_ops import Constant
from bitwright.ir.per_channel import PerChannel
from bitwright.ir.source import Source
from bitwright.ir.tokens import WORD
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights

SHORT = 60
"""Numbers that print longer than this stand as a digest."""
LAYER_HEAD = ("name", "inputs", "shape", "type")
STEP_HEAD = ("does", "inputs", "output")


def print_graph(graph: Graph) -> str:
    """The text of `graph`; equal graphs print alike."""
    return "".join(f"{line}\n" for line in _lines(graph, {}))


def constants(graph: Graph) -> Mapping[str, object]:
    """What each digest in the text of `graph` stands for."""
    held: dict[str, object] = {}
    for _ in _lines(graph, held):
        pass
    return held


def _lines(graph: Graph, held: dict[str, object]) -> Iterator[str]:
    if graph.source != Source():
        yield f"source{_fields(graph.source, (), held)}"
    yield from _host_lines("before", graph.before, held)
    for layer in (*graph.inputs, *graph.layers):
        head = f"{_value(layer.name, held)}: {layer.type} {_value(layer.shape, held)}"
        yield f"{head} = {layer.op}{_value(layer.inputs, held)}{_fields(layer, LAYER_HEAD, held)}"
    yield f"outputs {_value(graph.outputs, held)}"
    yield from _host_lines("after", graph.after, held)


def _host_lines(side: str, host: HostGraph, held: dict[str, object]) -> Iterator[str]:
    if host == HostGraph():
        return
    yield f"{side}{_fields(host, ('steps',), held)}"
    for step in host.steps:
        call = f"{_value(step.output, held)} = {_value(step.op, held)}{_value(step.inputs, held)}"
        yield f"  {call}{_fields(step.does, (), held)}{_fields(step, STEP_HEAD, held)}"


def _fields(value: Case | HostStep | HostGraph | Source, printed: tuple[str, ...], held: dict[str, object]) -> str:
    """` name=value` for every field that is neither `printed` already nor at its default."""
    left = [f for f in value_fields(type(value)) if f.name not in printed and getattr(value, f.name) != f.default]
    return "".join(f" {f.name}={_value(getattr(value, f.name), held)}" for f in left)


def _tuple(values: tuple[Any, ...], held: dict[str, object]) -> str:
    text = f"({', '.join(_value(item, held) for item in values)})"
    if len(text) > SHORT and _is_numeric(values):
        return _held(values, sha256(text.encode()).hexdigest(), f"{len(values)} values", held)
    return text


def _value(value: Any, held: dict[str, object]) -> str:
    match value:
        case None:
            return "none"
        case StrEnum():
            return value.value
        case str():
            return value if re.fullmatch(WORD, value) else json.dumps(value)
        case Weights():
            return _weights(value, held)
        case Constant():
            return _held(value, value.digest, f"{value.array.dtype} {by(value.array.shape)}", held)
        case PerChannel():
            return _tuple(value.values, held)
        case tuple():
            return _tuple(value, held)
        case _ if is_dataclass(value) and not isinstance(value, IntType):
            kind = (value.op,) if isinstance(value, Case) else ()
            return _value((*kind, *(getattr(value, f.name) for f in fields(value))), held)
        case _:
            return str(value)


def _weights(weights: Weights, held: dict[str, object]) -> str:
    if len(text := _nested(weights.array.tolist())) <= SHORT:
        return text
    return _held(weights, weights.digest, f"{by(weights.array.shape)} {weights.type}", held)


def _nested(values: Any) -> str:
    return f"({', '.join(map(_nested, values))})" if isinstance(values, list) else str(values)


def _held(value: object, digest: str, what: str, held: dict[str, object]) -> str:
    held[digest[:12]] = value
    return f"<{what} #{digest[:12]}>"


def _is_numeric(value: object) -> bool:
    if isinstance(value, tuple):
        return all(map(_is_numeric, value))
    return isinstance(value, int | Fraction)
