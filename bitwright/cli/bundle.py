# SPDX-License-Identifier: Apache-2.0
"""One file for a bug report: versions, and what a compiled design says of itself, but none of the model's weights."""

from __future__ import annotations

import io
import platform
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from bitwright._version import __version__
from bitwright.design import to_json
from bitwright.ir.errors import BitwrightError

SAID = ("plan.json", "report.json", "synth.json")
"""What is taken from the folder of a design, with its logs; certificate, vectors and code hold weights."""
MAX_LOG = 256 * 1024
"""Bytes of the end of a log that are taken."""
MAX_LOGS = 40
HINT = "give a folder that `bitwright compile` wrote"
EPOCH = (1980, 1, 1, 0, 0, 0)


def contents(folder: Path, tools: Mapping[str, Any]) -> dict[str, bytes]:
    """Name in the bundle -> content: `versions.json`, plan, reports and logs; the home folder is called `~` in them."""
    if not folder.is_dir():
        raise BitwrightError("is no folder", where=str(folder), hint=HINT)
    found = {name: folder / name for name in SAID if _is_plain(folder / name)}
    if not found:
        raise BitwrightError(
            f"holds neither {' nor '.join(SAID)}",
            where=str(folder),
            hint=HINT,
        )
    found |= {path.relative_to(folder).as_posix(): path for path in _logs(folder)}
    versions = {
        "bitwright": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        **tools,
    }
    home = str(Path.home()).encode()
    held = {"versions.json": to_json(versions).encode()} | {name: _end(path) for name, path in found.items()}
    return {name: content.replace(home, b"~") for name, content in held.items()}


def packed(files: Mapping[str, bytes]) -> bytes:
    """A zip of `files`, the same for the same files."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(zipfile.ZipInfo(name, EPOCH), content, zipfile.ZIP_DEFLATED)
    return out.getvalue()


def _logs(folder: Path) -> Iterator[Path]:
    """The logs that tools left in the folder, the first of them by name."""
    logs = sorted(path for path in folder.rglob("*.log") if _is_plain(path))
    yield from logs[:MAX_LOGS]


def _is_plain(path: Path) -> bool:
    """A link may lead out of the folder."""
    return path.is_file() and not path.is_symlink()


def _end(path: Path) -> bytes:
    """The whole of a small file, the end of a large log."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BitwrightError(f"cannot be read: {error.strerror}", where=str(path), hint="make it readable") from error
    return content[-MAX_LOG:] if path.suffix == ".log" else content
