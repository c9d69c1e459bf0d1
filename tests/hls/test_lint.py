# SPDX-License-Identifier: Apache-2.0
"""The lint of HLS C++: it finds every planted fault, and nothing in generated projects."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import pytest

from bitwright.backends.hls.project import generate
from tests.hls.test_golden import deep, small
from tests.hls.test_kernels import ALL, made
from tests.needs import needs_cxx, needs_package
from tests.test_layers import Style, design

pytestmark = [needs_cxx, needs_package("clang")]

BEST, POSITION = "Number best[Shape::Lanes];", "Counter<Shape::Fold> position = 0;"
CONV = "hls::stream<bw::Vec<ap_int<8>, 2>> conv_out"
LANE = "for (int lane = 0; lane < Shape::Lanes; ++lane)"
FROM_RELU = "(relu_out, dense_width_out)"
POOL = [  # old, new, the finding, what the line of the finding holds
    (
        "beat < Shape::Beats;",
        "beat < position;",
        "loop bounds: 'position' in 'for (int beat = 0; beat < position; ++beat)' is no constant",
        "for",
    ),
    (
        LANE,
        LANE.replace("++lane", "lane += position"),
        "loop bounds: 'position' in 'for (int lane = 0; lane < Shape::Lanes; lane += position)' is no constant",
        "for",
    ),
    (LANE, LANE.replace("++lane", "lane *= 2"), "loop bounds: 'lane' does not step by a constant: 'lane *= 2'", "for"),
    (LANE, LANE.replace("lane < Shape::Lanes", "true"), "loop bounds: 'lane' is compared with nothing: 'true'", "for"),
    (
        "position = 0;\n      }",
        "position = 0;\n        ++beat;\n      }",
        "loop bounds: 'beat' is set in the body of its loop",
        "for",
    ),
    (
        "for (int beat = 0;",
        "for (;",
        "loop bounds: 'for (; beat < Shape::Beats; ++beat)' has no counter of its own",
        "for",
    ),
    ("out.write(y);", "while (position > 0) --position;", "loop bounds: 'while'", "while"),
    ("out.write(y);", "out.write(*new auto(y));", "memory: 'new'", "new"),
    ("out.write(y);", "free(&y);", "memory: 'free'", "free"),
    ("#pragma once", "#pragma once\n#include <vector>", "standard library: includes <vector>", "<vector>"),
    (BEST, "std::array<Number, Shape::Lanes> best;", "standard library: 'std::array'", "std::array"),
    (POSITION, "double position = 0;", "floating point: 'double'", "double"),
    (POSITION, "int position = 0.5;", "floating point: '0.5'", "0.5"),
    (
        "const Number number =",
        "out.write(y);\n#pragma HLS PIPELINE II=1\n const Number number =",
        "pragma place: PIPELINE is neither first in its body nor below its variable",
        "PIPELINE",
    ),
    (
        "variable=best complete",
        "variable=worst complete",
        "pragma place: ARRAY_PARTITION is neither first in its body nor below its variable",
        "worst",
    ),
    ("#pragma HLS UNROLL", "#pragma HLS INLINE", "pragma place: INLINE in the body of a loop", "INLINE"),
    (
        "#pragma HLS UNROLL",
        "#pragma unroll",
        "pragma place: 'unroll' is no pragma that the kernels use",
        "#pragma unroll",
    ),
    ("#pragma HLS UNROLL\n", "", "loop pragma: neither PIPELINE nor UNROLL", "for (int lane"),
    (
        "  beats:\n    for",
        "    position = 0;\n  beats:\n    for",
        "loop pragma: neither PIPELINE nor UNROLL",
        "for (int frame",
    ),
    (
        "frames:\n  for (int frame = 0; frame < Frames; ++frame) {",
        "frames:\n  for (int frame = 0; frame < 1; ++frame) {",
        "loop over frames: a pipeline that drains behind a frame",
        "for (int frame",
    ),
    (" style=flp", "", "loop pragma: a pipeline that does not flush", "for (int beat"),
    ("  beats:\n", "", "loop label: a pipelined loop without a label", "for (int beat"),
    (POSITION, "long long position = 0;", "integer width: 'position' is long long", "position"),
    (POSITION, "int position = 0;", "integer width: 'position' is an int that a loop carries", "position"),
    (BEST, "int best[Shape::Lanes];", "integer width: 'best' holds native integers", "best"),
    (
        POSITION,
        f"if constexpr (true) {{}}\n  {POSITION}",
        "C++14: constexpr if is a C++17 extension",
        "if constexpr",
    ),
    ("namespace bw {", "#define LANES 4\nnamespace bw {", "C++14: '#define'", "LANES"),
]
OTHERS = [
    (
        "kernels/bw_requant.hpp",
        "return y < least ?",
        "if (y < y) return clip<Code>(number, low, high);\n  return y < least ?",
        "recursion: 'clip' calls itself",
        "Code clip(",
    ),
    (
        "kernels/bw_stream.hpp",
        "  T lane[N];",
        "  T lane[N];\n  virtual int size() { return N; }",
        "virtual: 'virtual'",
        "virtual",
    ),
    (
        "kernels/bw_window.hpp",
        "in_slot = 0;",
        "in_slot = int(Shape::phases());",
        "loop bounds: 'phases' is for the compiler to evaluate",
        "void window(",
    ),
    (
        "small.cpp",
        CONV,
        "hls::stream<bw::Vec<int, 2>> conv_out",
        "integer width: 'conv_out' carries hls::stream<bw::Vec<int, 2>>",
        "conv_out",
    ),
    (
        "small.cpp",
        "  bw::window<small::conv",
        "  if (true) bw::window<small::conv",
        "top: more than declarations and calls",
        "if (true)",
    ),
    (
        "small.cpp",
        "(conv_out, relu_out)",
        "(conv_out, relu_out, small::relu::Rule())",
        "process arguments: 'requantise' is given 'small::relu::Rule()'",
        "small_network(",
    ),
    (
        "kernels/bw_requant.hpp",
        "struct MultiplyShift {",
        "struct MultiplyShift {\n  const Channels &channels;",
        "process arguments: 'channels' is a reference or a pointer",
        "&channels",
    ),
    (
        "small.cpp",
        'conv_out("conv_out")',
        'conv_out("out")',
        "stream name: 'conv_out' is not called so",
        'conv_out("out")',
    ),
    (
        "small.cpp",
        "#pragma HLS STREAM variable=conv_out depth=2\n",
        "",
        "stream depth: 'conv_out' has no depth of 2 or more below it",
        "conv_out",
    ),
    (
        "small.cpp",
        "variable=conv_out depth=2",
        "variable=conv_out depth=1",
        "stream depth: 'conv_out' has no depth of 2 or more below it",
        "conv_out(",
    ),
    (
        "small.cpp",
        "(pool_out, dense_width_out)",
        FROM_RELU,
        "stream ends: 'relu_out' meets read, read, write",
        "small_network(",
    ),
    ("small.cpp", "(pool_out, dense_width_out)", FROM_RELU, "stream ends: 'pool_out' meets write", "small_network("),
    (
        "small.cpp",
        "small_network(x, table_out)",
        "small_network(x, x)",
        "stream ends: 'x' meets read, write, write",
        "small_top(",
    ),
]
PLANTED = [("kernels/bw_pool.hpp", *fault) for fault in POOL] + OTHERS


def lint(files: Mapping[str, str]) -> list[Any]:
    """The findings of the lint, which imports libclang."""
    from tests.hls.lint import lint as found

    return found(files)


@cache
def clean() -> Mapping[str, str]:
    return generate(small())


@pytest.mark.parametrize(("path", "old", "new", "says", "at"), PLANTED, ids=[f"{f[3]}" for f in PLANTED])
def test_a_planted_fault_is_found(path: str, old: str, new: str, says: str, at: str) -> None:
    assert old in clean()[path]
    broken = clean()[path].replace(old, new, 1)
    found = [finding for finding in lint({**clean(), path: broken}) if str(finding).endswith(f": {says}")]
    assert found, [str(finding) for finding in lint({**clean(), path: broken})]
    assert str(found[0]) == f"{path}:{found[0].line}: {says}"
    assert at in broken.split("\n")[found[0].line - 1]


def test_every_rule_has_a_planted_fault() -> None:
    from tests.hls import lint as rules

    described = str(rules.__doc__).partition("The rules by name: ")[2].strip().rstrip(".").split(",")
    assert {" ".join(rule.split()) for rule in described} == {says.partition(":")[0] for *_, says, _ in PLANTED}


def test_a_small_design_is_clean() -> None:
    assert lint(clean()) == []


def test_nothing_is_found_in_what_is_in_ultra_ram() -> None:
    assert lint(generate(deep())) == []


@pytest.mark.parametrize("group", [*ALL, "large"])
def test_every_kernel_is_clean(group: str) -> None:
    assert lint(generate(made(group, 1))) == []


@pytest.mark.parametrize("style", ["wide", pytest.param("serial", marks=pytest.mark.long)])
def test_every_kind_of_layer_is_clean(style: Style) -> None:
    """All networks of `tests.layers.cases` side by side."""
    assert lint(design(style).files("hls")) == []
