# SPDX-License-Identifier: Apache-2.0
"""Folders that make can work in: it splits every path at its spaces, and has no way to quote one."""

from __future__ import annotations

import atexit
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from bitwright.ir.errors import BitwrightError

PLAIN = re.compile(r"[\w./+,@-]+")
"""Paths that make and a shell take as they are."""
OTHERS = ("/tmp", "/var/tmp")
"""Where temporary files go if the path of the folder for them is not plain."""


def new_scratch(prefix: str) -> Path:
    """A new temporary folder with a plain path; who asks for it removes it."""
    first = tempfile.gettempdir()
    for folder in filter(PLAIN.fullmatch, (first, *OTHERS)):
        try:
            return Path(tempfile.mkdtemp(prefix=prefix, dir=folder))
        except OSError:
            continue
    raise BitwrightError(
        "has characters in its path that make cannot take",
        where=f"the folder for temporary files, '{first}'",
        hint="set TMPDIR to a folder without them, that can be written",
    )


@contextmanager
def scratch(prefix: str) -> Iterator[Path]:
    """A temporary folder with a plain path, while the block runs."""
    folder = new_scratch(prefix)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def plain(folder: Path) -> Path:
    """`folder`, or a link to it with a plain path that lives as long as this process."""
    return folder if PLAIN.fullmatch(str(folder)) else _link(folder)


@cache
def copied(folders: tuple[Path, ...]) -> Path:
    """A folder with a plain path that holds copies of `folders` and lives as long as this process."""
    made = _kept() / "copies"
    for folder in folders:
        shutil.copytree(folder, made / folder.name)
    return made


@cache
def _link(folder: Path) -> Path:
    link = _kept() / str(_link.cache_info().currsize)
    link.symlink_to(folder.resolve(), target_is_directory=True)
    return link


@cache
def _kept() -> Path:
    folder = new_scratch("bitwright-")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
