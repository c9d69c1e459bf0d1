# SPDX-License-Identifier: Apache-2.0
"""A network cut at tensors of its inside: the same integers up to there, and the rest left off aloud."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

import bitwright
from bitwright.ir.errors import BitwrightError
from tests.frontend.nets import Net, grid, outputs_of

OFF = "left off: it lies behind the outputs that were asked for"


def model() -> onnx.ModelProto:
    """Two layers, then an operator that nothing takes, a Softmax, and a second head behind the first layer."""
    net = Net(4)
    first = net.quant(net.add("MatMul", net.quant(net.x, 0.25, bits=6.0), net.weights(grid(4, 6, step=1, span=3))), 2.0)
    second = net.quant(net.add("MatMul", first, net.weights(grid(6, 3, step=1, span=3))), 4.0)
    odd = net.add("Det", second)
    soft = net.add("Softmax", odd)
    head = net.add("MatMul", first, net.weights(grid(6, 2, step=1, span=3)))
    return net.proto(soft, head)


def left(graph: bitwright.Graph) -> list[tuple[str, str]]:
    return [(row["node"], row["op"]) for row in graph.host if row["reason"] == OFF]


@pytest.mark.parametrize("asked", [["quant6.out"], ["quant6"], ["quant6.out,quant3.out"], ["quant6", "quant3"]])
def test_a_network_ends_where_it_is_asked_to(asked: list[str]) -> None:
    with pytest.raises(BitwrightError, match="Det"):
        bitwright.load(model())
    graph = bitwright.load(model(), outputs=asked)
    x = np.random.default_rng(1).normal(size=(9, 4)).astype(np.float32)
    sums = np.rint(np.clip(np.rint(x * 4), -32, 31) / 4 @ grid(4, 6, step=1, span=3) / 2).clip(-128, 127) * 2
    ends = {"quant6": np.rint(sums @ grid(6, 3, step=1, span=3) / 4).clip(-128, 127) * 4, "quant3": sums}
    wanted = [ends[name.removesuffix(".out")] for text in asked for name in text.split(",")]
    for ours, theirs in zip(outputs_of(graph, x), wanted, strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert left(graph) == [("det7", "Det"), ("softmax8", "Softmax"), ("matmul10", "MatMul")]


def test_sums_leave_where_no_quantiser_follows() -> None:
    graph = bitwright.load(model(), outputs=["matmul10.out"])
    assert left(graph) == [("matmul5", "MatMul"), ("quant6", "Quant"), ("det7", "Det"), ("softmax8", "Softmax")]
    assert next(row["reason"] for row in graph.host if row["side"] == "output") == (
        "sums to real values: no quantiser follows"
    )


def test_an_input_that_is_not_needed_goes() -> None:
    net = Net(4)
    net.inputs.append(onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, ["N", 4]))
    first = net.quant(net.x, 0.25)
    net.quant(net.add("Add", net.quant(first, 0.5), net.quant("y", 0.25)), 0.5)
    graph = bitwright.load(net.proto(), outputs=["quant1"])
    assert graph.entry.inputs == ("x",)


def test_the_audit_reads_the_same_part_again() -> None:
    graph = bitwright.load(model(), outputs=["quant6"])
    x = np.random.default_rng(2).normal(size=(3, 4)).astype(np.float32)
    outputs = outputs_of(graph, x)[0]
    outputs[0, 0] += 4
    report = bitwright.verify(graph, x, outputs, trace=True)
    assert report["golden"]["unexplained"] == 1
    assert report["trace"] == [None, None, None]
    assert "audit" not in report or report["audit"] != "unavailable"


@pytest.mark.parametrize(
    ("asked", "error"),
    [
        (
            ["quant66"],
            "--outputs quant66: model has no node that makes 'quant66'\n"
            "  hint: close to it: 'quant6', 'quant9', 'quant4'",
        ),
        (
            ["zzz"],
            "--outputs zzz: model has no node that makes 'zzz'\n"
            "  hint: name a tensor or a node of the model; its outputs are 'softmax8.out', 'matmul10.out'",
        ),
        (["quant6,quant6.out"], "--outputs quant6.out: is given twice\n  hint: name each output once"),
        (
            ["quant1.out"],
            "model: node 'quant1.out' (output): does not depend on any quantised layer\n"
            "  hint: quantise the network first (bitwright quantize)",
        ),
    ],
)
def test_where_it_cannot_end(asked: list[str], error: str) -> None:
    with pytest.raises(BitwrightError) as refused:
        bitwright.load(model(), outputs=asked)
    assert str(refused.value) == error
