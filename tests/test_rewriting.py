# SPDX-License-Identifier: Apache-2.0
"""Passes by name: in Python, on the command line, and a network of planes of bits on every engine."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import bitwright as bw
from bitwright.cli.commands import main
from bitwright.ir.types import IntType, integer
from bitwright.methods import methods
from tests.needs import needs_cxx, needs_rtl
from tests.test_bitplanes import network

DIGITS = Path(__file__).parents[1] / "examples/digits"


def tiny(w: int, a: int) -> bw.Graph:
    """A dense layer of signed weights and unsigned inputs, requantised."""
    rng = np.random.default_rng(w + a)
    net = bw.Net()
    x = net.input("x", (4,), integer(a, signed=False))
    kind = IntType(-(1 << w - 1), (1 << w - 1) - 1)
    y = net.dense(x, rng.integers(kind.lo, kind.hi + 1, (2, 4)))
    net.output(net.requantise(y, "s4", scale=1 << w + a - 3))
    return net.graph()


def agree(graph: bw.Graph, engines: tuple[str, ...], seed: int = 0) -> None:
    """Check that planes of bits on `engines` make what the graph makes on the reference."""
    rng = np.random.default_rng(seed)
    (x,) = graph.inputs
    data = rng.integers(x.type.lo, x.type.hi + 1, (4, *x.shape))
    wanted = bw.run(graph, data, engine="reference")
    result = bw.verify(bw.rewrite(graph, "bitplanes"), data, wanted, engines=engines)
    assert [row["mismatches"] for row in result["engines"].values()] == [0] * len(result["engines"])
    outputs = len(graph.outputs)
    assert result["golden"]["equal"] == result["golden"]["elements"] >= 4 * outputs
    assert result["certificate"]["proved"] == result["certificate"]["layers"]


@pytest.mark.slow
@pytest.mark.rows("R158", "R165")
@pytest.mark.parametrize("engine", [pytest.param("hls", marks=needs_cxx), pytest.param("rtl", marks=needs_rtl)])
def test_planes_of_bits_are_exact_in_hardware(engine: str) -> None:
    agree(tiny(2, 2), (engine,))


@pytest.mark.long
@needs_cxx
@needs_rtl
@pytest.mark.parametrize(("w", "a"), [(1, 3), (2, 4), (3, 2), (4, 4), (5, 8), (8, 2)])
@pytest.mark.parametrize("signed", [False, True])
def test_convolutions_in_planes_of_bits_are_exact_on_hls_and_rtl(w: int, a: int, signed: bool) -> None:
    agree(network(integer(w, signed=True), integer(a, signed=signed), w + a), ("hls", "rtl"), w + a)


def test_the_command_line_takes_passes(capsys: pytest.CaptureFixture[str]) -> None:
    model = str(DIGITS / "digits.onnx")
    assert main(["inspect", model, "--pass", "bitplanes=2,4", "--json"]) == 0
    layers = json.loads(capsys.readouterr().out)["layers"]
    assert any(layer["name"].endswith("_w1a1") for layer in layers)


def test_what_is_no_pass_is_said() -> None:
    graph = tiny(2, 2)
    for asked, message in (
        (("planes",), "pass planes: there is none of that name\n  hint: the passes are amortise, bitplanes, im2col"),
        (("bitplanes", 1, 2, 3), "pass bitplanes: takes 2 numbers, not 3\n  hint: they are w, a"),
        (("im2col", 1), "pass im2col: takes 0 numbers, not 1\n  hint: name it alone: im2col"),
    ):
        with pytest.raises(bw.BitwrightError) as error:
            bw.rewrite(graph, *asked)
        assert str(error.value) == message


def test_a_pass_with_words_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(DIGITS / "digits.onnx"), "--pass", "bitplanes=two"]) == 2
    wanted = "error: --pass bitplanes=two: is not NAME or NAME=N,N\n  hint: for example --pass bitplanes=2,2\n"
    assert capsys.readouterr().err == wanted


def test_passes_are_listed() -> None:
    assert [method.name for method in methods("pass")] == ["amortise", "bitplanes", "im2col"]


@pytest.mark.parametrize("asked", [("bitplanes", 1, 1), ("bitplanes", 2, 2), ("im2col",), ("amortise",)])
def test_another_runtime_computes_the_same_of_what_is_exported(asked: tuple[Any, ...]) -> None:
    runtime = pytest.importorskip("onnxruntime")
    graph = tiny(4, 4)
    model = bw.to_onnx(bw.rewrite(graph, *asked))
    codes = np.arange(32).reshape(8, 4) % 16
    session = runtime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    (entry,) = session.get_inputs()
    kind = {"tensor(float)": np.float32, "tensor(uint8)": np.uint8}[entry.type]
    (made,) = session.run(None, {entry.name: codes.astype(kind)})
    np.testing.assert_array_equal(made, bw.run(graph, codes, engine="reference"))
    np.testing.assert_array_equal(bw.run(bw.load(model), codes.astype(kind)), made)
