# SPDX-License-Identifier: Apache-2.0
"""What HiGHS prints, unasked, is not what a command prints."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest
import scipy.optimize

from bitwright.planning import highs


@pytest.mark.parametrize("fails", [False, True])
def test_what_c_prints_is_dropped_and_all_else_is_heard(
    fails: bool, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    libc = ctypes.CDLL(None)
    asked: list[Any] = []

    def milp(objective: Any, **program: Any) -> str:
        libc.puts(b"HighsMipSolverData::transformNewIntegerFeasibleSolution")
        asked.append(program["options"])
        if fails and len(asked) == 1:
            raise ValueError("presolve")
        return "answer"

    monkeypatch.setattr(scipy.optimize, "milp", milp)
    print("before")
    assert highs.solved(np.zeros(1), options={"mip_rel_gap": 0.0}) == "answer"
    print("after", flush=True)
    libc.puts(b"of others")
    libc.fflush(None)
    assert capfd.readouterr().out == "before\nafter\nof others\n"
    assert asked == [{"mip_rel_gap": 0.0}, {"mip_rel_gap": 0.0, "presolve": False}][: len(asked)]
