# SPDX-License-Identifier: Apache-2.0
"""The source model once more, in float32 as its tools run it, one sample at a time."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.audit import qlinear
from bitwright.audit.operators import FLOAT, channels_last
from bitwright.audit.quantisers import Function, quantisers
from bitwright.reading.constants import FAILURES, constant_of, evaluator
from bitwright.reading.model import Model, Node
from bitwright.reading.order import in_order
from bitwright.reading.schema import CHANNELS_LAST, STANDARD

Array = NDArray[Any]
WRAPPED = ("Conv", "MaxPool", "BatchNormalization")
MAX_COPIES = 64
Evaluate = Callable[[Sequence[Array | None]], Sequence[Array]]
"""From the operands of a node, None where one is absent, to its outputs."""


class ReplayError(Exception):
    """The model cannot be run again; says why."""


class Replay:
    """A model, ready to run sample by sample; `wanted` are the tensors to keep.

    With `reciprocal` quantisers multiply by float32(1 / scale), as PyTorch does.
    """

    def __init__(self, model: Model, wanted: Sequence[str], *, reciprocal: bool = False) -> None:
        self._model, self._wanted = model, frozenset(wanted)
        self._copies = (1, model.batch) if 1 < model.batch <= MAX_COPIES else (1,)
        own = _functions(reciprocal)
        try:
            self._steps = [(node, function_of(node, model.opset, own)) for node in _needed(model, self._wanted)]
        except FAILURES as error:
            raise ReplayError(str(error)) from error

    def run(self, sample: Sequence[Array]) -> Mapping[str, Array]:
        """The wanted tensors for one sample of every input (no batch axis), flat, by name."""
        for copies in self._copies:
            names = (entry.name for entry in self._model.inputs)
            feeds = {n: np.stack([x] * copies) for n, x in zip(names, sample, strict=True)}
            try:
                values = self._values(feeds)
            except FAILURES as error:
                failure = error
                continue
            return {name: values[name].reshape(copies, -1)[0] for name in self._wanted if name in values}
        raise ReplayError(str(failure)) from failure

    def _values(self, feeds: Mapping[str, Array]) -> dict[str, Array]:
        """Every tensor that is needed."""
        values = {**self._model.constants, **feeds}
        with np.errstate(all="ignore"):
            for node, function in self._steps:
                results = function([values[name] if name else None for name in node.inputs])
                values |= {name: array for name, array in zip(node.outputs, results, strict=False) if name}
        return values


def _needed(model: Model, wanted: frozenset[str]) -> list[Node]:
    """The nodes that `wanted` depends on, in order."""
    needed, nodes = set(wanted), []
    for node in reversed(in_order(model)):
        if needed.intersection(filter(None, node.outputs)):
            needed.update(node.inputs)
            nodes.append(node)
    return nodes[::-1]


def _functions(reciprocal: bool) -> dict[str, Function]:
    turned = {f"ChannelsLast{name}": channels_last(FLOAT[name]) for name in WRAPPED}
    return FLOAT | turned | qlinear.FUNCTIONS | quantisers(reciprocal=reciprocal)


OURS = frozenset(_functions(False)) - frozenset(FLOAT)
"""Operators that mean the same in whatever domain a tool puts them."""


def function_of(node: Node, opset: int, own: Mapping[str, Function]) -> Evaluate:
    """What `node` computes: a function of `own`, or the operator of `onnx.reference`."""
    name = f"ChannelsLast{node.op}" if node.domain == CHANNELS_LAST else node.op
    if name in own and (node.domain in STANDARD or name in OURS):
        return lambda operands: [np.asarray(own[name](node.attributes, *operands))]
    if node.op == "Constant":
        return lambda operands: [constant_of(node)]
    return evaluator(node, opset)
