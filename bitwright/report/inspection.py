# SPDX-License-Identifier: Apache-2.0
"""What `inspect` found, for a terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.console import Group, RenderableType
from rich.text import Text

from bitwright.ir.errors import printable
from bitwright.ir.source import Removed
from bitwright.report.show import Row, host, removed, rows


def inspection(result: Row) -> RenderableType:
    """What `inspect` found: layers, the work and the memory, the host border."""
    keys = {
        "name": "layer",
        "op": "op",
        "shape": "shape",
        "type": "type",
        "reached": "reached",
        "accumulator_bits": "acc",
        "weights": "weights",
        "pruned": "zeros",
        "macs": "MACs",
    }
    layers = [_layer(row) for row in result["layers"]]
    many = {key: f"{result[key]:,}".replace(",", " ") for key in ("macs", "weight_bits", "sparse_bits", "coded_bits")}
    lines = ["{macs} MACs per sample, {weight_bits} weight bits".format(**many)]
    if result["weight_bits"]:
        lines[0] += ": {sparse_bits} without the zeros, {coded_bits} coded".format(**many)
    lines += [
        f"{row['name']}: float32 weights that no quantiser limits, taken as exact integers"
        f" ({str(row['weights']).partition('[')[0]}) over 2^{row['float_weights']}"
        for row in result["layers"]
        if row["float_weights"] is not None
    ]
    lines += removed([Removed(**entry) for entry in result["removed"]])
    lines += [f"{row['where']} cannot be compiled: {row['what']}; {row['hint']}" for row in result["refused"]]
    lines += [f"on chip behind input '{row['input']}': {', '.join(row['nodes'])}" for row in result["on_chip"]]
    tables = [rows(str(result["model"]), keys, layers), *_stored(result["layers"])]
    return Group(*tables, *map(Text, map(printable, lines)), host(result["host"]))


def _stored(layers: Sequence[Row]) -> Iterator[RenderableType]:
    """The bits of each layer's weights, dense, without zeros, and coded; nothing where no layer has weights."""
    keys = {"name": "layer", "weight_count": "weights", "weight_bits": "bits", "sparse_bits": "without zeros"}
    keys |= {"coded_bits": "coded", "code": "code"}
    found = [row for row in layers if row["weight_count"]]
    if found:
        yield rows("stored weights", keys, found)


def _layer(row: Row) -> Row:
    """A layer of `inspect` for people: types without their ranges, the share of zero weights."""
    return dict(row) | {
        "type": str(row["type"]).partition("[")[0],
        "weights": row["weights"] and str(row["weights"]).partition("[")[0],
        "reached": "{}..{}".format(*row["range"]),
        "pruned": f"{row['zeros'] / row['weight_count']:.0%}" if row["weight_count"] else None,
        "macs": row["macs"] or None,
    }
