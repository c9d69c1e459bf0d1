# SPDX-License-Identifier: Apache-2.0
"""What there is in a model: its layers and their sizes, what stays on the host, and what stands in the way."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

from bitwright.compress.codes import sizes
from bitwright.exact.ranges import Ranges, ranges
from bitwright.frontend.inputs import InputType, edge_types
from bitwright.frontend.obstacles import Obstacle, survey
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Input, Layer, Requantise, Table
from bitwright.ir.types import IntType
from bitwright.planning.candidates import refused
from bitwright.reading.open_sizes import Shape

QUANTISED_BITS = 16
"""Weights of more bits, over a power of two, are float32 numbers: no quantiser in use makes such."""
STORED = ("weight_bits", "sparse_bits", "coded_bits")
"""Bits of weights: each as wide as its type, only those that are not zero, and in the shortest storage code."""


def inspect(net: Graph) -> dict[str, Any]:
    """Layers with types, reachable ranges, accumulator widths, sparsity, MACs and sizes, and what stays on the host."""
    reached = ranges(net)
    rows = [_layer_row(net, layer, reached[layer.name]) for layer in (*net.inputs, *net.layers)]
    return {
        "model": net.source.file,
        "inputs": [
            {"name": name, "shape": list(spec.shape), "dtype": spec.dtype}
            for name, spec in zip(net.entry.inputs, net.entry.specs, strict=True)
        ],
        "layers": rows,
        "macs": net.macs,
        **{key: sum(row[key] for row in rows) for key in STORED},
        "on_chip": [row for layer in net.layers for row in _prologue(net, layer)],
        "removed": net.removed,
        "host": net.host,
        "obstacles": [],
        "refused": [{"where": error.where, "what": error.what, "hint": error.hint} for error in refused(net)],
    }


def obstacles(
    model: str | Path | bytes | onnx.ModelProto,
    error: BitwrightError,
    inputs: Mapping[str, str] | None = None,
    *,
    shapes: Mapping[str, Shape] | None = None,
    outputs: Sequence[str] = (),
    quantise: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """All that `load` would refuse in a model, as `inspect --json` prints it; `error` is what it refused first.

    For each reason the nodes, and the share of the multiply-accumulates in and behind them. BitwrightError where the
    model cannot even be read.
    """
    types = {name: InputType.parse(text, where=f"--input {name}") for name, text in (inputs or {}).items()}
    found = survey(model, types, shapes=shapes or {}, outputs=outputs, quantise=edge_types(quantise or {}))
    rows = found.obstacles or (Obstacle("", error.what, error.hint, (error.where,), found.macs),)
    return {
        "model": found.file,
        "macs": found.macs,
        "obstacles": [
            {key: getattr(row, key) for key in ("op", "what", "hint")}
            | {"count": len(row.nodes), "nodes": list(row.nodes), "macs": row.macs}
            | {"macs_share": round(row.macs / found.macs, 4) if found.macs else None}
            for row in rows
        ],
    }


def _layer_row(net: Graph, layer: Layer, bound: Ranges) -> dict[str, Any]:
    low, high = int(bound.lo.min()), int(bound.hi.max())
    matrix = isinstance(layer, Dense | Conv)
    return {
        "name": layer.name,
        "op": layer.op,
        "shape": list(layer.shape),
        "type": str(layer.type),
        "bits": layer.type.bits,
        "range": [low, high],
        "accumulator_bits": IntType(low, high).bits if matrix else None,
        **_weights(net, layer),
        "rounding": str(layer.rounding) if isinstance(layer, Requantise) else None,
        "source": list(layer.source),
    }


def _weights(net: Graph, layer: Layer) -> dict[str, Any]:
    """What a row says of weights."""
    if not isinstance(layer, Dense | Conv):
        row = dict(weights=None, float_weights=None, weight_count=0, zeros=0, sparsity=None, macs=0)
        return row | dict.fromkeys(STORED, 0) | {"code": None}
    weights = layer.weights
    stored = sizes(weights.array, weights.type.bits)
    return {
        "weights": str(weights.type),
        "float_weights": _fraction_bits(net, layer),
        "weight_count": weights.array.size,
        "zeros": weights.zeros,
        "sparsity": str(weights.sparsity),
        "macs": layer.macs,
        **dict(zip(STORED, (stored.dense, stored.sparse, stored.coded), strict=True)),
        "code": stored.code,
    }


def _fraction_bits(net: Graph, layer: Dense | Conv) -> int | None:
    """The n of weights that are integers over 2**n, and that no quantiser made; None of other weights."""
    if layer.weights.type.bits <= QUANTISED_BITS:
        return None
    step = layer.scale.of(0) / net.by_name[layer.inputs[0]].scale.of(0)
    return step.denominator.bit_length() - 1 if step.denominator.bit_count() == step.numerator == 1 else None


def _prologue(net: Graph, layer: Layer) -> Iterator[dict[str, Any]]:
    """The source nodes in `layer` that compute on a model input as it enters: input, layer, nodes; often none."""
    nodes = layer.source if isinstance(layer, Requantise | Table) else layer.source[:-1]
    for name in layer.inputs:
        before = net.by_name[name]
        while not before.source and len(before.inputs) == 1:
            before = net.by_name[before.inputs[0]]
        if isinstance(before, Input) and not before.source and nodes:
            yield {"input": before.name, "layer": layer.name, "nodes": list(nodes)}
