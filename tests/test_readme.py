# SPDX-License-Identifier: Apache-2.0
"""The README's tour runs as written, block by block, in one folder."""

from __future__ import annotations

import re
import subprocess
import sys
import sysconfig
from pathlib import Path

from bitwright.sim import tools
from tests.needs import needs_rtl

ROOT = Path(__file__).parents[1]
BLOCK = re.compile(r"^```(bash|python)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@needs_rtl
def test_the_tour_runs_as_written(tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    env = tools.environment()
    env["PATH"] = f"{sysconfig.get_path('scripts')}:{env['PATH']}"
    blocks = BLOCK.findall((ROOT / "README.md").read_text())
    assert [language for language, _ in blocks].count("bash") >= 5
    for language, text in blocks:
        command = ["bash", "-euo", "pipefail", "-c", text] if language == "bash" else [sys.executable, "-c", text]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{text}\n{done.stdout}{done.stderr}"
