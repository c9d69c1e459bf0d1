# SPDX-License-Identifier: Apache-2.0
"""Reading files as exporters write them: constants anywhere, data beside the file, nodes in any order, odd names."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from bitwright.frontend.inputs import InputType
from bitwright.frontend.lowering import load_onnx
from bitwright.ir.graph import Graph
from bitwright.ir.host import run_host
from bitwright.ir.types import BIPOLAR, IntType, integer
from bitwright.reading.read import read_model
from tests.frontend.nets import Net, grid, outputs_of


def dense() -> Net:
    net = Net(4)
    y = net.add("Gemm", net.quant(net.x, 0.25, bits=6.0), net.weights(grid(3, 4, span=3)), transB=1)
    net.quant(y, 2.0, bits=5.0)
    return net


def same(proto: onnx.ModelProto) -> Graph:
    """The graph of `proto`, which must compute what `dense()` does."""
    graph = load_onnx(proto)
    x = grid(16, 4)
    np.testing.assert_array_equal(outputs_of(graph, x)[0], outputs_of(load_onnx(dense().proto()), x)[0])
    return graph


def test_a_path_bytes_and_a_protobuf_are_one_model(tmp_path: Path) -> None:
    proto = dense().proto()
    data = proto.SerializeToString()
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    graphs = [load_onnx(source) for source in (path, str(path), data, proto)]
    assert [graph.source.file for graph in graphs] == ["net.onnx", "net.onnx", "model", "model"]
    assert len({graph.source.sha256 for graph in graphs}) == 1
    assert all(graph.layers == graphs[0].layers for graph in graphs)


def test_initialisers_that_are_listed_as_inputs() -> None:
    proto = dense().proto()
    for tensor in list(proto.graph.initializer):
        proto.graph.input.append(helper.make_tensor_value_info(tensor.name, tensor.data_type, list(tensor.dims)))
    assert same(proto).before.inputs == ("x",)


def test_constants_that_are_nodes() -> None:
    proto = dense().proto()
    for tensor in list(proto.graph.initializer):
        proto.graph.node.append(helper.make_node("Constant", [], [tensor.name], value=tensor))
    del proto.graph.initializer[:]
    same(proto)


@pytest.mark.parametrize(
    ("attribute", "value"), [("value_float", 0.25), ("value_floats", [0.25]), ("value_int", 1), ("value_ints", [1])]
)
def test_constants_of_every_kind(attribute: str, value: object) -> None:
    net = Net(4)
    net.nodes.append(helper.make_node("Constant", [], ["scale"], **{attribute: value}))
    scale = net.add("Cast", "scale", to=TensorProto.FLOAT)
    net.add("Mul", net.quant(net.quant(net.x, 0.25), 1.0), scale)
    load_onnx(net.proto())


def test_nodes_in_any_order() -> None:
    proto = dense().proto()
    nodes = list(proto.graph.node)[::-1]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)
    same(proto)


def test_nodes_without_names_take_that_of_their_output() -> None:
    proto = dense().proto()
    for node in proto.graph.node:
        node.name = ""
    assert [layer.name for layer in same(proto).layers] == ["gemm2.out", "quant3.out"]


def test_nodes_of_one_name_are_numbered() -> None:
    proto = dense().proto()
    for node in proto.graph.node:
        node.name = "a/b;c:d"
    graph = same(proto)
    assert [layer.name for layer in (*graph.inputs, *graph.layers)] == ["a/b;c:d", "a/b;c:d_2", "a/b;c:d_3"]


def test_weights_that_two_layers_share() -> None:
    net = Net(4)
    weights = net.weights(grid(4, 4, span=3))
    y = net.quant(net.add("MatMul", net.quant(net.x, 0.25, bits=6.0), weights), 2.0, bits=5.0)
    net.add("MatMul", y, weights)
    first, _, second = load_onnx(net.proto()).layers
    assert first.weights == second.weights  # type: ignore[attr-defined]


def test_data_beside_the_file(tmp_path: Path) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(dense().proto(), path, save_as_external_data=True, location="net.data", size_threshold=0)
    assert (tmp_path / "net.data").exists()
    assert load_onnx(path).layers == load_onnx(dense().proto()).layers


def test_the_opset_may_name_its_domain() -> None:
    proto = dense().proto()
    proto.opset_import[0].domain = "ai.onnx"
    assert read_model(proto).opset == 13


def test_folded_arithmetic_keeps_the_types_of_the_graph() -> None:
    net = Net(4)
    root = net.add("Pow", net.const(0.0625), net.const(0.5))
    x = net.add("Quant", net.x, root, net.const(0.0), net.const(6.0), domain="finn", signed=1, narrow=0)
    net.add("MatMul", x, net.weights(np.eye(4)))
    assert load_onnx(net.proto()).inputs[0].scale.of(0) * 4 == 1


def test_arithmetic_on_quantised_weights_is_folded() -> None:
    net = Net(4)
    weights = net.add("Mul", net.weights(grid(3, 4, span=3), 0.5), net.const(0.25))
    net.add("Gemm", net.quant(net.x, 0.25, bits=6.0), weights, transB=1)
    graph = load_onnx(net.proto())
    assert graph.layers[0].scale.of(0) == graph.inputs[0].scale.of(0) / 8


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (TensorProto.UINT8, IntType(0, 255)),
        (TensorProto.INT8, IntType(-128, 127)),
        (TensorProto.INT16, IntType(-32768, 32767)),
        (TensorProto.BOOL, IntType(0, 1)),
    ],
)
def test_inputs_that_are_integers_already(kind: int, expected: IntType) -> None:
    net = Net(4, kind=kind)
    net.add("MatMul", net.add("Cast", net.x, to=TensorProto.FLOAT), net.weights(np.eye(4)))
    assert load_onnx(net.proto()).inputs[0].type == expected


@pytest.mark.parametrize(
    ("text", "kind", "scale"),
    [
        ("s16.8", integer(16, signed=True), 2.0**-8),
        ("u8", integer(8, signed=False), 1.0),
        ("u8.-2", integer(8, signed=False), 4.0),
        ("s4n", integer(4, signed=True, narrow=True), 1.0),
        ("u1", IntType(0, 1), 1.0),
        ("bipolar", BIPOLAR, 1.0),
    ],
)
def test_types_that_a_person_gives(text: str, kind: IntType, scale: float) -> None:
    given = InputType.parse(text, where="--input x")
    assert (given.type, given.scale) == (kind, scale)
    net = Net(4)
    net.add("MatMul", net.x, net.weights(np.eye(4)))
    graph = load_onnx(net.proto(), inputs={"x": given})
    x = grid(64, 4, step=0.125, span=300)
    quantised = np.clip(np.rint(x.astype(np.float64) / scale), kind.lo, kind.hi) * scale
    wanted = np.where(x >= 0, 1, -1) if text == "bipolar" else quantised
    np.testing.assert_array_equal(outputs_of(graph, x)[0], wanted)


def test_a_type_of_a_fraction_of_one() -> None:
    given = InputType.parse("u8/255", where="--input x")
    assert given.scale * 255 == 1
    net = Net(1)
    net.add("MatMul", net.x, net.weights([[1.0]]))
    graph = load_onnx(net.proto(), inputs={"x": given})
    pixels = (np.arange(256, dtype=np.float32) / np.float32(255))[:, None]
    np.testing.assert_array_equal(outputs_of(graph, pixels)[0], (np.arange(256) / 255).astype(np.float32)[:, None])


def test_limits_beyond_24_bits_are_exact() -> None:
    net = Net(1)
    net.add("MatMul", net.quant(net.x, 1.0, bits=26.0), net.const([[1.0]]))
    graph = load_onnx(net.proto())
    x = np.array([[1e9], [-1e9]], np.float32)
    assert run_host(graph.before, {"x": x})[0].tolist() == [[2**25 - 1], [-(2**25)]]
