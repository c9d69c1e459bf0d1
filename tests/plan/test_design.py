# SPDX-License-Identifier: Apache-2.0
"""Designs: what a report says, which forms a plan may choose, and targets that cannot be met."""

from __future__ import annotations

import json
from dataclasses import replace
from fractions import Fraction
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

import bitwright as bw
from bitwright.compiling import compile_graph
from bitwright.design import random_codes, to_json
from bitwright.hardware.area.resources import boundary_resources
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Gather, Reshape
from bitwright.ir.moves import Take
from bitwright.ir.per_channel import ONES, ZEROS
from bitwright.ir.types import BIPOLAR, IntType
from bitwright.ir.weights import Weights
from bitwright.planning.rule import fold
from tests.ir.graphs import random_graph

HEAD: dict[str, Any] = {"scale": ONES, "zero": ZEROS}


def network(scale: Fraction = Fraction(1, 5)) -> Graph:
    """A dense layer of 8 to 4, half of its weights zero, and a requantiser to 4 bits."""
    rng = np.random.default_rng(0)
    weights = rng.integers(1, 4, (4, 8)) * (np.arange(8) % 2)
    net = bw.Net()
    y = net.dense(net.input("x", (8,), "u3"), weights, name="fc/1", type=IntType(-200, 200))
    net.rescale(y, "u4", multiplier=scale, name="act")
    return net.graph()


def test_a_report_has_every_key_and_plain_values() -> None:
    design = compile_graph(network(), plan=Plan(fold(network(), 16), 16), clock_ns=5.0)
    report = design.report()
    assert list(report) == [
        "version", "model", "name", "design", "part", "note", "plan", "interval_cycles", "bottleneck", "latency_cycles",
        "clock_ns", "fps", "host", "removed", "layers", "boundary", "total",
    ]  # fmt: skip
    assert (report["interval_cycles"], report["clock_ns"], report["fps"]) == (16, 5.0, 12_500_000.0)
    assert report["bottleneck"] == ["fc/1"]
    assert report["latency_cycles"] > 16 and report["note"] == "" and len(report["design"]) == 12
    first, second = report["layers"]
    assert list(first) == [
        "name", "op", "shape", "bits", "sparsity", "zeros", "dense_share", "pe", "simd", "style", "cycles", "lut", "ff",
        "dsp", "bram", "requantiser", "fifo_depth",
    ]  # fmt: skip
    assert (first["name"], first["op"], first["shape"], first["bits"]) == ("fc/1", "dense", [4], 9)
    assert (first["pe"], first["simd"], first["cycles"], first["sparsity"]) == (1, 2, 16, 0.5)
    assert (first["requantiser"], second["requantiser"]) == (None, design.forms["act"].kind)
    assert (first["style"], second["style"]) == ("lut", None)
    assert (first["zeros"], first["dense_share"]) == ("multiply", 1.0)
    assert (second["sparsity"], second["zeros"], second["dense_share"]) == (None, None, None) and first["lut"] > 0
    assert json.loads(to_json(report)) == report
    sums = {
        kind: sum(row[kind] for row in (first, second, report["boundary"])) for kind in ("lut", "ff", "dsp", "bram")
    }
    assert report["part"] is None and report["total"] == sums | {"uram": 0, "share": None}


def test_shares_are_of_the_part_that_was_named() -> None:
    report = compile_graph(network(), cycles=16, part="xc7a15t").report()
    total = report["total"]
    assert report["part"] == "xc7a15t" and list(total["share"]) == ["lut", "ff", "dsp", "bram", "uram"]
    held = {"lut": 10_400, "ff": 20_800, "dsp": 45, "bram": 50}
    assert all(total["share"][kind] == round(total[kind] / limit, 4) for kind, limit in held.items())
    assert f"of the part {100 * total['share']['lut']:.1f} %" in " ".join(
        str(compile_graph(network(), cycles=16, part="xc7a15t")).split()
    )


def test_a_fork_behind_an_input_is_in_the_total() -> None:
    """It serves no layer: it stood in no row."""
    net = bw.Net()
    x = net.input("x", (8,), "u3")
    net.output(net.concat(*(net.dense(x, factor * np.eye(8, dtype=np.int64)) for factor in (1, 2))))
    design = compile_graph(net.graph())
    forks = [kernel for kernel in design.kernels.kernels if kernel.layer == "x"]
    assert len(forks) == 1 and design.price.boundary.lut > boundary_resources(design.kernels).lut
    assert design.price.total == sum(design.price.layers.values(), design.price.boundary)


def test_without_a_target_the_report_says_what_was_chosen() -> None:
    design = compile_graph(network())
    assert design.report()["note"] == "no target: the cheapest plan of at most 10000 clocks per frame"
    assert design.plan.target_cycles == 10_000


def test_a_network_that_is_slower_than_the_default() -> None:
    net = bw.Net()
    net.conv(net.input("x", (120, 100, 1), "u2"), [[[[1]]]])
    design = compile_graph(net.graph())
    assert design.report()["note"] == "no target: the fastest legal plan, 12000 clocks per frame"
    assert design.kernels.interval == 12_000


def test_frames_per_second_are_clocks_per_frame() -> None:
    assert compile_graph(network(), fps=12_500_000, clock_ns=5.0).plan.target_cycles == 16


