# SPDX-License-Identifier: Apache-2.0
"""Every method of compression, as its own docstring tells of it: what `bitwright methods` lists.

A docstring begins with one sentence. Somewhere it cites, in the form that `CITED` reads: authors, a colon, the title in
quotes, where it appeared, and behind a semicolon the rows of the catalogue that it stands for. What a method cannot do
without stands behind the word Needs.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from inspect import getdoc
from typing import Any

from bitwright.compress.allocate import ALLOCATORS, SENSITIVITIES
from bitwright.compress.codes import CODES
from bitwright.compress.correct import CORRECTIONS
from bitwright.compress.prune import CRITERIA, RULES, SCHEDULES
from bitwright.compress.prune.shrink import CHANNELS
from bitwright.compress.ranges import RANGES
from bitwright.compress.round import ROUNDINGS
from bitwright.compress.transforms import TRANSFORMS
from bitwright.ir.errors import BitwrightError

FAMILIES: Mapping[str, Mapping[str, Callable[..., Any] | None]] = {
    "range": RANGES,
    "rounding": ROUNDINGS,
    "correct": CORRECTIONS,
    "transforms": TRANSFORMS,
    "code": CODES,
    "channels": {name: criterion.score for name, criterion in CHANNELS.items()},
    "criterion": {name: criterion.score for name, criterion in CRITERIA.items()},
    "schedule": SCHEDULES,
    "rule": {name: rule.renew for name, rule in RULES.items()},
    "allocator": ALLOCATORS,
    "sensitivity": SENSITIVITIES,
}
"""The registries, by the option that names one of their entries, or by what `inspect` calls these; None stands for
leaving it out, which is no method."""
CITED = re.compile(r'([A-Z](?:[^.:;()"]|\bal\.)*): "([^"]+)"(.*?)(?:; (R\d{3}(?:, R\d{3})*))?(?=\)|[.;](?: |$))')
"""Authors, title, what follows it, and rows."""
NEEDS = re.compile(r"\bNeeds ([^.]+)\.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Method:
    """A method: its family and name, what it gives in one sentence, its papers, its rows, what it cannot do without."""

    family: str
    name: str
    what: str
    papers: tuple[str, ...]
    rows: tuple[str, ...]
    needs: str


def methods(family: str | None = None) -> list[Method]:
    """All methods, or those of one family; BitwrightError lists the families where there is none of that name."""
    if family is not None and family not in FAMILIES:
        hint = "the families are " + ", ".join(FAMILIES)
        raise BitwrightError(f"there is no family {family!r}", where="methods", hint=hint)
    return [method for name in FAMILIES if family in (None, name) for method in _family(name)]


def _family(family: str) -> Iterator[Method]:
    for name, function in FAMILIES[family].items():
        if function is not None:
            yield read(family, name, getdoc(function) or "")


def read(family: str, name: str, text: str) -> Method:
    """What a docstring says of a method."""
    sentence, _, rest = " ".join(text.split()).partition(". ")
    found = CITED.findall(rest)
    needs = NEEDS.search(rest)
    return Method(
        family=family,
        name=name,
        what=sentence.rstrip(".") + ".",
        papers=tuple(f'{authors}: "{title}"{where}' for authors, title, where, _ in found),
        rows=tuple(row for *_, rows in found for row in rows.split(", ") if row),
        needs=needs[1] if needs else "",
    )
