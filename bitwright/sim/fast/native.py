# SPDX-License-Identifier: Apache-2.0
"""The library of kernels: compiled once per machine, kept in the user's cache, called in this process."""

from __future__ import annotations

import ctypes
import os
import stat
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from errno import ENOEXEC, EPERM
from functools import cache, lru_cache
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
ROOM = 1 << 23
"""Bytes that a folder has to hold before the compiler is asked to work in it."""
SEAL = sha256().digest_size
"""Bytes behind a kept library, its digest: what was torn or changed is none, and is never loaded."""
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
    "bw_shift": "pilaaaaali",
    "bw_product": "piiilllaalala",
    "bw_pool": "piiiiaaa",
    "bw_join": "plaiiilaa",
    "bw_move": "piilall",
    "bw_arg_max": "piii",
    "bw_try": "pillaa",
    "bw_arena": "p",
    "bw_free": "p",
    "bw_run": "pplaaaa",
    "bw_time": "ppla",
}
"""What each function takes: p an object, i an int, l a long, a an array."""
MAKERS = {"bw_new", "bw_arena"}


@cache
def library() -> ctypes.CDLL:
    """The library, built if it is not in the cache; BitwrightError without a compiler."""
    path = built()
    try:
        return opened(path)
    except OSError:  # kept in a folder whose files may not be executed any more
        with suppress(OSError):
            path.unlink()
    try:
        return opened(built())
    except OSError as error:
        raise _refused(str(error)) from error


def opened(path: Path) -> ctypes.CDLL:
    """The functions of a library with what they take; OSError if it cannot be loaded."""
    found = ctypes.CDLL(str(path))
    for name, signature in SIGNATURES.items():
        function = getattr(found, name)
        function.argtypes = [_KINDS[letter] for letter in signature]
        function.restype = POINTER if name in MAKERS else ctypes.c_int
        function.errcheck = _checked
    found.bw_name.restype = ctypes.c_char_p
    found.bw_peak.argtypes, found.bw_peak.restype = [ctypes.c_double], ctypes.c_double
    return found


@cache
def failure() -> str:
    """Why there is no library on this machine; empty if there is one."""
    try:
        library()
    except BitwrightError as error:
        return f"{error.where}: {error.what}; {error.hint}"
    return ""


def is_built() -> bool:
    """True if the library is there for this compiler and processor, so that nothing has to wait for it."""
    try:
        return _found() is not None
    except BitwrightError:
        return False


def built() -> Path:
    """The path of the library; compiled, tried in a child process and moved into place where it is not there yet."""
    if found := _found():
        return found
    reasons = []
    for folder in _folders():
        try:
            return _made(folder)
        except OSError as error:
            reasons.append(f"{folder}: {error.strerror}")
    raise _refused(", ".join(reasons))


def _refused(reasons: str) -> BitwrightError:
    return BitwrightError(
        f"no folder takes them: {reasons}",
        where="the kernels of the engine fast",
        hint="set XDG_CACHE_HOME to a folder that can be written, and whose files may be executed",
    )


def _checked(result: int | None, function: Any, arguments: Any) -> int | None:
    """What a function gave, -1 or a null pointer where memory was missing."""
    if result is None or result == -1:
        raise BitwrightError(
            "there is not enough memory", where="the engine fast", hint="--engine reference needs less"
        )
    return result


def _folders() -> list[Path]:
    """The user's cache, then a temporary folder of this user's own, for a cache that cannot be written."""
    return list(dict.fromkeys([tools.cache_folder(), tools.temporary_cache()]))


def _found() -> Path | None:
    """The library where it was made before, in a folder into which nobody else can put one."""
    for folder in _folders():
        with suppress(OSError):
            path = folder / _name()
            state = path.stat()
            own = folder != tools.temporary_cache() or _owned(folder)
            if own and _is_whole(path, state.st_size, state.st_mtime_ns):
                return path
    return None


@lru_cache(maxsize=8)
def _is_whole(path: Path, size: int, changed: int) -> bool:
    """True if a file of this size and time ends with the digest of the rest of it."""
    content = path.read_bytes()
    return content[-SEAL:] == sha256(content[:-SEAL]).digest()


def _owned(folder: Path) -> bool:
    """True if `folder` is no link, and only this user can write into it."""
    state = folder.lstat()
    return stat.S_ISDIR(state.st_mode) and state.st_uid == os.getuid() and not state.st_mode & 0o022


def _made(folder: Path) -> Path:
    """The library, compiled in `folder`; OSError if that cannot hold it."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if folder == tools.temporary_cache() and not _owned(folder):
        raise PermissionError(EPERM, "others can write into it")
    path = folder / _name()
    with tempfile.TemporaryDirectory(prefix="build-", dir=folder) as scratch:
        made = Path(scratch, path.name)
        made.write_bytes(bytes(ROOM))
        command = [*compiler(), *FLAGS, "-o", str(made), str(SOURCES / "engine.cpp")]
        env = tools.environment() | {"ZIG_GLOBAL_CACHE_DIR": scratch, "ZIG_LOCAL_CACHE_DIR": scratch}
        tools.run(command, what=f"compiling the kernels of the engine fast in {folder}", cwd=Path(scratch), env=env)
        _try(made)
        with made.open("ab") as file:
            file.write(sha256(made.read_bytes()).digest())
        made.replace(path)  # several processes may get here: each replaces a whole file by the same
    return path


def _try(made: Path) -> None:
    """Refuse a library whose instructions this processor does not have, or whose products are wrong here.

    OSError if it cannot be loaded from where it is.
    """
    done = subprocess.run([sys.executable, "-c", PROBE, str(made)], capture_output=True, text=True, check=False)
    if "\nOSError: " in done.stderr:
        raise OSError(ENOEXEC, done.stderr.strip().rpartition(": ")[2])
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
def _name() -> str:
    """The file of the library for this source, compiler, flags and processor."""
    content = sha256()
    for source in sorted(SOURCES.iterdir()):
        content.update(source.read_bytes())
    for fact in (*compiler(), _version(), *FLAGS, _processor()):
        content.update(f"{len(fact)}:{fact}".encode())
    return f"fast-{content.hexdigest()[:32]}.so"


def _version() -> str:
    if tools.any_cxx().wheel:
        return tools.any_cxx().version_text  # without a home, asking it would never end
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
