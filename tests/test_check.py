# SPDX-License-Identifier: Apache-2.0
"""The independent checker accepts what was certified and rejects what was changed."""

import json
import zipfile
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from fractions import Fraction
from functools import cache
from hashlib import sha256
from math import ceil, floor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.random import Generator

from bitwright.check import CheckError, Verdict, check
from bitwright.check.tables import tabulate
from bitwright.exact.certificate import Line, certify
from bitwright.exact.forms import Form, Lookup
from bitwright.exact.ranges import ranges
from bitwright.exact.requantise import forms
from bitwright.ir.files import to_bytes
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense, Requantise, Rounding, Table
from bitwright.ir.types import IntType
from bitwright.ir.weights import Weights
from tests.ir.graphs import random_graph

GRAPHS = 120
MUTATIONS_PER_GRAPH = 8


def write(folder: Path, data: bytes, lines: list[Line]) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "graph.bw").write_bytes(data)
    (folder / "certificate.json").write_text(json.dumps(lines))
    return folder


def random_forms(graph: Graph, seed: int) -> dict[str, Form]:
    """One of the proved forms of every requantiser, drawn at random."""
    rng, reached = np.random.default_rng((seed, 1)), ranges(graph)
    found: dict[str, Form] = {}
    for layer in graph.layers:
        reads = reached[layer.inputs[0]]
        if isinstance(layer, Requantise):
            proved = forms(layer, reads.lo, reads.hi)
            found[layer.name] = proved[rng.integers(len(proved))]
        if isinstance(layer, Table):
            found[layer.name] = Lookup(kind="table", lo=graph.by_name[layer.inputs[0]].type.lo, entries=layer.entries)
    return found


@cache
def certified(seed: int) -> tuple[Graph, str]:
    graph = random_graph(seed, blocks=2, bits=4, joins=seed % 3 == 0)
    return graph, json.dumps(certify(graph, random_forms(graph, seed), ranges(graph), {}))


@pytest.mark.slow
def test_what_was_certified_is_accepted(tmp_path: Path) -> None:
    kinds: Counter[str] = Counter()
    for seed in range(GRAPHS):
        graph, text = certified(seed)
        lines = json.loads(text)
        verdicts = check(write(tmp_path, to_bytes(graph), lines))
        assert verdicts == [Verdict(layer.name, layer.op, True) for layer in graph.layers], f"seed {seed}"
        kinds.update(line.get("form", line["op"]) for line in lines)
    assert set(kinds) >= {"shift", "shift_even", "mas", "mas_window", "thresholds", "table", "dense", "conv", "maxpool"}
    assert set(kinds) >= {"reshape", "sum", "multiply", "concat", "gather", "sumpool", "argmax"}


# Mutations


@dataclass(frozen=True)
class Mutant:
    """A changed certificate, or a changed graph, and the layer it lies about."""

    what: str
    layer: str
    graph: Graph
    lines: list[Line]


FORM_FIELDS = ("m", "c", "w", "low", "high", "first", "falling", "entries", "t", "s", "odd", "step", "lo")
MEANING_FIELDS = ("R", "ymin", "ymax", "z", "z_place", "P", "Q", "D", "function", "pad", "weights")
REST = ("acc", "x_range", "y_range", "plateaus", "widths", "g", "graph_sha256", "layer", "op", "form", "inputs")


def changed(rng: Generator, value: Any) -> Any:
    """`value` with one number, digit or letter in it changed."""
    match value:
        case None:
            return 1
        case int():
            return value + int(rng.choice([-3, -2, -1, 1, 2, 3]))
        case str() if value.lstrip("-").isdigit() and len(value) < 60:
            return str(int(value) + int(rng.choice([-1, 1])))
        case str():
            return value[:-1] + ("0" if value[-1:] != "0" else "1")
        case list() if value:
            place = int(rng.integers(len(value)))
            return [*value[:place], changed(rng, value[place]), *value[place + 1 :]]
        case dict():
            name = sorted(value)[rng.integers(len(value))]
            return value | {name: changed(rng, value[name])}
        case _:
            return [1]


