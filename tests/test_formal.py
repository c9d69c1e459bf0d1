# SPDX-License-Identifier: Apache-2.0
"""The proofs of the flow-control modules, each at its first size, and some mutants; `make formal` runs them all."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitwright.sim import tools
from bitwright.sim.lint import written
from formal.library import LIBRARY, PROPERTIES, mutated, parts, source, sources
from formal.paths import found_paths
from formal.proofs import Proof, Question, proofs
from formal.sby import ask, find_tools
from formal.streams import STREAMS
from tests.needs import needs, needs_yosys

PROOFS = {proof.module: proof for proof in proofs()}
DEPTH = 7
"""Clocks of the bounded proofs here, enough for every induction; `make formal` goes to the depth of each module."""


def find_solver() -> tools.Tool:
    find_tools()
    return tools.yosys()


@pytest.fixture
def folder() -> Iterator[Path]:
    """A folder of this run alone that the sandbox of Yosys sees: not under /tmp."""
    with written({}) as path:
        yield path / "work"


@needs(find_solver)
@pytest.mark.parametrize("module", PROOFS)
def test_a_module_keeps_its_properties(module: str, folder: Path) -> None:
    proof = PROOFS[module]
    answer = ask(Question(module, proof.sizes[0], "prove", DEPTH), folder)
    assert answer.verdict == "PASS", answer.log


SEVEN = "bw_adder bw_axis_sink bw_elastic_reg bw_fifo bw_fork bw_interleave bw_window_walk".split()


@needs(find_solver)
@pytest.mark.parametrize(
    "module", [*SEVEN, *(pytest.param(name, marks=pytest.mark.long) for name in PROOFS if name not in SEVEN)]
)
def test_the_properties_catch_a_mutant(module: str, folder: Path) -> None:
    proof = PROOFS[module]
    answer = ask(Question(module, proof.sizes[0], "bmc", proof.depth, proof.mutants[0]), folder)
    assert answer.verdict == "FAIL", answer.log


@needs(find_solver)
def test_what_cannot_happen_is_no_cover(folder: Path) -> None:
    """A converter passes words on at once, but six clocks after the reset it cannot be full yet."""
    answer = ask(Question("bw_width_up", {"Width": 1, "Ratio": 2}, "cover", 7), folder)
    assert (answer.verdict, answer.reached) == ("FAIL", 1)


@needs_yosys
@pytest.mark.parametrize("proof", PROOFS.values(), ids=PROOFS)
def test_a_module_has_the_paths_that_it_states(proof: Proof, folder: Path) -> None:
    assert found_paths(proof, source(proof.module), folder) == proof.paths


@needs_yosys
def test_a_path_is_found(folder: Path) -> None:
    broken = mutated("bw_elastic_reg", "assign s_ready = !skid_valid;", "assign s_ready = !skid_valid || m_ready;")
    paths = found_paths(PROOFS["bw_elastic_reg"], broken, folder)
    assert paths == {"s_ready": ["m_ready"], "m_valid": [], "m_data": []}


@pytest.mark.parametrize("proof", PROOFS.values(), ids=PROOFS)
def test_a_proof_has_three_mutants_of_the_module_as_it_is(proof: Proof) -> None:
    texts = {mutated(proof.module, mutant.old, mutant.new) for mutant in proof.mutants}
    assert len(texts - {source(proof.module)}) == len(proof.mutants) >= 3


def test_a_mutant_changes_one_place() -> None:
    with pytest.raises(ValueError, match=r"^bw_fifo\.sv has 'wr_ptr' 6 times, a mutant changes one place$"):
        mutated("bw_fifo", "wr_ptr", "rd_ptr")


def test_every_module_that_holds_words_back_has_its_proof() -> None:
    """All but the kernels whose only flow control is a bw_credit_pipe or a bw_elastic_reg that has its own proof."""
    streams = {path.stem for path in LIBRARY.glob("*.sv") if re.search(r"s(_axis_t)?_ready\b", path.read_text())}
    kernels = {name for name in streams if "u_flow" in source(name)} - PROOFS.keys()
    assert streams - kernels - PROOFS.keys() == set()


def test_every_proved_module_is_simulated_too_alone_or_as_a_part() -> None:
    simulated = {part for stream in STREAMS for part in parts(stream.module)}
    assert PROOFS.keys() - simulated == set()


def test_properties_are_assumed_of_the_module_and_shown_of_its_parts() -> None:
    files = sources("bw_fork", source("bw_fork"))
    assert files["bw_fork.sv"].count("`define needs assume") == 1
    assert files["bw_elastic_reg.sv"].count("`define needs assert") == 1
    assert "cover" in PROPERTIES.joinpath("bw_elastic_reg.svh").read_text()
    assert "cover" not in files["bw_elastic_reg.sv"]
