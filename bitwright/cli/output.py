# SPDX-License-Identifier: Apache-2.0
"""Results on disk: written beside their place under another name, and renamed when they are complete."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from bitwright.ir.errors import BitwrightError

Files = Mapping[str, str | bytes]
"""Path inside a folder -> content."""


@contextmanager
def new_folder(path: Path) -> Iterator[Callable[[Files], None]]:
    """A function that writes files into the folder `path`, which appears when the block ends and not if it fails.

    `path` must not exist, or be an empty folder, and its parent must be writable. All this is known before the block
    runs, so that no work is done in vain.
    """
    if path.exists() and not path.is_dir():
        raise BitwrightError("exists and is not a folder", where=str(path), hint="choose another folder with -o")
    if path.is_dir() and any(path.iterdir()):
        raise BitwrightError(
            "the folder exists and is not empty", where=str(path), hint="remove it, or choose another folder with -o"
        )
    partial = _partial(path)

    def write(files: Files) -> None:
        with _writing(path):
            for name, content in files.items():
                target = partial / _inside(name)
                target.parent.mkdir(parents=True, exist_ok=True)
                target.write_bytes(content.encode() if isinstance(content, str) else content)

    with _writing(path):
        partial.mkdir()
    try:
        yield write
        with _writing(path):
            partial.rename(path)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


@contextmanager
def new_file(path: Path) -> Iterator[Callable[[bytes], None]]:
    """A function that gives the file `path` its content when the block ends; one that existed is then replaced."""
    if path.is_dir():
        raise BitwrightError("is a folder", where=str(path), hint="give the name of a file with -o")
    partial = _partial(path)

    def write(content: bytes) -> None:
        with _writing(path):
            partial.write_bytes(content)

    with _writing(path):
        partial.touch(exist_ok=False)
    try:
        yield write
        with _writing(path):
            partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _partial(path: Path) -> Path:
    """The temporary name beside `path`."""
    parent = path.absolute().parent
    if not parent.is_dir():
        raise BitwrightError(
            f"the folder '{path.parent}' does not exist", where=str(path), hint=f"make it first: mkdir -p {path.parent}"
        )
    return parent / f".{path.name}.partial-{os.getpid()}"


def _inside(name: str) -> PurePosixPath:
    inside = PurePosixPath(name)
    assert not inside.is_absolute() and ".." not in inside.parts, f"{name!r} leaves its folder"
    return inside


@contextmanager
def _writing(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BitwrightError(
            f"cannot be written: {error.strerror}", where=str(path), hint="choose a writable place with -o"
        ) from error
