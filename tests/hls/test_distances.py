# SPDX-License-Identifier: Apache-2.0
"""The distances that DEPENDENCE pragmas state are true: kernels that note when each place is written, and when read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import pytest

from tests.hls.programs import OURS, TEMPLATES, compiled, run, write
from tests.needs import needs_cxx

pytestmark = needs_cxx

Spec = dict[str, int]
PRAGMA = re.compile(r"#pragma HLS DEPENDENCE (.*)")
PIPELINE = re.compile(r"#pragma HLS PIPELINE\b[^\n]*\n")
NOTES = """
#include <map>
static long long now_, least_;
static std::map<const void *, long long> written_;  // the iteration of the last write of each place
inline void note_write(const void *place) { written_[place] = now_; }
inline void note_read(const void *place) {
  const auto found = written_.find(place);
  if (found != written_.end() && now_ - found->second < least_) least_ = now_ - found->second;
}
"""
MEASURE = """
#include <cstdio>
template <typename Shape>
struct Table {
  static typename Shape::Word &at(int) {
    static typename Shape::Word word;
    return word;
  }
};
template <typename Shape>
struct Any {
  static int at(int) { return 0; }
};
struct Mac {
  static int start() { return 0; }
  template <typename Weights, typename X, typename Acc>
  static void add(const Weights &, const X &, Acc &) {}
};
template <typename Shape>
void measure() {
  hls::stream<bw::Vec<typename Shape::X, IN>> in("in");
  hls::stream<bw::Vec<typename Shape::X, OUT>> out("out");
  now_ = 0, least_ = 1LL << 40, written_.clear();
  for (int i = 0; i < WORDS; ++i) in.write({});
  CALL(in, out);
  while (!out.empty()) out.read();
  std::printf("%d %lld\\n", int(Shape::DISTANCE), least_);
}
"""
TYPES = "using T = ap_int<3>; using X = T; using Weight = T; using Acc = T; using Choice = ap_uint<1>;"


@dataclass(frozen=True)
class Noted:
    """A kernel whose array has a stated distance, and the lines that read and write the array."""

    array: str
    distance: str
    shape: str
    call: str
    lanes: tuple[str, str]
    words: str
    read: tuple[str, str]  # the line, and the place that it reads
    written: tuple[str, str]

    def text(self, header: str) -> str:
        """The kernel with notes."""
        text = (TEMPLATES / header).read_text(encoding="utf-8")
        notes = [
            (self.read[0], f"note_read(&{self.read[1]});\n"),
            (self.written[0], f"note_write(&{self.written[1]});\n"),
        ]
        for line, note in notes:
            assert text.count(line) == 1, line
            head = f"if ({'row != 0' if 'read' in note else 'row == 0'}) " if self.array == "frame" else ""
            head = "if (inside) " if line.startswith("out.write(inside") else head
            text = text.replace(line, head + note + line)
        assert len(PIPELINE.findall(text)) == 1
        return NOTES + PIPELINE.sub(r"\g<0>++now_;\n", text)

    def measured(self, header: str, specs: Sequence[Spec], folder: Path) -> list[tuple[int, int]]:
        """For each Spec the stated distance, and the least one; those that read nothing written are left out."""
        measure = MEASURE
        marks = {"IN": self.lanes[0], "OUT": self.lanes[1], "WORDS": self.words, "CALL": self.call}
        for mark, meant in (marks | {"DISTANCE": self.distance}).items():
            measure = re.sub(rf"\b{mark}\b", meant, measure)
        lines, calls = [f'#include "{header}"', measure], []
        for index, spec in enumerate(specs):
            members = ", ".join(f"{name} = {value}" for name, value in spec.items())
            lines.append(f"struct Spec{index} {{ static constexpr int {members}; {TYPES} }};")
            calls.append(f"  measure<bw::{self.shape}<Spec{index}>>();")
        text = "\n".join([*lines, "int main() {", *calls, "}"])
        write(folder, {f"kernels/{header}": self.text(header), "program.cpp": text})
        flags = ["-O0", "-w", "-Ikernels", *OURS, f"-I{TEMPLATES}"]
        done = run(compiled(folder, ["program.cpp"], flags))
        assert done.returncode == 0, done.stderr
        stated, least = zip(*(map(int, line.split()) for line in done.stdout.splitlines()), strict=True)
        assert len(stated) == len(specs)
        return [pair for pair in zip(stated, least, strict=True) if pair[1] < 1 << 40]


NOTED = {
    "bw_window.hpp": Noted(
        array="ring",
        distance="Distance",
        shape="WindowShape",
        call="bw::window<Shape>",
        lanes=("Shape::Lanes", "Shape::Lanes"),
        words="Shape::Height * Shape::RowWords",
        read=("out.write(inside ? ring", "ring[place][(x * Shape::Blocks + block) * Shape::Inner + inner]"),
        written=("ring[in_slot][in_word] = in", "ring[in_slot][in_word]"),
    ),
    "bw_window_line.hpp": Noted(
        array="line",
        distance="Gap",
        shape="LineShape",
        call="bw::window_line<Shape>",
        lanes=("Shape::Lanes", "Shape::Field"),
        words="Shape::InBeats",
        read=("word = line[ky][place];", "line[ky][place]"),
        written=("line[ky][place] = oldest;", "line[ky][place]"),
    ),
    "bw_mvu.hpp": Noted(
        array="frame",
        distance="ColFold",
        shape="MvuShape",
        call="bw::mvu<Shape, Mac, Any<Shape>>",
        lanes=("Shape::Simd", "Shape::Pe"),
        words="Shape::Vectors * Shape::Groups * Shape::ColFold",
        read=("const X x = row == 0", "frame[col]"),
        written=("if (row == 0) frame[col] = x;", "frame[col]"),
    ),
    "bw_select.hpp": Noted(
        array="frame",
        distance="ColFold",
        shape="SelectShape",
        call="bw::select<Shape, Mac, Table<Shape>>",
        lanes=("Shape::Simd", "Shape::Pe"),
        words="Shape::Vectors * Shape::Groups * Shape::ColFold",
        read=("const In x = row == 0", "frame[col]"),
        written=("if (row == 0) frame[col] = x;", "frame[col]"),
    ),
}
"""Every header with a DEPENDENCE pragma."""


def windows() -> Iterator[Spec]:
    """Signals, narrow and wide images, strides beyond kernels, dilations, pads, blocks, several words of a pixel."""
    sizes = ((8, 1), (9, 2), (4, 4), (5, 7), (12, 3), (1, 9))
    kernels = ((1, 1), (2, 1), (3, 1), (1, 3), (2, 2), (3, 3), (5, 1))
    dilations, words = ((1, 1), (2, 1), (1, 2)), ((1, 1), (2, 1), (1, 3))
    grid = product(sizes, kernels, (1, 2, 3), dilations, (0, 1), words)
    for (h, w), (kh, kw), stride, (dh, dw), pad, (blocks, inner) in grid:
        top, left = min(pad, kh - 1), min(pad, kw - 1)
        high, wide = h + 2 * top - (kh - 1) * dh, w + 2 * left - (kw - 1) * dw  # places of a field
        if high > 0 and wide > 0:
            yield {
                **{"Height": h, "Width": w, "Blocks": blocks, "Inner": inner, "KernelH": kh, "KernelW": kw},
                **{"StrideH": stride, "StrideW": stride, "DilationH": dh, "DilationW": dw},
                **{"PadTop": top, "PadLeft": left, "PadValue": 0, "Lanes": 1},
                **{"OutHeight": (high - 1) // stride + 1, "OutWidth": (wide - 1) // stride + 1},
            }


def lines() -> list[Spec]:
    """Those of the windows that a line of taps serves."""
    return [
        spec
        for spec in windows()
        if spec["Inner"] == 1
        and (spec["KernelH"] == 1 or spec["DilationH"] * spec["Width"] > (spec["KernelW"] - 1) * spec["DilationW"])
        and (spec["OutHeight"] == 1 or (spec["OutWidth"] - 1) * spec["StrideW"] < spec["StrideH"] * spec["Width"])
    ]


def matrices() -> list[Spec]:
    grid = product((1, 2), (1, 3), (1, 2, 5), (1, 2, 7))
    return [
        {"Vectors": vectors, "Groups": groups, "Rows": rows, "Cols": cols, "Pe": 1, "Simd": 1}
        for vectors, groups, rows, cols in grid
    ]


def selections() -> list[Spec]:
    shapes = [{**spec, "Columns": 2 * spec["Cols"], "Sets": 1, "Of": 2, "Kept": 1} for spec in matrices()]
    return [{name: size for name, size in spec.items() if name not in ("Cols", "Simd")} for spec in shapes]


GRIDS = {
    "bw_window.hpp": lambda: list(windows())[::7],
    "bw_window_line.hpp": lambda: lines()[::4],
    "bw_mvu.hpp": matrices,
    "bw_select.hpp": selections,
}


@pytest.mark.parametrize("header", NOTED)
def test_a_place_is_read_no_sooner_than_stated(header: str, tmp_path: Path) -> None:
    found = NOTED[header].measured(header, GRIDS[header](), tmp_path)
    assert len(found) > 20
    assert [pair for pair in found if pair[1] < pair[0]] == []
    assert sum(stated == least for stated, least in found) > len(found) * 4 // 5, "most are the distance itself"


@pytest.mark.long
def test_a_window_of_any_shape_is_read_no_sooner_than_stated(tmp_path: Path) -> None:
    specs = list(windows())
    for index in range(0, len(specs), 200):
        found = NOTED["bw_window.hpp"].measured("bw_window.hpp", specs[index : index + 200], tmp_path)
        assert [pair for pair in found if pair[1] < pair[0]] == []


def test_a_point_of_a_signal_with_a_stride_is_read_by_the_next_iteration(tmp_path: Path) -> None:
    """As a shortcut of a one-dimensional residual network: no memory is so fast."""
    spec = {**next(windows()), "StrideH": 2, "OutHeight": 4}
    ((stated, least),) = NOTED["bw_window.hpp"].measured("bw_window.hpp", [spec], tmp_path)
    assert stated == least == 1


def test_every_stated_distance_is_measured() -> None:
    """Kernels are carried as they are: no project has another pragma."""
    for path in TEMPLATES.rglob("*"):
        text = path.read_text(encoding="utf-8") if path.is_file() else ""
        noted = NOTED.get(path.name)
        wanted = (
            [f"variable={noted.array} type=inter direction=RAW distance=Shape::{noted.distance} true"] if noted else []
        )
        assert PRAGMA.findall(text) == wanted, path.name
