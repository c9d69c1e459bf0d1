# SPDX-License-Identifier: Apache-2.0
"""Every kernel against its NumPy model: smallest, odd and larger shapes, extreme and random values, many at a time."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import numpy as np
import pytest

from bitwright.backends.hls.project import generate
from bitwright.backends.project import Project
from bitwright.compiling import compile_graph
from bitwright.frontend.build import Net
from bitwright.hardware.kernels.base import KernelGraph
from bitwright.ir.types import BIPOLAR, TERNARY, IntType, integer
from bitwright.sim import cpp
from tests.hls.programs import OURS, WARNINGS, compiled, needs_vendor, run, vendor, write
from tests.needs import needs_cxx
from tests.rtl.cases import depthwises, parallel_windows, select, selects, sparse, sparses, styles
from tests.rtl.graphs import (
    S4,
    S8,
    U4,
    U8,
    adder,
    argmax,
    fifo,
    fixed,
    fork,
    interleave,
    long_mas,
    lookup,
    mas,
    matrix_vector,
    multiplier,
    project,
    reduce,
    reorder,
    requantiser,
    side_by_side,
    thresholds,
    width,
    window,
)

pytestmark = needs_cxx
U2, S12, S20, S40 = integer(2, signed=False), *(integer(bits, signed=True) for bits in (12, 20, 40))


def matrices() -> list[KernelGraph]:
    rng = np.random.default_rng(1)
    return [
        matrix_vector("one", rng, vectors=1, rows=1, cols=1, pe=1, simd=1),
        matrix_vector("serial", rng, rows=5, cols=7, pe=1, simd=1, x=S8, w=S8),
        matrix_vector("folded", rng, vectors=3, rows=6, cols=9, pe=2, simd=3, memory="block"),
        matrix_vector("unfolded", rng, rows=5, cols=8, pe=5, simd=8, w=TERNARY),
        matrix_vector("groups", rng, groups=3, rows=4, cols=6, pe=2, simd=2, x=S4),
        matrix_vector("depthwise", rng, vectors=5, groups=4, rows=1, cols=9, pe=1, simd=3, x=S8),
        matrix_vector("xnor", rng, rows=4, cols=10, pe=2, simd=5, x=BIPOLAR, w=BIPOLAR),
        matrix_vector("bipolar_x", rng, rows=4, cols=6, pe=2, simd=3, x=BIPOLAR, w=S4),
        matrix_vector("bipolar_w", rng, rows=4, cols=6, pe=2, simd=3, x=U4, w=BIPOLAR),
        matrix_vector("no_sign", rng, rows=3, cols=6, pe=3, simd=2, x=U8, w=U8),
        matrix_vector("wide", rng, rows=2, cols=40, pe=1, simd=4, x=S20, w=S12),
    ]


def windows() -> list[KernelGraph]:
    same = (1, 1, 1, 1)
    return [
        window("same", pads=same, pad_value=3),
        window("valid", inner=3, kind=S4),
        window("point", kernel=(1, 1), strides=(2, 2), size=(5, 5)),
        window("stride", strides=(2, 2), pads=same, inner=2, lanes=1),
        window("skip", kernel=(1, 2), strides=(3, 3), size=(7, 8)),
        window("dilated", dilations=(2, 3), pads=(2, 3, 2, 3), size=(6, 5), kind=S4, pad_value=-8),
        window("asymmetric", kernel=(2, 3), strides=(1, 2), pads=(0, 2, 1, 0), size=(4, 5)),
        window("padding_first", kernel=(2, 2), pads=(3, 0, 0, 0), size=(2, 3)),
        window("groups", blocks=3, inner=2, kernel=(2, 2), size=(4, 4), pads=(0, 0, 1, 1)),
        window("depthwise", blocks=4, pads=same, size=(4, 4), kind=BIPOLAR, pad_value=-1),
        window("signal", size=(1, 20), kernel=(1, 5), strides=(1, 2), pads=(0, 2, 0, 2), inner=2),
        window("signal_padded_above", size=(1, 6), kernel=(1, 2), pads=(1, 0, 0, 0)),
        window("whole", size=(3, 3), kernel=(3, 3)),
        window("rest", size=(6, 7), kernel=(2, 2), strides=(4, 4)),
        window("pool", size=(6, 6), kernel=(2, 2), strides=(2, 2), blocks=2),
    ]


def requantisers() -> list[KernelGraph]:
    rng = np.random.default_rng(2)
    wide = IntType(-3000, 2500)
    return [
        requantiser("line", mas(rng, 4, S12, U4, shift=6), S12, U4),
        requantiser("even", mas(rng, 6, wide, S4, shift=5, even=True), wide, S4, folds=3),
        requantiser("half", mas(rng, 2, S8, S8, shift=1, even=True), S8, S8, folds=1),
        requantiser("unshifted", mas(rng, 2, U4, U8, shift=0), U4, U8, folds=1),
        requantiser("far", mas(rng, 2, U4, S4, shift=20), U4, S4, folds=1),
        requantiser("bit_in", mas(rng, 4, BIPOLAR, S4, shift=4), BIPOLAR, S4),
        requantiser("one_step", thresholds(rng, 4, S8, integer(1, signed=False)), S8, integer(1, signed=False)),
        requantiser("steps", thresholds(rng, 4, S8, U2), S8, U2),
        requantiser("five_steps", thresholds(rng, 2, U8, IntType(-2, 3)), U8, IntType(-2, 3), folds=1),
        requantiser("sign", thresholds(rng, 4, S8, BIPOLAR), S8, BIPOLAR),
        requantiser("table", lookup(rng, S4, U8), S4, U8),
        requantiser("table_part", lookup(rng, IntType(-3, 9), S4), IntType(-3, 9), S4),
        requantiser("table_bit", lookup(rng, BIPOLAR, BIPOLAR), BIPOLAR, BIPOLAR, folds=1),
        requantiser("long_line", long_mas(S40, 92), S40, S8),
        requantiser("long_even", long_mas(S40, 92, even=True), S40, S8),
        requantiser("shifts", fixed([1, 8, 2, 4], S12, U4, shift=5), S12, U4),
        requantiser("shifts_bit", fixed([1, 2], BIPOLAR, S4, shift=1), BIPOLAR, S4, folds=1),
        requantiser("powers", fixed([1, -8, 0, 4], U8, S8, shift=3), U8, S8),
        requantiser("powers_even", fixed([-1, 1, 16, 0], wide, S4, shift=5, c=9, window=3), wide, S4),
    ]


def sums() -> list[KernelGraph]:
    rng = np.random.default_rng(3)
    return [
        adder("add2", rng, U4, S8),
        adder("add5", rng, U4, S8, BIPOLAR, S4, U8, folds=3),
        adder("add_shifts", rng, U4, U8, given=([1, 8, 2, 1], [64, 1, 1, 2])),
        adder("add_zero", rng, U4, U8, given=(1, [4, 0, 1, 1])),
        adder("add_kinds", rng, U8, S4, S8, U4, BIPOLAR, given=([-16, 0, 1, 2], None, 100, [1, 2, 2, 1], -4)),
        adder("add_many", rng, *[U4] * 34, given=(*[1] * 30, *[[1, 4, 2, 1]] * 3, -2)),
    ]


def others() -> list[KernelGraph]:
    kinds = (U4, S8, BIPOLAR)
    return [
        *(reduce(f"max_{kind.bits}_{fold}", kind, fold=fold) for kind in kinds for fold in (1, 4)),
        *(reduce(f"sum_{kind.bits}_{fold}", kind, fold=fold, total=True) for kind in kinds for fold in (2, 9)),
        argmax("argmax_one", U4, fold=1, lanes=1),
        *(argmax(f"argmax_{lanes}_{fold}", S4, fold=fold, lanes=lanes) for lanes, fold in ((1, 5), (2, 3), (5, 2))),
        *(argmax(f"argmax_last{kind.bits}", kind, fold=2, lanes=4, last=1) for kind in (U4, S8, BIPOLAR)),
        argmax("argmax_wide", BIPOLAR, fold=1, lanes=11, groups=9),
        *(width(f"width_{a}_{b}", a, b) for a, b in ((1, 4), (6, 2), (4, 6), (3, 2), (2, 3), (7, 1), (5, 5))),
        width("width_bits", 2, 3, BIPOLAR),
        fork("fork2", 2),
        fork("fork3", 3, BIPOLAR),
        *sums(),
        multiplier("mul", U8, S4, (128, -3)),
        interleave("cat2", S8, (U4, 1), (S8, 3)),
        interleave("cat3", BIPOLAR, (BIPOLAR, 2), (BIPOLAR, 1), (BIPOLAR, 1)),
        reorder("turn", [3, 2, 1, 0], 4),
        reorder("pad", [-1, 0, -1, 1, -1, 2], 3, S4, fill=-8),
        reorder("crop", [5, 1], 6),
        fifo("wire", 2),
    ]


def mixed() -> list[KernelGraph]:
    """A few of each."""
    return [
        matrices()[4],
        depthwises()[3],
        *sparses()[1:11:9],
        *selects()[5:10:4],
        parallel_windows()[6],
        *windows()[6:10:3],
        *requantisers()[1:9:7],
        *others()[14:23:8],
        *others()[-6:-1:2],
        sums()[-2],
    ]


def few_packed() -> list[KernelGraph]:
    """Weights of every code, one in a number or several, and constants of every form, in all units that take them."""
    weights = [*matrices()[:8], *depthwises()[:3], *styles()[::4]]
    return [*weights, *selects()[::4], *sparses()[::4], *requantisers()[:10], *requantisers()[-2:]]


def large() -> list[KernelGraph]:
    """Tables that are packed for their size, in the units that have several columns or forms."""
    rng, wide = np.random.default_rng(6), IntType(-3000, 2500)
    shifts = [1 << int(e) for e in rng.integers(0, 6, 8200)]
    powers = (np.array(shifts) * rng.integers(-1, 2, 8200)).tolist()
    return [
        select("select", rng, vectors=1, rows=96, col_fold=24, pe=4, sets=4, kept=2, group=4, x=S8, w=S8, style="lut"),
        sparse("sparse", rng, vectors=1, rows=128, cols=600, pe=8, simd=1, x=S8, w=S4, memory="block", density=0.25),
        requantiser("steps", thresholds(rng, 72, wide, S8), wide, S8, lanes=3, folds=24, pixels=1),
        requantiser("line", mas(rng, 8200, wide, S4, shift=5, even=True), wide, S4, lanes=4, folds=2050, pixels=1),
        requantiser("shifts", fixed(shifts, wide, S4, shift=5), wide, S4, lanes=4, folds=2050, pixels=1),
        requantiser("powers", fixed(powers, wide, S4, shift=5), wide, S4, lanes=4, folds=2050, pixels=1),
    ]


GROUPS: dict[str, Callable[[], list[KernelGraph]]] = {
    "matrices": matrices,
    "depthwises": depthwises,
    "styles": styles,
    "selects": selects,
    "sparses": sparses,
    "windows": windows,
    "lines": parallel_windows,
    "requantisers": requantisers,
    "others": others,
    "mixed": mixed,
    "packed": few_packed,
    "large": large,
}

WITH_TABLES = ["matrices", "depthwises", "styles", "selects", "sparses", "requantisers"]
ALL = [group for group in GROUPS if group not in ("mixed", "packed", "large")]


@cache
def made(group: str, frames: int = 6) -> Project:
    """One project that holds every case of a group, unconnected."""
    return project(side_by_side(GROUPS[group]()), np.random.default_rng(4), frames, group)


@pytest.mark.parametrize("group", ALL)
def test_the_engine_gives_what_the_model_gives(group: str) -> None:
    here = made(group)
    shapes = [[w.array.shape[1:] for w in vectors] for vectors in (here.inputs, here.outputs)]
    model = cpp.build(generate(here), inputs=shapes[0], outputs=shapes[1], flags=("-O1",))
    for name, got, want in zip(
        here.kernels.outputs, model.run([w.array for w in here.inputs]), here.outputs, strict=True
    ):
        np.testing.assert_array_equal(got, want.array, err_msg=name)


@pytest.mark.parametrize("group", ALL)
def test_a_table_of_any_kernel_may_be_large(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that are packed, and orders of words, which are not."""
    monkeypatch.setattr("bitwright.backends.hls.packed.PACKED", 0)
    assert f"{group}_params.hpp" in generate(made(group))


