# SPDX-License-Identifier: Apache-2.0
"""What a kernel refuses to compile, and with which words: every static_assert of the library."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from bitwright.sim import tools
from tests.hls.programs import OURS, TEMPLATES
from tests.needs import needs_cxx

pytestmark = needs_cxx

SPECS = {
    "MvuShape": {"Vectors": 1, "Groups": 1, "Rows": 4, "Cols": 6, "Pe": 2, "Simd": 3},
    "SparseShape": {
        "Vectors": 1,
        "ColFold": 2,
        "RowFold": 2,
        "Words": 3,
        "Distance": 1,
        "Ports": 1,
        "Pe": 2,
        "Simd": 3,
    },
    "SelectShape": {
        **{"Vectors": 1, "Groups": 1, "Rows": 4, "Columns": 8, "Pe": 2, "Sets": 1, "Kept": 2, "Of": 4},
    },
    "ReorderShape": {"InBeats": 3, "OutBeats": 4, "Fill": 0, "Distance": 1, "Lanes": 1},
    "RequantShape": {"Beats": 4, "Folds": 2, "Lanes": 1},
    "PoolShape": {"Fold": 4, "Windows": 2},
    "ArgMaxShape": {"Fold": 4, "Pixels": 2, "Lanes": 2, "Last": 1},
    "WidthShape": {"InLanes": 2, "OutLanes": 3, "Elements": 6},
    "AxisShape": {"Beats": 2, "Lanes": 1},
    "DepthwiseShape": {"Pixels": 4, "Blocks": 2, "Fold": 3, "Lanes": 1, "Multiplier": 1, "Simd": 3},
    "GatherShape": {"Pixels": 4, "Blocks": 2, "Inner": 1, "Lanes": 1},
    "LineShape": {
        **{"Height": 4, "Width": 4, "Blocks": 1, "KernelH": 2, "KernelW": 2, "StrideH": 1, "StrideW": 1, "Lanes": 1},
        **{"DilationH": 1, "DilationW": 1, "PadTop": 0, "PadLeft": 0, "OutHeight": 3, "OutWidth": 3},
    },
    "WindowShape": {
        **{"Height": 4, "Width": 4, "Blocks": 1, "Inner": 1, "KernelH": 2, "KernelW": 2, "StrideH": 1, "StrideW": 1},
        **{"DilationH": 1, "DilationW": 1, "PadTop": 0, "PadLeft": 0, "OutHeight": 3, "OutWidth": 3},
    },
}
HEADERS = (
    *"argmax axis depthwise fork gather join mac mvu pool".split(),
    *"reorder requant rom select sparse turns width window window_line".split(),
)

REFUSED = [
    ("MvuShape", {"Pe": 3}, "PE must divide the number of rows"),
    ("MvuShape", {"Simd": 4}, "SIMD must divide the number of columns"),
    ("MvuShape", {"Pe": -1}, "PE and SIMD must be positive"),
    ("MvuShape", {"Vectors": 0}, "there must be a vector and a matrix"),
    ("MvuShape", {"Vectors": 1 << 30}, "a frame must take fewer than 2^31 beats"),
    ("SparseShape", {"ColFold": 0}, "there must be a vector"),
    ("SparseShape", {"Ports": 0}, "ports, PE and SIMD must be positive"),
    ("SparseShape", {"Words": 1}, "each row fold has a word"),
    ("SelectShape", {"Groups": 0}, "there must be a vector and a matrix"),
    ("SelectShape", {"Sets": 0}, "PE and sets must be positive"),
    ("SelectShape", {"Kept": 4}, "some of the neighbours are multiplied, not all"),
    ("SelectShape", {"Pe": 3}, "PE must divide the number of rows"),
    ("SelectShape", {"Columns": 6}, "a beat must divide the columns"),
    ("SelectShape", {"Vectors": 1 << 30}, "a frame must take fewer than 2^31 beats"),
    ("RequantShape", {"Beats": 5}, "a frame must be whole pixels"),
    ("RequantShape", {"Lanes": 0}, "there must be a channel"),
    ("PoolShape", {"Fold": 0}, "there must be a window"),
    ("PoolShape", {"Fold": 1 << 30}, "a frame must take fewer than 2^31 beats"),
    ("ArgMaxShape", {"Lanes": 0}, "there must be a channel"),
    ("ArgMaxShape", {"Last": 2}, "Last says which of equals wins: 0 or 1"),
    ("ArgMaxShape", {"Pixels": 1 << 30}, "a frame must take fewer than 2^31 beats"),
    ("ArgMaxShape", {"Fold": 5}, "Y must hold every place"),
    ("WidthShape", {"Elements": 9}, "a frame must be whole input words"),
    ("WidthShape", {"Elements": 8}, "a frame must be whole output words"),
    ("WidthShape", {"OutLanes": 0}, "a word needs at least one lane"),
    ("AxisShape", {"Beats": 0}, "a frame needs at least one element"),
    ("DepthwiseShape", {"Blocks": 0}, "there must be a pixel and a channel"),
    ("DepthwiseShape", {"Simd": 0}, "lanes must be positive"),
    ("GatherShape", {"Blocks": 0}, "the input is empty"),
    ("GatherShape", {"Pixels": 1 << 30}, "a frame must take fewer than 2^31 beats"),
    ("LineShape", {"Height": 0}, "the input is empty"),
    ("LineShape", {"OutHeight": 0}, "no output"),
    ("LineShape", {"StrideW": 0}, "a stride must be positive"),
    ("LineShape", {"DilationW": 0}, "a dilation must be positive"),
    ("LineShape", {"DilationW": 5}, "the image is narrower than the kernel"),
    ("LineShape", {"PadTop": 2}, "a pad must be less than the kernel"),
    ("LineShape", {"StrideW": 2}, "windows must come in the order of their newest pixels"),
    (
        "LineShape",
        {"Height": 1, "OutHeight": 1},
        "all windows of a frame must come before the end of the next one",
    ),
    ("LineShape", {"Width": 1 << 28}, "a frame must take fewer than 2^31 beats"),
    ("WindowShape", {"Inner": 0}, "the input is empty"),
    ("WindowShape", {"OutHeight": 0}, "no output"),
    ("WindowShape", {"StrideW": 0}, "a stride must be positive"),
    ("WindowShape", {"DilationH": 0}, "a dilation must be positive"),
    ("WindowShape", {"PadLeft": -1}, "a pad must not be negative"),
    ("WindowShape", {"Width": 1 << 29}, "a frame must take fewer than 2^31 beats"),
]
JOIN = """
  struct Spec {
    enum { Operands = 2, Folds = 1, Lanes = 1, Beats = 1 };
    using Y = ap_int<5>;
    using Factor = ap_int<2>;
    using Part = ap_uint<2>;
  };
  struct Table {
    static const Spec::Factor (&at(int))[2][1];
  };
  using Shape = bw::JoinShape<Spec>;
  hls::stream<Shape::Word> out, in;
