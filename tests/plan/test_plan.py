# SPDX-License-Identifier: Apache-2.0
"""The plan as a file: written, edited, read back, and refused where it says what cannot be."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bitwright.compiling import compile_graph
from bitwright.hardware.plan import LayerPlan, Plan
from bitwright.ir.errors import BitwrightError
from tests.ir.graphs import random_graph

PLAN = Plan(
    {
        "conv/1": LayerPlan(pe=4, simd=2, memory="block", style="dsp", zeros="skip-rows", form="mas", fifo_depth=9),
        "b": LayerPlan(),
    },
    1000,
)
START = "start from the plan.json of a compiled design"
KEYS = "pe, simd, memory, style, zeros, form, fifo_depth"


def test_a_plan_reads_as_it_was_written() -> None:
    assert Plan.from_json(PLAN.to_json(), where="plan.json") == PLAN
    assert PLAN.to_json() == Plan.from_json(PLAN.to_json(), where="p").to_json()
    assert json.loads(PLAN.to_json())["layers"]["b"] == {
        "pe": 1,
        "simd": 1,
        "memory": "lut",
        "style": "",
        "zeros": "multiply",
        "form": "",
        "fifo_depth": 0,
    }


@pytest.mark.parametrize("seed", range(10))
def test_the_plan_of_a_design_makes_the_design_again(seed: int) -> None:
    graph = random_graph(seed, joins=True)
    first = compile_graph(graph)
    again = compile_graph(graph, plan=Plan.from_json(first.plan.to_json(), where="plan.json"))
    assert (again.plan, again.kernels, again.digest) == (first.plan, first.kernels, first.digest)


def test_what_an_edited_plan_leaves_out_keeps_its_default() -> None:
    text = '{"version": 1, "layers": {"a": {"simd": 3}}}'
    assert Plan.from_json(text, where="p") == Plan({"a": LayerPlan(simd=3)}, 0)


def edited(**changes: Any) -> str:
    return json.dumps({"version": 1, "target_cycles": 5, "layers": {"a": {"pe": 2}}} | changes)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "",
            f"p: not JSON: Expecting value: line 1 column 1 (char 0)\n  hint: {START}",
        ),
        ("[]", f"p: not a plan of version 1 with a 'layers' table\n  hint: {START}"),
        (edited(version=2), f"p: not a plan of version 1 with a 'layers' table\n  hint: {START}"),
        (edited(layers=[]), f"p: not a plan of version 1 with a 'layers' table\n  hint: {START}"),
        (edited(target_cycles=-1), "p: target_cycles is -1\n  hint: give a number of clocks, or 0 for none"),
        (edited(target_cycles=True), "p: target_cycles is True\n  hint: give a number of clocks, or 0 for none"),
        (edited(target_cycles="5"), "p: target_cycles is '5'\n  hint: give a number of clocks, or 0 for none"),
        (edited(target=5), "p: unknown key 'target'\n  hint: known keys: version, target_cycles, layers"),
        (edited(layers={"a": 3}), f"p: layer 'a': is 3\n  hint: give a table with {KEYS}"),
        (edited(layers={"a": {"PE": 2}}), f"p: layer 'a': unknown key 'PE'\n  hint: known keys: {KEYS}"),
        (edited(layers={"a": {"pe": 0}}), "p: layer 'a': pe is 0\n  hint: give a positive number"),
        (edited(layers={"a": {"simd": 2.0}}), "p: layer 'a': simd is 2.0\n  hint: give a positive number"),
        (edited(layers={"a": {"simd": True}}), "p: layer 'a': simd is True\n  hint: give a positive number"),
        (
            edited(layers={"a": {"fifo_depth": -1}}),
            "p: layer 'a': fifo_depth is -1\n  hint: give 0 or a positive number",
        ),
        (edited(layers={"a": {"form": 7}}), "p: layer 'a': form is 7\n  hint: give a name"),
        (edited(layers={"a": {"memory": "ram"}}), "p: layer 'a': memory is 'ram'\n  hint: 'lut' or 'block'"),
        (
            edited(layers={"a": {"zeros": "skip"}}),
            "p: layer 'a': zeros is 'skip'\n  hint: 'multiply', 'skip-blocks', 'skip-rows', 'select'",
        ),
        (
            edited(layers={"a": {"style": "DSP"}}),
            "p: layer 'a': style is 'DSP'\n  hint: '' to choose by the types, or 'lut', 'dsp', 'xnor', 'ternary'",
        ),
    ],
)
def test_a_plan_that_cannot_be_read(text: str, message: str) -> None:
    with pytest.raises(BitwrightError) as error:
        Plan.from_json(text, where="p")
    assert str(error.value) == message
