# SPDX-License-Identifier: Apache-2.0
"""Exported models under test: executed by other tools, and compared with the graph that they were written from."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

from bitwright.audit.operators import max_pool
from bitwright.audit.quantisers import quantisers
from bitwright.backends.onnx import dialect
from bitwright.backends.onnx_writer import QONNX
from bitwright.exact.ranges import Ranges, ranges
from bitwright.exact.steps import Steps, steps
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Gather, Layer, Requantise, Reshape, Sum, Table, attributes

Array = NDArray[Any]
OPERATORS = ("Quant", "BipolarQuant", "MultiThreshold")
FREE = {"multiplier", "offset", "rounding", "low", "high", "shift", "levels", "slope", "function"}
"""Fields in which quantisers may differ that are the same function."""


def execute(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> tuple[str, list[Array]]:
    """Who executed the model, and its outputs: onnxruntime with all its optimisations, or `onnx.reference`.

    The latter, with the audit's operators of QONNX, runs what has such operators, or float64 convolutions.
    """
    if dialect(model) == "QDQ":
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            return "onnxruntime", session.run(None, dict(feeds))
        except NoKernel:
            pass
    return "onnx.reference", ReferenceEvaluator(model, new_ops=_operators()).run(None, dict(feeds))


def _operators() -> list[type[OpRun]]:
    """The operators of QONNX, and a MaxPool that takes dilations with pads."""
    functions = quantisers(reciprocal=False)
    return [*(_operator(QONNX, name, functions[name]) for name in OPERATORS), _operator("", "MaxPool", max_pool)]


def _operator(domain: str, name: str, function: Callable[..., Any]) -> type[OpRun]:
    def run(self: OpRun, *inputs: Array | None, **given: Any) -> tuple[Array, ...]:
        return (np.asarray(function(given, *inputs)),)

    return type(name, (OpRun,), {"op_domain": domain, "op_schema": None, "_run": run})


def differences(graph: Graph, again: Graph) -> list[str]:
    """What tells `again`, read from the file that `graph` was written to, from it; [] if they are equal.

    Equal: the same layers in the same order, of the same name, kind, shape, type, weights and other fields, their
    quantisers the same functions of every integer that they can be given. A gather or a reshape is no node that could
    keep a name; it has one after what it moves.
    """
    names = dict(zip((x.name for x in graph.inputs), (x.name for x in again.inputs), strict=False))
    one, two = (*graph.inputs, *graph.layers), (*again.inputs, *again.layers)
    if [x.op for x in one] != [x.op for x in two]:
        return [f"{' '.join(x.op for x in one)} became {' '.join(x.op for x in two)}"]
    reached = ranges(graph), ranges(again)
    found = []
    for x, y in zip(one, two, strict=True):
        names[x.name] = y.name
        if x.name != y.name and not isinstance(x, Gather | Reshape):
            found.append(f"{x.name} became {y.name}")
        mine, theirs = _fields(x), _fields(y)
        mine["inputs"] = tuple(names[name] for name in x.inputs)
        found += [f"{x.name}: {key} {mine[key]} became {theirs[key]}" for key in mine if mine[key] != theirs[key]]
        if isinstance(x, Requantise) and isinstance(y, Requantise):
            found += _compared(graph, x, _steps(x, reached[0]), _steps(y, reached[1]))
    if tuple(names[name] for name in graph.outputs) != again.outputs:
        found.append(f"outputs {graph.outputs} became {again.outputs}")
    return found


def _fields(layer: Layer) -> dict[str, Any]:
    own = dict(attributes(layer))
    free = FREE if isinstance(layer, Requantise | Table) else set()
    return {"inputs": layer.inputs, "shape": layer.shape, "type": layer.type} | {
        name: value for name, value in own.items() if name not in free
    }


def _steps(layer: Requantise, reached: Mapping[str, Ranges]) -> Steps:
    x = reached[layer.inputs[0]]
    return steps(layer, x.lo, x.hi)


def _compared(graph: Graph, layer: Requantise, a: Steps, b: Steps) -> list[str]:
    """A sum may have ties that no pair of its operands makes; there, and only there, the codes are free."""
    if np.array_equal(a.lo, b.lo) and np.array_equal(a.hi, b.hi) and _edges(a) == _edges(b):
        return []
    if isinstance(graph.by_name[layer.inputs[0]], Sum) and np.abs(a.count - b.count).max() == 0:
        apart = np.abs(np.where(a.reached, a.t - b.t, 0)).max()
        return [] if apart <= 1 else [f"{layer.name}: steps are {apart} apart"]
    return [f"{layer.name}: is another function"]


def _edges(found: Steps) -> list[tuple[int, bool, list[int]]]:
    """Each channel's code at its lowest integer and where it changes."""
    rows = []
    for channel, count in enumerate(found.count.tolist()):
        t = found.t[channel, :count]
        falling = bool(found.falling[channel]) and count > 0
        rows.append((int(found.first[channel]), falling, t.tolist()))
    return rows


def as_list(outputs: Array | Sequence[Array]) -> list[Array]:
    """The outputs of a run, one or several, as a list."""
    return [outputs] if isinstance(outputs, np.ndarray) else list(outputs)
