# SPDX-License-Identifier: Apache-2.0
"""Everything in a model that cannot be taken, not the first thing only, and how much of its work lies behind each.

Behind a node that fails the walk goes on as if its output were real values from the host: what then fails because of
them, and not for a reason of its own, is no obstacle.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Unpack

import onnx

from bitwright.frontend.builder import Builder
from bitwright.frontend.inputs import InputType
from bitwright.frontend.lowering import SAVED, enter, evaluate, is_taken, unsupported
from bitwright.frontend.refusals import MATRICES, behind, refuse_float
from bitwright.frontend.values import Host, Tensor
from bitwright.ir.errors import BitwrightError
from bitwright.reading.inference import Kind, infer
from bitwright.reading.model import Model, Node
from bitwright.reading.order import reachable
from bitwright.reading.read import Asked, read_model
from bitwright.reading.schema import check_node

WEIGHTS: Mapping[str, int] = {
    **dict.fromkeys(MATRICES, 1),
    **dict.fromkeys(("QLinearConv", "QLinearMatMul", "QGemm"), 3),
    **dict.fromkeys(("ConvInteger", "MatMulInteger"), 1),
}
"""Which operand of an operator that multiplies and adds holds its weights."""
BY_COLUMN = {"MatMul", "QLinearMatMul", "MatMulInteger"}


@dataclass(frozen=True, slots=True)
class Obstacle:
    """One reason, the nodes that have it, and the multiply-accumulates in them and behind them."""

    op: str
    what: str
    hint: str
    nodes: tuple[str, ...]
    macs: int


@dataclass(frozen=True, slots=True)
class Survey:
    """The obstacles of a model in the order of their first nodes; `macs` is all that it multiplies."""

    file: str
    nodes: int
    macs: int
    obstacles: tuple[Obstacle, ...]


def survey(
    source: str | Path | bytes | onnx.ModelProto, inputs: Mapping[str, InputType], **asked: Unpack[Asked]
) -> Survey:
    """What stands in the way of a model that can be read; BitwrightError if it cannot even be read."""
    model = read_model(source, SAVED, **asked)
    walk = _Walk(model, inputs)
    for node in reachable(model):
        walk.step(node)
    macs = {id(node): macs_of(node, walk.kinds) for node in model.nodes}
    order = reachable(model)
    found = []
    for (op, what, hint), nodes in walk.found.items():
        made = {name for node in nodes for name in node.outputs if name}
        lost = {id(node): macs[id(node)] for node in (*nodes, *behind(order, made))}
        found.append(Obstacle(op, what, hint, tuple(node.name for node in nodes), sum(lost.values())))
    return Survey(model.file, len(model.nodes), sum(macs.values()), tuple(found))


class _Walk:
    """The nodes in order, each evaluated on what those before it made, or on what stands in for that."""

    def __init__(self, model: Model, inputs: Mapping[str, InputType]) -> None:
        self.found: dict[tuple[str, str, str], list[Node]] = defaultdict(list)
        self.kinds = infer(model, guess=True).kinds
        self._model = model
        self._builder = Builder(model)
        self._follows: set[str] = set()  # tensors that an obstacle stands before
        enter(self._builder, inputs)
        self._float = self._computes_in_float(inputs)

    def _computes_in_float(self, inputs: Mapping[str, InputType]) -> bool:
        """True, and an obstacle for all its matrices, if a network is not quantised at all."""
        order = reachable(self._model)
        try:
            refuse_float(self._model, order, bool(inputs))
        except BitwrightError as error:
            named = [node for node in order if node.where == error.where]
            matrices = [node for node in order if node.op in MATRICES]
            shown = matrices if named and named[0].op in MATRICES else named
            for node in shown:
                if is_taken(node):  # the walk finds the others again
                    self._keep(node, error)
            return True
        return False

    def _keep(self, node: Node, error: BitwrightError) -> None:
        self.found[node.written or node.op, error.what, error.hint].append(node)

    def step(self, node: Node) -> None:
        """Evaluate a node; what fails is kept, unless it follows from what failed before."""
        follows = not self._follows.isdisjoint(node.inputs)
        known = self._builder.values.keys() | self._builder.masks.keys() >= set(filter(None, node.inputs))
        error = self._failure(node) if known else unsupported(node)
        excused = is_taken(node) and (follows or self._float or not known)
        if error is not None and not excused:
            self._keep(node, error)
        self._stand_in(node, error is None, follows)

    def _failure(self, node: Node) -> BitwrightError | None:
        """Why a node cannot be taken, if it cannot."""
        try:
            check_node(node, self._model.opset)
            evaluate(self._builder, node)
        except BitwrightError as error:
            return error
        return None

    def _stand_in(self, node: Node, known: bool, follows: bool) -> None:
        """Real values of the host for what is not known; mark what still follows from an obstacle."""
        for name in filter(None, node.outputs):
            if not known and name in self.kinds and self.kinds[name].shape[:1] == (1,):
                host = self._builder.unique(name)
                self._builder.values[name] = Host(host, self.kinds[name].shape, "input")
            quantised = known and isinstance(self._builder.values.get(name), Tensor)
            if not known or (follows and not quantised):
                self._follows.add(name)


def macs_of(node: Node, kinds: Mapping[str, Kind]) -> int:
    """Multiply-accumulates of a node for each sample; 0 where its shapes are not known."""
    place = WEIGHTS.get(node.op, len(node.inputs))
    if place >= len(node.inputs) or not {node.inputs[0], node.inputs[place], node.outputs[0]} <= kinds.keys():
        return 0
    weights, made, data = (kinds[name].shape for name in (node.inputs[place], node.outputs[0], node.inputs[0]))
    return _products(node, weights, made, data)


def _products(node: Node, weights: Sequence[int], made: Sequence[int], data: Sequence[int]) -> int:
    if node.op == "ConvTranspose":
        return prod(data) * prod(weights[1:])
    if node.op in BY_COLUMN:
        return prod(made) * (weights[-2] if len(weights) > 1 else weights[0])
    if node.op in ("Gemm", "QGemm"):
        return prod(made) * weights[1 if node.attributes.get("transB", 0) else 0]
    return prod(made) * prod(weights[1:])
