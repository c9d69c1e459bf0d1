# SPDX-License-Identifier: Apache-2.0
"""A sweep from what a person has: a network, data in their splits, and what is to be searched for what.

found = sweep("net.onnx", data, "swept", weights=range(2, 9), activations=range(2, 9), per_layer=True, cycles=1000)
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from json import dumps, loads
from pathlib import Path
from typing import Any

import onnx
from numpy.typing import NDArray

from bitwright.compress import FloatNet, Options
from bitwright.compress.fixed import NAMES, Fixed
from bitwright.compress.quantise import Configured, as_file, rules_of
from bitwright.compress.started import Start, float_of
from bitwright.explore import sensed_file
from bitwright.explore.again import again
from bitwright.explore.beginning import Begun, Clauses, Said, aim_and_axes, begun, objectives_of, origin_of, widths_said
from bitwright.explore.evaluate import MODEL
from bitwright.explore.executors import Limits
from bitwright.explore.filling import filled
from bitwright.explore.folding import Folding
from bitwright.explore.kept import kept_settings
from bitwright.explore.layered import Layered, Layers
from bitwright.explore.making import AHEAD, CODES, Maker
from bitwright.explore.metrics import METRICS, Metric
from bitwright.explore.objectives import Objective, check_limit, objective
from bitwright.explore.own_metric import name_of
from bitwright.explore.possible import check_possible
from bitwright.explore.price_file import of_dict, to_dict
from bitwright.explore.prices import Prices
from bitwright.explore.progress import Progress
from bitwright.explore.record import Score
from bitwright.explore.score import Scoring
from bitwright.explore.sensing import Sensed, ledger_of, sense
from bitwright.explore.settings import FOLDED, settings_of
from bitwright.explore.setup import DATA, LABELS, SENSITIVITY, TABLE, Arrays, Setup, data_of, digests, split_of
from bitwright.explore.space import Space, several
from bitwright.explore.space_file import read_space
from bitwright.explore.spaces import folding_of, space_of
from bitwright.explore.store import check_free, check_writable
from bitwright.explore.strategies import BY_TABLE, DEFAULT, STRATEGIES, Problem
from bitwright.explore.sweep import Sweep
from bitwright.explore.sweep import sweep as carried_out
from bitwright.explore.swept import Swept
from bitwright.explore.tuning import Trainer, Tune
from bitwright.ir.errors import BitwrightError
from bitwright.ir.graph import Graph
from bitwright.planning.target import Target

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

    space: Clauses
    strategy: str = ""
    evaluations: int = EVALUATIONS
    objectives: tuple[str, ...] = ("cost",)
    budget: Mapping[str, float] = field(default_factory=dict)


def sweep(
    model: str | Path | bytes | onnx.ModelProto | Graph | FloatNet | Start | Any,
    data: Arrays,
    folder: str | Path,
    *,
    weights: Iterable[int] | None = None,
    activations: Iterable[int] | None = None,
    per_layer: bool = False,
    space: str | Path | Mapping[str, Any] | Space | None = None,
    cycles: int | Iterable[int] | None = None,
    fps: float | Iterable[float] | None = None,
    part: str | Iterable[str] | None = None,
    strategy: str = "",
    evaluations: int = EVALUATIONS,
    objectives: Sequence[str] | None = None,
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
    What is quantised already can only become narrower; in any dialect it can be folded in other ways, which is what is
    searched of it, and of a graph (`bitwright.load`), where nothing but several `cycles`, `fps` or `part` is asked for.
    A module can be trained on for each design by `tune` (`explore/tuning.py`).
    `space` is that of a file, or what `read_space` takes; else `weights` and `activations` are the bits to choose from,
    2 to 8 where nobody says, for the network or, `per_layer`, for each weight and tensor. Several `cycles`, `fps` or
    `part` are an axis, a single one is the `target`'s, which has the clock too. `options` and `config` are how all else
    is quantised, `codes` says when a search chooses codes: "ahead", once for each choice of a weight, which takes no
    time and is near enough to tell designs apart, or for "each" design; those on the front are made as `options` say
    in any case. `metric` is a name of `METRICS`, or a function of a module: (outputs, wanted) -> a number for each
    sample. With `resume` a sweep goes on, and nothing is evaluated again.
    """
    trainer = _trainer(model, example, tune)
    source = as_file(model, example, "explore")
    folds = {"cycles": cycles, "fps": fps, "part": part}
    aim, folded = aim_and_axes(target or Target(), {name: several(each) for name, each in folds.items()})
    chosen = read_space(space) if space is not None and not isinstance(space, Space) else space
    if chosen is None:
        chosen = widths_said(weights, activations, per_layer)
    net, clauses = begun(source, Said(chosen=chosen, folded=folded), calibration_in(data, score_on))
    wanted = Wanted(
        space=clauses,
        strategy=strategy,
        evaluations=evaluations,
        objectives=objectives_of(net, objectives),
        budget=budget or {},
    )
    setup = Setup(
        model=Path(origin_of(net).file).name,
        options=options,
        target=aim,
        rules=rules_of(config),
        metric=name_of(metric),
        score_on=split_named(score_on),
        codes=codes_named(codes),
        seed=_checked(seed),
    )
    asked = prepared(net, data, Path(folder), wanted, setup, trainer=trainer)
    ways: dict[str, Any] = {"executor": executor, "jobs": jobs, "limits": limits}
    return carried_out(asked, Path(folder), resume=resume, progress=progress, **ways)