def mutants(seed: int) -> Iterator[Mutant]:
    graph, text = certified(seed)
    rng = np.random.default_rng(seed + 1000)
    for _ in range(MUTATIONS_PER_GRAPH):
        lines = json.loads(text)
        formed = [place for place, line in enumerate(lines) if "form" in line]
        place = int(rng.choice(formed if formed and rng.random() < 0.75 else range(len(lines))))
        line = lines[place]
        fields = [f for f in (*FORM_FIELDS * 6, *MEANING_FIELDS * 2, *REST) if f in line]
        name = fields[rng.integers(len(fields))]
        line[name] = changed(rng, line[name])
        yield Mutant(name, graph.layers[place].name, graph, lines)
    lines = json.loads(text)
    dropped = lines.pop(int(rng.integers(len(lines))))
    yield Mutant("dropped", dropped["layer"], graph, lines)
    yield from changed_weights(rng, graph, text)


def changed_weights(rng: Generator, graph: Graph, text: str) -> Iterator[Mutant]:
    """A weight changed behind the certificate's back; then with the digests in the certificate adjusted as well."""
    matrices = [layer for layer in graph.layers if isinstance(layer, Dense | Conv)]
    layer = matrices[rng.integers(len(matrices))]
    array = layer.weights.array.copy()
    array.flat[rng.integers(array.size)] += int(rng.choice([-1, 1]))
    new = replace(layer, weights=Weights(array))
    other = replace(graph, layers=tuple(new if old is layer else old for old in graph.layers))
    yield Mutant("weight", layer.name, other, json.loads(text))
    lines = json.loads(text)
    for line in lines:
        line["graph_sha256"] = sha256(to_bytes(other)).hexdigest()
        if line["layer"] == layer.name:
            line["weights"] = new.weights.digest
    yield Mutant("signed weight", layer.name, other, lines)


@pytest.mark.slow
def test_changed_certificates_are_rejected_unless_they_are_as_true(tmp_path: Path) -> None:
    counts: Counter[str] = Counter()
    for seed in range(GRAPHS):
        for mutant in mutants(seed):
            verdicts = check(write(tmp_path, to_bytes(mutant.graph), mutant.lines))
            accepted = all(verdict.ok for verdict in verdicts)
            assert accepted == still_true(seed, mutant), (seed, mutant.what, mutant.layer, verdicts)
            counts["accepted" if accepted else "rejected"] += 1
    assert counts["rejected"] >= 500
    assert counts["accepted"] >= 20
    assert counts.total() == GRAPHS * (MUTATIONS_PER_GRAPH + 3)


# What a line means, by enumeration and without the checker


def slow_code(layer: Requantise, channel: int, a: int) -> int:
    def at(values: Any) -> Any:
        return values[channel if len(values) > 1 else 0]

    value = at(layer.multiplier.values) * a + at(layer.offset.values)
    rounded = sum(level <= value for level in at(layer.levels)) if layer.levels else slow_round(layer.rounding, value)
    return min(max(rounded, at(layer.low)), at(layer.high)) + layer.shift


def slow_round(rounding: Rounding, value: Fraction) -> int:
    half, sign = Fraction(1, 2), 1 if value >= 0 else -1
    rules: dict[Rounding, Callable[[], int]] = {
        Rounding.FLOOR: lambda: floor(value),
        Rounding.CEIL: lambda: ceil(value),
        Rounding.HALF_EVEN: lambda: round(value),
        Rounding.HALF_UP: lambda: floor(value + half),
        Rounding.HALF_DOWN: lambda: ceil(value - half),
        Rounding.HALF_AWAY: lambda: sign * floor(abs(value) + half),
        Rounding.HALF_ZERO: lambda: sign * ceil(abs(value) - half),
        Rounding.TO_ZERO: lambda: sign * floor(abs(value)),
        Rounding.FROM_ZERO: lambda: sign * ceil(abs(value)),
        Rounding.SIGN: lambda: sign,
    }
    return rules[rounding]()


def line_code(line: Line, channel: int, a: int) -> int:
    if "entries" in line:
        return int(line["entries"][a - line["lo"]])
    if "t" in line:
        b = ~a if line["falling"][channel] else a
        return int(line["first"][channel] + line["step"] * sum(b >= t for t in line["t"][channel]))
    u = line["m"][channel] * a + line["c"][channel]
    y = u >> line["s"]
    if u % (1 << line["s"]) < line["w"][channel] and (y - line["odd"]) % 2:
        y -= 1
    return int(min(max(y, line["low"][channel]), line["high"][channel]))


