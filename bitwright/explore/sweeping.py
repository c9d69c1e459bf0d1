# SPDX-License-Identifier: Apache-2.0
"""A sweep from what a person has: a network, data in their splits, and what is to be searched for what.

found = sweep("net.onnx", data, "swept", weights=range(2, 9), activations=range(2, 9), per_layer=True, cycles=1000)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from json import dumps, loads
from pathlib import Path
from typing import Any

import onnx

from bitwright.compress import FloatNet, Options
from bitwright.compress.quantise import Configured, as_file, rules_of
from bitwright.compress.started import Start, float_of, network
from bitwright.explore import sensed_file
from bitwright.explore.again import again
from bitwright.explore.executors import Limits
from bitwright.explore.filling import filled
from bitwright.explore.kept import kept_settings
from bitwright.explore.layered import Layered
from bitwright.explore.making import AHEAD, CODES, Maker
from bitwright.explore.metrics import METRICS, Metric
from bitwright.explore.objectives import Objective, check_limit, objective
from bitwright.explore.own_metric import name_of
from bitwright.explore.possible import check_possible
from bitwright.explore.price_file import of_dict, to_dict
from bitwright.explore.prices import Prices
from bitwright.explore.progress import Progress
from bitwright.explore.score import Scoring
from bitwright.explore.sensing import Sensed, ledger_of, sense
from bitwright.explore.settings import settings_of
from bitwright.explore.setup import DATA, LABELS, MODEL, SENSITIVITY, TABLE, Arrays, Setup, data_of, digests, split_of
from bitwright.explore.space import Space
from bitwright.explore.space_file import read_space
from bitwright.explore.spaces import Clause, of_network, space_of
from bitwright.explore.starting import check_same
from bitwright.explore.store import check_free
from bitwright.explore.strategies import BY_TABLE, DEFAULT, STRATEGIES, Problem
from bitwright.explore.sweep import Sweep
from bitwright.explore.sweep import sweep as carried_out
from bitwright.explore.swept import Swept
from bitwright.explore.tuning import Trainer, Tune
from bitwright.ir.errors import BitwrightError
from bitwright.planning.target import Target

BITS = range(2, 9)
EVALUATIONS = 500
"""Designs at most, where nobody says how many."""
METHOD = Options()
"""How designs are quantised unless somebody says otherwise."""
SPLITS = {"validation": "validation", "test": "x"}
"""What designs can be scored on, and the name of its samples among the arrays."""
FITS = {"share": 100.0}
"""The budget that a part is."""


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is searched, and for what: a `space`, a strategy of `STRATEGIES`, `objectives` beside the score, budgets.

    Without a strategy it is every design, where there are no more than `evaluations`, else the first of them.
    """

    space: Sequence[Clause] | Space
    strategy: str = ""
    evaluations: int = EVALUATIONS
    objectives: tuple[str, ...] = ("cost",)
    budget: Mapping[str, float] = field(default_factory=dict)


def sweep(
    model: str | Path | bytes | onnx.ModelProto | FloatNet | Start | Any,
    data: Arrays,
    folder: str | Path,
    *,
    weights: Iterable[int] = BITS,
    activations: Iterable[int] = BITS,
    per_layer: bool = False,
    space: str | Path | Mapping[str, Any] | Space | None = None,
    strategy: str = "",
    evaluations: int = EVALUATIONS,
    objectives: Sequence[str] = ("cost",),
    budget: Mapping[str, float] | None = None,
    target: Target | None = None,
    options: Options = METHOD,
    config: Configured = None,
    metric: str | Metric | Callable[[Any, Any], Any] = "",
    score_on: str = "validation",
    codes: str = AHEAD,
    executor: str = "",
    jobs: int = 1,
    limits: Limits | None = None,
    seed: int = 0,
    resume: bool = False,
    example: Any = None,
    tune: Tune | None = None,
    progress: Callable[[Progress], None] = lambda progress: None,
) -> Swept:
    """Search designs of a network for those that no other one beats; all that was found is kept in `folder`.

    `data` has `calibration`, `validation` and `y_validation`, which designs are scored on, and `x` and `y`, which are
    for those that are picked; `score_on="test"` does without validation data. A `torch.nn.Module` needs an `example`.
    What is quantised already can only become narrower, or be folded in other ways. A module can be trained on for each
    design by `tune` (`explore/tuning.py`).
    `space` is that of a file, or what `read_space` takes; else `weights` and `activations` are the bits to choose from,
    for the network or, `per_layer`, for each weight and tensor. `options` and `config` are how all else is quantised,
    `codes` says when a search chooses codes: "ahead", once for each choice of a weight, which takes no time and is
    near enough to tell designs apart, or for "each" design; those on the front are made as `options` say in any case.
    `target` is what `compile` is asked for; `metric` is a name of `METRICS`, or a function of a module: (outputs,
    wanted) -> a number for each sample. With `resume` a sweep goes on, and nothing is evaluated again.
    """
    trainer = _trainer(model, example, tune)
    source = as_file(model, example, "explore")
    net = source if isinstance(source, FloatNet | Start) else network(source)
    bits = {"weights": tuple(weights), "activations": tuple(activations)}
    clauses = of_network(bits, per_layer) if space is None else space if isinstance(space, Space) else read_space(space)
    wanted = Wanted(
        space=clauses,
        strategy=strategy,
        evaluations=evaluations,
        objectives=tuple(objectives),
        budget=budget or {},
    )
    setup = Setup(
        model=Path(float_of(net).file).name,
        options=options,
        target=target or Target(),
        rules=rules_of(config),
        metric=name_of(metric),
        score_on=split_named(score_on),
        codes=codes_named(codes),
        seed=_checked(seed),
    )
    asked = prepared(net, data, Path(folder), wanted, setup, trainer=trainer)
    ways: dict[str, Any] = {"executor": executor, "jobs": jobs, "limits": limits}
    return carried_out(asked, Path(folder), resume=resume, progress=progress, **ways)


