# SPDX-License-Identifier: Apache-2.0
"""The integer graph as a standard ONNX model: QDQ, with operators of QONNX where a layer has no other form.

Between its quantisers the file holds the integers themselves, as floating point numbers that are exact in any order of
summation; `docs/export.md` says what survives the way out and back.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import onnx

from bitwright.backends.onnx import layers
from bitwright.backends.onnx.border import write_after, write_before
from bitwright.backends.onnx.forms import Form, Wire, form_of
from bitwright.backends.onnx.held import OWN_FORMAT, Held, held
from bitwright.backends.onnx.phases import without_phases
from bitwright.backends.onnx.quantise import write_requantise
from bitwright.backends.onnx.spread import only_spreads
from bitwright.backends.onnx.tables import write_table
from bitwright.backends.onnx.tensors import Export, Tensor, refuse
from bitwright.backends.onnx.writer import QONNX, Writer
from bitwright.exact.ranges import Ranges, ranges
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Gather, Layer, Requantise, Sums, Table

WRITERS: Mapping[type[Layer], Callable[[Export, Any], Tensor]] = {
    **layers.WRITERS,
    Requantise: write_requantise,
    Table: write_table,
}


def to_onnx(graph: Graph) -> onnx.ModelProto:
    """`graph` as an ONNX model that takes and gives what its source does; equal graphs give equal bytes.

    BitwrightError names the layer that no operator can state exactly.
    """
    graph = without_phases(graph)
    reached = ranges(graph)
    stored, forms = _planned(graph, reached)
    names = (layer.name for layer in (*graph.inputs, *graph.layers))
    writer = Writer((*names, *graph.before.inputs, *(f"output_{i}" for i in range(len(graph.outputs) + 1))))
    out = Export(graph, writer, reached, stored, forms, {})
    inputs = write_before(out)
    for layer in graph.layers:
        if not (isinstance(layer, Gather) and only_spreads(graph, layer)):
            if type(layer) not in WRITERS:
                refuse(layer, f"is a '{layer.op}', which no ONNX operator states", OWN_FORMAT)
            out.tensors[layer.name] = WRITERS[type(layer)](out, layer)
    return writer.model(inputs, write_after(out))


def wide_layers(graph: Graph) -> tuple[str, ...]:
    """The layers whose sums float32 may not hold, as their ranges say: a file has them in float64."""
    graph = without_phases(graph)
    reached, known = ranges(graph), dict[str, Held]()
    for layer in (*graph.inputs, *graph.layers):
        known[layer.name] = held(layer, graph, reached, known)
    return tuple(layer.name for layer in graph.layers if known[layer.name].wide and isinstance(layer, Sums))


def dialect(model: onnx.ModelProto) -> str:
    """QONNX if the model has operators of that domain, else QDQ."""
    return "QONNX" if any(entry.domain == QONNX for entry in model.opset_import) else "QDQ"


def _planned(graph: Graph, reached: dict[str, Ranges]) -> tuple[dict[str, Held], dict[str, Form]]:
    """How each layer is held, and the form of each requantiser."""
    stored: dict[str, Held] = {}
    forms: dict[str, Form] = {}
    for layer in (*graph.inputs, *graph.layers):
        stored[layer.name] = held(layer, graph, reached, stored)
        if isinstance(layer, Requantise):
            source = stored[layer.inputs[0]]
            forms[layer.name] = form_of(layer, graph, source, reached)
            if isinstance(forms[layer.name], Wire):
                stored[layer.name] = source
    return stored, forms
