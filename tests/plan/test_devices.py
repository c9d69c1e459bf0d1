# SPDX-License-Identifier: Apache-2.0
"""The table of parts: compile, estimates and synthesis read the same row, and what has none is refused."""

from pathlib import Path

import pytest

from bitwright.cli import main
from bitwright.compiling import compile_graph
from bitwright.folder import design_folder
from bitwright.hardware.cells import DSP_BITS
from bitwright.ir.errors import BitwrightError
from bitwright.planning.devices import BOARDS, DEVICES, Budget, device, part_of
from bitwright.report.front import trade_off
from bitwright.report.page import page
from bitwright.synthesis import synthesise
from tests.plan.test_folding import dense

DIGITS = str(Path(__file__).parents[2] / "bitwright/demo/digits.onnx")
FAMILIES = {
    "xc7": "xc7s6 xc7s15 xc7s25 xc7s50 xc7s75 xc7s100 xc7a12t xc7a15t xc7a25t xc7a35t xc7a50t xc7a75t xc7a100t "
    "xc7a200t xc7k70t xc7k160t xc7k325t xc7k355t xc7k410t xc7k420t xc7k480t xc7vx485t xc7vx690t xc7z007s "
    "xc7z010 xc7z012s xc7z014s xc7z015 xc7z020 xc7z030 xc7z035 xc7z045 xc7z100",
    "xcu": "xcku025 xcku035 xcku040 xcku060 xcku085 xcku095 xcku115 xcvu095",
    "xcup": "xczu1cg xczu1eg xczu2cg xczu2eg xczu3cg xczu3eg xczu4cg xczu4eg xczu4ev xczu5cg xczu5eg xczu5ev "
    "xczu6cg xczu6eg xczu7cg xczu7eg xczu7ev xczu9cg xczu9eg xczu11eg xczu15eg xczu17eg xczu19eg xczu27dr "
    "xczu28dr xczu29dr xczu47dr xczu48dr xczu49dr xck24 xck26 xcku3p xcku5p xcku9p xcku11p xcku13p "
    "xcku15p xcvu3p xcvu7p xcvu9p xcvu11p xcvu13p xcvu35p xcvu37p xcu50 xcu55c xcu200 xcu250 xcu280",
    "versal": "xcve2302 xcve2802 xcvc1902 xcvm1802",
}
ROWS = [(name, family) for family, names in FAMILIES.items() for name in names.split()]


@pytest.mark.parametrize(("name", "family"), ROWS)
def test_a_part_has_the_row_of_its_device(name: str, family: str) -> None:
    for part in (name, f"{name.upper()}-ffva1156-2-e", f"{name}clg400-1"):
        assert device(part) is DEVICES[name]
    assert DEVICES[name].family == family
    slices = {
        "xc7": (25, 18),
        "xcu": (27, 18),
        "xcup": (27, 18),
        "versal": (25, 18),
    }  # DSP48E1, DSP48E2, ... and what stands in
    assert DSP_BITS[DEVICES[name].cells] == slices[family]


def test_every_row_is_here() -> None:
    assert [name for name, _ in sorted(ROWS)] == sorted(DEVICES)


def test_what_a_part_holds() -> None:
    """Every slice has two flip-flops for each look-up table."""
    assert device("xc7z020clg400-1").budget == Budget(53_200, 106_400, 220, 280)
    for known in DEVICES.values():
        held = known.budget
        assert min(held.dsp, held.bram) > 0 <= 2 * held.lut - held.ff <= 1_000  # Alveo's are rounded to thousands


