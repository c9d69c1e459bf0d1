# SPDX-License-Identifier: Apache-2.0
"""`If` whose condition follows from shapes and constants is its branch; one that asks the data is refused by name."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

import bitwright
from tests.frontend.nets import Array, Net, grid, outputs_of
from tests.frontend.refusing import refusal

X = np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)


def branch(nodes: Sequence[onnx.NodeProto], output: str, **constants: Array) -> onnx.GraphProto:
    held = [numpy_helper.from_array(array, name) for name, array in constants.items()]
    return helper.make_graph(nodes, "branch", [], [helper.make_value_info(output, onnx.TypeProto())], held)


def condition(net: Net, tensor: str, axis: int, size: int) -> str:
    """Whether a tensor has this size along an axis, as exports ask for it."""
    dims = net.add("Shape", tensor)
    dim = net.add("Gather", dims, net.const(axis, np.int64), axis=0)
    return net.add("Equal", dim, net.const(size, np.int64))


def scaled(net: Net, x: str, factor: float, name: str = "product") -> onnx.GraphProto:
    """A branch that multiplies, by a constant of its own that is called as one outside."""
    return branch([helper.make_node("Mul", [x, "c0"], [name])], name, c0=np.array(factor, np.float32))


def chosen(net: Net, condition: str, then: onnx.GraphProto, otherwise: onnx.GraphProto, name: str = "if") -> str:
    net.nodes.append(
        helper.make_node("If", [condition], [f"{name}.out"], name=name, then_branch=then, else_branch=otherwise)
    )
    return f"{name}.out"


@pytest.mark.parametrize(("size", "factor"), [(6, 2.0), (5, 4.0)])
def test_the_branch_that_a_shape_decides(size: int, factor: float) -> None:
    net = Net(4)
    y = net.add("MatMul", net.quant(net.x, 0.25, bits=6.0), net.weights(grid(4, 6, step=1, span=3)))
    decided = condition(net, y, 1, size)
    net.quant(chosen(net, decided, scaled(net, y, 2.0), scaled(net, y, 4.0)), 4.0)
    sums = np.clip(np.rint(X * 4), -32, 31) / 4 @ grid(4, 6, step=1, span=3)
    wanted = np.rint(sums * factor / 4).clip(-128, 127) * 4
    np.testing.assert_array_equal(outputs_of(bitwright.load(net.proto()), X)[0], wanted)


def test_branches_inside_branches_and_one_behind_the_other() -> None:
    net = Net(4)
    y = net.quant(net.x, 0.25, bits=6.0)
    inner = branch(
        [
            helper.make_node("Shape", ["squared"], ["dims"]),
            helper.make_node("Size", ["dims"], ["rank"]),
            helper.make_node("Equal", ["rank", "two"], ["flat"]),
            helper.make_node(
                "If", ["flat"], ["inner"], then_branch=scaled(net, "squared", 0.5), else_branch=scaled(net, y, 9.0)
            ),
        ],
        "inner",
        two=np.array(2, np.int64),
    )
    inner.node.insert(0, helper.make_node("Mul", [y, "three"], ["squared"]))
    inner.initializer.append(numpy_helper.from_array(np.array(3.0, np.float32), "three"))
    first = chosen(net, condition(net, y, 0, 1), inner, scaled(net, y, 7.0))
    second = chosen(net, condition(net, first, 1, 5), scaled(net, first, 8.0), scaled(net, first, 2.0), "again")
    net.quant(second, 0.5)
    wanted = np.rint(np.clip(np.rint(X * 4), -32, 31) / 4 * 3 / 0.5).clip(-128, 127) * 0.5
    graph = bitwright.load(net.proto())
    np.testing.assert_array_equal(outputs_of(graph, X)[0], wanted)
    report = bitwright.verify(graph, X, wanted, trace=True)
    assert report["golden"]["equal"] == wanted.size and report["trace"] == [None] * len(X)


def test_the_same_with_the_size_given(tmp_path: Any) -> None:
    net = Net(4)
    net.inputs = [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", "C"])]
    y = net.quant(net.x, 0.25, bits=6.0)
    decided = condition(net, y, 1, 4)
    net.quant(chosen(net, decided, scaled(net, y, 2.0), scaled(net, y, 4.0)), 4.0)
    onnx.save(net.proto(), tmp_path / "net.onnx")
    wanted = np.rint(np.clip(np.rint(X * 4), -32, 31) / 4 * 2 / 4) * 4
    graph = bitwright.load(tmp_path / "net.onnx", shapes={"C": 4})
    np.testing.assert_array_equal(outputs_of(graph, X)[0], wanted)


def test_a_condition_of_the_data_is_refused() -> None:
    net = Net(4)
    y = net.quant(net.x, 0.25, bits=6.0)
    net.quant(chosen(net, "flag", scaled(net, y, 2.0), scaled(net, y, 4.0)), 0.5)
    net.inputs.append(helper.make_tensor_value_info("flag", TensorProto.BOOL, [1]))
    assert refusal(net.proto()) == (
        "model: node 'if' (If): chooses by the data, not by its shape\n  hint: export the network without control flow"
    )


def test_a_branch_without_what_is_read() -> None:
    net = Net(4)
    y = net.quant(net.x, 0.25, bits=6.0)
    node = helper.make_node("If", [net.const(True, np.bool_)], ["out"], name="if", else_branch=scaled(net, y, 2.0))
    net.nodes.append(node)
    assert refusal(net.proto("out")) == (
        "model: node 'if' (If): lacks the branch that is taken, or one of its outputs\n  hint: export the model again"
    )
