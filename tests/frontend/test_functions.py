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


def op(kind: str, **attributes: float | str) -> list[onnx.NodeProto]:
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


def by_tanh(x: float) -> float:
    return 0.5 * x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3)))


def raised(exponent: str, *before: str) -> list[onnx.NodeProto]:
    """The operators `before`, then a power."""
    first = [helper.make_node(kind, ["q"], ["p"]) for kind in before]
    return [*first, helper.make_node("Pow", ["p" if before else "q", exponent], ["f"], name="function")]


def positive(kind: str) -> list[onnx.NodeProto]:
    return [helper.make_node("Abs", ["q"], ["p"]), helper.make_node(kind, ["p"], ["f"], name="function")]


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
    (op("Softsign"), lambda x: x / (1 + abs(x))),
    (op("ThresholdedRelu", alpha=0.4375), lambda x: x if x > 0.4375 else 0),
    (op("ThresholdedRelu", alpha=-1.0), lambda x: x if x > -1 else 0),
    (op("Celu", alpha=0.75), lambda x: x if x >= 0 else 0.75 * math.expm1(x / 0.75)),
    (op("Celu"), lambda x: x if x >= 0 else math.expm1(x)),
    (op("Mish"), lambda x: x * math.tanh(math.log1p(math.exp(x)))),
    (op("Gelu", approximate="tanh"), by_tanh),
    (op("Sign"), lambda x: (x > 0) - (x < 0)),
    (op("Ceil"), math.ceil),
    (op("Reciprocal"), lambda x: 1 / x if x else 1e9),
    (raised("two"), lambda x: x * x),
    (raised("three"), lambda x: x**3),
    (raised("minus"), lambda x: x**-2 if x else 1e9),
    (positive("Sqrt"), lambda x: math.sqrt(abs(x))),
    (positive("Log"), lambda x: math.log(abs(x)) if x else -1e9),
    (raised("half", "Relu"), lambda x: math.sqrt(max(x, 0))),
    (raised("back", "Abs"), lambda x: abs(x) ** -1.5 if x else 1e9),
    (SILU, lambda x: x / (1 + math.exp(-x))),
    (GELU, normal),
]


CONSTANTS = {"root": math.sqrt(2), "one": 1.0, "half": 0.5, "two": 2.0, "three": 3.0, "minus": -2.0, "back": -1.5}


NAMES = [f"{nodes[-1].op_type}{n}" for n, (nodes, _) in enumerate(FUNCTIONS)]


@pytest.mark.parametrize(("nodes", "function"), FUNCTIONS, ids=NAMES)
def test_every_code_of_a_function(
    nodes: list[onnx.NodeProto], function: Callable[[float], float], tmp_path: Path
) -> None:
    net = bw.load(model(nodes, **CONSTANTS))
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


@pytest.mark.parametrize("nodes", [nodes for nodes, _ in FUNCTIONS], ids=NAMES)
def test_a_function_that_is_written_reads_back(nodes: list[onnx.NodeProto]) -> None:
    """Or is refused: at a pole, and where float32 constants do not meet an exact tie."""
    net = bw.load(model(nodes, **CONSTANTS))
    try:
        written = bw.to_onnx(net)
    except bw.BitwrightError as error:
        assert nodes[-1].op_type in ("Reciprocal", "Pow", "Log", "Mul", "HardSwish"), error
        return
    np.testing.assert_array_equal(bw.run(bw.load(written), every_code())[0], bw.run(net, every_code())[0])


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


REFUSED: list[tuple[list[onnx.NodeProto], str]] = [
    (
        [helper.make_node("Tanh", ["q"], ["p"]), helper.make_node("Gelu", ["p"], ["f"], name="function")],
        "model: node 'function' (Gelu): is a function times its input, behind another function\n"
        "  hint: quantise the activation before it",
    ),
    (
        op("Celu", alpha=-1.0),
        "model: node 'function' (Celu): has an alpha that is not positive\n  hint: export the model again",
    ),
    (
        raised("root"),
        "model: node 'function' (Pow): has the exponents [1.4142135381698608]\n"
        "  hint: one whole number from 1 to 8, or minus it, or a half of one, is supported",
    ),
    (
        [helper.make_node("Pow", ["two", "q"], ["f"], name="function")],
        "model: node 'function' (Pow): computes its input 1 ('q') from data\n"
        "  hint: only a constant exponent is supported",
    ),
    (
        op("Sqrt"),
        "model: node 'qout' (Quant): takes the square root of a negative number\n"
        "  hint: keep what it reads from below zero, by a Relu or an unsigned quantiser",
    ),
    (
        [helper.make_node("Sign", ["x"], ["f"], name="function")],
        "model: node 'function' (Sign): is a function of real values\n  hint: quantise its input, and its output",
    ),
]


@pytest.mark.parametrize(("nodes", "said"), REFUSED)
def test_a_function_that_cannot_be_taken_is_named(nodes: list[onnx.NodeProto], said: str) -> None:
    with pytest.raises(bw.BitwrightError) as error:
        bw.load(model(nodes, **CONSTANTS))
    assert str(error.value) == said
