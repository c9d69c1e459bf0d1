# SPDX-License-Identifier: Apache-2.0
"""The folder of a sweep, written: each point under another name first, and renamed, so that it is whole or not there.

`kept` says what is in it.
"""

from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from json import dumps, loads
from pathlib import Path
from typing import Any

from bitwright.explore import lock
from bitwright.explore.kept import ASKED, FAILED, LOCK, POINTS, SETTINGS, VERSION, kept_settings, outcomes_in
from bitwright.explore.record import Outcome, Record, Task
from bitwright.explore.saved import text_of
from bitwright.explore.settings import Settings
from bitwright.ir.errors import BitwrightError

PARTIAL = ".partial-"
"""What names begin with that are not complete."""
FREE = ("search", "float")
"""Settings that may differ: how far the search goes, and what is told of the float network."""
SHOWN = 3
"""Differences in a message at most."""


@dataclass(frozen=True)
class Store:
    """The folder of a sweep that this process alone works in: what is known, and where more is put."""

    folder: Path
    known: dict[str, Outcome] = field(default_factory=dict)

    def put(self, task: Task, outcome: Outcome) -> None:
        """Keep the outcome of a task: from here on it is not lost."""
        place, name = (POINTS, "record.json") if isinstance(outcome, Record) else (FAILED, "failure.json")
        partial = self.folder / f"{PARTIAL}{task.key}"
        with writing(self.folder):
            partial.mkdir()
            try:
                _written(partial / name, text_of(outcome).encode())
                partial.rename(self.folder / place / task.key)
            finally:
                shutil.rmtree(partial, ignore_errors=True)
        self.known[task.key] = outcome

    def asked(self, keys: Sequence[str]) -> None:
        """Keep the order in which tasks were asked for."""
        self.write(ASKED, (dumps(list(keys), indent=0) + "\n").encode())

    def write(self, name: str, content: bytes) -> None:
        """Put a file in the folder, in place of what was there by that name."""
        _replaced(self.folder / name, content)


@contextmanager
def opened(folder: Path, settings: Settings, files: Mapping[str, bytes], *, resume: bool = False) -> Iterator[Store]:
    """The store of a sweep, which is begun with these files, or gone on with where `resume`.

    BitwrightError if the folder holds another sweep, anything else, or a process at work.
    """
    folder = Path(folder)
    check_free(folder, files)
    with writing(folder):
        folder.mkdir(exist_ok=True)
    with _held(folder):
        _begin(folder, loads(dumps(settings)) | {"version": VERSION}, files, resume)
        yield Store(folder, dict(outcomes_in(folder)))


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    taken = lock.held(folder / LOCK)
    with writing(folder):
        taken.__enter__()
    try:
        yield
    finally:
        taken.__exit__(None, None, None)


def check_free(folder: Path, files: Iterable[str]) -> None:
    """Refuse a folder that is not to be, or holds what no sweep left."""
    if not folder.parent.is_dir():
        hint = f"make it first: mkdir -p {folder.parent}"
        raise BitwrightError(f"the folder '{folder.parent}' does not exist", where=str(folder), hint=hint)
    if folder.exists() and not folder.is_dir():
        raise BitwrightError("exists and is not a folder", where=str(folder), hint="choose another folder with -o")
    if not folder.exists() or (folder / SETTINGS).exists():
        return
    names = {entry.name.removeprefix(PARTIAL) for entry in folder.iterdir()}
    if names and (LOCK not in names or names - {LOCK, POINTS, FAILED, SETTINGS, *files}):
        hint = "remove it, or choose another folder with -o"
        raise BitwrightError("the folder exists and is not empty", where=str(folder), hint=hint)


def check_writable(folder: Path) -> None:
    """Refuse a folder in which nothing can be put, before much is computed for it."""
    probe = (folder if folder.exists() else folder.parent) / f"{PARTIAL}{os.getpid()}"
    with writing(folder):
        probe.touch()
        probe.unlink()


def _begin(folder: Path, settings: Settings, files: Mapping[str, bytes], resume: bool) -> None:
    """The folder as a sweep begins or goes on: its settings are written last, and say that all else is there."""
    before = kept_settings(folder)
    if before is not None:
        _check_same(folder, before, settings)
        if not resume:
            count = sum(1 for place in (POINTS, FAILED) for _ in (folder / place).glob("*"))
            hint = "go on with it by --resume, or choose another folder with -o"
            raise BitwrightError(f"holds this sweep already, with {count} outcomes", where=str(folder), hint=hint)
    with writing(folder):
        for place in (folder, folder / POINTS, folder / FAILED):
            place.mkdir(exist_ok=True)
            for stray in place.glob(f"{PARTIAL}*"):
                shutil.rmtree(stray) if stray.is_dir() else stray.unlink()
        for stray in folder.glob("*/.*.partial-*"):  # of a worker, which writes what it trained itself
            stray.unlink()
    if before is None:
        for name, content in files.items():
            _replaced(folder / name, content)
    if before != settings:
        _replaced(folder / SETTINGS, (dumps(settings, indent=1) + "\n").encode())


def _check_same(folder: Path, before: Settings, now: Settings) -> None:
    found = list(_differences(_fixed(before), _fixed(now)))
    if found:
        more = f"; and {len(found) - SHOWN} more" if len(found) > SHOWN else ""
        raise BitwrightError(
            f"holds another sweep: {'; '.join(found[:SHOWN])}{more}",
            where=str(folder),
            hint="ask for the same, or choose another folder with -o",
        )


def _fixed(settings: Settings) -> Settings:
    return {name: value for name, value in settings.items() if name not in FREE}


def _differences(before: Any, now: Any, place: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for name in dict.fromkeys((*before, *now)):
            yield from _differences(before.get(name), now.get(name), f"{place}.{name}" if place else name)
    elif before != now:
        yield f"its {place} is {_short(before)}, and {_short(now)} here"


def _short(value: Any) -> str:
    text = dumps(value)
    return text if len(text) <= 60 else f"{text[:57]}..."


def _replaced(file: Path, content: bytes) -> None:
    """A file with this content, in place of any."""
    partial = file.with_name(f"{PARTIAL}{file.name}")
    with writing(file.parent):
        try:
            _written(partial, content)
            partial.replace(file)
        finally:
            partial.unlink(missing_ok=True)


def _written(file: Path, content: bytes) -> None:
    """A file that is on the disk itself before it gets its name: a power cut leaves no empty one."""
    with file.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())


@contextmanager
def writing(folder: Path) -> Iterator[None]:
    """What goes wrong with the disk inside the block, as one message."""
    try:
        yield
    except OSError as error:
        full = error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
        room = "make room, and go on with --resume: what was finished is kept"
        hint = room if full else "choose a writable place with -o"
        raise BitwrightError(f"cannot be written: {error.strerror}", where=str(folder), hint=hint) from error
