# SPDX-License-Identifier: Apache-2.0
"""Results on disk: written beside their place under another name, and renamed when they are complete."""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from bitwright.ir.errors import BitwrightError

SHOWN = 5
"""Names in a message at most."""
Files = Mapping[str, str | bytes]
"""Path inside a folder -> content."""


FULL = "remove it, or choose another folder with -o"
FULL_OF_A_DESIGN = f"--overwrite replaces a design; or {FULL}"
"""What can be done about a folder that is not empty."""
Foreign = Callable[[Path], Iterable[str]]
"""A folder -> the paths in it that may not be replaced."""


@contextmanager
def new_folder(path: Path, foreign: Foreign | None = None, *, hint: str = FULL) -> Iterator[Callable[[Files], None]]:
    """A function that writes files into the folder `path`, which has them when the block ends and not if it fails.

    `path` must not exist, or be an empty folder, or a link to either, which stays; there must be a right to write. All
    this is known before the block runs, so that no work is done in vain. A folder that was there is kept, and filled.
    With `foreign`, what is in the folder is replaced when the block ends, if all of it may be. `hint` is the way out of
    a folder that is full.
    """
    target = _target(path)
    with _writing(path):
        there = target.is_dir()
        if target.exists() and not there:
            raise BitwrightError("exists and is not a folder", where=str(path), hint="choose another folder with -o")
        if there:
            _check_replaceable(path, target, foreign, hint)
    partial = target / f".partial-{os.getpid()}" if there else _partial(target, path)

    def write(files: Files) -> None:
        with _writing(path):
            for name, content in files.items():
                held = partial / _inside(name)
                held.parent.mkdir(parents=True, exist_ok=True)
                held.write_bytes(content.encode() if isinstance(content, str) else content)

    with _writing(path):
        partial.mkdir()
    try:
        yield write
        with _writing(path):
            if there:
                _check_replaceable(path, target, foreign, hint, partial)
                _filled(partial, target)
            else:
                _renamed(partial, target, path, hint)
    finally:
        shutil.rmtree(partial, ignore_errors=True)


def _renamed(partial: Path, target: Path, path: Path, hint: str) -> None:
    """`partial` under its name, unless somebody else has filled a folder there since we looked."""
    try:
        partial.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise
        raise _not_empty(path, hint) from error


def _check_replaceable(path: Path, target: Path, foreign: Foreign | None, hint: str, ours: Path | None = None) -> None:
    """Refuse a folder that holds anything but `ours`, or with `foreign`, what may not be replaced."""
    held = (
        [name for name in foreign(target) if not ours or PurePosixPath(name).parts[0] != ours.name] if foreign else []
    )
    if held:
        others = f" and {len(held) - SHOWN} more" if len(held) > SHOWN else ""
        raise BitwrightError(
            f"holds what is not as bitwright wrote it: {', '.join(map(repr, held[:SHOWN]))}{others}",
            where=str(path),
            hint="move that elsewhere, or choose another folder with -o",
        )
    if foreign is None and any(entry != ours for entry in target.iterdir()):
        raise _not_empty(path, hint)
    kept = next((folder for folder in sorted(target.rglob("*/")) if not os.access(folder, os.W_OK | os.X_OK)), None)
    if kept is not None:
        raise BitwrightError(
            f"the folder '{kept.relative_to(target).as_posix()}' in it cannot be written, so it would stay",
            where=str(path),
            hint=f"chmod u+wx '{kept}', or choose another folder with -o",
        )


def _filled(partial: Path, target: Path) -> None:
    """`target` with the entries of `partial` in place of its own, which come back if that fails.

    When the new ones are in place, nothing goes back: what cannot be removed of the old ones is named.
    """
    old = target / f".old-{os.getpid()}"
    old.mkdir()
    moved: list[tuple[Path, Path]] = []
    try:
        for source, place in ((target, old), (partial, target)):
            for entry in sorted(set(source.iterdir()) - {partial, old}):
                moved.append((entry.rename(place / entry.name), entry))
    except BaseException:
        for now, before in reversed(moved):
            now.rename(before)
        old.rmdir()
        raise
    try:
        shutil.rmtree(old)
    except OSError as error:
        raise BitwrightError(
            f"the design is there, but not all of the old one could be removed: {error.strerror}",
            where=str(old),
            hint="remove that folder",
        ) from error


def _not_empty(path: Path, hint: str) -> BitwrightError:
    return BitwrightError("the folder exists and is not empty", where=str(path), hint=hint)


@contextmanager
def new_file(path: Path, *read: Path) -> Iterator[Callable[[bytes], None]]:
    """A function that gives the file `path` its content when the block ends; one that existed is then replaced.

    A link stays, and the file that it leads to is replaced. A device or a pipe is written to as it is. None of the
    files that are `read` is replaced.
    """
    with _writing(path):
        folder, device = path.is_dir(), path.exists() and not path.is_file()
        ours = path.is_file() and any(other.exists() and path.samefile(other) for other in read)
    if ours:
        what, hint = "is read here, and would be replaced", "give the name of another file with -o"
        raise BitwrightError(what, where=str(path), hint=hint)
    if folder:
        raise BitwrightError("is a folder", where=str(path), hint="give the name of a file with -o")
    if device:
        contents: list[bytes] = []
        with _held_open(path):
            yield contents.append
            with _writing(path):
                path.write_bytes(b"".join(contents))
        return
    target = _target(path)
    partial = _partial(target, path)

    def write(content: bytes) -> None:
        with _writing(path):
            partial.write_bytes(content)

    with _writing(path):
        partial.touch(exist_ok=False)
    try:
        yield write
        with _writing(path):
            partial.replace(target)
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _held_open(path: Path) -> Iterator[None]:
    """Keep the device or pipe `path` open while the block runs: a pipe without a reader would have us wait."""
    with _writing(path):
        try:
            held = os.open(path, os.O_WRONLY | os.O_NONBLOCK)
        except OSError as error:
            if error.errno != errno.ENXIO:
                raise
            hint = "start its reader first, or choose a file with -o"
            raise BitwrightError("is a pipe that nobody reads", where=str(path), hint=hint) from error
    try:
        yield
    finally:
        os.close(held)


def _target(path: Path) -> Path:
    """Where `path` leads to through its links, the last of which may lead to what is not there yet."""
    target = Path(os.path.realpath(path))
    if target.is_symlink():
        raise BitwrightError("is a link that leads back to itself", where=str(path), hint="remove it")
    return target


def _partial(target: Path, path: Path) -> Path:
    """The temporary name beside `target`, which the user called `path`."""
    if not target.parent.is_dir():
        parent = path.parent if not path.is_symlink() else target.parent
        raise BitwrightError(
            f"the folder '{parent}' does not exist", where=str(path), hint=f"make it first: mkdir -p {parent}"
        )
    return target.parent / f".{target.name}.partial-{os.getpid()}"


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