def still_true(seed: int, mutant: Mutant) -> bool:
    """Whether the changed certificate is as true as the original, found by trying every integer."""
    graph, text = certified(seed)
    original = next(line for line in json.loads(text) if line["layer"] == mutant.layer)
    if mutant.what == "signed weight":
        reached = ranges(mutant.graph)
        return json.loads(json.dumps(certify(mutant.graph, random_forms(graph, seed), reached, {}))) == mutant.lines
    layer, line = graph.by_name[mutant.layer], next((n for n in mutant.lines if n["layer"] == mutant.layer), {})
    if mutant.what == "widths":
        return all(line["widths"][name] >= width for name, width in original["widths"].items())
    if not isinstance(layer, Requantise):
        return False
    if mutant.what in "PQD":
        ratios = [
            [Fraction(int(v), int(d)) for v, d in zip(n[k], n["D"], strict=True) if int(d)]
            for n in (line, original)
            for k in "PQ"
        ]
        return ratios[:2] == ratios[2:] and all(int(d) > 0 for d in line["D"])
    if mutant.what not in FORM_FIELDS or line == original:
        return line == original
    reads = ranges(graph)[layer.inputs[0]]
    pairs = [(c, a) for c in range(layer.channels) for a in range(int(reads.lo[c]), int(reads.hi[c]) + 1)]
    return is_legal(line, pairs) and all(line_code(line, c, a) == slow_code(layer, c, a) for c, a in pairs)


def is_legal(line: Line, pairs: list[tuple[int, int]]) -> bool:
    """What a form promises beside its codes: sorted thresholds, powers of two, no window, widths, a long table."""
    if "entries" in line:
        return all(0 <= a - line["lo"] < len(line["entries"]) for _, a in pairs)
    if "t" in line:
        return (
            line["step"] in (1, 2) and set(line["falling"]) <= {0, 1} and all(row == sorted(row) for row in line["t"])
        )
    values = {
        "m": line["m"],
        "c": line["c"],
        "product": [line["m"][c] * a + line["c"][c] for c, a in pairs],
    }
    holds = all(IntType(min(v), max(v)).bits <= line["widths"][name] for name, v in values.items())
    shifts = "shift" not in line["form"] or all(m == 0 or abs(m).bit_count() == 1 for m in line["m"])
    window = line["form"] in ("shift_even", "mas_window") or not any(line["w"])
    return holds and shifts and window and line["s"] >= 0 and line["odd"] in (0, 1)


# Files that cannot be read


@pytest.mark.parametrize(
    ("graph", "lines", "expected"),
    [
        (None, b"[]", "{folder}/graph.bw: cannot be read: No such file or directory"),
        (b"", None, "{folder}/certificate.json: cannot be read: No such file or directory"),
        (b"", b"[]", "graph.bw: is not a saved graph: BadZipFile('File is not a zip file')"),
        (b"", b"{", "certificate.json: is not JSON: Expecting property name enclosed in double quotes: line 1 "),
        (b"", b"{}", "certificate.json: is not a list of objects"),
        (b"", b"[1]", "certificate.json: is not a list of objects"),
    ],
)
def test_files_that_cannot_be_read(tmp_path: Path, graph: bytes | None, lines: bytes | None, expected: str) -> None:
    if graph is not None:
        (tmp_path / "graph.bw").write_bytes(graph)
    if lines is not None:
        (tmp_path / "certificate.json").write_bytes(lines)
    with pytest.raises(CheckError) as error:
        check(tmp_path)
    assert str(error.value).startswith(expected.format(folder=tmp_path))


def test_damaged_files_are_refused_or_rejected(tmp_path: Path) -> None:
    """No damage is accepted, and none raises anything but CheckError."""
    graph, text = certified(2)
    data, rng = to_bytes(graph), np.random.default_rng(3)
    for _ in range(400):
        damaged = bytearray(data)
        damaged[rng.integers(len(data))] ^= int(rng.integers(1, 256))
        try:
            verdicts = check(write(tmp_path, bytes(damaged), json.loads(text)))
        except CheckError:
            continue
        assert not any(verdict.ok for verdict in verdicts)


@pytest.mark.slow
@pytest.mark.parametrize("junk", [None, True, 1.5, "x", [], {}, [[]], [None], 1 << 80, -1])
def test_junk_in_a_line_is_a_failed_claim(tmp_path: Path, junk: object) -> None:
    for seed in (0, 2):
        graph, text = certified(seed)
        for place, line in enumerate(json.loads(text)):
            for name in line:
                lines = json.loads(text)
                lines[place][name] = junk
                if junk != line[name]:
                    verdicts = check(write(tmp_path, to_bytes(graph), lines))
                    assert not all(verdict.ok for verdict in verdicts), (seed, line["layer"], name)


