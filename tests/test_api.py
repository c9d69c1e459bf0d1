# SPDX-License-Identifier: Apache-2.0
"""The public functions: load, run, verify and inspect, and the arrays that they refuse."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

import bitwright as bw
from bitwright import api
from bitwright.exact.forms import MultiplyShift
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.files import save
from bitwright.ir.graph import Graph
from bitwright.ir.weights import Weights
from bitwright.sim.engines import Built, Hls
from tests.frontend.nets import Net, grid, without_form
from tests.frontend.oracle import replay


def network() -> Net:
    net = Net(2, 4, 4)
    y = net.add("Conv", net.quant(net.x, 0.25, bits=6.0), net.weights(grid(3, 2, 3, 3, span=3)), pads=[1, 1, 1, 1])
    y = net.quant(net.add("Relu", y), 4.0, bits=4.0, signed=0)
    net.add("Gemm", net.add("Flatten", y), net.weights(grid(5, 48, span=1)), transB=1)
    return net


TAKEN = "the model takes (samples, 2, 4, 4)\n  hint: stack the samples on axis 0"
X = grid(8, 2, 4, 4, span=9)


@pytest.fixture
def net() -> Graph:
    return api.load(network().proto())


def test_run_gives_the_models_outputs_or_its_integers(net: Graph) -> None:
    (wanted,) = replay(network().proto(), {"x": X})
    np.testing.assert_allclose(api.run(net, X), wanted, rtol=1e-6)
    codes = api.run(net, X, codes=True)
    assert codes.dtype == np.int64
    np.testing.assert_array_equal(api.run(net, [X.reshape(8, -1)], codes=True), codes)


def test_run_gives_a_list_for_several_outputs() -> None:
    two = network()
    outputs = [two.nodes[-3].output[0], two.nodes[-1].output[0]]
    made = api.run(api.load(two.proto(*outputs)), X)
    assert [array.shape for array in made] == [(8, 3, 4, 4), (8, 5)] or [a.shape for a in made] == [(8, 48), (8, 5)]


def test_the_packages_are_packages_and_their_functions_the_same() -> None:
    for name in ("compress", "explore"):
        assert isinstance(getattr(bw, name), ModuleType)
    assert bw.quantize is bw.compress.quantize


def test_a_saved_graph_is_loaded_as_it_was(net: Graph, tmp_path: Path) -> None:
    path = tmp_path / "net.bw"
    save(net, path)
    assert api.load(path) == net
    with pytest.raises(BitwrightError) as error:
        api.load(path, {"x": "u8"})
    assert str(error.value) == "--input: a saved graph has its types\n  hint: give the ONNX file instead"


def test_what_needs_no_design_makes_none(net: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    def compiled(*_: object, **__: object) -> None:
        raise AssertionError("a design")

    monkeypatch.setattr(api, "compile_graph", compiled)
    api.run(net, X, engine="reference")
    api.verify(net, X, engines=["reference"])
    with pytest.raises(AssertionError, match="a design"):
        api.verify(net, X, engines=["reference", "hls"])


def test_verify_reports_what_it_compared(net: Graph) -> None:
    wanted = replay(network().proto(), {"x": X})
    report = api.verify(net, X, wanted, samples=5, engines=["reference"])
    assert list(report) == ["model", "samples", "engines", "golden", "host", "certificate"]
    assert (report["samples"], report["golden"]["elements"], report["golden"]["equal"]) == (5, 25, 25)
    row = report["engines"]["reference"]
    assert (row["elements"], row["mismatches"]) == (25, 0)
    assert [layer.op for layer in net.layers] == ["conv", "requantise", "reshape", "dense"]
    assert report["certificate"] == {"layers": 3, "proved": 3}
    assert api.passed(report)


def test_a_claim_that_does_not_hold_is_not_counted_as_proved(net: Graph) -> None:
    (name,) = api.compile(net).forms
    design = api.compile(net, plan=Plan({name: LayerPlan(form="shift_even")}))
    form = design.forms[name]
    assert isinstance(form, MultiplyShift)
    wrong = replace(design, forms={name: replace(form, c=Weights(form.c.array + (1 << form.s)))})
    report = api.verify(net, X, design=wrong)
    assert report["certificate"] == {"layers": 3, "proved": 2} and not api.passed(report)
    assert api.verify(net, X, design=design)["certificate"] == {"layers": 3, "proved": 3}


def test_a_network_that_no_hardware_computes_exactly_is_still_compared() -> None:
    net = api.load(without_form().proto())
    x = grid(4, 4, span=1)
    assert refused(api.compile, net) == (
        "layer 'quant4': no multiply-add-shift within 120 bits equals its 4096 codes\n"
        "  hint: quantise its output to at most 1024 codes"
    )
    report = api.verify(net, x, replay(without_form().proto(), {"x": x}))
    assert (report["golden"]["equal"], report["certificate"]) == (8, {"layers": 2, "proved": 1})
    assert not api.passed(report)


def test_only_an_engine_that_runs_a_design_gets_one(net: Graph, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[Graph] = []
    codes = api.run(net, X, codes=True)
    monkeypatch.setattr("bitwright.api.compile_graph", made.append)
    monkeypatch.setattr(Hls, "build", lambda *_: Built(0.0, lambda given: ([codes], {})))
    assert api.passed(api.verify(net, X)) and made == []
    assert api.passed(api.verify(net, X, engines=("reference", "hls"))) and made == [net]


def test_an_input_that_nothing_reads_has_no_hardware() -> None:
    made = bw.Net("two.onnx")
    x = made.input("x", (4,), "s8")
    made.input("spare", (3,), "s8")
    made.reshape(x, 2, 2)
    net = made.graph()
    np.testing.assert_array_equal(bw.run(net, [np.ones((1, 4), int), np.ones((1, 3), int)]), np.ones((1, 2, 2)))
    with pytest.raises(bw.BitwrightError) as caught:
        bw.compile(net)
    assert str(caught.value) == (
        "two.onnx: input 'spare': is read by no layer, so no hardware can take it\n"
        "  hint: remove it from the model; `run` and `verify` on the reference take it as it is"
    )


def test_one_wrong_output_fails(net: Graph) -> None:
    (wanted,) = replay(network().proto(), {"x": X})
    wanted[0, 0] += 1
    report = api.verify(net, X, wanted)
    assert report["golden"]["unexplained"] == 1 and not api.passed(report)
    assert api.passed(api.verify(net, X))


def test_inspect_says_what_each_layer_is(net: Graph) -> None:
    report = api.inspect(net)
    keys = "model inputs layers macs weight_bits sparse_bits coded_bits on_chip removed host obstacles refused".split()
    assert list(report) == keys and report["obstacles"] == report["refused"] == []
    assert report["inputs"] == [{"name": "x", "shape": [2, 4, 4], "dtype": "float32"}]
    entry, conv, *_ = report["layers"]
    assert (entry["op"], entry["range"], entry["weights"]) == ("input", [-32, 31], None)
    assert (conv["op"], conv["weight_count"], conv["macs"]) == ("conv", 54, 54 * 16)
    low, high = conv["range"]
    assert low < 0 < high and conv["accumulator_bits"] == max((-low - 1).bit_length(), high.bit_length()) + 1
    assert report["macs"] == 54 * 16 + 5 * 48
    assert (
        report["weight_bits"]
        == sum(
            row["weight_count"] * layer.weights.type.bits  # type: ignore[attr-defined]
            for row, layer in zip(report["layers"][1:], net.layers, strict=True)
            if row["weight_count"]
        )
    )


def refused(function: Any, *arguments: Any, **options: Any) -> str:
    with pytest.raises(BitwrightError) as error:
        function(*arguments, **options)
    return str(error.value)


@pytest.mark.parametrize(
    ("x", "message"),
    [
        ([X, X], "inputs: got 2 arrays for 1 inputs\n  hint: the model takes 'x'"),
        (
            X[:, :1],
            f"input 'x': has shape (8, 1, 4, 4), {TAKEN}",
        ),
        (
            X[:0],
            f"input 'x': has shape (0, 2, 4, 4), {TAKEN}",
        ),
        (
            np.float32(1.0),
            f"input 'x': has shape (), {TAKEN}",
        ),
        (np.where(X > 3, np.nan, X), "input 'x': holds values that are no numbers\n  hint: remove the NaNs"),
    ],
)
def test_arrays_that_no_model_takes(net: Graph, x: Any, message: str) -> None:
    assert refused(api.run, net, x if isinstance(x, list) else [np.asarray(x)]) == message


def test_infinity_saturates(net: Graph) -> None:
    endless = np.where(X > 3, np.inf, X).astype(np.float32)
    np.testing.assert_array_equal(api.run(net, endless), api.run(net, np.where(X > 3, np.float32(99), X)))


@pytest.mark.parametrize(
    ("x", "message"),
    [
        (np.ones((2, 3), np.float32), "input 'x': is float32, the model takes uint8\n  hint: give integers"),
        (
            np.array([[0, 1, 256]]),
            "input 'x': reaches 0..256, the model takes uint8\n  hint: check its scale",
        ),
        (
            np.array([[0, -1, 25]]),
            "input 'x': reaches -1..25, the model takes uint8\n  hint: check its scale",
        ),
    ],
)
def test_integers_that_the_declared_type_does_not_hold(x: Any, message: str) -> None:
    net = Net(3, kind=TensorProto.UINT8)
    net.add("MatMul", net.add("Cast", net.x, to=TensorProto.FLOAT), net.weights(np.eye(3)))
    graph = api.load(net.proto())
    assert refused(api.run, graph, x) == message
    np.testing.assert_array_equal(api.run(graph, np.array([[0, 1, 255]])), [[0, 1, 255]])


def test_inputs_with_different_numbers_of_samples() -> None:
    net = Net(3)
    net.inputs.append(helper.make_tensor_value_info("z", TensorProto.FLOAT, ["N", 3]))
    net.add("Add", net.quant("x", 0.25, bits=4.0), net.quant("z", 0.5, bits=4.0))
    net.quant(net.nodes[-1].output[0], 1.0, bits=4.0)
    graph = api.load(net.proto())
    x = np.ones((4, 3), np.float32)
    assert refused(api.run, graph, [x, x[:2]]) == (
        "input 'z': has 2 samples, the first input 4\n  hint: give as many of each"
    )
    np.testing.assert_array_equal(api.run(graph, [x, x]), 2 * x)


def test_options_that_nobody_knows(net: Graph) -> None:
    assert refused(api.load, network().proto(), rounding="up") == (
        "--rounding: there is no rounding 'up'\n  hint: onnx or torch"
    )
    assert refused(api.run, net, X, engine="gpu") == (
        "engine: there is no engine 'gpu'\n  hint: known engines: reference, fast, hls, rtl"
    )
    assert refused(api.verify, net, X, engines=["reference", "gpu"]) == (
        "--engines: there is no engine 'gpu'\n  hint: known engines: reference, fast, hls, rtl"
    )


def test_inspect_says_which_weights_are_float32() -> None:
    """Float weights between quantisers are exact integers, and `inspect` names their layers."""
    weights = np.array([[0.1, -0.3], [1e-3, 2.5]], dtype=np.float32)
    initializers = [
        helper.make_tensor("s", TensorProto.FLOAT, [], [0.5]),
        helper.make_tensor("z", TensorProto.UINT8, [], [0]),
        numpy_helper.from_array(weights, "w"),
    ]
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["q"]),
        helper.make_node("DequantizeLinear", ["q", "s", "z"], ["d"]),
        helper.make_node("MatMul", ["d", "w"], ["y"], name="float"),
    ]
    io = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, 2]) for name in ("x", "y")]
    net = api.load(helper.make_model(helper.make_graph(nodes, "g", io[:1], io[1:], initializers)))
    rows = {row["name"]: row["float_weights"] for row in api.inspect(net)["layers"]}
    assert list(rows) == ["q", "float"] and rows["q"] is None
    scaled = weights * 2.0 ** rows["float"]
    assert (scaled == np.rint(scaled)).all() and (scaled % 2 != 0).any()
    np.testing.assert_allclose(api.run(net, np.ones((1, 2), np.float32)), [weights.sum(axis=0)], rtol=1e-6)
