# SPDX-License-Identifier: Apache-2.0
"""`make threads` of a project: every kernel in a thread of its own, streams as deep as in the top."""

from __future__ import annotations

import re
import subprocess
from functools import cache
from pathlib import Path

import pytest

from bitwright.backends.hls.project import THREADS, generate
from bitwright.compiling import compile_graph
from tests.hls.networks import bottleneck, residual, straight
from tests.hls.programs import WARNINGS, compiled, run, write
from tests.hls.test_golden import deep, small
from tests.needs import needs_cxx
from tests.plan.test_orders import chain
from tests.test_layers import design

pytestmark = needs_cxx
FLAGS = ("-O0", "-pthread", "-Ihost/threads", "-Ihost", *WARNINGS)
STREAM = re.compile(r'hls::stream<(?!.*Transfer).*?> (\w+)\("\1"(?:, (\d+))?\)')
DEPTH = re.compile(r"#pragma HLS STREAM variable=(\w+) depth=(\d+)")


@cache
def project(name: str) -> dict[str, str]:
    network = {"residual": residual, "bottleneck": bottleneck, "straight": straight}[name]
    return dict(compile_graph(network(), cycles=2500).files("hls"))


def threads(files: dict[str, str], folder: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    write(folder, files)
    return run(compiled(folder, [THREADS], [*FLAGS, *flags]))


@pytest.mark.parametrize("name", ["straight", "residual", "bottleneck"])
def test_networks_run_through_their_streams(name: str, tmp_path: Path) -> None:
    done = threads(project(name), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"model: \d+ compared, 0 different\n", done.stdout)


def test_what_is_in_ultra_ram_runs_through_its_streams(tmp_path: Path) -> None:
    done = threads(generate(deep()), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"deep: \d+ compared, 0 different\n", done.stdout)


def test_a_network_that_skips_zeros_runs_through_its_streams(tmp_path: Path) -> None:
    graph, plan = chain()
    done = threads(dict(compile_graph(graph, plan=plan).files("hls")), tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"model: \d+ compared, 0 different\n", done.stdout)


@pytest.mark.parametrize("frames", [1, 3])
@pytest.mark.parametrize("name", ["residual", "bottleneck"])
def test_pipelines_of_any_depth_run_through_the_streams(name: str, frames: int, tmp_path: Path) -> None:
    """Which flush, with calls of one frame and of several."""
    write(tmp_path, project(name))
    program = compiled(tmp_path, [THREADS], [*FLAGS, f"-DBW_FRAMES={frames}"])
    for stages in (0, 8, 16, 64):
        done = run(program, str(stages))
        assert (done.returncode, done.stderr) == (0, ""), stages
        assert re.fullmatch(r"model: \d+ compared, 0 different\n", done.stdout)


def test_pipelines_that_do_not_flush_are_a_deadlock_where_they_are_deep(tmp_path: Path) -> None:
    """With just the room on the wire that the convolutions beside it need: they hold words while they get none."""
    files, path = project("residual"), "host/threads/hls_stream.h"
    wire, flush = '("act1_fork_1", 270)', "if (!bw::Threads::flush()) bw::Threads::wait("
    assert wire in files[THREADS] and flush in files[path]
    flushing = files | {THREADS: files[THREADS].replace(wire, '("act1_fork_1", 180)')}
    stalling = flushing | {path: files[path].replace(flush, "bw::Threads::wait(")}
    for name, made in (("flushing", flushing), ("stalling", stalling)):
        write(tmp_path / name, made)
        program = compiled(tmp_path / name, [THREADS], FLAGS)
        codes = [run(program, stages).returncode for stages in ("0", "64")]
        assert codes == [0, int(name == "stalling")], name


def test_every_kind_of_layer_runs_through_its_streams(tmp_path: Path) -> None:
    """All networks of `tests.layers.cases` side by side, with uneven numbers of lanes."""
    done = threads(dict(design("wide").files("hls")), tmp_path, "-w")
    assert (done.returncode, done.stderr) == (0, "")
    assert re.fullmatch(r"model: \d+ compared, 0 different\n", done.stdout)


def test_the_streams_and_the_calls_are_those_of_the_top() -> None:
    files = project("residual")
    top, host = files["model.cpp"], files[THREADS]
    assert dict(STREAM.findall(host)) == dict(DEPTH.findall(top))
    assert len(DEPTH.findall(top)) > 10
    calls = re.compile(r"^ +(bw::\w+<[^;]*;)", re.M)
    own = [call for call in map(flat, calls.findall(host)) if not call.startswith("bw::send")]
    assert sorted(own) == sorted(map(flat, calls.findall(top)))


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_stream_that_is_too_short_is_a_deadlock_that_names_it(tmp_path: Path) -> None:
    """The wire beside the two convolutions holds a row less than they keep."""
    files = project("residual")
    found = re.search(r'act1_fork_1\("act1_fork_1", (\d+)\)', files[THREADS])
    assert found
    assert int(found[1]) > 40
    short = files[THREADS].replace(found[0], 'act1_fork_1("act1_fork_1", 20)')
    done = threads(files | {THREADS: short}, tmp_path)
    assert done.returncode == 1
    lines = done.stderr.splitlines()
    assert lines[0] == "deadlock: no kernel can go on"
    assert "  'act1_fork_1' is full at 20 words: act1_fork waits to write" in lines
    assert "  'act5_out' is empty: sum6 waits to read" in lines
    full = [index for index, line in enumerate(lines) if line.endswith("waits to write")]
    assert full == list(range(1, 1 + len(full))), "what is full comes first"


def test_an_end_of_a_stream_has_one_kernel(tmp_path: Path) -> None:
    files = dict(generate_small())
    call = "bw::max_reduce<small::pool::Shape>(pool_window_out, pool_out);"
    assert call in files[THREADS]
    twice = f'  threads_.add("twin", 1, [&] {{ {call} }});\n'
    text = files[THREADS].replace("  threads_.run();\n", f"{twice}  threads_.run();\n")
    done = threads(files | {THREADS: text}, tmp_path)
    assert (done.returncode, done.stderr) == (1, "stream 'pool_window_out' has two readers: pool and twin\n")


def test_a_kernel_that_misses_a_frame_is_a_deadlock(tmp_path: Path) -> None:
    files = dict(generate_small())
    head, name, tail = files[THREADS].partition('threads_.add("table", calls_, ')
    done = threads(files | {THREADS: head + name.replace("calls_", "calls_ - 1") + tail}, tmp_path)
    assert done.returncode == 1
    assert done.stderr == (
        "deadlock: no kernel can go on\n"
        "  'quant_out' is full at 2 words: quant waits to write\n"
        "  'table_out' is empty: table_out_axis waits to read\n"
    )


def test_words_that_are_left_are_an_error(tmp_path: Path) -> None:
    files = dict(generate_small())
    text = files[THREADS].replace('table_out("table_out", 2)', 'table_out("table_out", 9)')
    text = text.replace('threads_.add("table_out_axis", calls_, ', 'threads_.add("table_out_axis", calls_ - 1, ')
    done = threads(files | {THREADS: text}, tmp_path)
    assert (done.returncode, done.stderr) == (1, "stream 'table_out' still holds 3 words\n")


def generate_small() -> dict[str, str]:
    return generate(small())
