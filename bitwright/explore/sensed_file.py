# SPDX-License-Identifier: Apache-2.0
"""Sensitivities as JSON: what a sweep keeps of them, and what `bitwright sensitivity` writes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from json import dumps
from typing import Any

from bitwright.explore.sensing import Effect, Sensed
from bitwright.ir.errors import BitwrightError

VERSION = 1


def to_dict(sensed: Sensed) -> dict[str, Any]:
    """Plain values, which `of_dict` reads."""
    return {"version": VERSION, **asdict(sensed)}


def text(sensed: Sensed) -> str:
    """The file."""
    return dumps(to_dict(sensed), indent=1) + "\n"


def of_dict(data: Mapping[str, Any], where: str = "sensitivity.json") -> Sensed:
    """The sensitivities that plain values are; BitwrightError if they are of another version."""
    if data.get("version") != VERSION:
        what = f"is of version {data.get('version')}, this bitwright reads {VERSION}"
        raise BitwrightError(what, where=where, hint="remove it: they are measured again")
    effects, pairs = (tuple(Effect(**each) for each in data[name]) for name in ("effects", "pairs"))
    held = {name: data[name] for name in ("error", "metric", "samples", "float_score")}
    return Sensed(**held, best=Effect(**data["best"]), effects=effects, pairs=pairs)
