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
from onnxruntime.capi.onnxruntime_pybind11_state import Fail
from onnxruntime.capi.onnxruntime_pybind11_state import NotImplemented as NoKernel

from bitwright.audit.operators import max_pool
from bitwright.audit.quantisers import quantisers
from bitwright.backends.onnx.export import dialect
from bitwright.backends.onnx.writer import QONNX
from bitwright.exact.ranges import Ranges, ranges
from bitwright.exact.steps import Steps, steps
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Gather, Layer, Requantise, Reshape, Sum, Table, attributes
from bitwright.ir.per_channel import spread

Array = NDArray[Any]
OPERATORS = ("Quant", "BipolarQuant", "MultiThreshold")
WIDE_PADS = "Pad should be smaller than kernel"
"""What onnxruntime says of a pool whose padding is as wide as its window."""
FREE = {"multiplier", "offset", "rounding", "low", "high", "shift", "levels", "slope", "function"}
"""Fields in which quantisers may differ that are the same function."""


def execute(model: onnx.ModelProto, feeds: Mapping[str, Array]) -> tuple[str, list[Array]]:
    """Who executed the model, and its outputs: onnxruntime with all its optimisations, or `onnx.reference`.

    The latter, with the audit's operators of QONNX, runs these, convolutions in float64, and pools with wide padding.
    """
    if dialect(model) == "QDQ":
        try:
            session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
            return "onnxruntime", session.run(None, dict(feeds))
        except NoKernel:
            pass
        except Fail as error:
            if WIDE_PADS not in str(error):
                raise
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
            same = _same(graph, x, _steps(x, reached[0]), _steps(y, reached[1]), reached[0])
            found += [] if same else [f"{x.name}: is another function"]
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


def _same(graph: Graph, layer: Requantise, a: Steps, b: Steps, reached: Mapping[str, Ranges]) -> bool:
    """True if no integer that the layer can be given has two codes; a sum is given only what its operands make."""
    if not (np.array_equal(a.lo, b.lo) and np.array_equal(a.hi, b.hi)):
        return False
    if _edges(a) == _edges(b):
        return True
    source = graph.by_name[layer.inputs[0]]
    if not isinstance(source, Sum) or a.t.shape != b.t.shape or not np.array_equal(a.first, b.first):
        return False
    for channel, k in np.argwhere(a.t != b.t):
        between = np.arange(*sorted((a.t[channel, k], b.t[channel, k])))
        totals = ~between if a.falling[channel] else between
        if any(_makes(source, reached, int(channel), int(total)) for total in totals):
            return False
    return True


def _makes(layer: Sum, reached: Mapping[str, Ranges], channel: int, total: int) -> bool:
    """True if two operands make the sum `total` in a channel."""
    (f, x), (g, y) = (
        (spread(row, layer.channels)[channel], np.arange(reached[n].lo[channel], reached[n].hi[channel] + 1))
        for n, row in zip(layer.inputs, layer.factors, strict=True)
    )
    return bool(np.isin(total - f * x, g * y).any())


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
