# SPDX-License-Identifier: Apache-2.0
"""Two small networks of `make networks`, and what that program counts as a failure."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from tests.needs import needs_rtl

ROOT = Path(__file__).parents[1]
MODELS = ROOT.parent / "shared/models"


@needs_rtl
@pytest.mark.skipif(not MODELS.is_dir(), reason=f"{MODELS} is absent")
@pytest.mark.parametrize("network", ["brevitas/dw_res_qonnx", "qonnx_zoo/TFC_1W1A"])
def test_a_network_runs_in_the_clocks_of_its_plan(network: str) -> None:
    command = [sys.executable, ROOT / "benchmarks/networks.py", "--only", network, "--targets", "middle"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    _, row, last = done.stdout.splitlines()
    assert row.split()[:2] == ["ok", network] and last == "0 failures"


def test_what_counts_as_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "benchmarks"))
    from networks import Measured

    good = Measured(
        bound=100, planned=102, interval=102, planned_latency=300, latency=303, frames=3, mismatches=0, stalled=0,
        build_seconds=1.0, run_seconds=1.0,
    )  # fmt: skip
    assert (
        good.passed and replace(good, stalled=None).passed and replace(good, bound=50, planned=51, interval=51).passed
    )
    wrong = (
        {"mismatches": 1},
        {"stalled": 1},
        {"interval": 101},
        {"interval": None},
        {"planned": 103, "interval": 103},
        {"latency": 304},
        {"latency": None},
    )
    for change in wrong:
        assert not replace(good, **change).passed, change
