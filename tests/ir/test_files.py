# SPDX-License-Identifier: Apache-2.0
"""Saved graphs load equal; hostile files are refused with one clear message."""

import io
import json
import zipfile
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from bitwright.ir.errors import BitwrightError
from bitwright.ir.files import from_bytes, load, save, to_bytes
from bitwright.ir.weights import Weights
from tests.ir.graphs import random_graph

GRAPH = random_graph(3)
SAVED = to_bytes(GRAPH)
LAYOUT = "\n  hint: docs/files.md describes the layout"


@pytest.mark.parametrize("seed", range(60))
def test_a_graph_loads_equal_and_saves_to_the_same_bytes(seed: int) -> None:
    graph = random_graph(seed)
    data = to_bytes(graph)
    assert from_bytes(data) == graph
    assert to_bytes(from_bytes(data)) == data


def test_save_writes_one_file(tmp_path: Path) -> None:
    save(GRAPH, tmp_path / "graph.bw")
    assert [path.name for path in tmp_path.iterdir()] == ["graph.bw"]
    assert load(tmp_path / "graph.bw") == GRAPH


def test_bytes_do_not_change_between_versions() -> None:
    with zipfile.ZipFile(io.BytesIO(SAVED)) as archive:
        assert archive.namelist() == sorted(archive.namelist())
        assert {info.date_time for info in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}
        assert {info.compress_type for info in archive.infolist()} == {zipfile.ZIP_STORED}


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    path = tmp_path / "no" / "graph.bw"
    with pytest.raises(BitwrightError) as error:
        save(GRAPH, path)
    assert str(error.value) == (
        f"{path}: cannot be written: No such file or directory\n  hint: choose a folder that exists and is writable"
    )
    with pytest.raises(BitwrightError) as error:
        load(path)
    assert str(error.value) == (
        f"{path}: cannot be read: No such file or directory\n  hint: name a graph that bitwright saved"
    )


def members() -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(SAVED)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def packed(content: dict[str, bytes], method: int = zipfile.ZIP_STORED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", method) as archive:
        for name, data in content.items():
            archive.writestr(zipfile.ZipInfo(name), data, method)
    return out.getvalue()


def with_tree(change: Callable[[Any], object]) -> bytes:
    content = members()
    tree = json.loads(content["graph.json"])
    change(tree)
    return packed(content | {"graph.json": json.dumps(tree).encode()})


def with_array(change: Callable[[bytes], bytes]) -> tuple[str, bytes]:
    content = members()
    name = next(name for name in content if name.startswith("arrays/"))
    return name, packed(content | {name: change(content[name])})


def refusal(data: bytes) -> str:
    with pytest.raises(BitwrightError) as error:
        from_bytes(data, "g.bw")
    return str(error.value)


def npy(array: Any) -> bytes:
    out = io.BytesIO()
    np.save(out, array)
    return out.getvalue()


def test_what_is_no_zip() -> None:
    assert refusal(b"") == f"g.bw: is not a readable graph file: File is not a zip file{LAYOUT}"
    assert refusal(b"PK\x03\x04 and so on") == f"g.bw: is not a readable graph file: File is not a zip file{LAYOUT}"


def test_every_truncation_is_refused() -> None:
    for length in range(0, len(SAVED), 97):
        assert refusal(SAVED[:length]).endswith(LAYOUT)


def test_a_member_elsewhere_is_refused() -> None:
    assert refusal(packed(members() | {"../../etc/cron.d/x": b""})) == (
        f"g.bw: holds the unexpected member '../../etc/cron.d/x'{LAYOUT}"
    )


def test_a_compressed_member_is_refused() -> None:
    assert "is compressed; members are stored as they are" in refusal(packed(members(), zipfile.ZIP_DEFLATED))


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_repeated_member_is_refused() -> None:
    out = io.BytesIO(SAVED)
    with zipfile.ZipFile(out, "a") as archive:
        archive.writestr("graph.json", b"{}")
    assert refusal(out.getvalue()) == f"g.bw: holds two members of one name{LAYOUT}"


def test_a_missing_graph_is_refused() -> None:
    assert refusal(packed({})) == f"g.bw: holds no graph.json{LAYOUT}"


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (b"[" * 100_000, "g.bw: graph.json is not JSON: "),
        (b"{", "g.bw: graph.json is not JSON: "),
        (b"1" * 5000, "g.bw: graph.json is not JSON: "),
        (b"[]", f"g.bw: graph.json does not begin with the format 'bitwright graph'{LAYOUT}"),
        (
            b'{"format": "bitwright graph", "version": 1}',
            "g.bw: has the version 1, this is version 2\n  hint: save the graph again from its ONNX file",
        ),
    ],
)
def test_a_broken_tree_is_refused(raw: bytes, expected: str) -> None:
    assert refusal(packed({"graph.json": raw})).startswith(expected)