NEAREST = {
    "xc7": "xc7s6, xcvu7p, xc7s75, xc7s50",
    "xck": "xck26, xck24, xcku9p, xcku5p",
    "xc7z0200": "xc7z020, xc7z100, xc7z030, xc7z010",
    "xc7z02clg400-1": "xc7z020, xczu2cg, xc7z100, xc7z045",
    "pynq_z3": "pynq-zu, pynq-z2, pynq-z1, zybo-z7-20",
    "10ax115": "xcku115, xc7s15, kcu105, xcvu11p",
    "": "zybo-z7-20, zybo-z7-10, zedboard, zcu111",
    "an xc7z020": "xc7z020, xc7z100, xc7z030, xc7z010",
    "xc7z020; exec rm": "xc7z020, xc7z100, xc7z030, xc7z010",
    "xc7z020]": "xc7z020, xc7z100, xc7z030, xc7z010",
}


@pytest.mark.parametrize("board", BOARDS)
def test_a_board_stands_for_its_part(board: str) -> None:
    for written in (board, board.upper(), board.replace("-", "_")):
        assert part_of(written) == BOARDS[board]
    assert device(board) is device(BOARDS[board]) and part_of(BOARDS[board]) == BOARDS[board]
    assert board not in DEVICES


def test_a_design_for_a_board_names_its_part() -> None:
    design = compile_graph(dense(8, 8), part="PYNQ-Z2")
    assert design.part == "xc7z020clg400-1" == design.record.part
    assert "set_part xc7z020clg400-1\n" in design.files("hls")["build_prj.tcl"]
    assert "create_project -force -part xc7z020clg400-1 " in design.files("verilog")["vivado/package_ip.tcl"]


def test_without_a_part_no_script_names_one() -> None:
    """Nothing is claimed of a part that nobody named: no share, no budget, and a script asks for it."""
    design = compile_graph(dense(8, 8))
    assert design.record.part is None is design.record.total.share
    hls, rtl = design.files("hls"), design.files("verilog")
    assert "set_part $::env(PART)\n" in hls["build_prj.tcl"]
    assert not [line for line in hls["hls_config.cfg"].splitlines() if line.startswith("part=")]
    assert "create_project -force -part $::env(PART) " in rtl["vivado/package_ip.tcl"]


@pytest.mark.parametrize(("part", "nearest"), NEAREST.items())
def test_another_part_is_refused_with_the_nearest_that_are_known(part: str, nearest: str) -> None:
    hint = f"the nearest names are {nearest}; name a part or its device, or a board"
    message = f"--part: the part {part!r} is not known\n  hint: {hint}"
    for phase in (
        lambda: device(part),
        lambda: compile_graph(dense(8, 8), part=part),
        lambda: compile_graph(dense(8, 8), cycles=16, part=part),
        lambda: trade_off(dense(8, 8), part=part),
    ):
        with pytest.raises(BitwrightError) as error:
            phase()
        assert str(error.value) == message


def test_of_a_family_without_a_fit_nothing_is_claimed(tmp_path: Path) -> None:
    """The plan and its estimates are those without a part; the scripts name the part, and the report says it all."""
    part, says = (
        "xcvc1902-vsva2197-2MP-e-S",
        "no cells of the family of {} are fitted: no budget, costs in shares of xc7z020",
    )
    graph = dense(8, 8)
    design, free = compile_graph(graph, cycles=16, part=part), compile_graph(graph, cycles=16)
    assert design.plan == free.plan and design.price.layers == free.price.layers
    report = design.record
    assert report.note == "estimates in cells of series 7: no others are fitted, nothing is said of what fits"
    assert report.plan.cost == says.format(part) == trade_off(graph, part=part)[0]["note"]
    assert f"set_part {part}\n" in design.files("hls")["build_prj.tcl"]
    assert "Resources of" not in page(free.record) + page(report) and report.total.share is None
    for path, content in design_folder(design, ("verilog",)).items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(BitwrightError) as error:
        synthesise(tmp_path)
    assert (
        str(error.value)
        == f"{tmp_path}: Yosys has no cells for {part}\n  hint: compile it for a part of another family"
    )


def test_the_command_line_names_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["compile", DIGITS, "-o", str(tmp_path / "d"), "--part", "xc6slx9"]) == 2
    assert "the part 'xc6slx9' is not known" in capsys.readouterr().err
    assert not (tmp_path / "d").exists()