@pytest.mark.parametrize("junk", [None, 7, [], True])
def test_numbers_that_are_no_decimals_are_a_failed_claim(tmp_path: Path, junk: object) -> None:
    """One for each channel, as it should be: they were passed over, and the list was then too short."""
    graph, text = certified(0)
    lines = json.loads(text)
    place = next(place for place, line in enumerate(lines) if "P" in line)
    count = len(lines[place]["P"])
    lines[place]["P"] = [junk] * count
    verdict = check(write(tmp_path, to_bytes(graph), lines))[place]
    assert (verdict.ok, verdict.reason) == (False, f"P is no list of {count} decimal strings")


# Verdicts, tables, speed


def test_reasons_say_what_is_wrong(tmp_path: Path) -> None:
    graph, text = certified(0)
    lines = json.loads(text)
    assert [line["op"] for line in lines][:2] == ["dense", "requantise"]
    first, second = graph.layers[0].name, graph.layers[1].name
    lines[0]["acc"][0][0] -= 1
    lines[1]["P"][0] += "1"
    lines.append({"layer": "ghost", "op": "dense"})
    verdicts = check(write(tmp_path, to_bytes(graph), lines))
    assert verdicts[0] == Verdict(first, "dense", False, "acc is not what the graph gives")
    assert verdicts[1] == Verdict(second, "requantise", False, "channel 0: P, Q and D are not the graph's")
    assert verdicts[-1] == Verdict("ghost", "dense", False, "the graph has no such layer")
    assert check(write(tmp_path, to_bytes(graph), lines[1:]))[0].reason == "the certificate has 0 lines for it"


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"shape": (2, 5)}, "does not make one channel of those that it reads"),
        ({"last": 2}, "prefers neither the first nor the last of equals"),
    ],
)
def test_a_place_that_makes_no_sense_is_refused(tmp_path: Path, fields: dict[str, Any], expected: str) -> None:
    graph = random_graph(5, joins=True)
    *layers, place = graph.layers
    assert place.op == "argmax"
    broken = replace(graph, layers=(*layers, replace(place, **fields)))
    with pytest.raises(CheckError) as error:
        check(write(tmp_path, to_bytes(broken), []))
    assert str(error.value) == f"graph.bw: layer 'argmax' {expected}"


@pytest.mark.parametrize(
    ("function", "rounding", "value", "expected"),
    [
        ((("sigmoid",), ("affine", "255", "0")), "half_even", Fraction(0), 128),
        ((("sigmoid",),), "floor", Fraction(10**6), 0),
        ((("sigmoid",),), "ceil", Fraction(-(10**6)), 1),
        ((("sigmoid",), ("affine", "2", "0")), "ceil", Fraction(10**9), 2),
        ((("tanh",), ("affine", "127", "0")), "half_even", Fraction(1, 2), 59),
        ((("tanh",),), "floor", Fraction(-1, 10**30), -1),
        ((("tanh",),), "half_even", Fraction(0), 0),
        ((("affine", "1/2", "1/4"), ("leaky_relu", "1/8")), "half_even", Fraction(-5, 2), 0),
        ((("clip", "", "7/2"), ("clip", "-1", "")), "half_even", Fraction(9), 4),
        ((("sigmoid",), ("clip", "1/4", "3/4")), "half_up", Fraction(50), 1),
        ((("sigmoid",), ("clip", "1/4", "3/4")), "floor", Fraction(-50), 0),
    ],
)
def test_functions_are_tabulated_exactly(
    function: tuple[tuple[str, ...], ...], rounding: str, value: Fraction, expected: int
) -> None:
    assert tabulate(function, rounding, value) == expected


def test_a_graph_of_another_version_is_refused_by_name(tmp_path: Path) -> None:
    graph, text = certified(0)
    write(tmp_path, to_bytes(graph), json.loads(text))
    with zipfile.ZipFile(tmp_path / "graph.bw") as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["graph.json"] = json.dumps(json.loads(members["graph.json"]) | {"version": 1}).encode()
    with zipfile.ZipFile(tmp_path / "graph.bw", "w") as archive:
        for name, data in members.items():
            archive.writestr(name, data)
    with pytest.raises(CheckError) as error:
        check(tmp_path)
    assert str(error.value) == (
        "graph.bw: is a 'bitwright graph' of version 1, not 'bitwright graph' of version 2; compile the model again"
    )
