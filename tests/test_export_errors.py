# SPDX-License-Identifier: Apache-2.0
"""What cannot be written: the layer's name, the reason, a way out, and no file; and the command around it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from fractions import Fraction
from pathlib import Path

import numpy as np
import onnx
import pytest

import bitwright as bw
from bitwright.backends.onnx.export import to_onnx
from bitwright.cli import commands as cli
from bitwright.exact.tabulate import tabulate
from bitwright.ir import files
from bitwright.ir.functions import function_of
from bitwright.ir.graph import Graph
from bitwright.ir.host import HostGraph, HostStep
from bitwright.ir.host_ops import Affine, Constant, Quantise
from bitwright.ir.layers import Requantise, Rounding
from bitwright.ir.types import IntType, integer
from bitwright.ir.weights import Weights
from tests.exported import execute
from tests.layers.nets import Net

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "bitwright/demo/digits.onnx"
S4, S8, U8, U10 = integer(4, signed=True), integer(8, signed=True), integer(8, signed=False), integer(10, signed=False)
OWN = "save the graph in bitwright's own format, which holds all there is (docs/files.md)"


def long_sums() -> Graph:
    net = Net()
    net.dense(net.input("x0", (4,), U8), [[1 << 46, 1, 1, 1]])
    return net.graph()


def wide_thresholds() -> Graph:
    net = Net()
    x = net.dense(net.input("x0", (2,), U8), [[1 << 20, 1]])
    rows = [[Fraction(v) for v in (5, 17, 400, 1 << 20, 1 << 26)]]
    net.rescale(x, "u3", levels=rows)
    return net.graph()


def wide_table() -> Graph:
    net = Net()
    net.table(net.input("x0", (3,), S8), U10, ("affine", "1/8", "0"), "sigmoid", ("affine", "1023", "0"), zero=9)
    return net.graph()


def lone_distribution() -> Graph:
    net = Net()
    net.table(net.input("x0", (3,), S4), S8, ("affine", "1", "0"), "tanh")
    function = function_of("normal_cdf", ("affine", "100", "1/7"))
    limits = {"rounding": Rounding.HALF_EVEN, "low": -128, "high": 127, "shift": 0}
    entries = tabulate(function, S4, scale=Fraction(1), zero=Fraction(0), **limits)
    graph = net.graph()
    return replace(graph, layers=(replace(graph.layers[0], function=function, entries=entries),))


@dataclass(frozen=True, slots=True, kw_only=True)
class Mirror(Requantise):
    """A layer that no writer knows."""


def unknown_layer() -> Graph:
    net = Net()
    net.rescale(net.input("x0", (2,), S8), S4, multiplier=Fraction(1, 16), rounding="floor")
    graph = net.graph()
    layer = graph.layers[0]
    return replace(graph, layers=(Mirror(**{field.name: getattr(layer, field.name) for field in fields(layer)}),))


def other_entries() -> Graph:
    net = Net()
    net.table(net.input("x0", (3,), S4), S8, ("affine", "1/4", "0"), "tanh", ("affine", "100", "0"))
    graph = net.graph()
    layer = replace(graph.layers[0], entries=Weights(np.arange(16)[::-1].copy()))
    return replace(graph, layers=(layer,))


def odd_input() -> Graph:
    net = Net()
    net.dense(net.input("x0", (2,), IntType(3, 2000)), [[1, 2]])
    return net.graph()


def clipped_apart() -> Graph:
    net = Net()
    left = net.dense(net.input("x0", (2,), S4), [[1, 2], [3, 4]])
    numbers = ([1.0], [0.0], [-1.0, -2.0], [3.0, np.inf])
    scale, offset, low, high = (Constant(np.array(row)) for row in numbers)
    does = Affine(scale=scale, offset=offset, low=low, high=high)
    step = HostStep(does=does, inputs=(left.name,), output="y", node="/Clip_3", side="output")
    return replace(net.graph(), after=HostGraph((left.name,), (step,), ("y",)))


def quantised_behind() -> Graph:
    net = Net()
    left = net.dense(net.input("x0", (2,), S4), [[1, 2], [3, 4]])
    step = HostStep(does=Quantise.plain(IntType(-512, 511), 0.5), inputs=(left.name,), output="y", node="/Q")
    return replace(net.graph(), after=HostGraph((left.name,), (step,), ("y",)))


REFUSED = {
    long_sums: (
        "layer 'dense0': its sums need 55 bits, floating point holds integers of at most 54\n"
        f"  hint: quantise weights or inputs to fewer bits, or {OWN}"
    ),
    wide_thresholds: (
        "layer 'act1': no float64 arithmetic has its steps over integers up to 267387135\n"
        f"  hint: quantise weights or inputs to fewer bits, or {OWN}"
    ),
    wide_table: f"layer 'table0': makes the codes u10, for which QuantizeLinear has no type\n  hint: {OWN}",
    lone_distribution: f"layer 'table0': tabulates 'normal_cdf', which no ONNX operator computes\n  hint: {OWN}",
    unknown_layer: f"layer 'act0': is a 'mirror', which no ONNX operator states\n  hint: {OWN}",
    other_entries: f"layer 'table0': floating point does not meet all the entries of its table\n  hint: {OWN}",
    odd_input: (
        "input layer 'x0': quantises to the codes u11[3..2000], for which no quantiser of ONNX or QONNX has a type\n"
        "  hint: give the input a type of full width, for example --input NAME=s16.8"
    ),
    clipped_apart: (
        "host step '/Clip_3': clips channels of an output at one end, and others at both, which no ONNX operator does\n"
        "  hint: quantise the output, or clip it to the same limits in every channel"
    ),
    quantised_behind: (
        "host step '/Q': quantises to the codes s10 behind the accelerator, which QuantizeLinear does not do\n"
        "  hint: end the network before this quantiser"
    ),
}


@pytest.mark.parametrize("build", REFUSED, ids=[build.__name__ for build in REFUSED])
def test_what_no_operator_states_is_refused_by_name(build: Callable[[], Graph]) -> None:
    with pytest.raises(bw.BitwrightError) as error:
        to_onnx(build())
    assert str(error.value) == REFUSED[build]


def test_a_refused_graph_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    saved, out = tmp_path / "net.bw", tmp_path / "net.onnx"
    files.save(wide_table(), saved)
    assert cli.main(["export", str(saved), "-o", str(out)]) == 2
    assert capsys.readouterr().err == f"error: {REFUSED[wide_table]}\n"
    assert list(tmp_path.iterdir()) == [saved]


def test_the_command_writes_what_the_library_makes(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "digits_out.onnx"
    assert cli.main(["export", str(DIGITS), "-o", str(out), "--json"]) == 0
    shown, content = json.loads(capsys.readouterr().out), out.read_bytes()
    model = bw.to_onnx(bw.load(DIGITS))
    assert content == model.SerializeToString(deterministic=True)
    assert shown == {
        "version": 1,
        "model": str(DIGITS),
        "file": str(out),
        "dialect": "QDQ",
        "opset": 21,
        "nodes": len(model.graph.node),
        "bytes": len(content),
    }
    x = np.load(ROOT / "bitwright/demo/digits.npz")["inputs"]
    want = bw.run(bw.load(DIGITS), x)
    (entry,) = model.graph.input
    _, (got,) = execute(onnx.load(out), {entry.name: x.reshape(-1, *want_shape(model)).astype(np.float32)})
    np.testing.assert_array_equal(got, want)


def want_shape(model: onnx.ModelProto) -> list[int]:
    """The shape of a sample of the model's input."""
    return [dim.dim_value for dim in model.graph.input[0].type.tensor_type.shape.dim[1:]]


def test_a_saved_graph_and_its_model_make_the_same_file(tmp_path: Path) -> None:
    net = bw.load(DIGITS)
    files.save(net, tmp_path / "net.bw")
    again = bw.to_onnx(bw.load(tmp_path / "net.bw"))
    assert again.SerializeToString(deterministic=True) == bw.to_onnx(net).SerializeToString(deterministic=True)


def test_the_command_takes_types_and_roundings(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "typed.onnx"
    assert cli.main(["export", str(DIGITS), "-o", str(out), "--input", "nothing=s16.8"]) == 2
    assert capsys.readouterr().err.startswith("error: --input nothing: the model has no input 'nothing'")
    assert cli.main(["export", str(DIGITS), "-o", str(out), "--rounding", "torch"]) == 0
    torch = bw.load(DIGITS, rounding="torch")
    assert out.read_bytes() == bw.to_onnx(torch).SerializeToString(deterministic=True)
