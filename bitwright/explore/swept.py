# SPDX-License-Identifier: Apache-2.0
"""What a sweep leaves: its folder, read, and the views that can be made of it at any time."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from json import dumps
from pathlib import Path

from bitwright.explore.drawing import drawing
from bitwright.explore.explored import Explored
from bitwright.explore.gathered import explored_in
from bitwright.explore.kept import Kept, kept
from bitwright.explore.page import fragment, page
from bitwright.explore.space import Design
from bitwright.explore.status import told
from bitwright.explore.tables import COLUMNS, thinned
from bitwright.explore.views import CSV, PARQUET, csv_of, parquet_of
from bitwright.output import new_file

PAGE, PICTURE = "report.html", "front.svg"


@dataclass(frozen=True)
class Swept(Kept):
    """The folder of a sweep, which shows itself: in lines where it is printed, with its picture in a notebook."""

    @cached_property
    def explored(self) -> Explored:
        """What it has found."""
        return explored_in(self)

    def __str__(self) -> str:
        return told(self, self.explored)

    def _repr_html_(self) -> str:
        return fragment(self.explored)


def swept(folder: Path | str) -> Swept:
    """The sweep in a folder, whether or not a process is at work there; BitwrightError if there is none."""
    found = kept(Path(folder))
    return Swept(found.folder, found.settings, found.outcomes, found.holder)


def views(found: Swept) -> dict[str, bytes]:
    """The files that tell of a sweep, by their names in its folder."""
    parquet = parquet_of(found)
    return {
        CSV: csv_of(found),
        **({} if parquet is None else {PARQUET: parquet}),
        PAGE: page(found.explored).encode(),
        PICTURE: drawing(found.explored).encode(),
    }


def rewritten(found: Swept) -> None:
    """The views of a sweep made anew in its folder, unless that cannot be written: they tell what was picked since."""
    if not os.access(found.folder, os.W_OK):
        return
    for name, content in views(found).items():
        with new_file(found.folder / name) as write:
            write(content)


def layers_json(found: Swept, layers: Callable[[Design], Mapping[str, Mapping[str, float]]]) -> bytes:
    """What the designs that are shown layer by layer take."""
    shown = thinned(found.explored.front, COLUMNS)
    return dumps({each.design.key: layers(each.design) for each in shown}, indent=0).encode()
