# SPDX-License-Identifier: Apache-2.0
"""The judge of the IR: nothing but streams enters a process of a generated project, and what is broken is found."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cache

import numpy as np
import pytest

from benchmarks.corpus import MODELS, check
from bitwright.backends.hls.project import generate
from bitwright.backends.project import Project
from tests.hls.test_golden import branches, deep, pruned, signs, small
from tests.hls.test_kernels import ALL, made
from tests.needs import needs_package
from tests.rtl.graphs import S8, U8, adder, fixed, project, requantiser

pytestmark = [needs_package("ziglang"), needs_package("llvmlite"), needs_package("clang")]

TOP, POOL, REQUANT = "small.cpp", "kernels/bw_pool.hpp", "kernels/bw_requant.hpp"
RULE = "small::relu::Rule>(conv_out, relu_out"
HELD = "namespace bw {\nstatic const int offsets[2] = {0, 1};\nstruct Held {\n  const int (&offsets)[2];\n};\n"
DISTANCE = "#pragma HLS DEPENDENCE variable={0} type=inter direction=RAW distance=Shape::{1} true\n"
Change = tuple[str, str, str]
FAULTS: list[tuple[str, list[Change]]] = [
    (
        "requantise is given '_ZN2bwL7offsetsE', which is no stream",
        [
            (TOP, f"{RULE})", f"{RULE}, bw::Held{{bw::offsets}})"),
            (REQUANT, "namespace bw {\n", HELD),
            (REQUANT, "Shape::Lanes>> &out) {", "Shape::Lanes>> &out, const Held &held = {offsets}) {"),
            (REQUANT, "Rule::code(fold,", "Rule::code(fold & held.offsets[fold & 1],"),
        ],
    ),
    (
        "max_reduce is given 'count', which is no stream",
        [
            (TOP, "  bw::max_reduce", "  int count = 0;\n  bw::max_reduce"),
            (TOP, "(pool_window_out, pool_out)", "(pool_window_out, pool_out, count)"),
            (TOP, "(dense_width_out, dense_out)", "(dense_width_out, dense_out, count)"),
            (POOL, "Shape::Lanes>> &out) {\n  using Number", "Shape::Lanes>> &out, int &count) {\n  using Number"),
            (POOL, "position = 0;\n      }", "position = 0;\n        ++count;\n      }"),
            ("kernels/bw_mvu.hpp", "Shape::Pe>> &out) {\n", "Shape::Pe>> &out, int count = 0) {\n"),
            ("kernels/bw_mvu.hpp", "row == 0 ? in.read()", "row == count ? in.read()"),
        ],
    ),
    (
        "window loads and stores 'ring' in a loop, at no stated distance",
        [("kernels/bw_window.hpp", DISTANCE.format("ring", "Distance"), "")],
    ),
    (
        "mvu loads and stores 'held' in a loop, at no stated distance",
        [("kernels/bw_mvu.hpp", DISTANCE.format("held", "ColFold"), "")],
    ),
    (
        "mvu states a distance for 'held', which no loop loads and stores",
        [("kernels/bw_mvu.hpp", "in.read() : held[col]", "in.read() : X()")],
    ),
    (
        "convert_width states a distance for 'out_words', which no loop loads and stores",
        [
            (
                "kernels/bw_width.hpp",
                "  Counter<Shape::Held + 1> level",
                "  int out_words[2] = {};\n  Counter<Shape::Held + 1> level",
            ),
            (
                "kernels/bw_width.hpp",
                "#pragma HLS LOOP_FLATTEN\n",
                "#pragma HLS LOOP_FLATTEN\n" + DISTANCE.format("out_words", "Unit"),
            ),
            ("kernels/bw_width.hpp", "        out.write(word);", "        out_words[0] = 1;\n        out.write(word);"),
        ],
    ),
]


def judged(files: Mapping[str, str]) -> list[str]:
    """The findings of the judge, which imports LLVM."""
    from tests.hls.judge import judge

    return judge(files)


def changed(files: Mapping[str, str], changes: Sequence[Change]) -> Mapping[str, str]:
    found = dict(files)
    for path, old, new in changes:
        assert old in found[path], (path, old)
        found[path] = found[path].replace(old, new, 1)
    return found


@cache
def clean() -> Mapping[str, str]:
    return generate(small())


@pytest.mark.parametrize("design", [small, signs, branches, pruned, deep])
def test_nothing_but_streams_enters_a_process(design: Callable[[], Project]) -> None:
    assert judged(generate(design())) == []


@pytest.mark.parametrize("group", [*ALL, "large"])
def test_nothing_but_streams_enters_any_kernel(group: str) -> None:
    assert judged(generate(made(group, 1))) == []


@pytest.mark.parametrize(("says", "changes"), FAULTS, ids=[says for says, _ in FAULTS])
def test_what_is_broken_is_found(says: str, changes: Sequence[Change]) -> None:
    assert says in judged(changed(clean(), changes))


@pytest.mark.skipif(not MODELS.exists(), reason=f"no model collection at {MODELS}")
@pytest.mark.parametrize("name", ["brevitas/upcat_qonnx", "hls4ml_examples/bnn_fc_1layer"])
def test_nothing_but_streams_enters_the_processes_of_a_network(name: str) -> None:
    passed, said = check("judge", MODELS / name, 2)
    assert passed, said


@pytest.mark.parametrize(("factors", "count"), [([1, 8, 2, 4], 0), ([1, -8, 0, 4], 0), ([1, 8, 3, 4], 1)])
def test_a_sum_shifts_where_the_factors_of_channels_are_powers_of_two(factors: list[int], count: int) -> None:
    from tests.hls.judge import products

    rng = np.random.default_rng(0)
    made = project(adder("sum", rng, U8, S8, given=(factors, [2, 1, 1, 1])), rng, 1, "sum")
    assert products(generate(made)) == count


@pytest.mark.parametrize(("factors", "count"), [([1, 8, 2, 4], 0), ([1, -8, 0, 4], 0), ([1, 8, 3, 4], 1)])
def test_a_requantiser_shifts_where_the_factors_of_channels_are_powers_of_two(factors: list[int], count: int) -> None:
    from tests.hls.judge import products

    made = project(requantiser("line", fixed(factors, S8, U8, shift=3), S8, U8), np.random.default_rng(0), 1, "line")
    assert products(generate(made)) == count
