# SPDX-License-Identifier: Apache-2.0
"""A space from a YAML file, or from what one holds: every option and every value checked by name.

network: {part: [xc7z020, xczu3eg], cycles: [500, 2000], activations: 4-8}
groups:
stem: {names: [conv1, conv2], weights: 4-8}
layers:
"conv*": {weights: 1-8, sparsity: [0, 0.5, "2:4"]}
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, get_args

from bitwright.compress.config import nearest_names
from bitwright.compress.options import WIDTHS
from bitwright.compress.yaml_file import read_yaml, shown
from bitwright.explore.axes import valid
from bitwright.explore.space import Value
from bitwright.explore.spaces import Clause, Kind
from bitwright.ir.errors import BitwrightError

EXAMPLE = "for example `layers: {'*': {weights: 2-8, activations: 2-8}}`"
KINDS: tuple[Kind, ...] = get_args(Kind)
SPAN = re.compile(r"([0-9]{1,2})-([0-9]{1,2})")


def read_space(source: str | Path | Mapping[str, Any]) -> list[Clause]:
    """What a file says of the axes of a space, or a mapping of the same form."""
    if isinstance(source, Mapping):
        return _clauses("space", source)
    path = Path(source)
    return _clauses(str(path), read_yaml(path, EXAMPLE, "a pattern stands for many layers"))


def _clauses(file: str, held: Any) -> list[Clause]:
    if not isinstance(held, Mapping) or not held:
        raise BitwrightError("holds no axes", where=file, hint=f"give some, {EXAMPLE}")
    for kind in held:
        if kind not in KINDS:
            hint = f"{nearest_names(str(kind), set(KINDS))}; {EXAMPLE}"
            raise BitwrightError(f"has {shown(kind)}, which is none of {', '.join(KINDS)}", where=file, hint=hint)
    return [clause for kind in KINDS if kind in held for clause in _of_kind(file, kind, held[kind])]


def _of_kind(file: str, kind: Kind, held: Any) -> Iterator[Clause]:
    """The clauses under a key of the file."""
    where = f"{file}: {kind}"
    _check_options(where, held)
    if kind == "network":
        yield Clause(kind, "", (), _options(where, held), file)
        return
    for label, options in held.items():
        place = f"{where} '{label}'"
        _check_options(place, options)
        names = _names(place, options) if kind == "groups" else (str(label),)
        rest = {name: value for name, value in options.items() if kind != "groups" or name != "names"}
        yield Clause(kind, str(label), names, _options(place, rest), file)


def _check_options(where: str, held: Any) -> None:
    """Refuse what is no mapping, or an empty one."""
    if not isinstance(held, Mapping) or not held:
        raise BitwrightError(f"is {shown(held)}, where options belong", where=where, hint=EXAMPLE)


def _names(where: str, options: Mapping[Any, Any]) -> tuple[str, ...]:
    """What a group is of."""
    names = options.get("names")
    if not isinstance(names, list) or not names or not all(isinstance(name, str) for name in names):
        hint = "for example `stem: {names: [conv1, conv2], weights: 2-8}`"
        raise BitwrightError(f"has {shown(names)} for names", where=where, hint=f"give a list of them, {hint}")
    return tuple(names)


def _options(where: str, held: Mapping[Any, Any]) -> dict[str, tuple[Value, ...]]:
    if not held:
        raise BitwrightError("says nothing", where=where, hint=f"give it options, {EXAMPLE}")
    return {str(name): _values(where, str(name), value) for name, value in held.items()}


def _values(where: str, option: str, value: Any) -> tuple[Value, ...]:
    """The values of an option: a list, one, or `2-8` of bits."""
    span = SPAN.fullmatch(value) if option in WIDTHS and isinstance(value, str) else None
    if span:
        low, high = int(span[1]), int(span[2])
        value = list(range(low, high + 1)) or value
    values = value if isinstance(value, list) else [value]
    if not values:
        raise BitwrightError(f"has no values for {option}", where=where, hint="give at least one")
    return tuple(valid(where, option, each) for each in values)
