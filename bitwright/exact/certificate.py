# SPDX-License-Identifier: Apache-2.0
"""The certificate: one JSON-able line per integer layer, complete enough to be proved again from the saved graph."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import sha256
from typing import Any, assert_never

import numpy as np
from numpy.typing import NDArray

from bitwright.exact.forms import Factors, Form, Lookup, MultiplyShift, Thresholds
from bitwright.exact.meaning import affines
from bitwright.exact.ranges import Ranges
from bitwright.exact.requantise import codes
from bitwright.ir.files import to_bytes
from bitwright.ir.functions import words
from bitwright.ir.graph import Graph
from bitwright.ir.layers import AnyLayer, Conv, Dense, Layer, Requantise, Table
from bitwright.ir.per_channel import spread
from bitwright.ir.types import IntType
from bitwright.ir.weights import Ints

Line = dict[str, Any]


def certify(
    graph: Graph, forms: Mapping[str, Form], ranges: Mapping[str, Ranges], sums: Mapping[str, Factors]
) -> list[Line]:
    """One line per layer of `graph`, inputs excepted, in order.

    `forms` holds every requantiser's and table's form, `sums` the sums that are computed with other factors.
    """
    digest = sha256(to_bytes(graph)).hexdigest()
    return [
        {
            "layer": layer.name,
            "op": layer.op,
            "inputs": list(layer.inputs),
            "graph_sha256": digest,
            "x_range": [_intervals(ranges[name]) for name in layer.inputs],
            "y_range": _intervals(ranges[layer.name]),
        }
        | _claims(layer, graph.source_of(layer), forms, ranges, sums.get(layer.inputs[0]))
        for layer in graph.layers
    ]


def _claims(
    layer: AnyLayer, x: Layer, forms: Mapping[str, Form], ranges: Mapping[str, Ranges], joined: Factors | None
) -> Line:
    match layer:
        case Dense() | Conv():
            return _matrix(layer, x, ranges[x.name], ranges[layer.name])
        case Requantise():
            return _requantiser(layer, forms[layer.name], ranges[x.name], joined)
        case Table():
            meaning = {"function": [words(step) for step in layer.function]} | _rounding(
                layer, [layer.low], [layer.high]
            )
            return meaning | _form(forms[layer.name], ranges[x.name].type)
    if isinstance(layer, AnyLayer):
        return {}
    assert_never(layer)


def _matrix(layer: Dense | Conv, x: Layer, reads: Ranges, makes: Ranges) -> Line:
    padded = isinstance(layer, Conv) and layer.window.is_padded
    pad = layer.pad_value if isinstance(layer, Conv) and padded else None
    return {
        "weights": layer.weights.digest,
        "pad": pad,
        "acc": _intervals(makes),
        "g": _lattice(layer, x.type.step, reads, pad).tolist(),
        "widths": {"acc": makes.type.bits},
    }


def _lattice(layer: Dense | Conv, step: int, reads: Ranges, pad: int | None) -> Ints:
    """g: (outputs,): accumulators of a channel differ by multiples of g; 0 where there is only one."""
    kernel = layer.weights.array
    groups = layer.groups if isinstance(layer, Conv) else 1
    spacing = np.where(reads.hi > reads.lo, step, 0)
    if pad is not None:
        spacing = np.gcd(spacing, pad - reads.lo)
    rows = kernel.reshape(groups, len(kernel) // groups, -1, kernel.shape[-1])
    return np.asarray(np.gcd.reduce(rows * spacing.reshape(groups, 1, 1, -1), axis=(2, 3)).reshape(-1))


def _requantiser(layer: Requantise, form: Form, reads: Ranges, joined: Factors | None) -> Line:
    lines = affines(layer)
    counts = codes(layer, reads.lo, reads.hi).plateaus
    return (
        _rounding(layer, spread(layer.low, layer.channels), spread(layer.high, layer.channels))
        | {name: [str(getattr(line, name.lower())) for line in lines] for name in "PQD"}
        | {"slope": [str(slope) for slope in layer.slope.each(layer.channels)] if layer.slope else []}
        | {"acc": _intervals(reads), "plateaus": counts.tolist()}
        | _form(form, joined.type if joined else reads.type)
        | {"two_operand": _factors(joined) if joined else None}
    )


def _factors(joined: Factors) -> Line:
    """The claim that other factors give the same code for every pair of operands."""
    (ma,), (mb,) = joined.factors
    return {"ma": ma, "mb": mb, "method": "all pairs"}


def _rounding(layer: Requantise | Table, low: Any, high: Any) -> Line:
    return {"R": str(layer.rounding), "ymin": list(low), "ymax": list(high), "z": layer.shift, "z_place": "after"}


def _form(form: Form, reads: IntType) -> Line:
    match form:
        case MultiplyShift():
            held = {"m": form.m, "w": form.window, "low": form.low, "high": form.high}
            values = {name: weights.array for name, weights in held.items()} | {"c": form.offsets}
            widths = {"m": _bits(values["m"]), "c": _bits(values["c"]), "product": form.product.bits}
            shared = {"s": form.s, "odd": form.odd}
        case Thresholds():
            values, widths = {"t": form.t.array, "falling": form.falling.array, "first": form.first.array}, {}
            shared = {"step": form.step}
        case Lookup():
            values, widths, shared = {"entries": form.entries.array}, {}, {"lo": form.lo}
    return (
        {"form": form.kind}
        | {name: array.tolist() for name, array in values.items()}
        | shared
        | {"widths": {"acc": reads.bits} | widths}
    )


def _bits(numbers: NDArray[Any]) -> int:
    """The width of a two's complement or plain binary number; -1 and +1 as numbers need two bits."""
    return IntType(int(numbers.min()), int(numbers.max())).bits


def _intervals(ranges: Ranges) -> list[list[int]]:
    return [[int(lo), int(hi)] for lo, hi in zip(ranges.lo, ranges.hi, strict=True)]
