# SPDX-License-Identifier: Apache-2.0
"""Which model a graph was loaded from: the audit reads it again when it is needed."""

from __future__ import annotations

import weakref
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx

from bitwright.audit.verdict import Source
from bitwright.frontend.inputs import InputType
from bitwright.frontend.lowering import load_traced
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph


@dataclass(frozen=True, eq=False)
class Origin:
    """How a graph was loaded."""

    model: str | Path | bytes | onnx.ModelProto
    types: Mapping[str, InputType]


_ORIGINS: dict[int, Origin] = {}
"""By the identity of a graph, for as long as it lives: equal graphs may come from different places."""


def remember(graph: Graph, model: str | Path | bytes | onnx.ModelProto, types: Mapping[str, InputType]) -> Graph:
    """`graph`, whose model can be asked for from now on."""
    _ORIGINS[id(graph)] = Origin(model, types)
    weakref.finalize(graph, _ORIGINS.pop, id(graph))
    return graph


def is_known(graph: Graph) -> bool:
    """True if the graph was loaded from a model."""
    return id(graph) in _ORIGINS


def source(graph: Graph) -> Source | None:
    """The model of a graph and where its tensors are; None if the graph was not loaded from one that is still there."""
    origin = _ORIGINS.get(id(graph))
    if origin is None:
        return None
    try:
        again, trace = load_traced(origin.model, inputs=origin.types, rounding=graph.source.rounding)
        if again.source.sha256 != graph.source.sha256:
            return None
        return Source(_model(origin.model), again, trace)
    except (BitwrightError, OSError):
        return None


def _model(model: str | Path | bytes | onnx.ModelProto) -> onnx.ModelProto:
    match model:
        case onnx.ModelProto():
            return model
        case bytes():
            return onnx.load_from_string(model)
        case _:
            return onnx.load(model)
