# SPDX-License-Identifier: Apache-2.0
"""slang takes the library and generated designs without a word, and finds what Verilator and Yosys pass over."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from bitwright import api
from bitwright.backends.project import Project
from bitwright.backends.verilog.project import generate
from bitwright.sim.lint import project_sources
from tests import collection
from tests.hls.test_golden import branches, deep, pruned, signs
from tests.needs import needs_package
from tests.rtl.test_golden import projects
from tests.rtl.test_lint import LIBRARY, MODULES, SOURCES

pytestmark = needs_package("pyslang")
DESIGNS = [*projects(), *(made() for made in (signs, branches, pruned, deep))]
NETWORKS = ["finn/build_dataflow_tfc", "tflite/ic_resnet8_int8", "hls4ml_examples/bnn_fc_1layer"]


def judged(files: Mapping[str, str], sources: Sequence[str], tops: Sequence[str]) -> str:
    """What slang says, which is imported only where it is needed."""
    from tests.rtl.slang import slang

    return slang(files, sources, tops)


def test_the_library_is_legal() -> None:
    """Every module as a top, at the sizes that its parameters default to."""
    assert judged(LIBRARY, SOURCES, MODULES) == ""


@pytest.mark.parametrize("design", DESIGNS, ids=lambda design: design.name)
def test_a_generated_design_is_legal(design: Project) -> None:
    files = generate(design)
    assert judged(files, project_sources(files), [f"{design.name}_top"]) == ""


@collection.needs_collection
@pytest.mark.parametrize("name", NETWORKS)
def test_a_published_network_is_legal(name: str) -> None:
    design = api.compile(collection.load(name))
    files = design.files("verilog")
    assert judged(files, project_sources(files), [f"{design.name}_top"]) == ""


FAULTS = [  # module, old, new, what is said; the first two neither Verilator nor Yosys minds
    (
        "bw_adder_tree",
        "output logic signed [OutW-1:0] sum",
        "output logic        [OutW-1:0] sum",
        "bw_accumulate.sv:43:82: warning: implicit named port 'sum' of type",
    ),
    (
        "bw_argmax_tree",
        "((2 * i + 1) << l < 2 * N)",
        "(2 * i + 1 < (N + (1 << (l - 1)) - 1) >> (l - 1))",
        "warning: shift count of '-1' is negative [-Wshift-count-negative]",
    ),
    (
        "bw_fork",
        "\nendmodule",
        "\nlogic [1:0] planted; assign planted = 3'(clk);\nendmodule",
        "warning: implicit conversion truncates from 3 to 2 bits [-Wwidth-trunc]",
    ),
]


@pytest.mark.parametrize(("module", "old", "new", "says"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_a_planted_fault_is_found(module: str, old: str, new: str, says: str) -> None:
    assert LIBRARY[f"{module}.sv"].count(old) == 1
    broken = LIBRARY[f"{module}.sv"].replace(old, new)
    assert says in judged({**LIBRARY, f"{module}.sv": broken}, SOURCES, MODULES)


def test_each_allowed_warning_occurs(monkeypatch: pytest.MonkeyPatch) -> None:
    from tests.rtl import slang

    allowed = list(slang.ALLOWED)
    monkeypatch.setattr(slang, "ALLOWED", {})
    said = judged(LIBRARY, SOURCES, MODULES)
    assert [name for name in allowed if f"[-W{name}]" not in said] == []
