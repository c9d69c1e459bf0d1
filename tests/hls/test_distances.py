# SPDX-License-Identifier: Apache-2.0
"""The distances that DEPENDENCE pragmas state are true: kernels that note when each place is written, and when read."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import pytest

from bitwright.backends.hls.project import generate
from bitwright.hardware.kernels.base import KernelGraph
from tests.hls.programs import OURS, TEMPLATES, compiled, run, write
from tests.needs import needs_cxx
from tests.rtl.cases import sparses
from tests.rtl.graphs import project, reorder, side_by_side

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
  for (int i = 0; i < bw::Frames * (WORDS); ++i) in.write({});
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
            head = f"if ({'row != 0' if 'read' in note else 'row == 0'}) " if "row == 0" in line else ""
            head = "if (inside) " if line.startswith("out.write(inside") else head
            head = "if (fills) " if line.startswith("if (fills)") else head
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
        flags = ["-O0", "-w", "-DBW_FRAMES=2", "-Ikernels", *OURS, f"-I{TEMPLATES}"]
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
        read=(
            "out.write(inside ? ring",
            "ring[place][(x * Shape::Blocks + block.to_int()) * Shape::Inner + inner.to_int()]",
        ),
        written=("ring[in_slot][in_word] = in", "ring[in_slot][in_word]"),
    ),
    "bw_window_line.hpp": Noted(
        array="line",
        distance="Gap",
        shape="LineShape",
        call="bw::window_line<Shape>",
        lanes=("Shape::Lanes", "Shape::Field"),
        words="Shape::InBeats",
        read=("word = line[ky][gap];", "line[ky][gap]"),
        written=("line[ky][gap] = oldest;", "line[ky][gap]"),
    ),
    "bw_mvu.hpp": Noted(
        array="held",
        distance="ColFold",
        shape="MvuShape",
        call="bw::mvu<Shape, Mac, Any<Shape>>",
        lanes=("Shape::Simd", "Shape::Pe"),
        words="Shape::Vectors * Shape::Groups * Shape::ColFold",
        read=("const X x = row == 0", "held[col]"),
        written=("if (row == 0) held[col] = x;", "held[col]"),
    ),
    "bw_select.hpp": Noted(
        array="held",
        distance="ColFold",
        shape="SelectShape",
        call="bw::select<Shape, Mac, Table<Shape>>",
        lanes=("Shape::Simd", "Shape::Pe"),
        words="Shape::Vectors * Shape::Groups * Shape::ColFold",
        read=("const In x = row == 0", "held[col]"),
        written=("if (row == 0) held[col] = x;", "held[col]"),
    ),
    "bw_gather.hpp": Noted(
        array="held",
        distance="Distance",
        shape="GatherShape",
        call="bw::gather<Shape>",
        lanes=("Shape::Lanes", "Shape::Lanes"),
        words="Shape::Beats",
        read=("out.write(held[turns.out_half][place]);", "held[turns.out_half][place]"),
        written=("if (fills) held[turns.in_half]", "held[turns.in_half][turns.entering]"),
    ),
}
"""Headers with a DEPENDENCE pragma whose distance follows from the sizes."""
TURNS = {
    "bw_reorder.hpp": (
        ("out.write(source < 0 ?", "if (source >= 0) ", "held[turns.out_half][source]"),
        ("if (fills) held[turns.in_half]", "if (fills) ", "held[turns.in_half][turns.entering]"),
    ),
    "bw_sparse.hpp": (
        ("Mac::add(", "", "held[port][turns.out_half][from.to_int()]"),
        ("held[port][turns.in_half][turns.entering] = x;", "", "held[port][turns.in_half][turns.entering]"),
    ),
}
"""And whose distance follows from a table: the lines that read and write the array, when, and the place."""
SAID = """
  now_ = 0, least_ = 1LL << 40, written_.clear();
  struct Said { ~Said() { std::fprintf(stderr, "%d %lld\\n", int(Shape::Distance), least_); } } said;
