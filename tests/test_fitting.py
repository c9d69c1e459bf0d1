# SPDX-License-Identifier: Apache-2.0
"""A design fits its part, or it is refused by layer and resource before anything is written."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bitwright
from bitwright.cli import main
from bitwright.design import Design
from bitwright.exact.ranges import ranges
from bitwright.fitting import tightened
from bitwright.hardware.lanes import fastest
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir import files
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.planning.candidates import candidates
from bitwright.planning.devices import DEVICES, Device, device
from bitwright.planning.price import KINDS, Scale, scale_of
from bitwright.planning.solver import OverBudget, solve
from bitwright.report.front import trade_off
from tests.collection import load, needs_collection, taken
from tests.test_planned import wide

PARTS = ("xc7s25", "xc7z020", "xczu3eg", "xczu7ev", "xcu250")
"""From small to large, of two families."""
FORCE = "; --force writes it all the same"
NO_HELP = "\n  hint: more clocks per frame do not help: take a larger part, or weights of fewer bits" + FORCE


def refused(graph: Graph, part: str, **options: int | Plan) -> str:
    with pytest.raises(BitwrightError) as error:
        bitwright.compile(graph, part=part, **options)  # type: ignore[arg-type]
    return str(error.value)


def fits_or_says_why(graph: Graph, part: str) -> None:
    """The default compile: every resource within the part, or a message with a layer, a resource and a way out."""
    try:
        total = bitwright.compile(graph, part=part).report()["total"]
    except BitwrightError as error:
        assert error.where.startswith("layer '") and part in error.what and "--force" in error.hint, error
        assert "Mbit" in error.what or any(f" {kind.upper()}" in error.what for kind in KINDS), error
    else:
        assert all(total[kind] <= getattr(device(part).budget, kind) for kind in KINDS), total


def test_without_a_target_a_part_gets_the_fastest_plan_that_fits() -> None:
    graph = wide(128)
    made = {part: bitwright.compile(graph, part=part).record for part in ("xc7z010", "xc7z020", "xcu250")}
    for part, record in made.items():
        held = DEVICES[part].budget
        assert record.note == f"no target: the fastest plan that fits {part}, {record.interval_cycles} clocks per frame"
        assert all(getattr(record.total, kind) <= getattr(held, kind) for kind in KINDS)
        if record.interval_cycles > fastest(graph):  # twice as fast is too much
            assert f"do not fit {part}" in refused(graph, part, cycles=record.interval_cycles // 2)
    intervals = [record.interval_cycles for record in made.values()]
    assert intervals == sorted(intervals, reverse=True) and intervals[0] > intervals[-1]


def test_what_the_solver_does_not_see_is_left_free(monkeypatch: pytest.MonkeyPatch) -> None:
    """A part holds all that the solver sees of a plan, but not the ends of its design: another plan fits it."""
    graph, part = wide(64), "xc7a15t"
    held = DEVICES[part].budget

    def within(lut: int) -> Design:
        monkeypatch.setitem(DEVICES, part, Device("xc7", replace(held, lut=lut)))  # type: ignore[misc]
        return bitwright.compile(graph, cycles=64, part=part)

    design = within(within(held.lut).price.total.lut - 1)
    seen, limit = design.planned.used, design.price.total.lut - 1
    assert seen is not None and seen["lut"] <= limit
    assert within(limit).price.total.lut <= limit
    unseen = dict(zip(KINDS, tightened(scale_of(part), design).reserved, strict=True))
    assert unseen == {kind: max(0, getattr(design.price.total, kind) - seen.get(kind, 0)) for kind in KINDS}
    with pytest.raises(OverBudget, match=rf"and {limit - 1} of them for what serves no layer and deeper FIFOs"):
        solve(
            graph,
            64,
            candidates(graph, Plan(), ranges(graph)),
            Scale(replace(held, lut=limit), part, reserved=(limit - 1, 0, 0, 0, 0)),
        )


def test_a_given_plan_beyond_the_part_is_refused_with_its_layer() -> None:
    graph, plan = wide(128), Plan({"dense0": LayerPlan(pe=32, simd=128)})
    design = bitwright.compile(graph, plan=plan)
    dsp, used = design.price.total.dsp, design.price.layers["dense0"].dsp
    assert refused(graph, "xc7z010", plan=plan) == (
        f"layer 'dense0': the design takes {dsp} DSP, {used} of them in this layer; xc7z010 holds 80\n"
        f"  hint: ask for more clocks per frame, or for a larger part{FORCE}"
    )
    forced = bitwright.compile(graph, part="xc7z010", plan=plan, force=True)
    assert forced.price.total == design.price.total and forced.record.total.share is not None
    assert forced.record.total.share["dsp"] == round(dsp / 80, 4) > 1
    assert forced.note == (
        f"does not fit xc7z010: layer 'dense0': the design takes {dsp} DSP, {used} of them in this layer;"
        " xc7z010 holds 80"
    )


def test_more_clocks_never_help_a_capacity() -> None:
    """2.1 Mbit of weights: before any plan is looked for, at whatever speed."""
    graph = wide(640)
    bits = (graph.by_name["dense0"].weights.array != 0).sum() * 8  # type: ignore[union-attr]
    said = (
        f"layer 'dense0': {bits / 1e6:.1f} Mbit of weights, {bits / 1e6:.1f} of them in this layer; xc7s6 holds"
        f" 0.2 Mbit in block RAM and 0.2 Mbit in look-up tables{NO_HELP}"
    )
    assert refused(graph, "xc7s6") == refused(graph, "xc7s6", cycles=10**7) == said
    assert bitwright.compile(wide(64), part="xc7s6").price.total.bram <= 10


def test_a_target_that_no_speed_makes_fit_has_a_true_hint() -> None:
    graph = wide(160)  # within the capacity, but not beside what else is needed
    part = "xc7s6"
    said = refused(graph, part)
    assert said.startswith("layer 'dense0': ") and said.endswith(NO_HELP), said
    assert refused(graph, part, cycles=100).endswith(NO_HELP)


def test_a_network_that_only_its_input_paces() -> None:
    """A pixel a clock at best, whatever the layers could do; the front begins there."""
    net = bitwright.Net()
    net.table(net.input("x", (5, 8, 2), "s4"), "s4", "abs")
    graph = net.graph()
    assert bitwright.compile(graph, part="xc7z020").report()["interval_cycles"] == 40
    assert trade_off(graph)[0]["rows"][-1]["interval_cycles"] == 40


def test_the_command_refuses_and_writes_by_force(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model, out = tmp_path / "wide.bw", tmp_path / "out"
    model.write_bytes(files.to_bytes(wide(128)))
    command = ["compile", str(model), "-o", str(out), "--cycles", "16", "--part", "xc7z010"]
    assert main(command) == 2
    assert "do not fit xc7z010" in capsys.readouterr().err and not out.exists()
    assert main([*command, "--force"]) == 0
    printed = capsys.readouterr().out
    assert (out / "report.json").is_file() and "does not fit xc7z010: layer 'dense0': the design takes" in printed
    assert "of the part" in printed


@needs_collection
@pytest.mark.slow
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", ["tflite/ic_resnet8_int8", "qonnx_zoo/kwsmlp_w3a3", "brevitas/prune_unstruct70_qonnx"])
def test_a_network_fits_or_says_why(name: str, part: str) -> None:
    fits_or_says_why(load(name), part)


@needs_collection
@pytest.mark.long
@pytest.mark.parametrize("part", PARTS)
@pytest.mark.parametrize("name", taken())
def test_every_network_fits_or_says_why(name: str, part: str) -> None:
    fits_or_says_why(load(name), part)


def test_weights_that_are_zero_need_no_memory() -> None:
    net = bitwright.Net()
    x = net.input("x", (640,), "u8")
    weights = np.zeros((640, 640), dtype=np.int64)
    weights[:, :2] = 100
    net.output(net.dense(x, weights))
    assert bitwright.compile(net.graph(), part="xc7s6", cycles=10**6).price.total.bram <= 10


@needs_collection
def test_a_program_that_the_solvers_presolve_ends_with_an_exception_is_solved() -> None:
    """HiGHS said "vector::reserve" of how near to the part a plan comes."""
    made = bitwright.compile(load("dory/tcn_1d"), part="xc7z020").report()
    assert max(made["total"]["share"].values()) <= 1
