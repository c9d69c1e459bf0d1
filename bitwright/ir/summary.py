# SPDX-License-Identifier: Apache-2.0
"""What `print(graph)` shows: a numbered line a layer. `printing.print_graph` has the text that reads back."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from bitwright.ir.columns import aligned, by, tail
from bitwright.ir.layers import Conv, Dense, Layer
from bitwright.ir.types import IntType


def summary(title: str, layers: Sequence[Layer], outputs: Sequence[str]) -> str:
    """A table of `layers`, the inputs of the network first; each reads others by their numbers."""
    number = {layer.name: index for index, layer in enumerate(layers)}
    rows = [
        (
            f"%{number[layer.name]}",
            layer.op,
            by(layer.shape),
            short(layer.type),
            _weights(layer),
            " ".join(f"%{number[name]}" for name in layer.inputs),
            tail(layer.name),
        )
        for layer in layers
    ]
    leaving = ", ".join(f"%{number[name]}" for name in outputs)
    return f"{title}\n{aligned([('', 'op', 'shape', 'type', 'weights', 'reads', 'name'), *rows])}\noutputs {leaving}"


def html(layers: Sequence[Layer]) -> str:
    """A table of the layers for notebooks, every name escaped; what is cut off a name shows on hover."""
    rows = [
        "".join(
            f'<td title="{escape(whole)}">{escape(cell)}</td>' if whole != cell else f"<td>{escape(cell)}</td>"
            for cell, whole in (
                (tail(layer.name), layer.name),
                *((text, text) for text in (layer.op, str(layer.type), by(layer.shape))),
                (", ".join(map(tail, layer.inputs)), ", ".join(layer.inputs)),
            )
        )
        for layer in layers
    ]
    head = "".join(f"<th>{title}</th>" for title in ("layer", "op", "type", "shape", "reads"))
    return f"<table><tr>{head}</tr>{''.join(f'<tr>{row}</tr>' for row in rows)}</table>"


def short(kind: IntType) -> str:
    """A type without its range: `s8`."""
    return str(kind).partition("[")[0]


def _weights(layer: Layer) -> str:
    if not isinstance(layer, Dense | Conv):
        return ""
    return f"{by(layer.weights.array.shape)} {short(layer.weights.type)}"