"""
MAC = """
  struct Shape {{
    enum {{ Pe = 2, Simd = 1, Cols = 4, Lanes = {lanes}, Stride = 8, Bias = {bias} }};
    using Weight = {weight};
    using X = bw::Bipolar;
    using Acc = ap_int<8>;
    using Packed = ap_int<12>;
    using Factor = ap_int<2>;
    using Part = ap_uint<2>;
  }};
  bw::{style}Mac<Shape> mac;
"""


def mac(style: str, weight: str = "ap_int<4>", lanes: int = 2, bias: int = 8) -> str:
    """Code that needs an arithmetic style of the matrix-vector unit."""
    return MAC.format(style=style, weight=weight, lanes=lanes, bias=bias)


CODE = [
    ("bw::Vec<int, 0> v;", "a word needs at least one lane"),
    ("bw::Turns<1 << 30, 1 << 30, 1> turns;", "a call must take fewer than 2^31 beats"),
    ("bw::Rom<ap_int<65>> table[1] = {0};", "an element of a table has at most 64 bits"),
    (
        "struct Word { Word(); Word(const Word&); }; hls::stream<Word> words;",
        "a stream of the vendor's copies words by memcpy",
    ),
    ("auto y = ap_int<65>(1) * ap_int<64>(1);", "host arithmetic covers 1 to 128 bits"),
    ("ap_axiu<8, 1, 0, 0> t;", "only TDATA, TKEEP, TSTRB and TLAST are modelled"),
    (JOIN + "bw::add<Shape, Table>(out, in);", "there must be as many streams as operands"),
    (JOIN + "bw::interleave<Shape, Table>(out, in);", "there must be as many streams as operands"),
    (
        "struct Shape { enum { Shift, Folds, Lanes }; struct Channel {}; }; bw::MultiplyShiftEven<Shape, Shape> rule;",
        "without a fraction there are no ties",
    ),
    (mac("Dsp", lanes=0), "a multiplier gives at least one product"),
    (mac("Dsp", bias=-1), "a bias must not be negative"),
    (mac("Xnor", "ap_int<1>"), "XNOR multiplies bipolar by bipolar"),
    (mac("Ternary", "ap_int<3>"), "a weight has one or two bits"),
]


def refusals(body: str, folder: Path) -> list[str]:
    """What the compiler says of a function that holds `body`."""
    includes = "".join(f'#include "bw_{name}.hpp"\n' for name in HEADERS)
    (folder / "program.cpp").write_text(f"{includes}void f() {{\n{body}\n}}\n", encoding="utf-8")
    command = [tools.cxx().path, "-std=c++14", "-fsyntax-only", "-w", *OURS, f"-I{TEMPLATES}", "program.cpp"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    return re.findall(r"static assertion failed: (.*)", done.stderr) if done.returncode else []


def shape(kind: str, changes: dict[str, int]) -> str:
    """Code that needs the Shape of a Spec."""
    members = ", ".join(f"{name} = {value}" for name, value in (SPECS[kind] | changes).items())
    types = "using T = ap_int<5>; using Y = ap_uint<3>;"
    return f"struct Spec {{ static constexpr int {members}; {types} }}; bw::{kind}<Spec> needed;"


def test_what_is_right_compiles(tmp_path: Path) -> None:
    source = "".join(f"{{ {shape(kind, {})} }}" for kind in SPECS)
    source = re.sub(r"static constexpr int (.*?);", lambda m: "enum {" + m[1] + "};", source)
    for style, weight in (
        ("Lut", "ap_int<4>"),
        ("Dsp", "ap_int<4>"),
        ("Xnor", "bw::Bipolar"),
        ("Ternary", "ap_int<2>"),
    ):
        source += f"{{ {mac(style, weight)} }}"
    assert refusals(source, tmp_path) == []


def test_what_is_wrong_does_not(tmp_path: Path) -> None:
    """All in one program: each case in a block of its own says its own sentence, and no other."""
    wanted = [message for _, _, message in REFUSED]
    blocks = "".join(f"{{ {shape(kind, changes)} }}\n" for kind, changes, _ in REFUSED)
    blocks = re.sub(r"static constexpr int (.*?);", lambda m: "enum {" + m[1] + "};", blocks)
    assert refusals(blocks, tmp_path) == wanted


@pytest.mark.parametrize(("code", "message"), CODE)
def test_other_misuse(code: str, message: str, tmp_path: Path) -> None:
    assert refusals(code, tmp_path)[:1] == [message]


def test_every_assertion_is_tested() -> None:
    texts = [
        path.read_text(encoding="utf-8") for path in [*TEMPLATES.glob("*.hpp"), *(TEMPLATES / "host").rglob("*.h*")]
    ]
    known = {message for _, _, message in REFUSED} | {message for _, message in CODE}
    found = {message for text in texts for message in re.findall(r'static_assert\([^"]*"([^"]*)"\);', text)}
    assert found == known
