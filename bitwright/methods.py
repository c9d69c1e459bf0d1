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
from importlib.util import find_spec
from inspect import getdoc
from typing import Any

from bitwright import api
from bitwright.compress.allocate import ALLOCATORS, SENSITIVITIES
from bitwright.compress.codes import CODES, SHARINGS
from bitwright.compress.correct import CORRECTIONS
from bitwright.compress.factor import FACTORISERS
from bitwright.compress.measures import MEASURES
from bitwright.compress.prune import CRITERIA, RULES, SCHEDULES
from bitwright.compress.prune.rewind import REWINDS
from bitwright.compress.prune.worth import CHANNELS
from bitwright.compress.ranges import RANGES
from bitwright.compress.round import ROUNDINGS
from bitwright.compress.transforms import TRANSFORMS
from bitwright.compress.zeros import quantiser
from bitwright.explore.menus import MENUS
from bitwright.explore.strategies import STRATEGIES
from bitwright.explore.work import WORK
from bitwright.hardware.modules import units
from bitwright.hardware.schedule import schedule
from bitwright.ir.errors import BitwrightError
from bitwright.recipe import STEPS
from bitwright.rewriting import PASSES

USUAL = ("prune", "quantise", "shrink", "train")
"""Steps of recipes that methods are named in."""
Registry = Mapping[str, Callable[..., Any] | None]
FAMILIES: Mapping[str, Registry] = {
    "range": RANGES,
    "zero": {"auto": quantiser},
    "rounding": ROUNDINGS,
    "correct": CORRECTIONS,
    "transforms": TRANSFORMS,
    "code": CODES,
    "sharing": SHARINGS,
    "channels": {name: worth.score for name, worth in CHANNELS.items()},
    "criterion": {name: criterion.score for name, criterion in CRITERIA.items()},
    "schedule": SCHEDULES,
    "rule": {name: rule.renew for name, rule in RULES.items()},
    "allocator": ALLOCATORS,
    "sensitivity": SENSITIVITIES,
    "rewind": REWINDS,
    "strategy": {name: strategy for name, strategy in STRATEGIES.items() if name not in ("grid", "random")},
    "work": WORK,
    "measure": MEASURES,
    "factor": {name: factoriser.parts for name, factoriser in FACTORISERS.items()},
    "step": {name: step for name, step in STEPS.items() if name not in USUAL},
    "menu": MENUS,
    "pass": PASSES,
    "compiler": {"rows": schedule, "signs": units.mac_ternary, "export": api.to_onnx},
}
"""The registries, by the option that names one of their entries, or by what `inspect` calls these; None stands for
leaving it out, which is no method."""
TRAINED = ("weights", "activations", "distil", "gradient", "learner", "constraint", "aids", "zoo", "norm", "projection")
"""Those that need PyTorch to be listed."""
NAMES = (*FAMILIES, *TRAINED)
NAMED: Mapping[str, str] = {
    "range": "`bitwright quantize --range`, `range` of the step `quantise`, `bw.quantize(range=)`",
    "zero": "`bitwright quantize --zero`, `zero` of the step `quantise`, `bw.quantize(zero=)`",
    "rounding": "`bitwright quantize --rounding`, `rounding` of the step `quantise`, `bw.quantize(rounding=)`",
    "correct": "`bitwright quantize --correct`, `correct` of the step `quantise`, `bw.quantize(correct=)`",
    "transforms": "`bitwright quantize --transforms`, `transforms` of the step `quantise`, `bw.quantize(transforms=)`",
    "code": "`bitwright inspect` says what each makes of the weights; `bw.compress.codes.CODES`",
    "channels": "`criterion` of the step `shrink`, `bw.compress.shrunk(criterion=)`",
    "criterion": "`criterion` of the step `prune`, and of `prune` in `train`; `bw.compress.pruned(criterion=)`",
    "schedule": "`schedule` of the step `prune`, and of `prune` in `train`; `bw.compress.SCHEDULES`",
    "rule": "`rule` of `prune` in the step `train`; `rule=` of a module's `prune`",
    "allocator": "`allocator` beside the `budget` of the step `quantise`, `bw.explore.allocate(method=)`",
    "sensitivity": "`bw.explore.table(sensitivity=)`",
    "factor": "`method` of the step `factor`, `bw.compress.factored(method=)`",
    "step": "a step of a recipe, `- NAME: {option: value}`",
    "weights": "`weights` of the step `train`, `bw.compress.trainable(weights=)`",
    "activations": "`activations` of the step `train`, `bw.compress.trainable(activations=)`",
    "distil": "`distil` of the step `train`, `bw.compress.distil`, one of the `aids` of `bw.compress.fit`",
    "learner": "`learner` of the step `gates`",
    "constraint": "`constraint` of the step `gates`",
    "gradient": "`gradient` of the step `train`, `bw.compress.fit(gradient=)`; by `straight-through` all are trained",
    "aids": "`aids` of the step `train`, `bw.compress.fit(aids=)`",
    "sharing": "`sharing` beside `share` of the step `quantise`",
    "norm": "`bitwright.compress.torch.norms.NORMS`, modules of PyTorch for training from scratch",
    "projection": "`project` of the step `train`, `bw.compress.fit(project=)`, as `zeros:0.8`, beside `every`",
    "zoo": "`bitwright.compress.torch.zoo.NETS`, (classes, width, channels in) to a module",
    "strategy": "`bitwright explore --strategy`, `bw.explore.sweep`",
    "measure": "`bitwright.compress.measures.MEASURES`, functions of arrays and accuracies",
    "work": "`--objectives` and `--budget` of `bitwright explore`, `objectives` and `budget` of `bw.explore.sweep`",
    "rewind": "`rewind` of the step `lottery`",
    "compiler": "no option: `zeros` and `style` of a layer of a plan, `bw.to_onnx`",
    "menu": "`bitwright quantize --widths`, `--weights` and `--activations` of `explore`, `widths` beside a `budget`",
    "pass": "`--pass` of every command that reads a model, `bw.rewrite`",
}
"""Where the methods of each family are named."""
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
    """All methods, or those of one family; BitwrightError lists the families where there is none of that name.

    Those of training are there where PyTorch is.
    """
    if family is not None and family not in NAMES:
        hint = "the families are " + ", ".join(NAMES)
        raise BitwrightError(f"there is no family {family!r}", where="methods", hint=hint)
    if family in TRAINED and not find_spec("torch"):
        raise BitwrightError("PyTorch is not installed", where="methods", hint="pip install 'bitwright[torch]'")
    known = FAMILIES if family in FAMILIES else registries()
    return [method for name in known if family in (None, name) for method in _family(name, known[name])]


