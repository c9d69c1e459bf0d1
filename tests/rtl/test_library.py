# SPDX-License-Identifier: Apache-2.0
"""What is read in the heads of the library's modules, and that a kernel's interface tells all of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import bitwright
from bitwright.backends.verilog.kernels import parameters
from bitwright.backends.verilog.library import ULTRA, Parameter, needed, parameters_of, text_of
from bitwright.hardware.arithmetic import Style
from bitwright.hardware.kernels.matrix import MatrixVector
from bitwright.hardware.kernels.reduce import ArgMaxReduce
from bitwright.ir.types import IntType
from tests.rtl.graphs import S8, matrix_vector

LIBRARY = Path(bitwright.__file__).parent / "hls_templates" / "verilog"
MODULES = sorted(path.stem for path in LIBRARY.glob("bw_*.sv") if " #(" in path.read_text().partition("module")[2])
MEMORIES = ("bw_ram", "bw_rom_hex", "bw_rom_inline")
"""Their parameters hold text, and no kernel is one of them."""
UNIT = ArgMaxReduce(
    name="a", layer="a", input="x", output="y", fold=3, groups=2, lanes=4, last=1, x_type=IntType(-8, 7),
    y_type=IntType(0, 11),
)  # fmt: skip


@pytest.mark.parametrize("name", [name for name in MODULES if name not in MEMORIES])
def test_every_parameter_of_a_head_is_read(name: str) -> None:
    """But for those that follow from others."""
    head = text_of(name).partition(f"module {name} #(")[2].partition("\n) (")[0]
    lines = [line for line in head.splitlines() if line.startswith("  parameter ") and "do not override" not in line]
    assert [each.name for each in parameters_of(name)] == [line.partition("=")[0].split()[-1] for line in lines]


def test_the_types_of_parameters() -> None:
    assert parameters_of("bw_argmax_reduce")[-1] == Parameter("Last", True, "")
    assert parameters_of("bw_window")[-1] == Parameter("PadValue", False, "XW")
    assert parameters_of("bw_interleave")[-1] == Parameter("Parts", False, "Operands*32")
    assert parameters_of("bw_multiplier")[-1] == Parameter("Zero1", False, "XW")
    assert parameters_of("bw_mvu")[-1] == Parameter("Bias", False, "Stride", style="Dsp")


@pytest.mark.parametrize("name", ULTRA)
def test_a_module_in_ultra_ram_is_another_one_but_for_its_memory(name: str) -> None:
    """What is proved and measured of the one holds for the other."""
    made, other = text_of(name), text_of(ULTRA[name])
    line = f"// Made of {ULTRA[name]}.sv: the same but for its memory, which is in UltraRAM.\n"
    style = '.Style("ultra")) u_r'
    assert made.count(line) == made.count(style) == 1 and other.count("bw_ram #(") == 1
    back = made.replace(line, "").replace(name, ULTRA[name]).replace("UltraRAM", "block RAM")
    old = '.Style("block")) u_r' if '.Style("block")' in other else ") u_r"
    assert back.replace(style if old != ") u_r" else f", {style}", old) == other
    assert parameters_of(name) == parameters_of(ULTRA[name])


@pytest.mark.parametrize(("module", "shared"), [("bw_mvu", ["Lanes"]), ("bw_select", []), ("bw_sparse", ["Shared"])])
def test_a_unit_is_told_how_it_multiplies(module: str, shared: list[str]) -> None:
    """And how products share a slice, if they do."""
    first, *rest = parameters_of(module)
    assert first == Parameter("Style", False, "")
    assert [(each.name, each.style) for each in rest if each.style] == [
        (name, "Dsp") for name in (*shared, "Stride", "PackW", "Bias")
    ]


@pytest.mark.parametrize("style", ["lut", "dsp"])
def test_what_other_styles_look_at_is_not_told(style: Style) -> None:
    rng = np.random.default_rng(1)
    made = matrix_vector("a", rng, rows=4, cols=4, pe=4, simd=2, x=S8, w=S8, style=style)
    (unit,) = (kernel for kernel in made.kernels if isinstance(kernel, MatrixVector))
    told = parameters(unit.interface())
    assert told[0] == f".Style(bw_pkg::{style.capitalize()})"
    assert [text for text in told if text.startswith((".Lanes(", ".Stride(", ".PackW(", ".Bias("))] == (
        [".Lanes(2)", ".Stride(15)", ".PackW(24)", ".Bias(15'd16256)"] if style == "dsp" else []
    )


def test_a_module_is_told_what_its_head_asks_for() -> None:
    assert parameters(UNIT.interface()) == (
        ".Fold(3)", ".Lanes(4)", ".XW(4)", ".XCode(bw_pkg::Signed)", ".YW(4)", ".Last(1'b1)"
    )  # fmt: skip


def test_what_an_interface_does_not_tell_is_no_default() -> None:
    told = UNIT.interface()
    with pytest.raises(KeyError, match="Last"):
        parameters(replace(told, sizes=({"Fold": 3, "Lanes": 4},)))


def test_a_module_brings_those_that_it_instantiates() -> None:
    assert needed(["bw_argmax_reduce"]) == [
        "bw_pkg", "bw_argmax_reduce", "bw_argmax_tree", "bw_credit_pipe", "bw_fifo"
    ]  # fmt: skip