def _trainer(module: Any, example: Any, tune: Tune | None) -> Trainer | None:
    """Who trains designs on; refused for what is no module."""
    if tune is not None and not hasattr(module, "named_modules"):
        hint = "give a torch.nn.Module with its example"
        raise BitwrightError("no file can be trained on", where="tune", hint=hint)
    return None if tune is None else Trainer(module, example, tune)


def codes_named(name: str) -> str:
    """When codes of weights are chosen, by name."""
    if name not in CODES:
        raise BitwrightError(f"no way '{name}' to choose codes", where="explore", hint=f"choose {' or '.join(CODES)}")
    return name


def split_named(name: str) -> str:
    """The arrays that designs are scored on, by what a person calls them."""
    if name not in SPLITS:
        hint = f"choose {' or '.join(SPLITS)}"
        raise BitwrightError(f"no data '{name}' to score on", where="explore", hint=hint)
    return SPLITS[name]


def _checked(seed: int) -> int:
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise BitwrightError(f"a seed of {seed!r}", where="explore", hint="give a whole number, 0 or more")
    return seed


def prepared(
    net: FloatNet | Start, data: Arrays, folder: Path, wanted: Wanted, setup: Setup, *, trainer: Trainer | None = None
) -> Sweep:
    """The sweep that is asked for; everything is checked before anything is computed, and prices are found.

    The table of prices is that of the folder, if there is one; so are sensitivities, where the strategy asks for them.
    """
    arrays, floating = _given(data, setup), float_of(net)
    space = wanted.space if isinstance(wanted.space, Space) else space_of(floating, wanted.space, _most(net))
    objectives = [objective(name) for name in dict.fromkeys(wanted.objectives)]
    strategy = _strategy(wanted, space)
    check_free(folder, (MODEL, DATA, TABLE, SENSITIVITY))
    scoring = setup.scoring(floating, arrays)
    setup.test(floating, arrays, scoring.metric)  # test data that do not fit are refused now, not when one is picked
    maker = setup.maker(space, net, arrays, folder, trainer)
    if isinstance(net, Start):
        check_same(net, split_of(arrays, "calibration"))
    score = scoring.metric.objective
    _check_scores((*wanted.objectives, *wanted.budget), score)
    problem = Problem(
        space=space,
        objectives=(score, *(each for each in objectives if each.name != score.name)),
        budget={**_limits(wanted.budget, score), **_fitting(maker, space, wanted.budget)},
        evaluations=min(wanted.evaluations, space.size),
        seed=setup.seed,
    )
    prices = _prices(maker, folder)
    check_possible(problem.budget, scoring.metric, maker, prices)
    files = {MODEL: net.onnx(), DATA: data_of(arrays), TABLE: dumps(to_dict(prices)).encode()}
    if strategy in BY_TABLE:
        sensed = _sensed(maker, scoring, folder)
        problem = replace(problem, ledger=ledger_of(maker, prices, sensed))
        files[SENSITIVITY] = sensed_file.text(sensed).encode()
    return Sweep(
        problem=problem,
        evaluate=setup.evaluation(maker, prices, problem.objectives, arrays),
        strategy=strategy,
        settings={
            **setup.settings(),
            **_digests(net, arrays),
            "tune": trainer.name if trainer else None,
            "float": _float(scoring, floating),
        },
        files=files,
        layers=Layered(maker, prices),
    )


