# SPDX-License-Identifier: Apache-2.0
"""What `verify` says of differences: the audit in its report, the trace, and where there is none."""

from __future__ import annotations

import json
import pickle  # noqa: TID251  (as a pool of processes does)
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

import bitwright
from bitwright import api, origin
from bitwright.audit import verdict
from bitwright.audit.follow import follow
from bitwright.audit.golden import golden
from bitwright.audit.replay import ReplayError
from bitwright.audit.verdict import first_parts
from bitwright.frontend.lowering import load_onnx
from bitwright.ir import files
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Conv
from bitwright.ir.weights import Weights
from tests.audit.nets import ORDERS, floats, loaded, samples, two_convs
from tests.frontend.nets import Net


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("model") / "net.onnx"
    onnx.save(two_convs(), path)
    return path


def test_verify_names_what_explains_the_differences(model: Path) -> None:
    x = samples(4, 4, 10, 10)
    net = bitwright.load(model)
    theirs = floats(onnx.load(model), x, ORDERS[1]).reshape(4, 6, 8, 8)
    report = bitwright.verify(net, x, theirs)
    assert set(report["golden"]) == {"elements", "equal", "boundary", "wide", "unexplained", "max_steps"}
    assert report["golden"]["unexplained"] == 0 and report["golden"]["boundary"] > 0
    assert "trace" not in report and api.passed(report)
    for part in report["audit"]["parts"]:
        assert set(part) == {*("sample", "layer", "nodes", "element", "ours", "theirs", "value", "distance", "verdict")}
        assert part["verdict"] == "boundary" and part["ours"] != part["theirs"]
        assert part["layer"] in net.by_name and part["nodes"][-1] == part["layer"]
    assert json.loads(json.dumps(report, allow_nan=False)) == report


def test_verify_says_nothing_of_an_audit_where_all_is_equal(model: Path) -> None:
    x = samples(2, 4, 10, 10)
    net = bitwright.load(model)
    report = bitwright.verify(net, x, bitwright.run(net, x))
    assert "audit" not in report and report["golden"]["equal"] == report["golden"]["elements"]
    assert "audit" not in bitwright.verify(net, x)


def test_trace_names_the_first_part_of_every_sample(model: Path) -> None:
    x = samples(8, 4, 10, 10)
    net = bitwright.load(model)
    trace = bitwright.verify(net, x, trace=True)["trace"]
    assert len(trace) == 8
    parts = [part for part in trace if part is not None]
    assert [part["sample"] for part in parts] == [k for k, part in enumerate(trace) if part is not None]
    assert parts and {part["verdict"] for part in parts} == {"boundary"}
    order_of = {layer.name: k for k, layer in enumerate(net.layers)}
    run, source = loaded(onnx.load(model), x)
    for part in parts:
        case = verdict._case(run, golden(run.outputs, run.outputs, run.samples), source, part["sample"])
        everything = follow(case, verdict._Replayed(run, source).codes(part["sample"]), certain=True, keep=True).parts
        assert order_of[part["layer"]] == min(order_of[other.layer] for other in everything)
        assert abs(part["distance"]) < 0.5 and part["value"] is not None


def test_trace_tells_of_a_part_that_float32_does_not_explain(model: Path) -> None:
    run, source = loaded(onnx.load(model), samples(1, 4, 10, 10))
    first = next(layer for layer in run.graph.layers if isinstance(layer, Conv))
    wrong = replace(first, weights=Weights(first.weights.array + 1))
    graph = replace(run.graph, layers=tuple(wrong if la is first else la for la in run.graph.layers))
    (part,) = first_parts(replace(run, graph=graph), source)
    assert part is not None and part.verdict == "unexplained"
    assert part.layer == next(la.name for la in graph.layers if first.name in la.inputs)


