# SPDX-License-Identifier: Apache-2.0
"""YAML as a person writes it: plain values, nothing that stands for more than it is, nothing said twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from bitwright.ir.errors import BitwrightError

MAX_BYTES = 1 << 18
"""Of a file."""
LONGEST = 60
"""Characters of a value that are shown."""


def read_yaml(path: Path, example: str, shorter: str) -> Any:
    """What a file holds; BitwrightError with an `example` where it is no plain YAML, or says how to make it shorter."""
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or str(error)
        raise BitwrightError(
            f"cannot be read: {reason}", where=str(path), hint="give the path of a YAML file"
        ) from error
    if len(data) > MAX_BYTES:
        raise BitwrightError(f"has more than {MAX_BYTES} bytes", where=str(path), hint=shorter)
    try:
        _check(data)
        return yaml.safe_load(data)
    except (yaml.YAMLError, UnicodeDecodeError, ValueError, RecursionError) as error:
        raise BitwrightError(
            _first_line(error), where=_place(str(path), error), hint=f"write YAML, {example}"
        ) from error


def _check(data: bytes) -> None:
    """Refuse an alias, which may stand for more than memory holds, and equal keys, of which one would be lost."""
    for event in yaml.parse(data, Loader=yaml.SafeLoader):
        if isinstance(event, yaml.AliasEvent):
            problem = "an alias is not taken: write the value out"
            raise yaml.MarkedYAMLError(problem=problem, problem_mark=event.start_mark)
    waiting = [yaml.compose(data, Loader=yaml.SafeLoader)]
    while waiting:
        node = waiting.pop()
        if isinstance(node, yaml.SequenceNode):
            waiting += node.value
        if isinstance(node, yaml.MappingNode):
            seen = set()
            for key, value in node.value:
                name = str(key.value)
                if name in seen:
                    raise yaml.MarkedYAMLError(problem=f"'{name}' is there twice", problem_mark=key.start_mark)
                seen.add(name)
                waiting.append(value)


def _first_line(error: Exception) -> str:
    problem = getattr(error, "problem", None) or str(error)
    return f"is no YAML that is taken: {problem.partition(chr(10))[0]}"


def _place(path: str, error: Exception) -> str:
    mark = getattr(error, "problem_mark", None)
    return path if mark is None else f"{path}, line {mark.line + 1}"


def shown(value: Any) -> str:
    """A value on one line."""
    try:
        text = repr(value)
    except ValueError:
        return "a number of thousands of digits"
    return text if len(text) <= LONGEST else f"{text[:LONGEST]}..."
