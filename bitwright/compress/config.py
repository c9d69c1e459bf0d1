# SPDX-License-Identifier: Apache-2.0
"""Choices for single layers and tensors from a YAML file, by name or by pattern."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from bitwright.compress.options import CHOICES, WIDTHS, refusal
from bitwright.compress.yaml_file import read_yaml, shown
from bitwright.ir.errors import BitwrightError

BOOLEANS = {True: "always", False: "never"}
"""What `zero: true` and `zero: false` say."""
NAMES = ("range", "rounding", "scale", "zero")
OPTIONS = (*WIDTHS, "per_channel", *NAMES)
FLOAT = "float"
"""In place of options, or as the activations: what is named stays in float."""
EXAMPLE = "for example `conv1: {weights: 8, activations: 6}`"
Value = int | bool | str


@dataclass(frozen=True, slots=True)
class Rule:
    """What is asked of all that a name or a pattern stands for: pairs of an option and its value."""

    pattern: str
    options: tuple[tuple[str, Value], ...]

    def matches(self, name: str) -> bool:
        """True for the name itself, and for what the pattern stands for."""
        return name == self.pattern or fnmatchcase(name, self.pattern)


@dataclass(frozen=True, slots=True)
class Config:
    """Rules in their order: where two ask for the same, the later one holds. `file` is named in errors."""

    rules: tuple[Rule, ...]
    file: str = "config"

    def error(self, rule: Rule, what: str, hint: str) -> BitwrightError:
        """The error that a rule cannot be honoured."""
        return BitwrightError(what, where=f"{self.file}: '{rule.pattern}'", hint=hint)


def read_config(source: str | Path | Mapping[str, Any]) -> Config:
    """The rules of a YAML file, or of what one holds: a mapping of names and patterns to options."""
    if isinstance(source, Mapping):
        return _config("config", source)
    if not isinstance(source, str | Path):
        raise refusal("config", shown(source), "the path of a YAML file, or a mapping of names to options")
    path = Path(source)
    return _config(str(path), read_yaml(path, EXAMPLE, "a pattern names many layers at once"))


def _config(file: str, held: Any) -> Config:
    if not isinstance(held, Mapping) or not held:
        raise BitwrightError("holds no names with options", where=file, hint=f"give some, {EXAMPLE}")
    return Config(tuple(_rule(file, str(name), options) for name, options in held.items()), file)


def _rule(file: str, pattern: str, options: Any) -> Rule:
    where = f"{file}: '{pattern}'"
    if isinstance(options, str) and options == FLOAT:
        return Rule(pattern, (("activations", FLOAT), ("weights", FLOAT)))
    if not isinstance(options, Mapping) or not options:
        raise BitwrightError(f"is {shown(options)}, where options belong", where=where, hint=EXAMPLE)
    return Rule(pattern, tuple((str(name), checked(where, str(name), value)) for name, value in options.items()))


def checked(where: str, name: str, value: Any) -> Value:
    """The value of an option of `OPTIONS`, of the type that it has; BitwrightError says why it cannot be."""
    if name not in OPTIONS:
        near = get_close_matches(name, OPTIONS, 1)
        hint = f"did you mean '{near[0]}'? " if near else ""
        raise BitwrightError(f"has no option '{name}'", where=where, hint=f"{hint}options are {', '.join(OPTIONS)}")
    if name == "zero" and isinstance(value, bool):
        return BOOLEANS[value]
    if not _is_offered(name, value):
        raise BitwrightError(f"{shown(value)} cannot be used for {name}", where=where, hint=f"choose {_offered(name)}")
    assert isinstance(value, int | str)
    return value


def _is_offered(name: str, value: Any) -> bool:
    """True for a value of the option's type that it can have; 1 and True are not the same."""
    if isinstance(value, bool):
        return name == "per_channel"
    if isinstance(value, int):
        return value in WIDTHS.get(name, ())
    if not isinstance(value, str):
        return False
    return value == FLOAT if name in WIDTHS else value in CHOICES.get(name, ())


def _offered(name: str) -> str:
    if name == "per_channel":
        return "true or false"
    if name in WIDTHS:
        return f"{WIDTHS[name][0]} to {WIDTHS[name][-1]} bits, or float"
    return "auto, true or false" if name == "zero" else " or ".join(CHOICES[name])


def nearest_names(pattern: str, names: set[str]) -> str:
    """The names that are most like one that is not there."""
    near = get_close_matches(pattern, sorted(names), 3, 0.4)
    listed = near or sorted(names)[:5]
    quoted = ", ".join(f"'{name}'" for name in listed)
    return f"{'the nearest are' if near else 'there are'} {quoted}"