def _given(data: Arrays, setup: Setup) -> dict[str, Any]:
    """The arrays that a sweep has a use for; refused without what designs are scored on."""
    stems = ("calibration", "validation", "x")
    found = {name: array for name, array in data.items() if name.partition("_")[0] in stems or name in LABELS.values()}
    if setup.score_on not in found:
        if setup.score_on == "x":
            hint = "give a labelled set: x=images, y=labels"
            raise BitwrightError("has no array 'x'", where="data", hint=hint)
        raise BitwrightError(
            "has no validation data, by which designs are chosen",
            where="data",
            hint="add 'validation' and 'y_validation'; --score-on test takes 'x' and 'y' for them, and nothing is left"
            " that says how good a chosen design is on new samples",
        )
    if "calibration" not in found:
        inputs = [name for name in found if name.partition("_")[0] == setup.score_on]
        found |= {name.replace(setup.score_on, "calibration", 1): found[name] for name in inputs}
    return found


def _strategy(wanted: Wanted, space: Space) -> str:
    """The name of the strategy."""
    if not wanted.strategy:
        return "grid" if space.size <= wanted.evaluations else DEFAULT
    if wanted.strategy not in STRATEGIES:
        hint = f"choose {' or '.join(STRATEGIES)}"
        raise BitwrightError(f"no strategy '{wanted.strategy}'", where="explore", hint=hint)
    return wanted.strategy


def _check_scores(names: Iterable[str], score: Objective) -> None:
    """Refuse a score by which answers are not judged here."""
    for name in names:
        if name in METRICS and name != score.name:
            hint = (
                f"their score is {score.name}; another one is asked for by --metric, and takes what it wants of samples"
            )
            raise BitwrightError(f"designs have no {name}", where="explore", hint=hint)


def _limits(budget: Mapping[str, float], score: Objective) -> dict[str, float]:
    """The limits by name, each of the score or of a figure of the price."""
    for name, limit in budget.items():
        if name != score.name:
            objective(name)
        check_limit(name, limit)
    return dict(budget)


def _fitting(maker: Maker, space: Space, budget: Mapping[str, float]) -> dict[str, float]:
    """That designs fit their part, where there is one."""
    parts = maker.target.part is not None or any(axis.option == "part" for axis in space.axes)
    return FITS if parts and "share" not in budget else {}


def _prices(maker: Maker, folder: Path) -> Prices:
    """The table of prices, that of the folder where the sweep in it has one."""
    file = folder / TABLE
    if kept_settings(folder) is not None and file.is_file():
        return of_dict(loads(file.read_text(encoding="utf-8")), str(file))
    return filled(maker)


def _most(net: FloatNet | Start) -> dict[str, int]:
    """The bits of what can only become narrower."""
    return net.widths if isinstance(net, Start) else {}


def _digests(net: FloatNet | Start, arrays: Arrays) -> dict[str, Any]:
    return {"network": net.digest, "data": digests(arrays)}


def _float(scoring: Scoring, net: FloatNet) -> dict[str, float]:
    """What the float network scores."""
    found = scoring.float_score(net)
    return {
        scoring.metric.name: found.value,
        "low": found.low,
        "high": found.high,
        "samples": found.samples,
        "total": found.total,
    }


def _sensed(maker: Maker, scoring: Scoring, folder: Path) -> Sensed:
    """What each value of each axis does, as the folder has it where the sweep in it does."""
    file = folder / SENSITIVITY
    if kept_settings(folder) is not None and file.is_file():
        return sensed_file.of_dict(loads(file.read_text(encoding="utf-8")), str(file))
    return sense(maker, scoring)


def continued(folder: Path) -> Sweep:
    """The sweep that a folder has begun, to go on with by what is there alone."""
    swept = again(folder)
    maker, problem, kept = swept.evaluation.maker, swept.problem, swept.kept.settings
    if kept.get("tune"):
        what, hint = f"trains designs on, by '{kept['tune']}'", "go on in Python: sweep(..., tune=, resume=True)"
        raise BitwrightError(what, where=str(folder), hint=hint)
    prices, strategy = _prices(maker, folder), kept["search"]["strategy"]
    if strategy in BY_TABLE:
        problem = replace(problem, ledger=ledger_of(maker, prices, _sensed(maker, swept.evaluation.scoring, folder)))
    own = settings_of(swept.problem, "", {}).keys() | {"version"}
    return Sweep(
        problem=problem,
        evaluate=swept.evaluation,
        strategy=strategy,
        settings={name: value for name, value in kept.items() if name not in own},
        layers=Layered(maker, prices),
    )