def test_equal_inputs_make_equal_designs() -> None:
    one, two = (compile_graph(random_graph(3), cycles=5000) for _ in range(2))
    assert (one.digest, one.plan, one.kernels) == (two.digest, two.plan, two.kernels)
    assert compile_graph(random_graph(3), cycles=5000, clock_ns=4.0).digest != one.digest


def test_a_plan_may_choose_any_proved_form() -> None:
    graph = network()
    kinds = {
        kind: compile_graph(graph, plan=Plan({"act": LayerPlan(form=kind)})) for kind in ("table", "thresholds", "mas")
    }
    for kind, design in kinds.items():
        assert design.forms["act"].kind == kind == design.plan.layers["act"].form


def refused(**options: Any) -> str:
    graph = options.pop("graph", network())
    with pytest.raises(BitwrightError) as error:
        compile_graph(graph, **options)
    return str(error.value)


POSITIVE = "hint: give a positive number; --fps is bounded by the clock"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"cycles": 0},
            f"--cycles: a target of 0 cannot be met\n  {POSITIVE}",
        ),
        (
            {"fps": -1.0},
            f"--fps: a target of -1.0 cannot be met\n  {POSITIVE}",
        ),
        (
            {"fps": 2e8},
            f"--fps: a target of 200000000.0 cannot be met\n  {POSITIVE}",
        ),
        (
            {"fps": float("nan")},
            f"--fps: a target of nan cannot be met\n  {POSITIVE}",
        ),
        ({"cycles": 5, "fps": 1.0}, "target: --cycles and --fps are given\n  hint: give one of them"),
        ({"cycles": 5, "plan": Plan()}, "target: --cycles and --plan are given\n  hint: give one of them"),
        ({"clock_ns": 0.0}, "--clock-ns: a clock of 0.0 ns\n  hint: give a positive period, e.g. 10"),
        ({"clock_ns": float("inf")}, "--clock-ns: a clock of inf ns\n  hint: give a positive period, e.g. 10"),
        (
            {"plan": Plan({"fc": LayerPlan()})},
            "plan: the network has no layer 'fc'\n  hint: its layers are 'fc/1', 'act'",
        ),
        (
            {"plan": Plan({"fc/1": LayerPlan(pe=3)})},
            "plan: layer 'fc/1': PE 3 must divide 4 rows and SIMD 1 must divide 8 columns\n  hint: choose divisors",
        ),
    ],
)
def test_targets_and_plans_that_cannot_be_met(options: dict[str, Any], message: str) -> None:
    assert refused(**options) == message


def test_a_form_that_is_not_proved() -> None:
    text = refused(plan=Plan({"act": LayerPlan(form="shift")}))
    assert text.startswith(
        "plan: layer 'act': the form 'shift' is not proved equal to the layer\n  hint: proved forms: "
    )


def test_a_target_that_a_transpose_cannot_meet() -> None:
    graph = network()
    order = Gather(
        name="turned",
        inputs=("act",),
        shape=(4,),
        type=graph.layers[-1].type,
        move=Take(Weights(np.array([3, 1, 2, 0]))),
        **HEAD,
    )
    turned = replace(graph, layers=(*graph.layers, order), outputs=("turned",))
    assert refused(graph=turned, cycles=2) == (
        "layer 'turned': needs at least 4 clocks per frame, 2 were asked for\n  hint: ask for --cycles 4 or more"
    )
    assert compile_graph(turned, cycles=4).kernels.interval == 4


def test_a_target_that_the_layers_meet_but_not_their_data() -> None:
    """A tensor of one channel has one lane."""
    graph = network()
    act = graph.layers[-1]
    column = Reshape(name="column", inputs=("act",), shape=(4, 1), type=act.type, **HEAD)
    turned = replace(graph, layers=(*graph.layers, column), outputs=("column",))
    assert refused(graph=turned, cycles=2) == (
        "layer 'column': needs at least 4 clocks per frame, 2 were asked for\n  hint: ask for --cycles 4 or more"
    )
    assert compile_graph(turned, cycles=4).kernels.interval == 4


def test_an_unknown_backend() -> None:
    with pytest.raises(BitwrightError) as error:
        compile_graph(network()).files("vhdl")  # type: ignore[arg-type]
    assert str(error.value) == "backend: there is no backend 'vhdl'\n  hint: known backends: hls, verilog"


def test_random_codes_are_codes() -> None:
    graph = random_graph(0)
    bipolar = replace(graph, inputs=(replace(graph.inputs[0], type=BIPOLAR),), layers=())
    for candidate in (graph, bipolar):
        (codes,) = random_codes(candidate, 200)
        kind = candidate.inputs[0].type
        assert codes.shape == (200, *candidate.inputs[0].shape)
        assert set(np.unique(codes).tolist()) == set(range(kind.lo, kind.hi + 1, kind.step))


def test_a_notebook_shows_a_table() -> None:
    design = compile_graph(network())
    head, *rows = ElementTree.fromstring(design._repr_html_())
    assert [cell.text for cell in head] == ["layer", "op", "PE", "SIMD", "cycles", "LUT"]
    keys = ("name", "op", "pe", "simd", "cycles", "lut")
    assert [[cell.text for cell in row] for row in rows] == [
        *([str(layer[key]) for key in keys] for layer in design.report()["layers"]),
        ["(boundary)", None, None, None, None, str(design.price.boundary.lut)],
        ["total", None, None, None, None, str(design.price.total.lut)],
    ]
