# SPDX-License-Identifier: Apache-2.0
"""Functions between quantisers become tables: every code against a float64 evaluation, and proved by the checker."""

import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

import bitwright as bw
from bitwright.check import check
from bitwright.ir.files import to_bytes
from bitwright.ir.layers import Table

SCALE, OUT = 0.0625, 0.03125
BITS = 7


def quant(name: str, source: str, made: str, scale: str) -> onnx.NodeProto:
    return helper.make_node(
        "Quant",
        [source, scale, "zero", "bits"],
        [made],
        name=name,
        domain="qonnx.custom_op.general",
        signed=1,
        narrow=0,
        rounding_mode="ROUND",
    )


def model(nodes: list[onnx.NodeProto], **constants: float) -> onnx.ModelProto:
    """Quantiser, `nodes` from q to f, quantiser."""
    values = {"scale_in": SCALE, "scale_out": OUT, "zero": 0.0, "bits": float(BITS), **constants}
    graph = helper.make_graph(
        [quant("qin", "x", "q", "scale_in"), *nodes, quant("qout", "f", "y", "scale_out")],
        "function",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 128])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 128])],
        [helper.make_tensor(name, TensorProto.FLOAT, [], [value]) for name, value in values.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)])


def every_code() -> np.ndarray:
    return (np.arange(-64, 64) * SCALE).astype(np.float32).reshape(1, 128)


def op(kind: str, **attributes: float) -> list[onnx.NodeProto]:
    return [helper.make_node(kind, ["q"], ["f"], name="function", **attributes)]


SILU = [helper.make_node("Sigmoid", ["q"], ["s"]), helper.make_node("Mul", ["q", "s"], ["f"], name="function")]
GELU = [
    helper.make_node("Div", ["q", "root"], ["d"]),
    helper.make_node("Erf", ["d"], ["e"]),
    helper.make_node("Add", ["e", "one"], ["p"]),
    helper.make_node("Mul", ["q", "p"], ["m"]),
    helper.make_node("Mul", ["m", "half"], ["f"], name="function"),
]


def normal(x: float) -> float:
    return x * (1 + math.erf(x / math.sqrt(2))) / 2


FUNCTIONS: list[tuple[list[onnx.NodeProto], Callable[[float], float]]] = [
    (op("Exp"), math.exp),
    (op("Erf"), math.erf),
    (op("Abs"), abs),
    (op("Softplus"), lambda x: math.log1p(math.exp(x))),
    (op("Elu", alpha=0.75), lambda x: x if x >= 0 else 0.75 * math.expm1(x)),
    (op("Selu"), lambda x: 1.0507010221481323 * (x if x >= 0 else 1.6732631921768188 * math.expm1(x))),
    (op("Gelu"), normal),
    (op("HardSwish"), lambda x: x * min(max(x / 6 + 0.5, 0), 1)),
    (op("Sigmoid"), lambda x: 1 / (1 + math.exp(-x))),
    (op("Tanh"), math.tanh),
    (op("LeakyRelu", alpha=0.125), lambda x: x if x >= 0 else 0.125 * x),
    (op("Neg"), lambda x: -x),
    (SILU, lambda x: x / (1 + math.exp(-x))),
    (GELU, normal),
]


@pytest.mark.parametrize(("nodes", "function"), FUNCTIONS, ids=[nodes[0].op_type for nodes, _ in FUNCTIONS])
def test_every_code_of_a_function(
    nodes: list[onnx.NodeProto], function: Callable[[float], float], tmp_path: Path
) -> None:
    net = bw.load(model(nodes, root=math.sqrt(2), one=1.0, half=0.5))
    x = every_code()
    got = np.rint(bw.run(net, x)[0] / OUT)
    for value, code in zip(x[0], got, strict=True):
        exact = function(float(value)) / OUT
        near = abs(exact - math.floor(exact) - 0.5) < 1e-6  # a tie of the definition, or of float32's constants
        assert near or code == min(max(round(exact), -64), 63), f"f({value}) / step is {exact}, the code is {code}"
    design = bw.compile(net)
    (tmp_path / "graph.bw").write_bytes(to_bytes(net))
    (tmp_path / "certificate.json").write_text(json.dumps(design.certificate))
    assert all(verdict.ok for verdict in check(tmp_path))


def test_a_changed_entry_is_refuted(tmp_path: Path) -> None:
    net = bw.load(model(op("Gelu")))
    (table,) = (layer for layer in net.layers if isinstance(layer, Table))
    lines = bw.compile(net).certificate
    for line in lines:
        if line["layer"] == table.name:
            line["function"] = [["sigmoid"], ["times_input"], *line["function"][2:]]
    (tmp_path / "graph.bw").write_bytes(to_bytes(net))
    (tmp_path / "certificate.json").write_text(json.dumps(lines))
    assert [verdict.layer for verdict in check(tmp_path) if not verdict.ok] == [table.name]


def test_gelu_by_tanh_is_refused() -> None:
    with pytest.raises(bw.BitwrightError) as error:
        bw.load(model(op("Gelu", approximate="tanh")))  # type: ignore[arg-type]
    assert str(error.value) == (
        "model: node 'function' (Gelu): approximates GELU by tanh\n  hint: export it with approximate='none'"
    )
