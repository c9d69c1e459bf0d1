# SPDX-License-Identifier: Apache-2.0
"""Quantisers that a person asks for, on edges where the file has none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from bitwright.ir.errors import BitwrightError
from bitwright.reading.cut import named, unknown
from bitwright.reading.model import Array, Model, Node

QONNX = "qonnx.custom_op.general"


@dataclass(frozen=True, slots=True)
class EdgeType:
    """The codes of a quantiser, their scale, and how a person wrote them."""

    bits: int
    signed: bool
    narrow: bool
    scale: float
    text: str


def with_quantisers(model: Model, asked: Mapping[str, EdgeType]) -> Model:
    """`model` with a quantiser on each edge that is `asked` for, by its own name or that of the node that makes it."""
    for name, kind in asked.items():
        tensors = named(model)
        if name in {entry.name for entry in model.inputs}:
            hint = f"give it a type: --input {name}={kind.text}"
            raise BitwrightError("is an input of the model", where=f"--quantise {name}", hint=hint)
        if name not in tensors:
            raise unknown(model, "--quantise", name, tensors)
        model = _quantised(model, tensors[name], kind)
    return model


def _quantised(model: Model, edge: str, kind: EdgeType) -> Model:
    """`model` with a quantiser behind the node that makes `edge`, which makes it in its place."""
    taken = {name for node in model.nodes for name in (*node.inputs, *node.outputs)}.union(model.constants)
    real = _fresh(f"{edge}_real", taken)
    numbers = {_fresh(f"{edge}_{what}", taken): array for what, array in _numbers(kind).items()}
    nodes = list(model.nodes)
    place = next(k for k, node in enumerate(nodes) if edge in node.outputs)
    made = tuple(real if name == edge else name for name in nodes[place].outputs)
    nodes[place] = replace(nodes[place], outputs=made)
    nodes.insert(place + 1, _quantiser(model, edge, (real, *numbers), kind))
    return replace(model, nodes=tuple(nodes), constants={**model.constants, **numbers})


def _numbers(kind: EdgeType) -> dict[str, Array]:
    scale = {"scale": np.asarray(kind.scale, dtype=np.float32)}
    if kind.bits == 1 and kind.signed:
        return scale
    return scale | {"zero": np.zeros((), np.float32), "bits": np.asarray(kind.bits, dtype=np.float32)}


def _quantiser(model: Model, edge: str, inputs: tuple[str, ...], kind: EdgeType) -> Node:
    op = "BipolarQuant" if kind.bits == 1 and kind.signed else "Quant"
    attributes = {} if op == "BipolarQuant" else {"signed": int(kind.signed), "narrow": int(kind.narrow)}
    return Node(f"{edge}_quantise", op, QONNX, inputs, (edge,), attributes, model.file)


def _fresh(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    taken.add(name)
    return name