def set_layer(index: int, field: str, value: object) -> Callable[[Any], object]:
    return lambda tree: tree["layers"][index].update({field: value})


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (
            set_layer(0, "op", "system"),
            "layers[0]: expected a layer with an op of input, dense, conv, maxpool, sumpool, sum, multiply, concat, "
            "requantise, table, argmax, gather, reshape, found 'system'",
        ),
        (
            lambda tree: tree["inputs"][0].update(op="conv"),
            "inputs[0]: expected the op input, found 'conv'",
        ),
        (set_layer(0, "name", 7), "layers[0].name: expected a string, found 7"),
        (set_layer(0, "name", "\ud800"), "layers[0].name: expected text that UTF-8 can hold, found '\\ud800'"),
        (set_layer(0, "shape", [1, 2.5, 3]), "layers[0].shape[1]: expected an integer, found 2.5"),
        (set_layer(0, "shape", [True, 2, 3]), "layers[0].shape[0]: expected an integer, found True"),
        (set_layer(0, "type", [3, 2, 1]), "layers[0].type: empty range 3..2"),
        (set_layer(0, "type", [0, 4, 2]), "layers[0].type: only bipolar has a step of 2"),
        (set_layer(0, "type", [0, 4]), "layers[0].type: expected 3 values, found [0, 4]"),
        (set_layer(0, "scale", ["1/0"]), "layers[0].scale[0]: expected a fraction 'p/q', found '1/0'"),
        (set_layer(0, "scale", ["1e999999999"]), "layers[0].scale[0]: expected a fraction 'p/q', found '1e999999999'"),
        (set_layer(0, "scale", "1"), "layers[0].scale: expected a list, found '1'"),
        (
            set_layer(1, "rounding", "stochastic"),
            "layers[1].rounding: expected one of half_even, half_away, half_zero, half_up, half_down, floor, ceil, "
            "to_zero, from_zero, sign, levels, found 'stochastic'",
        ),
        (
            set_layer(0, "weights", "../x"),
            "layers[0].weights: expected the digest of an array in the file, found '../x'",
        ),
        (
            lambda tree: tree["before"]["steps"][0].update(side="both"),
            "before.steps[0].side: expected one of input, output, found 'both'",
        ),
        (lambda tree: tree["outputs"].append(3), "outputs[1]: expected a string, found 3"),
    ],
)
def test_a_wrong_field_is_named(change: Callable[[Any], object], expected: str) -> None:
    assert refusal(with_tree(change)) == f"g.bw: graph.{expected}{LAYOUT}"


def test_unknown_and_missing_fields_are_refused() -> None:
    expected = (
        "g.bw: graph.layers[0]: expected the fields name, inputs, shape, type, scale, zero, source, weights, window, "
        "groups, pad_value, found ['name'"
    )
    assert refusal(with_tree(set_layer(0, "command", "rm"))).startswith(expected)
    assert refusal(with_tree(lambda tree: tree["layers"][0].pop("groups"))).startswith(expected)


def test_a_loaded_graph_is_verified() -> None:
    assert refusal(with_tree(set_layer(0, "inputs", ["y"]))) == (
        f"layer {GRAPH.layers[0].name!r}: reads 'y', which no earlier layer makes\n"
        "  hint: order the layers topologically, or add the missing input"
    )


def test_an_unused_array_is_refused() -> None:
    extra = Weights(np.array([1, 2, 3]))
    name = f"arrays/{extra.digest}.npy"
    assert refusal(packed(members() | {name: npy(extra.array)})) == (
        f"g.bw: holds the array {extra.digest[:12]}, which the graph does not use{LAYOUT}"
    )


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (b"\x93NUMPX", "is not a .npy array of booleans, integers or floats in C order"),
        (npy(np.array(["a"])), "is not a .npy array of booleans, integers or floats in C order"),
        (npy(np.array([1j])), "is not a .npy array of booleans, integers or floats in C order"),
        (npy(np.ones((2, 3), order="F")), "is not a .npy array of booleans, integers or floats in C order"),
        (
            npy(np.zeros(5, np.int8)).replace(b"(5,), }     ", b"(999999999,)"),
            "is not a .npy array of booleans, integers or floats in C order",
        ),
        (npy(np.array([1.5]))[:-1], "declares the shape (1,) of float64, which is not what it holds"),
    ],
)
def test_a_broken_array_is_refused(array: bytes, expected: str) -> None:
    name, data = with_array(lambda raw: array)
    assert refusal(data).startswith(f"g.bw: {name} {expected}")


def test_an_absurd_shape_takes_no_memory() -> None:
    def inflate(raw: bytes) -> bytes:
        header = "{'descr': '<i8', 'fortran_order': False, 'shape': (1000000000, 1000000000), }"
        return b"\x93NUMPY\x01\x00" + (len(header) + 1).to_bytes(2, "little") + header.encode() + b"\n"

    name, data = with_array(inflate)
    assert refusal(data) == (
        f"g.bw: {name} declares the shape (1000000000, 1000000000) of int64, which is not what it holds{LAYOUT}"
    )


def test_objects_are_refused_unread() -> None:
    out = io.BytesIO()
    np.save(out, np.array([object], dtype=object), allow_pickle=True)
    name, data = with_array(lambda raw: out.getvalue())
    assert refusal(data) == f"g.bw: {name} is not a .npy array of booleans, integers or floats in C order{LAYOUT}"


def test_changed_weights_do_not_match_their_digest() -> None:
    name, data = with_array(lambda raw: raw[:-1] + bytes([raw[-1] ^ 1]))
    digest = name[len("arrays/") :][:12]
    assert f"expected an array with the digest {digest}, found " in refusal(data)


def test_random_damage_never_escapes_as_another_error() -> None:
    rng = np.random.default_rng(1)
    refused = 0
    for _ in range(600):
        data = bytearray(SAVED)
        for place in rng.integers(0, len(data), rng.integers(1, 5)):
            data[place] = rng.integers(256)
        try:
            from_bytes(bytes(data))
        except BitwrightError:
            refused += 1
    assert refused > 500


def test_the_digest_of_a_file_is_stable() -> None:
    assert sha256(SAVED).hexdigest() == sha256(to_bytes(random_graph(3))).hexdigest()