def calibration_in(data: Arrays, score_on: str) -> list[NDArray[Any]]:
    """The samples to calibrate on, or those that stand for them."""
    return split_of(data, "calibration") or split_of(data, SPLITS.get(score_on, score_on))


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
    net: Begun, data: Arrays, folder: Path, wanted: Wanted, setup: Setup, *, trainer: Trainer | None = None
) -> Sweep:
    """The sweep that is asked for; everything is checked before anything is computed, and prices are found.

    The table of prices is that of the folder, if there is one; so are sensitivities, where the strategy asks for them.
    """
    arrays, origin = _given(data, setup), origin_of(net)
    space = _space(net, wanted.space)
    objectives = [objective(name) for name in dict.fromkeys(wanted.objectives)]
    strategy = _strategy(wanted, space)
    check_free(folder, (*NAMES, DATA, TABLE, SENSITIVITY))
    scoring = setup.scoring(origin, arrays)
    check_writable(folder)
    setup.test(origin, arrays, scoring.metric)  # test data that do not fit are refused now, not when one is picked
    score = scoring.metric.objective
    _check_scores((*wanted.objectives, *wanted.budget), score)
    problem = Problem(
        space=space,
        objectives=(score, *(each for each in objectives if each.name != score.name)),
        budget={**_limits(wanted.budget, score), **_fitting(setup.target, space, wanted.budget)},
        evaluations=min(wanted.evaluations, space.size),
        seed=setup.seed,
    )
    settings = {
        **setup.settings(),
        **_digests(net, arrays),
        "tune": trainer.name if trainer else None,
        FOLDED: isinstance(net, Fixed),
    }
    asked = _Asked(problem, strategy, setup, arrays, scoring, folder)
    found = asked.folded(net, trainer) if isinstance(net, Fixed) else asked.made(net, trainer)
    return replace(found, settings=settings | {"float": _float(score.name, scoring.float_score(origin))})


