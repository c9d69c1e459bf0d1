# SPDX-License-Identifier: Apache-2.0
"""A recipe from a YAML file: every step, every option and the kind of every value checked by name."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import fields, is_dataclass
from difflib import get_close_matches
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, get_args, get_origin, get_type_hints

from bitwright.compress.yaml_file import read_yaml, shown
from bitwright.ir.errors import BitwrightError
from bitwright.recipe.step import Step
from bitwright.recipe.steps import SPELLED, STEPS

EXAMPLE = "for example `- quantise: {weights: 4, activations: 4}`"
KINDS = {
    int: "a whole number",
    float: "a number",
    str: 'a name, in quotes where YAML reads a number: "2:4"',
    bool: "true or false",
    tuple: "a list of names",
}
"""What an option can be, as a message says it; any other is a mapping."""


def read_recipe(path: Path) -> tuple[Step, ...]:
    """The steps of a file, the last of which gives a quantised network; BitwrightError for what is none."""
    held = read_yaml(path, EXAMPLE, "one step for each thing that is done to the network")
    if not isinstance(held, list) or not held:
        raise BitwrightError("holds no list of steps", where=str(path), hint=f"give some, {EXAMPLE}")
    steps = [_step(f"{path}: step {number}", entry) for number, entry in enumerate(held, 1)]
    _check_end(path, steps)
    return tuple(steps)


def name_of(step: Step) -> str:
    """What a recipe calls a step."""
    return next(name for name, kind in STEPS.items() if type(step) is kind)


def _check_end(path: Path, steps: Sequence[Step]) -> None:
    """Refuse a recipe that does not end where its network is quantised."""
    for number, step in enumerate(steps[:-1], 1):
        if step.ends:
            what = f"'{name_of(steps[number])}' follows a network that is quantised"
            hint = f"put it before step {number}, which gives integers"
            raise BitwrightError(what, where=f"{path}: step {number + 1}", hint=hint)
    if not steps[-1].ends:
        hint = f"end with a step that quantises, {EXAMPLE}"
        raise BitwrightError("ends with a float network", where=f"{path}: step {len(steps)}", hint=hint)


def _step(where: str, entry: Any) -> Step:
    """The step that an entry of the list says."""
    if isinstance(entry, str):
        entry = {entry: None}
    if not isinstance(entry, Mapping) or len(entry) != 1:
        raise BitwrightError(f"is {shown(entry)}, where one step belongs", where=where, hint=EXAMPLE)
    ((said, options),) = entry.items()
    name = SPELLED.get(said, str(said))
    if name not in STEPS:
        raise BitwrightError(f"there is no step {shown(said)}", where=where, hint=_nearest(said, STEPS, "steps"))
    where, options = f"{where}, '{name}'", {} if options is None else options
    if not isinstance(options, Mapping):
        raise BitwrightError(f"is {shown(options)}, where options belong", where=where, hint=EXAMPLE)
    step: Step = _made(where, STEPS[name], options)
    return step


def _made(where: str, kind: Any, options: Mapping[Any, Any]) -> Any:
    """A dataclass with these options."""
    given = _options(where, kind, options)
    try:
        return kind(**given)
    except BitwrightError as error:
        raise BitwrightError(error.what, where=where, hint=error.hint) from error


def _options(where: str, step: Any, options: Mapping[Any, Any]) -> dict[str, Any]:
    """The options that are given to a step, each of the kind that it has."""
    kinds, names, given = get_type_hints(step), [field.name for field in fields(step)], {}
    for option, value in options.items():
        if option not in names:
            what = f"has no option {shown(option)}"
            raise BitwrightError(what, where=where, hint=_nearest(option, names, "options"))
        given[option] = _taken(where, option, value, kinds[option])
    return given


def _taken(where: str, option: str, value: Any, kind: Any) -> Any:
    """The value as one of the kind that an option has, or why it is none."""
    kinds = [one for one in (get_args(kind) if isinstance(kind, UnionType) else (kind,)) if one is not NoneType]
    for one in kinds:
        if is_dataclass(one) and isinstance(value, Mapping):
            return _made(f"{where}, '{option}'", one, value)
        taken = _as(get_origin(one) or one, value)
        if taken is not None:
            return taken
    says = " or ".join(KINDS.get(get_origin(one) or one, "names with options") for one in kinds)
    raise BitwrightError(f"{shown(value)} cannot be used for {option}", where=where, hint=f"give {says}")


def _as(kind: type, value: Any) -> Any:
    """The value as one of a kind, None where it is none; YAML has 1e-3 as a text, and 1 as no float."""
    if isinstance(value, bool) != (kind is bool):
        return None
    if kind is tuple:
        return _names(value)
    return _number(value) if kind is float else value if isinstance(value, kind) else None


def _names(value: Any) -> tuple[str, ...] | None:
    listed = [value] if isinstance(value, str) else value
    return tuple(listed) if isinstance(listed, list) and all(isinstance(name, str) for name in listed) else None


def _number(value: Any) -> float | None:
    try:
        return float(value) if isinstance(value, int | float | str) else None
    except (ValueError, OverflowError):
        return None


def _nearest(name: Any, names: Collection[str], what: str) -> str:
    near = get_close_matches(str(name), names, 1)
    return (f"did you mean '{near[0]}'? " if near else "") + f"{what} are {', '.join(names)}"