@pytest.mark.slow
def test_without_the_source_model_there_is_no_audit(model: Path, tmp_path: Path) -> None:
    net = bitwright.load(model)
    x = samples(2, 4, 10, 10)
    outputs = bitwright.run(net, x)
    files.save(net, tmp_path / "net.bw")
    saved = bitwright.load(tmp_path / "net.bw")
    assert bitwright.verify(saved, x, outputs)["audit"] == "unavailable"
    other = bitwright.verify(saved, x, outputs + (np.arange(outputs.size) == 7).reshape(outputs.shape))
    assert other["golden"]["unexplained"] == 1 and other["audit"] == "unavailable"
    with pytest.raises(BitwrightError) as error:
        bitwright.verify(saved, x, trace=True)
    assert str(error.value) == (
        "--trace: there is no source model to run in float32\n  hint: give the ONNX file itself"
    )


@pytest.mark.parametrize("given", [Path, str, Path.read_bytes, onnx.load], ids=["path", "text", "bytes", "protobuf"])
def test_the_audit_goes_with_the_graph(given: Callable[[Path], Any], model: Path) -> None:
    """Through `replace` and to another process; two graphs of one model are equal, wherever it was read."""
    net = bitwright.load(given(model))
    plain = load_onnx(given(model))
    assert net == plain and hash(net) == hash(plain) and str(net) == str(plain)
    assert files.to_bytes(net) == files.to_bytes(plain)
    for moved in (replace(net, outputs=net.outputs), pickle.loads(pickle.dumps(net))):
        found = origin.source(moved)
        assert found is not None and found.graph.source.sha256 == net.source.sha256
    assert origin.source(plain) is None and not origin.is_known(plain)


def test_the_audit_of_a_pickled_graph_explains_what_that_of_the_loaded_one_does(model: Path) -> None:
    net, x = bitwright.load(model), samples(4, 4, 10, 10)
    theirs = floats(onnx.load(model), x, ORDERS[1]).reshape(4, 6, 8, 8)
    here, there = (bitwright.verify(graph, x, theirs) for graph in (net, pickle.loads(pickle.dumps(net))))
    assert there["golden"] == here["golden"] and there["audit"] == here["audit"]
    assert here["golden"]["boundary"] > 0 == here["golden"]["unexplained"]


def test_types_of_inputs_are_given_again(tmp_path: Path) -> None:
    net = Net(4)
    net.add("MatMul", "x", net.weights(np.eye(4, dtype=np.float32), 0.5))
    net.quant(net.nodes[-1].output[0], 0.25)
    onnx.save(net.proto(), tmp_path / "net.onnx")
    graph = bitwright.load(tmp_path / "net.onnx", inputs={"x": "s8.2"})
    found = origin.source(replace(graph, outputs=graph.outputs))
    assert found is not None and found.graph.inputs[0].type == graph.inputs[0].type


def test_a_model_that_changed_is_never_mistaken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "net.onnx"
    onnx.save(two_convs(), path)
    monkeypatch.chdir(tmp_path)
    net = bitwright.load("net.onnx")
    monkeypatch.chdir("/")
    assert origin.source(net) is not None
    onnx.save(two_convs(seed=9), path)
    assert origin.source(net) is None
    path.unlink()
    assert origin.source(net) is None


@pytest.mark.parametrize("where", ["__init__", "codes"])
def test_a_model_that_cannot_be_replayed_cannot_be_traced(
    where: str, model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its differences are explained by its last quantisers and by the search alone."""

    def fails(*_: object) -> None:
        raise ReplayError("no room")

    monkeypatch.setattr(verdict._Replayed, where, fails)
    net, x = bitwright.load(model), samples(1, 4, 10, 10)
    found = bitwright.verify(net, x, bitwright.run(net, x) + 1000)["golden"]
    assert found["unexplained"] > 0
    with pytest.raises(BitwrightError) as error:
        bitwright.verify(net, x, trace=True)
    assert str(error.value) == (
        "net.onnx: cannot be replayed in float32: no room\n  hint: leave out --trace; verify itself works without it"
    )