@dataclass(frozen=True)
class _Asked:
    """A sweep that is all checked but for its prices."""

    problem: Problem
    strategy: str
    setup: Setup
    arrays: Arrays
    scoring: Scoring
    folder: Path

    def folded(self, net: Fixed, trainer: Trainer | None) -> Sweep:
        """That of a network which stays what it is: designs are compiled one by one."""
        _check_unquantised(self.setup, trainer)
        problem = self.problem
        evaluate = self.setup.folding(problem.space, net, problem.objectives, self.arrays)
        if kept_settings(self.folder) is None:
            evaluate.check_possible(problem.budget)
        files = {net.name: net.content, DATA: data_of(self.arrays)}
        return Sweep(problem=problem, evaluate=evaluate, strategy=self.strategy, files=files, layers=evaluate.layers)

    def made(self, net: FloatNet | Start, trainer: Trainer | None) -> Sweep:
        """That of designs which are quantised: they are priced by a table."""
        problem, scoring, folder = self.problem, self.scoring, self.folder
        maker = self.setup.maker(problem.space, net, self.arrays, folder, trainer)
        prices = _prices(maker, folder)
        check_possible(problem.budget, scoring.metric, maker, prices)
        files = {MODEL: net.onnx(), DATA: data_of(self.arrays), TABLE: dumps(to_dict(prices)).encode()}
        if self.strategy in BY_TABLE:
            sensed = _sensed(maker, scoring, folder)
            problem = replace(problem, ledger=ledger_of(maker, prices, sensed))
            files[SENSITIVITY] = sensed_file.text(sensed).encode()
        evaluate = self.setup.evaluation(maker, prices, problem.objectives, self.arrays)
        layers = Layered(maker, prices)
        return Sweep(problem=problem, evaluate=evaluate, strategy=self.strategy, files=files, layers=layers)


def _check_unquantised(setup: Setup, trainer: Trainer | None) -> None:
    """Refuse to say how weights are quantised, of integers that stay what they are."""
    said = [entry.name for entry in fields(METHOD) if getattr(setup.options, entry.name) != getattr(METHOD, entry.name)]
    others = {"config": setup.rules is not None, "codes": setup.codes != AHEAD, "tune": trainer is not None}
    said += [name for name, is_said in others.items() if is_said]
    if said:
        what = f"{' and '.join(said)}: the integers of the network stay what they are"
        raise BitwrightError(
            what, where="explore", hint="leave it out: without bits to choose from folding alone is searched"
        )


def _space(net: Begun, clauses: Clauses) -> Space:
    """The space of a network that clauses say."""
    if isinstance(clauses, Space):
        return clauses
    return folding_of(clauses) if isinstance(net, Fixed) else space_of(float_of(net), clauses, _most(net))


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


def _fitting(target: Target, space: Space, budget: Mapping[str, float]) -> dict[str, float]:
    """That designs fit their part, where there is one."""
    parts = target.part is not None or any(axis.option == "part" for axis in space.axes)
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


def _digests(net: Begun, arrays: Arrays) -> dict[str, Any]:
    return {"network": net.digest, "data": digests(arrays)}


def _float(name: str, found: Score) -> dict[str, float]:
    """What the network scores that designs begin at."""
    return {
        name: found.value,
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
    evaluation, problem, kept = swept.evaluation, swept.problem, swept.kept.settings
    if kept.get("tune"):
        what, hint = f"trains designs on, by '{kept['tune']}'", "go on in Python: sweep(..., tune=, resume=True)"
        raise BitwrightError(what, where=str(folder), hint=hint)
    strategy = kept["search"]["strategy"]
    if isinstance(evaluation, Folding):
        layers: Layers = evaluation.layers
    else:
        maker, prices = evaluation.maker, _prices(evaluation.maker, folder)
        if strategy in BY_TABLE:
            problem = replace(problem, ledger=ledger_of(maker, prices, _sensed(maker, evaluation.scoring, folder)))
        layers = Layered(maker, prices)
    own = settings_of(swept.problem, "", {}).keys() | {"version"}
    return Sweep(
        problem=problem,
        evaluate=evaluation,
        strategy=strategy,
        settings={name: value for name, value in kept.items() if name not in own},
        layers=layers,
    )
