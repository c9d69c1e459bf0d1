# SPDX-License-Identifier: Apache-2.0
"""The folder of a sweep as its report tells it: at any time, also while a process is at work there."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from json import loads
from pathlib import Path
from typing import Any

from bitwright.explore.axes import OF_TARGET
from bitwright.explore.explored import Curve, Curves, Explored, Picked
from bitwright.explore.kept import PICKED, Kept
from bitwright.explore.objectives import Objective
from bitwright.explore.proofs import proven
from bitwright.explore.record import Score
from bitwright.explore.settings import Settings, problem_in
from bitwright.explore.setup import SENSITIVITY
from bitwright.explore.space import Axis, Space, Value

CERTIFICATE, LAYERS = "certificate.json", "layers.json"


def explored_in(kept: Kept) -> Explored:
    """What a sweep has found."""
    settings, problem = kept.settings, problem_in(kept.settings)
    return Explored(
        model=str(settings.get("model", "network")),
        folder=str(kept.folder),
        how="; ".join(_how(settings)),
        space=problem.space,
        objectives=problem.objectives,
        outcomes=tuple(kept.designs.values()),
        budget=problem.budget,
        reference=_score(settings.get("float"), problem.objectives[0]),
        picked=tuple(_picked(kept.folder)),
        layers=_json(kept.folder / LAYERS, {}),
        proofs=proven(_json(kept.folder / CERTIFICATE, {"proofs": []})),
        sensitivity=_sensitivity(kept.folder, problem.space),
    )


def _how(settings: Settings) -> Iterator[str]:
    search, target = settings["search"], settings.get("target", {})
    yield f"{search['strategy']}, at most {search['evaluations']:,} designs, seed {settings['seed']}"
    if "score_on" in settings:
        yield f"scored on the {'test' if settings['score_on'] == 'x' else settings['score_on']} data"
    yield from (f"{name} {target[name]}" for name in OF_TARGET if target.get(name) is not None)


def _score(held: Mapping[str, Any] | None, objective: Objective) -> Score | None:
    """That of the float network, which settings keep as a row of a table has it."""
    if not held:
        return None
    return Score(value=held[objective.name], **{name: held[name] for name in ("low", "high", "samples", "total")})


def _picked(folder: Path) -> Iterator[Picked]:
    """The designs that were written from here."""
    for file in sorted((folder / PICKED).glob("*.json")):
        said = loads(file.read_text(encoding="utf-8"))
        test = said["scores"].get("test")
        yield Picked(key=said["id"], test=Score(**test) if test else None, figures=said["compiled"])


def _json(file: Path, otherwise: dict[str, Any]) -> dict[str, Any]:
    """What somebody wrote down, if there is such a file."""
    found: dict[str, Any] = loads(file.read_text(encoding="utf-8")) if file.exists() else otherwise
    return found


def _sensitivity(folder: Path, space: Space) -> Curves:
    """What each value of each axis did to the best design, where that was measured before the search."""
    sensed = _json(folder / SENSITIVITY, {})
    if not sensed:
        return Curves()
    scores = {pair: each["score"] for each in sensed["effects"] for pair in each["values"].items()}
    curves = (_curve(axis, scores, sensed["best"]["score"]) for axis in space.axes)
    told = tuple(curve for curve in curves if len(curve.points) > 1)
    return Curves(curves=told, samples=sensed["samples"], reference=sensed["float_score"])


def _curve(axis: Axis, scores: Mapping[tuple[str, Value], float | None], best: float) -> Curve:
    """The value that was not tried is that of the best design; an axis of which none was has no curve."""
    tried = any((axis.name, value) in scores for value in axis.values)
    values = axis.values if tried else ()
    return Curve(axis=axis.name, points=tuple((value, scores.get((axis.name, value), best)) for value in values))
