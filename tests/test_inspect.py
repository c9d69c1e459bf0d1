# SPDX-License-Identifier: Apache-2.0
"""`bitwright inspect`: a table that a person can read, of every network of the collection."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto
from rich.console import Console
from rich.text import Text

from bitwright import api
from bitwright.compress.codes import CODES
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Conv, Dense
from bitwright.report import show
from bitwright.report.inspection import inspection
from tests.collection import load, needs_collection, taken
from tests.frontend.nets import Net, without_form

WIDTH = 120


def drawn(result: dict[str, Any], width: int = WIDTH) -> list[str]:
    """The lines that a console of this width shows of a report of `inspect`."""
    text = io.StringIO()
    Console(file=text, width=width).print(inspection(result))
    return [line.rstrip() for line in text.getvalue().splitlines()]


def body(lines: list[str], heading: str) -> list[list[str]]:
    """The rows of the first table whose head starts like `heading`, each as its cells."""
    start = next(i for i, line in enumerate(lines) if line.strip().startswith(heading)) + 2
    end = next((i for i in range(start, len(lines)) if not lines[i].strip()), len(lines))
    return [[cell for cell in line.split("  ") if cell.strip()] for line in lines[start:end]]


@needs_collection
def test_no_network_of_the_collection_is_lost() -> None:
    assert len(taken()) >= 49


@pytest.mark.slow
@needs_collection
@pytest.mark.parametrize("name", taken())
def test_every_network_of_the_collection(name: str) -> None:
    """A line for each layer and each host step, whole but for long names, and every figure that the report holds."""
    net = load(name)
    result = api.inspect(net)
    lines = drawn(result)
    assert max(map(len, lines)) <= WIDTH
    check_layers(net, result, body(lines, "layer"))
    steps = {tuple(step.values()) for step in result["host"]}
    said = body(lines, "side") if steps else []
    assert len(said) == len(steps)
    for step in result["host"]:
        assert step["reason"] and ((step["op"] and step["node"]) or step["reason"].endswith("as asked"))
        assert [step["side"], step["reason"]] in [[row[0].strip(), row[-1].strip()] for row in said]


def check_layers(net: Graph, result: dict[str, Any], rows: list[list[str]]) -> None:
    """Each layer has one line, in order, with shape, type and range; matrix layers with accumulator, weights, MACs."""
    assert len(rows) == len(net.by_name) == len(result["layers"])
    for layer, entry, row in zip(net.by_name.values(), result["layers"], rows, strict=True):
        shown = row[0].strip()
        assert shown == layer.name or (shown[0] == "…" and layer.name.endswith(shown[1:]) and len(shown) > 6)
        low, high = entry["range"]
        kind = str(layer.type).partition("[")[0]
        shape = "x".join(map(str, layer.shape))
        assert [cell.strip() for cell in row[1:5]] == [layer.op, shape, kind, f"{low}..{high}"]
        if isinstance(layer, Dense | Conv):
            share = f"{layer.weights.zeros / layer.weights.array.size:.0%}"
            macs = f"{layer.macs:,}".replace(",", " ")
            weights = str(layer.weights.type).partition("[")[0]
            assert [cell.strip() for cell in row[5:]] == [str(entry["accumulator_bits"]), weights, share, macs]


def test_float32_weights_are_said_to_be_integers_over_a_power_of_two() -> None:
    net = Net(2, kind=TensorProto.UINT8)
    net.add("MatMul", net.dequantize(net.x, 0.5), net.const([[0.1, -0.3], [1e-3, 2.5]]))
    said = "node0: float32 weights that no quantiser limits, taken as exact integers (s36) over 2^34"
    (line,) = [line for line in drawn(api.inspect(api.load(net.proto()))) if "float32" in line]
    assert line.partition(": ")[2] == said.partition(": ")[2]


def test_the_bits_of_each_layer_s_weights_dense_sparse_and_coded() -> None:
    """By the codes themselves, once from each; totals in one line, and a table of the layers that have weights."""
    rng = np.random.default_rng(0)
    weights = rng.integers(-7, 8, (40, 30)) * (rng.random((40, 30)) < 0.2)
    net = Net(40, kind=TensorProto.UINT8)
    y = net.add("MatMul", net.dequantize(net.x, 0.5), net.weights(weights.astype(np.float32)))
    net.quant(net.add("Relu", y), 0.5)
    made = api.load(net.proto())
    result = api.inspect(made)
    (row,) = [row for row in result["layers"] if row["weight_count"]]
    (layer,) = [layer for layer in made.layers if isinstance(layer, Dense)]
    packed = {name: code().encode(layer.weights.array.astype(np.int32)).bits for name, code in CODES.items()}
    assert row["weight_bits"] == 1200 * layer.weights.type.bits and row["sparse_bits"] == packed["relative"]
    assert row["coded_bits"] == min(packed.values()) == packed[row["code"]]
    for key in ("weight_bits", "sparse_bits", "coded_bits"):
        assert result[key] == row[key] == sum(other[key] for other in result["layers"])
    lines = drawn(result)
    said = [f"{row[key]:,}".replace(",", " ") for key in ("weight_bits", "sparse_bits", "coded_bits")]
    assert f"1 200 MACs per sample, {said[0]} weight bits: {said[1]} without the zeros, {said[2]} coded" in lines
    (stored,) = [cells.split("  ") for cells in lines[lines.index("stored weights") :] if row["code"] in cells]
    assert [cell.strip() for cell in stored if cell.strip()] == [row["name"], "1 200", *said, row["code"]]


def prologue() -> Net:
    """The arithmetic x / 255 * 2 - 1 before the quantiser of an image."""
    net = Net(1, 4, 4)
    y = net.add("Sub", net.add("Mul", net.add("Div", net.x, net.const(255.0)), net.const(2.0)), net.const(1.0))
    net.add("Relu", net.quant(y, 0.125))
    net.quant(net.nodes[-1].output[0], 0.25)
    return net


def test_an_arithmetic_prologue_is_said_to_be_on_the_host() -> None:
    result = api.inspect(api.load(prologue().proto()))
    assert result["on_chip"] == []
    steps = [(step["op"], step["reason"]) for step in result["host"] if step["side"] == "input"]
    assert steps == [
        *((op, "before the input quantiser") for op in ("Div", "Mul", "Sub")),
        ("Quant", "quantises the real-valued input"),
    ]


def test_an_arithmetic_prologue_is_said_to_be_on_chip() -> None:
    """With a type on the input the same nodes are in the first layer, and `inspect` names them."""
    net = prologue()
    made = api.load(net.proto(), inputs={"x": "u8"})
    result, nodes = api.inspect(made), [node.name for node in net.nodes]
    (said,) = result["on_chip"]
    assert said == {"input": made.inputs[0].name, "layer": made.layers[0].name, "nodes": list(made.layers[0].source)}
    assert said["nodes"][:3] == nodes[:3]
    assert f"on chip behind input '{said['input']}': {', '.join(said['nodes'])}" in drawn(result)
    assert [step["op"] for step in result["host"] if step["side"] == "input"] == [""]


def test_arithmetic_that_a_matrix_layer_takes_in_is_said_to_be_on_chip() -> None:
    net = Net(4, kind=TensorProto.UINT8)
    y = net.add("Mul", net.add("Cast", net.x, to=TensorProto.FLOAT), net.const(0.25))
    net.quant(net.add("MatMul", y, net.weights(np.eye(4, dtype=np.float32))), 0.5)
    made = api.load(net.proto())
    (said,) = api.inspect(made)["on_chip"]
    assert said["nodes"] == [node.name for node in net.nodes if node.op_type == "Mul"]


@pytest.mark.parametrize(
    ("room", "left"), [(40, "a/very/long/name_quantize"), (16, "…name_quantize"), (9, "…quantize")]
)
def test_long_names_are_cut_in_front(room: int, left: str) -> None:
    assert show.shortened(Text("a/very/long/name_quantize"), room).plain == left


def test_names_give_way_before_numbers_are_broken() -> None:
    rows = [["n" * 300, 123456789], ["short", 1]]
    text = io.StringIO()
    Console(file=text, width=40).print(show.table("t", ["layer", "MACs"], rows))
    (first, second) = text.getvalue().splitlines()[4:6]
    assert first.split("  ") == [" …" + "n" * 24, "123 456 789 "]
    assert second.split() == ["short", "1"]


def test_what_compile_would_refuse_is_said() -> None:
    net = api.load(without_form().proto())
    result = api.inspect(net)
    with pytest.raises(BitwrightError) as refusal:
        api.compile(net)
    (said,) = result["refused"]
    assert f"{said['where']}: {said['what']}\n  hint: {said['hint']}" == str(refusal.value)
    assert [line for line in drawn(result, 400) if "cannot be compiled" in line] == [
        f"{said['where']} cannot be compiled: {said['what']}; {said['hint']}"
    ]


def test_a_layer_of_more_codes_than_are_listed_is_not_refused() -> None:
    net = Net(1 << 11)
    net.quant(net.quant(net.x, 2.0**-16, bits=16.0), 2.0**-15, np.linspace(0, 1, 1 << 11), bits=16.0)
    assert not api.inspect(api.load(net.proto())).get("refused")
