# SPDX-License-Identifier: Apache-2.0
"""Kernels of the C++ pass frame after frame, at the interval of the plan, and no frame waits for a later one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pytest

import bitwright
from benchmarks.corpus import MODELS, load
from bitwright.backends.hls.project import THREADS, generate, sized
from bitwright.backends.project import Project
from bitwright.design import random_codes
from tests.hls.counted import FRAMES, intervals
from tests.hls.programs import OURS, compiled, run, write
from tests.hls.test_kernels import ALL, made
from tests.needs import needs_cxx

pytestmark = needs_cxx
NETWORKS = ["qonnx_zoo/kwsmlp_w3a3", "tflite/kws_dscnn_int8", "tflite/ic_resnet8_int8", "tflite/ad_autoenc_int8"]
IN_THREADS = ("-pthread", "-Ihost/threads", "-Ihost")
LONG = NETWORKS[2:]
CYCLES = {"tflite/kws_dscnn_int8": 8000}  # of a frame; its windows are then its slowest processes


@pytest.mark.skipif(not MODELS.exists(), reason=f"no model collection at {MODELS}")
@pytest.mark.parametrize("name", [pytest.param(name, marks=[pytest.mark.long] * (name in LONG)) for name in NETWORKS])
def test_the_interval_of_the_processes_is_that_of_the_plan(name: str, tmp_path: Path) -> None:
    net = load(MODELS / name)
    design = bitwright.compile(net, cycles=CYCLES.get(name))
    found = intervals(design.files("hls", random_codes(net, FRAMES)), design.name, tmp_path)
    assert max(max(counts) for counts in found.values()) == design.report()["interval_cycles"]
    own = [second for process, (_, second) in found.items() if not re.search(r"\baxis_(in|out)\(", process)]
    assert sorted(own) == sorted(kernel.iterations for kernel in design.kernels.kernels)


def batched(files: Mapping[str, str], folder: Path, source: str, *flags: str) -> str:
    """What a program of a project says of three frames in one call."""
    write(folder, files)
    done = run(compiled(folder, source.split(), ["-O1", "-w", f"-DBW_FRAMES={FRAMES}", *flags]))
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


@pytest.mark.parametrize("group", ["mixed", *(pytest.param(group, marks=pytest.mark.long) for group in ALL)])
def test_frames_of_one_call_give_what_the_model_gives(group: str, tmp_path: Path) -> None:
    """Six, three at a time; and in threads, where a frame has often not begun when the one before it ends."""
    files = generate(made(group))
    for source, flags in ((f"tb/{group}_tb.cpp {group}.cpp", OURS), (THREADS, IN_THREADS)):
        assert re.fullmatch(rf"{group}: \d+ compared, 0 different\n", batched(files, tmp_path, source, *flags))


def test_vectors_come_again_where_a_call_takes_more_of_them(tmp_path: Path) -> None:
    files = generate(made("mixed", 2))
    said = batched(files, tmp_path, "tb/mixed_tb.cpp mixed.cpp", *OURS)
    elements = sum(int(np.prod(codes.array.shape[1:])) for codes in made("mixed", 2).outputs)
    assert int(re.findall(r"\d+", said)[0]) > 4 * elements and said.endswith(" 0 different\n")


def one_by_one(project: Project) -> str:
    """The program of `make threads` with a host that sends a frame when it has all of the one before."""
    text, ends = generate(project)[THREADS], (project.kernels.inputs, sized(project.kernels).outputs)
    before, send = text.split("\n  for (int call_ = 0", 1)
    streams, moves = [], []
    for port in (*ends[0], *ends[1]):
        shape = f"{project.name}::{port}::Shape"
        streams.append(f'  hls::stream<{shape}::Transfer> {port}_all("{port}_all");\n')
        there, back = (f"{port}_axis", f"{port}_all") if port in ends[0] else (f"{port}_all", f"{port}_axis")
        moves.append(f"      for (int i = 0; i < {shape}::Beats; ++i) {there}.write({back}.read());\n")
    host = '  threads_.add("host", calls_, [&] {\n    for (int frame = 0; frame < bw::Frames; ++frame) {\n'
    host += f"{''.join(moves)}    }}\n  }});\n"
    return before + "\n" + "".join(streams) + host + "  for (int call_ = 0" + re.sub(r"_axis\b", "_all", send)


@pytest.mark.parametrize("group", ["mixed", *(pytest.param(group, marks=pytest.mark.long) for group in ALL)])
def test_a_frame_waits_for_no_later_one(group: str, tmp_path: Path) -> None:
    """Else the host would wait for ever."""
    files = {**generate(made(group)), THREADS: one_by_one(made(group))}
    said = batched(files, tmp_path, THREADS, *IN_THREADS)
    assert re.fullmatch(rf"{group}: \d+ compared, 0 different\n", said)