"""


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
        and fits(spec)
    ]


def fits(spec: Spec) -> bool:
    """Whether the windows of a frame come before the end of the next one."""
    width, pixels = spec["Width"], spec["Height"] * spec["Width"]
    above = (spec["KernelH"] - 1) * spec["DilationH"] - spec["PadTop"]
    first = above * width + (spec["KernelW"] - 1) * spec["DilationW"] - spec["PadLeft"]
    windows = (spec["OutHeight"] - 1) * spec["StrideH"] * width + (spec["OutWidth"] - 1) * spec["StrideW"] + 1
    return first < max(pixels, windows) > first + windows - max(pixels, windows)


def gathers() -> list[Spec]:
    grid = product((1, 2, 9), (1, 2, 3), (1, 2, 4))
    return [{"Pixels": pixels, "Blocks": blocks, "Inner": inner, "Lanes": 1} for pixels, blocks, inner in grid]


def matrices() -> list[Spec]:
    grid = product((1, 2), (1, 3), (1, 2, 5), (1, 2, 7))
    return [
        {"Vectors": vectors, "Groups": groups, "Rows": rows, "Cols": cols, "Pe": 1, "Simd": 1}
        for vectors, groups, rows, cols in grid
    ]


def reorders() -> list[KernelGraph]:
    return [
        reorder("turn", [3, 2, 1, 0], 4),
        reorder("pad", [-1, 0, -1, 1, -1, 2], 3),
        reorder("crop", [5, 1], 6),
        reorder("transpose", list(np.arange(24).reshape(4, 6).T.reshape(-1)), 24),
    ]


def selections() -> list[Spec]:
    shapes = [{**spec, "Columns": 2 * spec["Cols"], "Sets": 1, "Of": 2, "Kept": 1} for spec in matrices()]
    return [{name: size for name, size in spec.items() if name not in ("Cols", "Simd")} for spec in shapes]


GRIDS = {
    "bw_window.hpp": lambda: list(windows())[::7],
    "bw_window_line.hpp": lambda: lines()[::4],
    "bw_mvu.hpp": matrices,
    "bw_select.hpp": selections,
    "bw_gather.hpp": gathers,
}


@pytest.mark.parametrize("header", NOTED)
def test_a_place_is_read_no_sooner_than_stated(header: str, tmp_path: Path) -> None:
    found = NOTED[header].measured(header, GRIDS[header](), tmp_path)
    assert len(found) > 20
    assert [pair for pair in found if pair[1] < pair[0]] == []
    assert sum(stated == least for stated, least in found) > len(found) * 4 // 5, "most are the distance itself"


@pytest.mark.parametrize("header", TURNS)
def test_a_place_of_two_buffers_is_read_when_it_is_stated(header: str, tmp_path: Path) -> None:
    """What is written last may be read first: then the distance is 1."""
    graphs = [*sparses()[:7]] if "sparse" in header else [*reorders()]
    text = (TEMPLATES / header).read_text(encoding="utf-8")
    for (line, when, place), verb in zip(TURNS[header], ("read", "write"), strict=True):
        assert text.count(line) == 1, line
        text = text.replace(line, f"{when}note_{verb}(&{place});\n{line}")
    text = NOTES + PIPELINE.sub(
        r"\g<0>++now_;\n", re.sub(r"  typename Shape::Turn turns;\n", lambda line: line[0] + SAID, text)
    )
    made = project(side_by_side(graphs), np.random.default_rng(5), 2, "turns")
    write(tmp_path, generate(made) | {f"kernels/{header}": text})
    flags = ["-O0", "-w", "-DBW_FRAMES=2", *OURS]
    done = run(compiled(tmp_path, ["tb/turns_tb.cpp", "turns.cpp"], flags))
    assert done.returncode == 0
    found = [tuple(map(int, line.split())) for line in done.stderr.splitlines()]
    assert len(found) == len(graphs) and all(stated == least for stated, least in found), found


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
        array, distance = (noted.array, noted.distance) if noted else ("held", "Distance")
        stated = path.name in {**NOTED, **TURNS}
        wanted = [f"variable={array} type=inter direction=RAW distance=Shape::{distance} true"] * stated
        assert PRAGMA.findall(text) == wanted, path.name
