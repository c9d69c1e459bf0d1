# SPDX-License-Identifier: Apache-2.0
"""The source model once more, in float32 as its tools run it, one sample at a time."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import defs, helper
from onnx.reference import ReferenceEvaluator
from onnx.reference.op_run import OpRun

from bitwright.audit import qlinear
from bitwright.audit.operators import FLOAT, channels_last
from bitwright.audit.quantisers import Function, quantisers

Array = NDArray[Any]
DOMAIN = "bitwright.audit"
CHANNELS_LAST = "qonnx.custom_op.channels_last"
STANDARD = ("", "ai.onnx")
WRAPPED = ("Conv", "MaxPool", "BatchNormalization")
MAX_COPIES = 64
FAILURES = (RuntimeError, ValueError, TypeError, IndexError, KeyError, NotImplementedError, AttributeError)
"""What `onnx.reference` raises where it cannot run a model."""


class ReplayError(Exception):
    """The model cannot be run again; says why."""


class Replay:
    """A model, ready to run sample by sample; `wanted` are the tensors to keep.

    With `reciprocal` quantisers multiply by float32(1 / scale), as PyTorch does.
    """

    def __init__(self, model: onnx.ModelProto, wanted: Sequence[str], *, reciprocal: bool = False) -> None:
        self._wanted = frozenset(wanted)
        constants = {tensor.name for tensor in model.graph.initializer}
        entries = [entry for entry in model.graph.input if entry.name not in constants]
        self._inputs = tuple(entry.name for entry in entries)
        declared = entries[0].type.tensor_type.shape.dim[0].dim_value if entries else 1
        self._copies = (1, declared) if 1 < declared <= MAX_COPIES else (1,)
        try:
            self._session = ReferenceEvaluator(_prepared(model, self._wanted), new_ops=_operations(reciprocal))
        except FAILURES as error:
            raise ReplayError(str(error)) from error

    def run(self, sample: Sequence[Array]) -> Mapping[str, Array]:
        """The wanted tensors for one sample of every input (no batch axis), flat, by name."""
        for copies in self._copies:
            feeds = {n: np.stack([x] * copies) for n, x in zip(self._inputs, sample, strict=True)}
            try:
                with np.errstate(all="ignore"):
                    values = self._session.run(None, feeds, intermediate=True)
            except FAILURES as error:
                failure = error
                continue
            assert isinstance(values, dict)
            return {name: np.asarray(values[name]).reshape(copies, -1)[0] for name in self._wanted if name in values}
        raise ReplayError(str(failure)) from failure


def _prepared(model: onnx.ModelProto, wanted: frozenset[str]) -> onnx.ModelProto:
    """The part of a model that `wanted` needs, its operators in the domains where the session finds them."""
    needed = set(wanted)
    nodes = []
    for node in reversed(_in_order(model.graph)):
        if needed.intersection(node.output):
            needed.update(node.input)
            nodes.append(_moved(node, _opset(model)))
    graph = helper.make_graph(
        nodes[::-1],
        "replay",
        [entry for entry in model.graph.input if entry.name in needed],
        [helper.make_value_info(name, onnx.TypeProto()) for name in sorted(wanted)],
        [tensor for tensor in model.graph.initializer if tensor.name in needed],
    )
    opsets = [helper.make_opsetid("", _opset(model)), helper.make_opsetid(DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets)


def _opset(model: onnx.ModelProto) -> int:
    versions = {entry.domain: entry.version for entry in model.opset_import}
    return int(versions.get("", versions.get("ai.onnx", 13)))


def _outputs(nodes: Iterable[onnx.NodeProto]) -> set[str]:
    return {name for node in nodes for name in node.output}


def _in_order(graph: onnx.GraphProto) -> list[onnx.NodeProto]:
    """The nodes in topological order; the model loaded, so there is one."""
    made = _outputs(graph.node)
    order: list[onnx.NodeProto] = []
    waiting = list(graph.node)
    while waiting:
        ready = [node for node in waiting if not made.intersection(node.input)]
        assert ready, "a graph with a cycle was loaded"
        order += ready
        done = set(map(id, ready))
        made -= _outputs(ready)
        waiting = [node for node in waiting if id(node) not in done]
    return order


def _moved(node: onnx.NodeProto, opset: int) -> onnx.NodeProto:
    """A copy of the node in our domain if we compute it; otherwise without attributes that its schema does not know."""
    made = onnx.NodeProto()
    made.CopyFrom(node)
    standard = node.domain in STANDARD
    if node.domain == CHANNELS_LAST:
        made.op_type, made.domain = f"ChannelsLast{node.op_type}", DOMAIN
    elif (standard and node.op_type in FLOAT) or node.op_type in OURS:
        made.domain = DOMAIN
    elif standard and defs.has(node.op_type, opset):
        made.domain = ""
        known = defs.get_schema(node.op_type, opset).attributes
        del made.attribute[:]
        made.attribute.extend(attribute for attribute in node.attribute if attribute.name in known)
    return made


def _functions(reciprocal: bool) -> dict[str, Function]:
    turned = {f"ChannelsLast{name}": channels_last(FLOAT[name]) for name in WRAPPED}
    return FLOAT | turned | qlinear.FUNCTIONS | quantisers(reciprocal=reciprocal)


OURS = frozenset(_functions(False)) - frozenset(FLOAT)
"""Operators that mean the same in whatever domain a tool puts them."""


class _Operation(OpRun):
    """An operator of `onnx.reference` that calls a function of attributes and inputs."""

    op_domain = DOMAIN
    op_schema = None
    function: Function

    def _run(self, *inputs: Array | None, **attributes: Any) -> tuple[Array, ...]:
        return (np.asarray(type(self).function(attributes, *inputs)),)


def _operations(reciprocal: bool) -> list[type[OpRun]]:
    functions = _functions(reciprocal).items()
    return [type(name, (_Operation,), {"function": staticmethod(function)}) for name, function in functions]