def registries() -> Mapping[str, Registry]:
    """All families that there are here."""
    if not find_spec("torch"):
        return FAMILIES
    from bitwright.compress.torch import ACTIVATIONS, QUANTISERS
    from bitwright.compress.torch.aids import AIDS
    from bitwright.compress.torch.distil import LOSSES
    from bitwright.compress.torch.gated import CONSTRAINTS, LEARNERS
    from bitwright.compress.torch.gradients import GRADIENTS
    from bitwright.compress.torch.norms import NORMS
    from bitwright.compress.torch.projections import PROJECTIONS
    from bitwright.compress.torch.ste import round_ste
    from bitwright.compress.torch.zoo import NETS

    gradients: Registry = {"straight-through": round_ste, **GRADIENTS}
    quantisers = {"weights": QUANTISERS, "activations": ACTIVATIONS}
    return {
        **FAMILIES,
        **quantisers,
        "distil": LOSSES,
        "gradient": gradients,
        "learner": LEARNERS,
        "constraint": CONSTRAINTS,
        "aids": AIDS,
        "zoo": NETS,
        "norm": NORMS,
        "projection": {name: projection.nearest for name, projection in PROJECTIONS.items()},
    }


def _family(family: str, registry: Registry) -> Iterator[Method]:
    for name, function in registry.items():
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
