# SPDX-License-Identifier: Apache-2.0
"""Malformed and hostile files: each is refused in place, word for word; most are findings of `make fuzz`."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bitwright.frontend.lowering import load_onnx
from bitwright.ir.errors import BitwrightError
from bitwright.ir.verify import verify
from tests.frontend.nets import Net, grid, outputs_of
from tests.frontend.refusing import AGAIN, dense, refusal

TRUNCATED = "export the model again; the file may be truncated"
BESIDE = "put the data file beside the model, as it was exported"
NAMES = "give every tensor its own name"
HUGE = 1 << 40


# Constants


@pytest.mark.parametrize(
    ("dims", "what", "hint"),
    [
        ([1 << 31, 1 << 31], f"holds 48 bytes for the shape {[1 << 31] * 2}, which takes {1 << 64}", TRUNCATED),
        ([3], "holds 48 bytes for the shape [3], which takes 12", TRUNCATED),
        ([], "holds 48 bytes for the shape [], which takes 4", TRUNCATED),
        ([-1, 4], "declares the shape [-1, 4]", AGAIN),
    ],
)
def test_declared_sizes(dims: list[int], what: str, hint: str) -> None:
    proto = dense()
    tensor = proto.graph.initializer[3]
    del tensor.dims[:]
    tensor.dims.extend(dims)
    assert refusal(proto) == f"model: tensor 'c3': {what}\n  hint: {hint}"


def test_numbers_that_are_fewer_than_declared() -> None:
    proto = dense()
    proto.graph.initializer[3].CopyFrom(TensorProto(name="c3", data_type=1, dims=[HUGE, HUGE], float_data=[1.0]))
    assert refusal(proto) == (
        "model: tensor 'c3': cannot be read: cannot reshape array of size 1 into shape "
        f"({HUGE},{HUGE})\n  hint: {TRUNCATED}"
    )


@pytest.mark.parametrize(
    ("kind", "what", "hint"),
    [
        (TensorProto.STRING, "string", "use float32, or integers"),
        (TensorProto.COMPLEX64, "complex64", "use float32, or integers"),
        (TensorProto.UNDEFINED, "undefined", "use float32, or integers"),
        (99, "number 99", "use float32, or integers"),
        (TensorProto.FLOAT8E4M3FN, "float8e4m3fn", "minifloats have no integer meaning: quantise to integers"),
        (TensorProto.FLOAT4E2M1, "float4e2m1", "minifloats have no integer meaning: quantise to integers"),
    ],
)
def test_types_of_constants(kind: int, what: str, hint: str) -> None:
    proto = dense()
    proto.graph.initializer[3].data_type = kind
    assert refusal(proto) == f"model: tensor 'c3': is of type {what}\n  hint: {hint}"


def test_a_constant_that_nobody_reads_may_be_anything() -> None:
    proto = dense()
    proto.graph.initializer.append(helper.make_tensor("labels", TensorProto.STRING, [2], [b"cat", b"dog"]))
    proto.graph.initializer.append(TensorProto(name="broken", data_type=99, dims=[-1]))
    assert load_onnx(proto).layers == load_onnx(dense()).layers


def test_a_sparse_constant() -> None:
    proto = dense()
    values = helper.make_tensor("c3", TensorProto.FLOAT, [1], [1.0])
    places = helper.make_tensor("places", TensorProto.INT64, [1], [1 << 62])
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, places, [3, 4]))
    del proto.graph.initializer[3]
    assert refusal(proto) == (
        "model: tensor 'c3': is stored as a sparse tensor\n  hint: store it dense; zeros are found"
    )


# Data beside the file


def outside(tmp_path: Path, location: str, **entries: str) -> str:
    """The refusal of a model whose weights lie in `location`."""
    folder = tmp_path / "model"
    (folder / "folder").mkdir(parents=True, exist_ok=True)
    (folder / "beside.data").write_bytes(bytes(60))
    proto = dense()
    tensor = proto.graph.initializer[3]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    for key, value in ({"location": location} | entries).items():
        tensor.external_data.add(key=key, value=value)
    path = folder / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    return refusal(path).removeprefix("net.onnx: tensor 'c3': ")


@pytest.mark.parametrize(
    ("location", "what", "hint"),
    [
        ("", "keeps its data in '', which is no file", BESIDE),
        ("folder", "keeps its data in 'folder', which is no file", BESIDE),
        ("none", "keeps its data in 'none', which is no file", BESIDE),
        ("a\x00b", r"keeps its data in 'a\x00b', which cannot be read: it is not the path of a file", BESIDE),
        ("x" * 300, f"keeps its data in '{'x' * 300}', which cannot be read: File name too long", BESIDE),
        ("/dev/zero", "keeps its data outside the model's folder: '/dev/zero'", "put the data file beside the model"),
        ("../x", "keeps its data outside the model's folder: '../x'", "put the data file beside the model"),
        ("folder/../../x", "keeps its data outside the model's folder: 'folder/../../x'", BESIDE[:-20]),
    ],
)
def test_where_data_may_not_lie(tmp_path: Path, location: str, what: str, hint: str) -> None:
    assert outside(tmp_path, location) == f"{what}\n  hint: {hint}"


@pytest.mark.parametrize(
    ("entries", "what", "hint"),
    [
        ({"offset": "13"}, "keeps 48 bytes at offset 13 of 'beside.data', which has 60 bytes", TRUNCATED),
        ({"offset": "-1"}, "keeps its data at offset '-1' with length '48'", AGAIN),
        ({"offset": "1e9"}, "keeps its data at offset '1e9' with length '48'", AGAIN),
        ({"length": "9" * 40}, f"keeps its data at offset '0' with length '{'9' * 40}'", AGAIN),
        ({"length": "1000"}, "keeps 1000 bytes for the shape [3, 4], which takes 48", TRUNCATED),
    ],
)
def test_how_much_data_may_lie_there(tmp_path: Path, entries: dict[str, str], what: str, hint: str) -> None:
    assert outside(tmp_path, "beside.data", **entries) == f"{what}\n  hint: {hint}"


def test_links_are_followed_before_they_are_judged(tmp_path: Path) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "secret").write_bytes(bytes(60))
    (tmp_path / "model/link").symlink_to(tmp_path / "secret")
    (tmp_path / "model/loop").symlink_to(tmp_path / "model/loop")
    assert outside(tmp_path, "link").startswith("keeps its data outside the model's folder: 'link'\n")
    assert outside(tmp_path, "loop").startswith("keeps its data in 'loop', which ")
    os.mkfifo(tmp_path / "model/pipe")
    assert outside(tmp_path, "pipe") == f"keeps its data in 'pipe', which is no file\n  hint: {BESIDE}"


# Structure


def test_two_nodes_that_make_one_tensor() -> None:
    proto = dense()
    proto.graph.node.add().CopyFrom(proto.graph.node[2])
    assert refusal(proto) == (
        f"model: node 'gemm2' (Gemm): makes 'gemm2.out', which is made elsewhere already\n  hint: {NAMES}"
    )


@pytest.mark.parametrize("name", ["x", "c0"])
def test_a_node_that_makes_what_the_model_is_given(name: str) -> None:
    proto = dense()
    proto.graph.node[2].output[0] = name
    assert refusal(proto) == (
        f"model: node 'gemm2' (Gemm): makes '{name}', which is made elsewhere already\n  hint: {NAMES}"
    )


def test_tensors_of_one_name() -> None:
    proto = dense()
    proto.graph.initializer[3].name = "c0"
    assert refusal(proto) == f"model: tensor 'c0': is there twice\n  hint: {NAMES}"
    proto = dense()
    proto.graph.input.append(proto.graph.input[0])
    assert refusal(proto) == f"model: input 'x': is there twice\n  hint: {NAMES}"


@pytest.mark.parametrize("name", ["gemm2.out", "nowhere"])
def test_cycles_and_gaps(name: str) -> None:
    proto = dense()
    proto.graph.node[0].input[0] = name
    assert refusal(proto) == (
        f"model: node 'quant0' (Quant): reads '{name}', which nothing makes before it\n"
        "  hint: the graph has a cycle or a gap; export it again"
    )


def test_the_order_of_many_nodes_takes_no_time() -> None:
    net = Net(4)
    y = net.quant(net.add("MatMul", net.quant(net.x, 0.25), net.weights(np.eye(4))), 1.0)
    for _ in range(4000):
        y = net.add("Identity", y)
    net.nodes.reverse()
    assert len(load_onnx(net.proto(y)).layers) == 2


def test_a_function_that_redefines_an_operator() -> None:
    proto = dense()
    body = [helper.make_node("Relu", ["a"], ["b"])]
    proto.functions.append(helper.make_function("", "Gemm", ["a"], ["b"], body, []))
    assert refusal(proto) == (
        "model: node 'gemm2' (Gemm): is a function of the model's own\n"
        "  hint: inline it (onnx.inliner.inline_local_functions)"
    )


@pytest.mark.parametrize("version", [0, -1, 999, 1 << 40])
def test_an_opset_that_is_none(version: int) -> None:
    proto = dense()
    proto.opset_import[0].version = version
    newest = onnx.defs.onnx_opset_version()
    assert refusal(proto) == (
        f"model: is written in opset {version}\n  hint: export the model in an opset from 7 to {newest}"
    )


@pytest.mark.parametrize("depth", [30, 5000])
def test_graphs_inside_graphs(depth: int) -> None:
    def wrap(tag: int, inner: bytes) -> bytes:
        count, size = len(inner), bytearray()
        while count > 127:
            size.append(count & 127 | 128)
            count >>= 7
        return bytes([tag, *size, count]) + inner

    inner = b""
    for _ in range(depth):  # AttributeProto.type and .g, NodeProto.attribute, GraphProto.node
        inner = wrap(0x0A, wrap(0x2A, b"\xa0\x01\x05" + wrap(0x32, inner)))
    said = refusal(dense().SerializeToString() + wrap(0x3A, inner))
    if depth == 30:
        assert said == "model: node '' (): has a subgraph ''\n  hint: export the network without control flow"
    else:
        assert said.startswith("model: is not an ONNX model\n")


def test_a_name_that_is_no_text() -> None:
    data = dense().SerializeToString()
    assert data.count(b"gemm2.out") == 2
    assert refusal(data.replace(b"gemm2.out", b"gemm2.\xff\xfe\xfd")) == (
        "model: holds a name that is not UTF-8: b'gemm2.\\\\xff\\\\xfe\\\\xfd'\n"
        "  hint: export the model again; the file is damaged"
    ).replace("\\\\", "\\")


HOSTILE = (
    "a;b",
    "/",
    "..",
    '"',
    "'",
    "`",
    "\\",
    "${x}",
    "{{ 1 }}",
    "<b>",
    "int",
    "endmodule",
    "x" * 300,
    "é",
    "a b",
    "",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_any_name_is_kept(name: str) -> None:
    proto = dense()
    proto.graph.node[2].name = name
    graph = verify(load_onnx(proto))
    assert graph.layers[0].name == (name or "gemm2.out")
    x = grid(4, 4)
    np.testing.assert_array_equal(outputs_of(graph, x)[0], outputs_of(load_onnx(dense()), x)[0])


def test_a_name_never_reaches_the_terminal_as_it_is() -> None:
    proto = dense()
    proto.graph.node[2].name = "\x1b[2J\r\n  hint: all is well\u202e"
    proto.graph.node[2].op_type = "Dot"
    assert refusal(proto).startswith(
        r"model: node '\x1b[2J\r\n  hint: all is well\u202e' (Dot): is not supported"
        + "\n  hint: supported operators: "
    )


def test_a_long_text_is_cut() -> None:
    error = BitwrightError("a" * 9000, where="b", hint="c")
    assert error.what == "a" * 1500 + " ... " + "a" * 500