@needs_vendor
@pytest.mark.parametrize("group", ["packed", *(pytest.param(group, marks=pytest.mark.long) for group in WITH_TABLES)])
def test_packed_tables_hold_the_same_constants(group: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As those of large layers, with both families of headers."""
    monkeypatch.setattr("bitwright.backends.hls.packed.PACKED", 0)
    files = generate(made(group))
    words = re.compile(r"bw::(unpacked<Word>|Packed\w+<Shape>|(Packed|Single)<\w+(, \d+)?> \w+;)")
    tables = [path for path, text in files.items() if path.startswith("weights/") and "struct Entries" not in text]
    found = sum(len(words.findall(text)) for path, text in files.items() if not path.startswith("kernels/"))
    assert found >= len(tables)
    write(tmp_path, files)
    for includes in (OURS, vendor(tmp_path)):
        done = run(compiled(tmp_path, [f"tb/{group}_tb.cpp", f"{group}.cpp"], ["-O1", "-w", *includes]))
        assert re.fullmatch(rf"{group}: \d+ compared, 0 different\n", done.stdout), done.stdout


@pytest.mark.long
@needs_vendor
def test_large_tables_are_packed_and_pass(tmp_path: Path) -> None:
    """Each of them for its size alone."""
    files = generate(made("large", 2))
    assert files["large_params.hpp"].count("bw::Single<") == 9
    assert "bw::Packed<Threshold, 255> t;" in files["large_params.hpp"]
    assert "bw::PackedSelectWord<Shape>" in files["weights/select.hpp"]
    assert "bw::PackedSparseWord<Shape>" in files["weights/sparse.hpp"]
    write(tmp_path, files)
    for includes in (OURS, vendor(tmp_path)):
        done = run(compiled(tmp_path, ["tb/large_tb.cpp", "large.cpp"], ["-O1", "-w", *includes]))
        assert re.fullmatch(r"large: \d+ compared, 0 different\n", done.stdout), done.stdout


@pytest.mark.long
@needs_vendor
def test_four_million_weights_compile_in_two_gigabytes(tmp_path: Path) -> None:
    rng, net = np.random.default_rng(1), Net()
    x = net.input("x", (1024,), "s8")
    for index in range(4):
        sums = net.dense(x, rng.integers(-127, 128, (1024, 1024)), name=f"dense{index}")
        x = net.rescale(sums, "s8", multiplier=1 / 8192, name=f"act{index}")
    write(tmp_path, compile_graph(net.graph(), cycles=70_000).files("hls"))
    limited = f"ulimit -v {2 << 20} && g++ -std=c++14 -O1 -w {' '.join(vendor(tmp_path))} -c model.cpp"
    done = subprocess.run(["sh", "-c", limited], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@needs_vendor
@pytest.mark.parametrize("group", ["mixed", *(pytest.param(group, marks=pytest.mark.long) for group in ALL)])
def test_the_bench_passes_with_the_vendors_headers(group: str, tmp_path: Path) -> None:
    """Through the AXI4-Stream top, every vector, on the vendor's own arithmetic and streams."""
    here = made(group)
    write(tmp_path, generate(here))
    sources = [f"tb/{group}_tb.cpp", f"{group}.cpp"]
    done = run(compiled(tmp_path, sources, ["-w", *vendor(tmp_path)]))
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(rf"{group}: \d+ compared, 0 different\n", done.stdout), "a line more is a broken stream"


def test_the_bench_passes_under_sanitizers_without_a_warning(tmp_path: Path) -> None:
    group = "mixed"
    write(tmp_path, generate(made(group)))
    flags = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all", *WARNINGS, *OURS]
    done = run(compiled(tmp_path, [f"tb/{group}_tb.cpp", f"{group}.cpp"], flags))
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.endswith(" compared, 0 different\n")
