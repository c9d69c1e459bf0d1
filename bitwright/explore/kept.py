# SPDX-License-Identifier: Apache-2.0
"""The folder of a sweep, read: a folder for each point, so that any number of them can be there.

sweep.json                    what the sweep is of: the same settings make the same points
model.onnx, data.npz          the network and the arrays, as they were read
points/KEY/record.json        what is known of a point; KEY-final if it was looked at closely
failed/KEY/failure.json       why a point has no record
picked/KEY.json               what was said of a design when it was written out
asked.json                    the keys in the order in which they were asked for
lock                          who is at work here
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from json import loads
from pathlib import Path
from typing import Any

from bitwright.explore import lock
from bitwright.explore.record import FINAL, Failure, Outcome, Record
from bitwright.explore.saved import BROKEN, outcome_of
from bitwright.explore.settings import Settings
from bitwright.ir.errors import BitwrightError

VERSION = 1
"""Of `sweep.json`."""
SETTINGS, LOCK, ASKED = "sweep.json", "lock", "asked.json"
POINTS, FAILED, PICKED = "points", "failed", "picked"


@dataclass(frozen=True)
class Kept:
    """What is in the folder of a sweep: its settings, the outcomes of tasks by their keys, in the order asked for."""

    folder: Path
    settings: Settings
    outcomes: dict[str, Outcome]
    holder: str = ""

    @property
    def designs(self) -> dict[str, Outcome]:
        """The outcomes by the keys of designs, in the order asked for: of the closer look, where there was one."""
        found = {outcome.design.key: outcome for outcome in self.outcomes.values()}
        return found | {outcome.design.key: outcome for key, outcome in self.outcomes.items() if key.endswith(FINAL)}

    @property
    def records(self) -> list[Record]:
        """What is known of the designs that have figures."""
        return [outcome for outcome in self.designs.values() if isinstance(outcome, Record)]

    @property
    def failures(self) -> list[Failure]:
        """Why the others have none."""
        return [outcome for outcome in self.designs.values() if isinstance(outcome, Failure)]


def kept(folder: Path) -> Kept:
    """The sweep in a folder, whether or not a process is at work there; BitwrightError if there is none."""
    settings = kept_settings(folder)
    if settings is None:
        hint = "give the folder of `bitwright explore MODEL --data F -o DIR`"
        raise BitwrightError("holds no sweep", where=str(folder), hint=hint)
    found = dict(outcomes_in(folder))
    asked = [key for key in _read(folder / ASKED, loads, []) if key in found]
    return Kept(folder, settings, {key: found[key] for key in (*asked, *found)}, lock.holder(folder / LOCK))


def kept_settings(folder: Path) -> Settings | None:
    """What the sweep in a folder is of; None if there is none."""
    held: Settings | None = _read(folder / SETTINGS, loads, None)
    if held is not None and (not isinstance(held, dict) or held.get("version") != VERSION):
        version = held.get("version") if isinstance(held, dict) else None
        what = f"is a sweep of version {version}, where this bitwright reads version {VERSION}"
        raise BitwrightError(what, where=str(folder / SETTINGS), hint="use the bitwright that wrote it")
    return held


def outcomes_in(folder: Path) -> Iterator[tuple[str, Outcome]]:
    """What is known, by the keys of tasks, in their order."""
    for place, name in ((POINTS, "record.json"), (FAILED, "failure.json")):
        for entry in sorted((folder / place).glob("*")):
            if not entry.name.startswith("."):
                yield entry.name, _outcome(entry / name)


def _outcome(file: Path) -> Outcome:
    found: Outcome | None = _read(file, outcome_of, None)
    if found is None or found.design.key != file.parent.name.removesuffix(FINAL):
        raise _broken(file, "of another design" if found else "missing")
    return found


def _read(file: Path, reader: Callable[[str], Any], otherwise: Any) -> Any:
    """What a reader makes of a file, if there is one."""
    try:
        return reader(file.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return otherwise
    except OSError as error:
        raise _broken(file, str(error.strerror)) from error
    except BROKEN as error:
        raise _broken(file, str(error)) from error


def _broken(file: Path, why: str) -> BitwrightError:
    place = file.parent if file.name not in (SETTINGS, ASKED) else file
    hint = f"put it back; or remove '{place}', and resume the sweep"
    return BitwrightError(f"cannot be read: {why}", where=str(file), hint=hint)
