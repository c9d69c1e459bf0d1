# SPDX-License-Identifier: Apache-2.0
"""Files, inputs and operators that cannot be taken, word for word."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from bitwright.frontend.inputs import InputType
from bitwright.frontend.lowering import HANDLERS
from bitwright.frontend.operators.selections import MASKED
from bitwright.ir.errors import BitwrightError
from tests.frontend.nets import QONNX, Net
from tests.frontend.refusing import refusal


@pytest.mark.parametrize(
    ("op", "domain", "home"),
    [
        ("NonMaxSuppression", "", ""),
        ("Dequantise", QONNX, f" in the domain '{QONNX}'"),
        ("Relu", "com.example", " in the domain 'com.example'"),
    ],
)
def test_operators_that_nobody_handles(op: str, domain: str, home: str) -> None:
    net = Net(4)
    net.add(op, net.x, net.x, domain=domain)
    assert refusal(net.proto()) == (
        f"model: node '{op.lower()}0' ({op}): is not supported{home}\n"
        f"  hint: supported operators: {', '.join(sorted((*HANDLERS, *MASKED)))}"
    )


def test_a_network_without_a_layer() -> None:
    net = Net(4)
    net.quant(net.x, 1.0)
    assert refusal(net.proto()) == (
        "model: holds no quantised layer\n  hint: quantise the network first (bitwright quantize)"
    )


def test_an_output_that_no_node_makes() -> None:
    net = Net(4)
    net.quant(net.x, 1.0)
    assert refusal(net.proto("y")) == "model: output 'y' is made by no node\n  hint: export the model again"


def test_types_for_inputs_that_do_not_take_them() -> None:
    net = Net(4, kind=TensorProto.INT8)
    net.dequantize(net.x, 1.0, 0, np.int8)
    given = InputType.parse("u8", where="--input x")
    assert refusal(net.proto(), inputs={"x": given}) == (
        "--input x: is of type int8 already\n  hint: only real-valued inputs take a type"
    )
    assert refusal(net.proto(), inputs={"y": given}) == (
        "--input y: the model has no input 'y'\n  hint: its inputs are 'x'"
    )


@pytest.mark.parametrize("text", ["", "8", "s1", "u0", "u33", "s8.2.1", "u8/0", "s8/", "float", "S8", "u8 "])
def test_a_type_that_is_none(text: str) -> None:
    with pytest.raises(BitwrightError) as error:
        InputType.parse(text, where="--input x")
    assert str(error.value) == (
        f"--input x: '{text}' is not a type\n  hint: for example s16.8, u8, u8/255, bipolar or s4n, up to 32 bits"
    )


NOT_ONNX = "is not an ONNX model\n  hint: export the network to ONNX, or give a graph saved by bitwright"


@pytest.mark.parametrize("data", [b"", b"hello", b"\x00" * 100, b"PK\x03\x04"])
def test_files_that_are_no_models(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "net.onnx"
    path.write_bytes(data)
    assert refusal(path) == f"net.onnx: {NOT_ONNX}"
    assert refusal(data) == f"model: {NOT_ONNX}"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    path = tmp_path / "none.onnx"
    assert refusal(path) == f"{path}: cannot be read: No such file or directory\n  hint: give the path of an ONNX file"


@pytest.mark.parametrize(
    ("info", "what", "hint"),
    [
        (
            helper.make_tensor_value_info("x", TensorProto.FLOAT, None),
            "declares no shape",
            "say it: --shape x=1x3x96x96, for example",
        ),
        (
            helper.make_tensor_sequence_value_info("x", TensorProto.FLOAT, [1]),
            "declares no shape",
            "say it: --shape x=1x3x96x96, for example",
        ),
        (
            helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3, "W"]),
            "has an unknown size: ['N', 3, 'W']",
            "fill it in: --shape x=1x3xW, with numbers throughout; in Python load(..., shapes={...})",
        ),
        (
            helper.make_tensor_value_info("x", TensorProto.STRING, ["N", 3]),
            "is of type string",
            "use float32, or integers up to 32 bits",
        ),
        (
            helper.make_tensor_value_info("x", TensorProto.INT64, ["N", 3]),
            "is of type int64",
            "use float32, or integers up to 32 bits",
        ),
    ],
)
def test_inputs_that_declare_too_little(info: onnx.ValueInfoProto, what: str, hint: str) -> None:
    net = Net(3)
    net.quant(net.x, 1.0)
    net.inputs = [info]
    assert refusal(net.proto()) == f"model: input 'x': {what}\n  hint: {hint}"


def test_a_subgraph() -> None:
    net = Net(3)
    body = helper.make_graph([], "body", [], [helper.make_value_info("y", onnx.TypeProto())])
    net.nodes.append(helper.make_node("Loop", ["", "", "x"], ["y"], name="loop", body=body))
    assert refusal(net.proto()) == (
        "model: node 'loop' (Loop): has a subgraph 'body'\n  hint: export the network without control flow"
    )


def test_a_truncated_tensor() -> None:
    net = Net(3)
    net.quant(net.x, 1.0)
    proto = net.proto()
    proto.graph.initializer[0].dims.append(7)
    assert refusal(proto) == (
        "model: tensor 'c0': holds 4 bytes for the shape [7], which takes 28\n"
        "  hint: export the model again; the file may be truncated"
    )


@pytest.mark.parametrize("location", ["../secret", "/etc/passwd"])
def test_data_outside_the_folder(tmp_path: Path, location: str) -> None:
    net = Net(3)
    net.quant(net.x, 1.0)
    proto = net.proto()
    tensor = numpy_helper.from_array(np.float32([1.0]), "c0")
    onnx.external_data_helper.set_external_data(tensor, location)
    tensor.ClearField("raw_data")
    proto.graph.initializer[0].CopyFrom(tensor)
    path = tmp_path / "net.onnx"
    path.write_bytes(proto.SerializeToString())
    assert refusal(path) == (
        f"net.onnx: tensor 'c0': keeps its data outside the model's folder: '{location}'\n"
        "  hint: put the data file beside the model"
    )
    assert refusal(proto) == (
        f"model: tensor 'c0': keeps its data in '{location}', and the model has no folder\n"
        "  hint: give the model as a file"
    )
