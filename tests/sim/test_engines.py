# SPDX-License-Identifier: Apache-2.0
"""The registry of engines: what a row needs, what is built and how often, and that everything reads it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import bitwright as bw
from bitwright import api
from bitwright.cli import doctor
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.weights import Ints
from bitwright.sim import cpp, engines, reference, rtl, tools, whole
from bitwright.sim.engines import ENGINES, Built, Printed
from bitwright.sim.latest import Latest

X = np.random.default_rng(5).random((3, 1, 8, 8), dtype=np.float32)


@cache
def digits() -> Graph:
    """The bundled network."""
    return bw.load(Path(bw.__file__).parent / "demo/digits.onnx")


class Fast:
    """A row that somebody adds: it runs the graph itself, and counts what is asked of it."""

    needs_design = False
    programs: tuple[Callable[[], tools.Tool], ...] = ()

    def __init__(self) -> None:
        self.builds = 0
        self.there = True

    def is_there(self) -> bool:
        return self.there

    def build(self, net: Graph, design: Printed | None) -> Built:
        self.builds += 1
        return Built(0.5, lambda codes: (reference.run(net, codes), {"speed": "high"}))


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> Fast:
    row = Fast()
    monkeypatch.setitem(cast("dict[str, engines.Engine]", ENGINES), "fast", row)
    return row


def absent() -> tools.Tool:
    raise BitwrightError("not found on PATH", where="abacus", hint="buy one")


def test_a_row_is_all_that_a_new_engine_takes(fast: Fast, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is the default, for it needs no design and stands behind the reference; nothing is compiled for it."""
    monkeypatch.setattr(api, "compile_graph", lambda net: pytest.fail("a design was compiled"))
    assert engines.best() == "fast" and bw.engines()["fast"] == ""
    found = bw.run(digits(), X)
    assert fast.builds == 1
    np.testing.assert_array_equal(found, bw.run(digits(), X, engine="reference"))
    assert fast.builds == 1
    np.testing.assert_array_equal(
        bw.run(digits(), X, engine="fast", codes=True), reference.run(digits(), api.to_codes(digits(), X))[0]
    )
    assert fast.builds == 2


def test_verify_compares_a_new_engine_with_the_reference(fast: Fast) -> None:
    row = bw.verify(digits(), X, engines=["fast"])["engines"]
    assert list(row) == ["fast"]
    assert (row["fast"]["mismatches"], row["fast"]["build_seconds"], row["fast"]["speed"]) == (0, 0.5, "high")


def test_verify_runs_a_tenth_of_the_samples_on_the_reference_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    """The measure of the others is itself measured: one wrong integer in the samples that are looked at is seen."""
    x = np.random.default_rng(6).random((40, 1, 8, 8), dtype=np.float32)

    class Wrong(Fast):
        def build(self, net: Graph, design: Printed | None) -> Built:
            return Built(0.0, lambda codes: ([array + 1 for array in reference.run(net, codes)], {}))

    for row, mismatches in ((Fast(), 0), (Wrong(), 40)):
        monkeypatch.setitem(cast("dict[str, engines.Engine]", ENGINES), "fast", row)
        report = bw.verify(digits(), x)
        assert (report["engines"]["fast"]["elements"], report["engines"]["fast"]["mismatches"]) == (40, mismatches)
        assert api.passed(report) == (mismatches == 0)
    assert list(bw.verify(digits(), x, engines=["reference"])["engines"]) == ["reference"]


def test_an_engine_that_is_not_built_is_the_default_only_for_work_worth_it(fast: Fast) -> None:
    fast.there = False
    assert (engines.best(), engines.best(engines.WORTH_BUILDING)) == ("reference", "reference")
    assert engines.best(engines.WORTH_BUILDING + 1) == "fast"


