# SPDX-License-Identifier: Apache-2.0
"""Which model a graph was loaded from: the audit reads it again when it has a difference to explain."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import onnx

from bitwright.audit.verdict import Source
from bitwright.frontend.inputs import InputType, edge_types
from bitwright.frontend.lowering import load_traced
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.source import Origin
from bitwright.reading.open_sizes import Shape, parse_shape
from bitwright.reading.read import Asked, read_model


def remember(
    graph: Graph,
    model: str | Path | bytes | onnx.ModelProto,
    types: Mapping[str, str],
    shapes: Mapping[str, Shape],
    outputs: Sequence[str],
    quantise: Mapping[str, str],
) -> Graph:
    """`graph` with the way back to its model, which it keeps through passes, `replace` and `pickle`."""
    match model:
        case onnx.ModelProto():
            kept: str | bytes = model.SerializeToString()
        case bytes():
            kept = model
        case _:
            kept = str(Path(model).absolute())
    sizes = tuple((name, parse_shape(shape, f"--shape {name}")) for name, shape in shapes.items())
    origin = Origin(kept, tuple(types.items()), sizes, tuple(outputs), tuple(quantise.items()))
    return replace(graph, source=replace(graph.source, origin=origin))


def is_known(graph: Graph) -> bool:
    """True if the graph was loaded from a model."""
    return graph.source.origin is not None


def source(graph: Graph) -> Source | None:
    """The model of a graph and where its tensors are; None if the graph was not loaded from one that is still there."""
    origin = graph.source.origin
    if origin is None:
        return None
    types = {name: InputType.parse(text, where=f"--input {name}") for name, text in origin.types}
    try:
        edges = edge_types(dict(origin.quantised))
        asked: Asked = {"shapes": dict(origin.shapes), "outputs": origin.outputs, "quantise": edges}
        again, trace = load_traced(origin.model, inputs=types, rounding=graph.source.rounding, **asked)
        if again.source.sha256 != graph.source.sha256:
            return None
        return Source(read_model(origin.model, **asked), again, trace)
    except (BitwrightError, OSError):
        return None
