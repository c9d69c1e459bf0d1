# SPDX-License-Identifier: Apache-2.0
"""The same request gives the same bytes in the same order, in another process too, where sets have another order."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bitwright.sim import tools

ROOT = Path(__file__).parents[1]
SEEDS = (1, 4, 6)
"""Of every pair of short names that was tried, one of these has the other order."""
MADE = """
import hashlib, json
import numpy as np
import bitwright as bw
from bitwright.backends.hls.project import generate as hls
from bitwright.backends.verilog.project import generate as verilog
from bitwright.folder import design_folder
from tests.hls import test_golden as cpp
from tests.rtl import test_golden as sv

def names(prefix, files):
    for path, content in files.items():
        yield prefix + path, hashlib.sha256(content.encode() if isinstance(content, str) else content).hexdigest()

data = np.load("bitwright/demo/digits.npz")
state = bw.quantize("examples/digits/digits_float.onnx", data["inputs"][:16], weights=4, activations=4)
made = [*names("digits/", design_folder(bw.compile(bw.load("bitwright/demo/digits.onnx")), ("hls", "verilog")))]
made += names("", {"quantised.onnx": state.onnx()})
made += names("exported/", {"digits.onnx": bw.to_onnx(bw.load("bitwright/demo/digits.onnx")).SerializeToString()})
for project in (cpp.small, cpp.branches, cpp.pruned):
    made += names(f"hls/{project.__name__}/", hls(project()))
for project in (sv.small, sv.branches, sv.pruned):
    made += names(f"rtl/{project.__name__}/", verilog(project()))
print(json.dumps(made))
"""


def made(seed: int) -> list[list[str]]:
    """(path, sha256) of all files, in order, made by a Python whose hashes of text begin at `seed`."""
    env = {**tools.environment(), "PYTHONHASHSEED": str(seed), "PYTHONPATH": str(ROOT)}
    done = subprocess.run([sys.executable, "-c", MADE], cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found: list[list[str]] = json.loads(done.stdout)
    return found


@pytest.mark.slow
def test_the_same_request_gives_the_same_bytes_in_the_same_order() -> None:
    first, *others = (made(seed) for seed in SEEDS)
    assert len(first) > 100 and len(dict(first)) == len(first)
    assert all(other == first for other in others)
