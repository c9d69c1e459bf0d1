# SPDX-License-Identifier: Apache-2.0
"""The cocotb bench of a generated project: every stream module under random back pressure, and what makes it fail."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from bitwright.backends.verilog.project import generate
from bitwright.ir.errors import BitwrightError
from bitwright.sim.rtl_bench import run_bench
from tests.needs import needs_rtl
from tests.rtl.cases import one_of_each
from tests.rtl.graphs import dense_chain, project, side_by_side

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
    made = project(side_by_side(one_of_each()), np.random.default_rng(5), 5)
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
