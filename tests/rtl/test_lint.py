# SPDX-License-Identifier: Apache-2.0
"""Verilator -Wall and Yosys are silent on every library module alone and on generated designs."""

from __future__ import annotations

from collections import defaultdict
from importlib.resources import files as package_files

import numpy as np
import pytest

from bitwright.backends.verilog.library import ULTRA, text_of
from bitwright.backends.verilog.project import generate
from bitwright.ir.errors import BitwrightError
from bitwright.sim.lint import project_sources, verilator_lint, written, yosys_check
from tests.needs import needs_rtl, needs_yosys
from tests.rtl.cases import GROUPS
from tests.rtl.graphs import project, side_by_side

FOLDER = package_files("bitwright").joinpath("hls_templates/verilog")
HAND_WRITTEN = {
    path.name: path.read_text() for path in sorted(FOLDER.iterdir(), key=lambda p: p.name) if path.name.endswith(".sv")
}
LIBRARY = HAND_WRITTEN | {f"{name}.sv": text_of(name) for name in ULTRA}
MODULES = [name.removesuffix(".sv") for name in LIBRARY if name != "bw_pkg.sv"]
SOURCES = ["bw_pkg.sv", *(f"{name}.sv" for name in MODULES)]


@needs_rtl
@pytest.mark.parametrize("module", MODULES)
def test_a_module_alone_lints_in_verilator(module: str) -> None:
    verilator_lint(LIBRARY, SOURCES, module)


def alone(*modules: str) -> str:
    """A module `all` that holds each of `modules` with its own parameters, unconnected: one run checks them all."""
    return "\n".join(["module all;", *(f"  {module} u_{module} ();" for module in modules), "endmodule", ""])


@needs_yosys
def test_the_modules_alone_pass_yosys() -> None:
    yosys_check({**LIBRARY, "all.sv": alone(*MODULES)}, [*SOURCES, "all.sv"], ["all"])


@needs_yosys
@pytest.mark.parametrize(
    ("fault", "says"),
    [
        ("logic planted; assign planted = clk && !planted;", "found logic loop in module bw_fork"),
        ("logic planted; assign planted = clk; assign planted = rst;", "multiple conflicting drivers for bw_fork"),
        ("bw_unknown u_planted (.x(clk));", "Module `.bw_unknown' .* is not part of the design"),
        ("bw_delay #(.None(1)) u_planted ();", "Module `bw_delay' .* does not have a parameter named 'None'"),
    ],
)
def test_a_fault_in_a_module_alone_is_found(fault: str, says: str) -> None:
    broken = LIBRARY["bw_fork.sv"].replace("endmodule", f"{fault}\nendmodule")
    with pytest.raises(BitwrightError, match=f"(?s)checking all failed with exit code 1:.*{says}"):
        yosys_check({**LIBRARY, "bw_fork.sv": broken, "all.sv": alone(*MODULES)}, [*SOURCES, "all.sv"], ["all"])


@needs_rtl
@needs_yosys
@pytest.mark.parametrize("group", GROUPS)
def test_a_generated_design_lints(group: str) -> None:
    files = generate(project(side_by_side(GROUPS[group]()), np.random.default_rng(0), 1, group))
    verilator_lint(files, project_sources(files), f"{group}_top")
    yosys_check(files, project_sources(files), [f"{group}_top"])


@needs_rtl
def test_an_unused_net_is_an_error() -> None:
    broken = {"a.sv": "module a (input logic x);\nendmodule\n"}
    with pytest.raises(BitwrightError, match=r"(?s)linting a failed with exit code 1:.*Signal is not used: 'x'"):
        verilator_lint(broken, ["a.sv"], "a")


@pytest.mark.parametrize("name", LIBRARY)
def test_a_module_has_its_contract_and_fits_a_page(name: str) -> None:
    lines = LIBRARY[name].splitlines()
    assert lines[0] == "// SPDX-License-Identifier: Apache-2.0"
    assert lines[1].startswith(f"// {name.removesuffix('.sv')}: ")
    assert len(lines) < 150
    assert max(map(len, lines)) <= 120


def test_few_lines_of_the_library_stand_in_it_twice() -> None:
    """Lines in a block of six that stands elsewhere too: what is left of them are the ports of streams.

    White space is folded; comments, and lines of three characters or less such as `end`, are passed over.
    """
    folded = {name: [" ".join(line.split()) for line in text.splitlines()] for name, text in HAND_WRITTEN.items()}
    code = {name: [line for line in lines if len(line) > 3 and line[:2] != "//"] for name, lines in folded.items()}
    places = defaultdict[tuple[str, ...], list[tuple[str, int]]](list)
    for name, lines in code.items():
        for start in range(len(lines) - 5):
            places[tuple(lines[start : start + 6])].append((name, start))
    again = {
        (name, start + i) for found in places.values() if len(found) > 1 for name, start in found for i in range(6)
    }
    assert len(again) <= 0.18 * sum(map(len, code.values()))


def test_without_a_home_folder_there_is_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/proc/none")
    with pytest.raises(BitwrightError) as caught, written({}):
        pass
    assert str(caught.value) == (
        "the home folder: has no place for the files that Yosys reads\n  hint: set HOME to a folder that can be written"
    )
