# SPDX-License-Identifier: Apache-2.0
"""The library of kernels: compiled once per machine, kept in the user's cache, called in this process."""

from __future__ import annotations

import ctypes
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from functools import cache
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.ir.errors import BitwrightError
from bitwright.sim import tools

SOURCES = Path(__file__).with_name("native")
FLAGS = ("-std=c++17", "-O3", "-march=native", "-fPIC", "-shared", "-fwrapv", "-ffp-contract=off", "-fno-math-errno")
"""Sums wrap on their way, and no product is fused with a sum unless the source says so."""
PROBE = "import ctypes, sys; sys.exit(ctypes.CDLL(sys.argv[1]).bw_probe() != 1)"
POINTER = ctypes.c_void_p
_KINDS: dict[str, Any] = {"p": POINTER, "i": ctypes.c_int, "l": ctypes.c_longlong, "a": POINTER}
SIGNATURES = {
    "bw_new": "l",
    "bw_delete": "p",
    "bw_tensor": "pilllllllll",
    "bw_input": "pi",
    "bw_output": "pi",
    "bw_linear": "pilaaaal",
    "bw_steps": "pillaaal",
    "bw_table": "plala",
    "bw_product": "piiilllaalala",
    "bw_pool": "piiiaaa",
    "bw_join": "plaiiilaa",
    "bw_move": "piilall",
    "bw_arg_max": "piii",
    "bw_try": "pillaa",
    "bw_arena": "p",
    "bw_free": "p",
    "bw_run": "pplaaa",
    "bw_time": "ppla",
}
"""What each function takes: p an object, i an int, l a long, a an array."""
MAKERS = {"bw_new", "bw_arena"}


@cache
def library() -> ctypes.CDLL:
    """The library, built if it is not in the cache; BitwrightError without a compiler."""
    return opened(built())


def opened(path: Path) -> ctypes.CDLL:
    """The functions of a library with what they take."""
    found = ctypes.CDLL(str(path))
    for name, signature in SIGNATURES.items():
        function = getattr(found, name)
        function.argtypes = [_KINDS[letter] for letter in signature]
        function.restype = POINTER if name in MAKERS else ctypes.c_int
    found.bw_name.restype = ctypes.c_char_p
    found.bw_peak.argtypes, found.bw_peak.restype = [ctypes.c_double], ctypes.c_double
    return found


def is_built() -> bool:
    """True if the library is there for this compiler and processor, so that nothing has to wait for it."""
    try:
        return _path().is_file()
    except BitwrightError:
        return False


def built() -> Path:
    """The path of the library; compiled, tried in a child process and moved into place where it is not there yet."""
    path = _path()
    if not path.is_file():
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="build-", dir=path.parent) as folder:
            made = Path(folder, path.name)
            command = [*compiler(), *FLAGS, "-o", str(made), str(SOURCES / "engine.cpp")]
            tools.run(command, what="compiling the kernels of the engine fast", cwd=Path(folder))
            _try(made)
            made.replace(path)  # several processes may get here: each replaces a whole file by the same
    return path


def _try(made: Path) -> None:
    """Refuse a library whose instructions this processor does not have, or whose products are wrong here."""
    done = subprocess.run([sys.executable, "-c", PROBE, str(made)], capture_output=True, check=False)
    if done.returncode != 0:
        raise BitwrightError(
            f"its products failed on this processor (exit code {done.returncode})",
            where="the kernels of the engine fast",
            hint="--engine reference computes the same integers; please report this with `bitwright doctor`",
        )


def compiler() -> tuple[str, ...]:
    """The command of the C++ compiler."""
    tool = tools.any_cxx()
    return (str(tool.path), "c++") if tool.wheel else (str(tool.path),)


@cache
def _path() -> Path:
    """Where the library for this source, compiler, flags and processor lies."""
    content = sha256()
    for source in sorted(SOURCES.iterdir()):
        content.update(source.read_bytes())
    for fact in (*compiler(), _version(), *FLAGS, _processor()):
        content.update(f"{len(fact)}:{fact}".encode())
    return tools.cache_folder() / f"fast-{content.hexdigest()[:32]}.so"


def _version() -> str:
    return tools.run([*compiler(), "--version"], what="asking the compiler for its version", cwd=Path.cwd())


def _processor() -> str:
    """The flags of the processor, by which `-march=native` chooses."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        import platform

        return platform.processor()
    return "\n".join(sorted({line for line in lines if line.startswith(("flags", "Features", "model name"))}))


def array(values: Any, dtype: Any = np.int64) -> NDArray[Any]:
    """`values` in one piece, as the library reads them."""
    return np.ascontiguousarray(values, dtype=dtype)


def at(values: NDArray[Any]) -> int:
    """The address of an array, that its caller keeps."""
    return int(values.ctypes.data)


def addresses(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """An array of the addresses of arrays."""
    return np.array([at(values) for values in arrays], dtype=np.uint64)
