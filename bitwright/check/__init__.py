# SPDX-License-Identifier: Apache-2.0
"""The independent checker: proves the certificate of a compiled design again, from the saved graph.

It needs NumPy and the standard library and shares no code with the compiler: it reads the files itself, derives every
range again from the weights, and compares each form with the slow definition of its layer, plateau by plateau or, where
there are thousands, by a closed proof of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from bitwright.check.forms import Refuted, check_requantiser, check_width, claim, equal
from bitwright.check.pairs import check_pair
from bitwright.check.ranges import FIELDS, Intervals, lattice, layer_range
from bitwright.check.saved import CheckError, Layer, Line, digest, read, read_graph, read_lines
from bitwright.check.tables import check_table

__all__ = ["CheckError", "Verdict", "check"]


@dataclass(frozen=True)
class Verdict:
    """Whether the certificate of one layer holds; `reason` says what does not."""

    layer: str
    op: str
    ok: bool
    reason: str = ""


def check(directory: Path) -> list[Verdict]:
    """One verdict per layer of `graph.bw` in `directory`, and one per line of `certificate.json` for no such layer.

    CheckError says which of the two files cannot be read, and why.
    """
    data = read(directory / "graph.bw")
    lines = read_lines(read(directory / "certificate.json"))
    name = sha256(data).hexdigest()
    known: dict[str, Layer] = {}
    ranges: dict[str, Intervals] = {}
    verdicts = []
    for layer in read_graph(data, FIELDS):
        known[layer.name] = layer
        if layer.op == "input":
            ranges[layer.name] = [layer.type[:2]] * layer.channels
            continue
        sources, reads = [known[name] for name in layer.inputs], [ranges[name] for name in layer.inputs]
        ranges[layer.name] = layer_range(layer, sources, reads)
        found = [line for line in lines if line.get("layer") == layer.name]
        operands = [ranges[source] for source in sources[0].inputs]
        reason = _reason(layer, sources, (reads, operands), ranges[layer.name], found, name)
        verdicts.append(Verdict(layer.name, layer.op, not reason, reason))
    return verdicts + _strays(lines, [verdict.layer for verdict in verdicts])


def _strays(lines: list[Line], names: list[str]) -> list[Verdict]:
    strays = [line for line in lines if line.get("layer") not in names]
    return [Verdict(str(s.get("layer")), str(s.get("op")), False, "the graph has no such layer") for s in strays]


def _reason(
    layer: Layer,
    sources: list[Layer],
    intervals: tuple[list[Intervals], list[Intervals]],
    makes: Intervals,
    found: list[Line],
    name: str,
) -> str:
    """Why the layer's line does not hold; empty if it does. `intervals`: of its inputs, and of its first input's."""
    reads, operands = intervals
    if len(found) != 1:
        return f"the certificate has {len(found)} lines for it"
    (line,) = found
    try:
        equal(line, "graph_sha256", name)
        equal(line, "op", layer.op)
        equal(line, "inputs", list(layer.inputs))
        equal(line, "x_range", [_lists(intervals) for intervals in reads])
        equal(line, "y_range", _lists(makes))
        _check_type(layer, makes)
        if layer.op in ("dense", "conv"):
            _check_matrix(layer, sources[0], reads[0], makes, line)
        elif layer.op == "requantise" and line.get("two_operand") is not None:
            check_pair(layer, sources[0], operands, line)
        elif layer.op == "requantise":
            check_requantiser(layer, reads[0], line)
        elif layer.op == "table":
            check_table(layer, sources[0], reads[0], line)
    except Refuted as error:
        return str(error)
    return ""


def _check_type(layer: Layer, makes: Intervals) -> None:
    lo, hi, step = layer.type
    inside = all(lo <= low and high <= hi and (low - lo) % step == 0 == (high - lo) % step for low, high in makes)
    claim(inside, "its type does not hold what it makes")


def _check_matrix(layer: Layer, source: Layer, reads: Intervals, makes: Intervals, line: Line) -> None:
    equal(line, "weights", digest(layer.fields["weights"]))
    equal(line, "pad", layer.fields["pad_value"] if layer.is_padded else None)
    equal(line, "acc", _lists(makes))
    equal(line, "g", lattice(layer, source, reads))
    check_width(line, "acc", [end for interval in makes for end in interval])


def _lists(intervals: Intervals) -> list[list[int]]:
    return [list(interval) for interval in intervals]