def test_an_engine_that_lacks_a_program_says_which_and_is_not_the_default(fast: Fast) -> None:
    fast.programs = (absent,)
    assert engines.best() == "reference"
    assert bw.engines()["fast"] == "abacus: not found on PATH; buy one"


def test_without_a_compiler_only_the_reference_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("fast", "hls", "rtl"):
        monkeypatch.setattr(type(ENGINES[name]), "programs", (absent,))
    missing = "abacus: not found on PATH; buy one"
    assert bw.engines() == {"reference": "", "fast": missing, "hls": missing, "rtl": missing}
    assert engines.best(10**18) == "reference"


def test_doctor_names_the_engines_that_need_a_program() -> None:
    purposes = {name: purpose for name, purpose, _ in doctor.PROGRAMS}
    assert purposes["g++"] == "engine fast, engine hls, engine rtl"
    assert purposes["make"] == purposes["perl"] == purposes["verilator"] == "engine rtl"


class Project:
    """A design as an engine sees it."""

    def __init__(self, text: str) -> None:
        self.text = text

    def files(self, backend: str) -> Mapping[str, str]:
        return {backend: self.text}


@pytest.fixture(params=[("hls", cpp, engines.Hls), ("rtl", rtl, engines.Rtl)], ids=["hls", "rtl"])
def compiled(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[Any, list[str]]]:
    """An engine of its own, and the projects that it had compiled."""
    _, module, kind = request.param
    built: list[str] = []

    def build(files: Mapping[str, str], **shapes: Sequence[Ints]) -> object:
        built.extend(files.values())
        return object()

    monkeypatch.setattr(module, "build", build)
    yield kind(), built


def test_the_same_project_is_compiled_once_and_few_are_kept(compiled: tuple[Any, list[str]]) -> None:
    engine, built = compiled
    for text in ("a", "b", "a"):
        engine.build(digits(), Project(text))
    assert built == ["a", "b"]
    for number in range(engines.KEPT - 1):  # b goes, a was used after it
        engine.build(digits(), Project(str(number)))
    del built[:]
    engine.build(digits(), Project("a"))
    engine.build(digits(), Project("b"))
    assert built == ["b"]


def test_building_again_gives_the_model_that_was_built() -> None:
    latest: Latest[object] = Latest(2)
    files = {"a": "1", "b": "2"}
    first = latest.get(files, lambda given: object())
    assert latest.get(dict(reversed(files.items())), lambda given: object()) is first
    assert latest.get({"a": "12", "b": ""}, lambda given: object()) is not first


def test_a_build_that_fails_is_not_kept() -> None:
    latest: Latest[int] = Latest(2)
    with pytest.raises(ZeroDivisionError):
        latest.get({"a": ""}, lambda given: 1 // 0)
    assert latest.get({"a": ""}, lambda given: 7) == 7


def test_a_whole_model_is_host_engine_host() -> None:
    net, ready = digits(), ENGINES["reference"].build(digits(), None)
    (name,) = net.entry.inputs
    (ours,) = whole.outputs(net, {name: X}, ready)
    np.testing.assert_array_equal(ours, bw.run(net, X, engine="reference"))
    codes = bw.run(net, X, engine="reference", codes=True)
    np.testing.assert_array_equal(codes, ready.run(api.to_codes(net, X)).outputs[0])
    np.testing.assert_array_equal(whole.leaving(net, [codes])[0], ours)


def test_a_piece_of_the_inputs_is_read_at_a_time(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    net, x = digits(), np.random.default_rng(6).random((7, 1, 8, 8), dtype=np.float32)
    np.save(tmp_path / "x.npy", x)
    monkeypatch.setattr(whole, "PIECE", 3 * x[:1].nbytes)
    done: list[int] = []
    found = bw.run(net, np.load(tmp_path / "x.npy", mmap_mode="r"), engine="reference", progress=done.append)
    assert done == [3, 6, 7]
    monkeypatch.undo()
    np.testing.assert_array_equal(found, bw.run(net, x, engine="reference"))
