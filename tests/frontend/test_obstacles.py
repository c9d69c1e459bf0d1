# SPDX-License-Identifier: Apache-2.0
"""`inspect` of what cannot be taken: every obstacle, not the first only, with counts and the work behind each."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from bitwright.cli import commands as cli
from bitwright.frontend.obstacles import Obstacle, survey
from bitwright.frontend.refusals import NORMALISES
from tests.frontend.nets import Net, grid


def weights(net: Net, *shape: int) -> str:
    return net.weights(grid(*shape, step=1, span=3))


def network() -> Net:
    """An operator that nobody knows, two normalisations, a clip that is no clip, and what follows from them."""
    net = Net(4, 8, 8, opset=17)
    y = net.quant(net.add("Conv", net.quant(net.x, 0.25), weights(net, 4, 4, 3, 3)), 2.0)  # 4 * 36 * 36 = 5184
    y = net.add("Relu", net.add("Odd", y, domain="mine"))
    y = net.quant(net.add("Conv", net.quant(y, 2.0), weights(net, 4, 4, 1, 1)), 2.0)  # 36 * 4 * 4 = 576
    y = net.quant(net.add("LayerNormalization", y, net.const(np.ones(6))), 1.0)
    y = net.quant(net.add("Conv", y, weights(net, 2, 4, 1, 1)), 2.0)  # 36 * 2 * 4 = 288
    net.quant(net.add("LayerNormalization", y, net.const(np.ones(6))), 1.0)
    return net


def found(net: Net, **asked: Any) -> list[Obstacle]:
    return list(survey(net.proto(), {}, **asked).obstacles)


def test_every_obstacle_with_the_work_behind_it() -> None:
    whole = survey(network().proto(), {})
    assert whole.macs == 5184 + 576 + 288
    odd, normalised = whole.obstacles
    assert (odd.op, odd.what, odd.nodes) == ("Odd", "is not supported in the domain 'mine'", ("odd4",))
    assert odd.macs == 576 + 288
    assert normalised == Obstacle(
        "LayerNormalization", *NORMALISES, ("layernormalization10", "layernormalization15"), 288
    )


def test_what_is_cut_off_is_no_obstacle() -> None:
    assert [row.op for row in found(network(), outputs=["quant3"])] == []
    assert [row.op for row in found(network(), outputs=["quant9"])] == ["Odd"]


def test_an_activation_without_a_quantiser_is_one_obstacle_and_not_all_that_follow() -> None:
    net = Net(4)
    y = net.add("MatMul", net.quant(net.x, 0.25), weights(net, 4, 4))
    y = net.add("MatMul", net.add("Softsign", y), weights(net, 4, 4))
    y = net.add("MatMul", y, weights(net, 4, 4))
    net.quant(y, 1.0)
    (row,) = found(net)
    assert (row.op, row.nodes, row.macs) == ("MatMul", ("matmul5",), 32)


def test_a_float_network_is_one_obstacle_and_what_nothing_takes_another() -> None:
    net = Net(4)
    y = net.add("MatMul", net.x, net.const(grid(4, 4)))
    y = net.add("LayerNormalization", y, net.const(np.ones(4)))
    net.add("Odd", net.add("MatMul", y, net.const(grid(4, 2))))
    net.opset = 17
    assert [(row.op, row.nodes, row.macs) for row in found(net)] == [
        ("LayerNormalization", ("layernormalization1",), 8),
        ("Odd", ("odd3",), 0),
    ]
    net.nodes = [node for node in net.nodes if node.op_type == "MatMul"]
    net.nodes[1].input[0] = net.nodes[0].output[0]
    (row,) = found(net)
    assert (row.op, row.what, row.nodes, row.macs) == (
        "MatMul",
        "computes in float: nothing in the network is quantised",
        ("matmul0", "matmul2"),
        24,
    )


def test_a_softmax_between_products_is_named() -> None:
    net = Net(4, 4)
    y = net.add("Softmax", net.add("MatMul", net.x, net.const(grid(4, 4))))
    net.add("MatMul", y, net.const(grid(4, 2)))
    (row,) = found(net)
    assert (row.op, row.what, row.nodes, row.macs) == (
        "Softmax",
        "is a soft maximum between two products, computed in float",
        ("softmax1",),
        32,
    )


def test_loops_and_choices_of_the_data_are_listed_too() -> None:
    net = Net(4)
    y = net.quant(net.x, 0.25)
    body = helper.make_graph([], "body", [], [helper.make_value_info(y, onnx.TypeProto())])
    net.nodes.append(helper.make_node("Loop", ["", "", y], ["looped"], name="loop", body=body))
    net.quant(net.add("Odd", net.quant("looped", 0.5)), 0.5)
    loop, odd = found(net)
    assert (loop.op, loop.what, loop.nodes) == ("Loop", "has a subgraph 'body'", ("loop",))
    assert odd.nodes == ("odd3",)


def test_inspect_lists_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(network().proto(), path)
    assert cli.main(["inspect", str(path), "--json"]) == 2
    out, err = capsys.readouterr()
    result = json.loads(out)
    assert err.startswith("error: net.onnx: node 'odd4' (Odd): is not supported in the domain 'mine'\n  hint: ")
    assert (result["version"], result["model"], result["macs"]) == (1, "net.onnx", 6048)
    assert [(row["op"], row["count"], row["nodes"], row["macs"], row["macs_share"]) for row in result["obstacles"]] == [
        ("Odd", 1, ["odd4"], 864, 0.1429),
        ("LayerNormalization", 2, ["layernormalization10", "layernormalization15"], 288, 0.0476),
    ]
    assert all(row["what"] and row["hint"] for row in result["obstacles"])
    assert cli.main(["inspect", str(path)]) == 2
    out, err = capsys.readouterr()
    assert "net.onnx: 3 nodes in the way, 6048 MACs per sample" in out
    assert "14 %" in out and "layernormalization10" in out
    assert cli.main(["inspect", str(path), "--outputs", "quant3", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["obstacles"] == []


def test_what_no_node_shows_is_an_obstacle_all_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    net = Net(4)
    net.quant(net.x, 0.25)
    onnx.save(net.proto(), tmp_path / "net.onnx")
    assert cli.main(["inspect", str(tmp_path / "net.onnx"), "--json"]) == 2
    out, _ = capsys.readouterr()
    (row,) = json.loads(out)["obstacles"]
    assert (row["op"], row["what"], row["macs_share"]) == ("", "holds no quantised layer", None)
    assert cli.main(["inspect", str(tmp_path / "none.onnx"), "--json"]) == 2
    assert capsys.readouterr().out == ""
