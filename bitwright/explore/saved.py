# SPDX-License-Identifier: Apache-2.0
"""Records and failures as JSON: what a sweep has on the disk of each of its designs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from json import dumps, loads
from typing import Any, get_args

from bitwright.explore.record import Failure, Kind, Outcome, Record, Score
from bitwright.explore.space import Design

VERSION = 1
"""Of a record on the disk."""
BROKEN = (AttributeError, KeyError, TypeError, ValueError)
"""What reading anything else comes to."""


def text_of(outcome: Outcome) -> str:
    """The JSON of an outcome: equal outcomes have equal texts."""
    design = [list(pair) for pair in outcome.design.choices]
    match outcome:
        case Record(figures=figures, score=score, compiled=compiled):
            held = {"figures": dict(figures), "score": asdict(score), "compiled": compiled}
        case Failure(kind=kind, what=what, where=where, hint=hint, tries=tries):
            held = {"kind": kind, "what": what, "where": where, "hint": hint, "tries": tries}
    return dumps({"version": VERSION, "design": design, **held}, indent=1) + "\n"


def outcome_of(text: str) -> Outcome:
    """The outcome of a text; one of `BROKEN` if it is none."""
    held: Mapping[str, Any] = loads(text)
    if held["version"] != VERSION:
        raise ValueError(f"version {held['version']}, where this bitwright reads {VERSION}")
    design = Design(tuple((str(axis), value) for axis, value in held["design"]))
    if "figures" in held:
        figures = {str(name): _number(value) for name, value in held["figures"].items()}
        return Record(design=design, figures=figures, score=_score(held["score"]), compiled=bool(held["compiled"]))
    if held["kind"] not in get_args(Kind):
        raise ValueError(f"no kind of failure {held['kind']!r}")
    said = {name: str(held[name]) for name in ("what", "where", "hint")}
    return Failure(design=design, kind=held["kind"], tries=int(held["tries"]), **said)


def _score(held: Mapping[str, Any]) -> Score:
    values = {name: _number(held[name]) for name in ("value", "low", "high")}
    return Score(samples=int(held["samples"]), total=int(held["total"]), **values)


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise ValueError(f"{value!r} is no number")
    return value
