# SPDX-License-Identifier: Apache-2.0
"""How the designs of a sweep are made, priced and scored, in words that its folder keeps: from there they can be again.

    setup = Setup(model="net.onnx", options=Options(rounding="nearest"), target=Target(cycles=1000))
    arrays = {"calibration": ..., "validation": ..., "y_validation": ..., "x": ..., "y": ...}
    maker = setup.maker(space, net, arrays)
    evaluation = setup.evaluation(maker, filled(maker), objectives, arrays)

Designs are chosen by what they score on `validation`; `x` is looked at once, by who picks one of them.
"""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress import FloatNet, Options, calibrate
from bitwright.compress.config import Config, Rule
from bitwright.compress.fixed import Fixed, fixed
from bitwright.compress.started import Start, float_of, network
from bitwright.explore.evaluate import Evaluation, Prices
from bitwright.explore.folding import Folding
from bitwright.explore.making import AHEAD, Maker
from bitwright.explore.metrics import Metric
from bitwright.explore.objectives import Objective
from bitwright.explore.score import Origin, Scoring, scoring
from bitwright.explore.space import Space
from bitwright.explore.tuning import TUNED, Trainer, Tuning
from bitwright.planning.target import Target

Array = NDArray[Any]
Arrays = Mapping[str, Array]
"""`calibration`, `validation` and `x` (of a network with several inputs also `x_1`, ...), `y_validation` and `y`."""
DATA, TABLE, SENSITIVITY = "data.npz", "table.json", "sensitivity.json"
"""The arrays, the prices and the sensitivities in the folder of a sweep; the network is its `MODEL`."""
LABELS: Mapping[str, str] = {"validation": "y_validation", "x": "y"}
"""What is wanted of the samples of each split that designs can be scored on."""


@dataclass(frozen=True, kw_only=True)
class Setup:
    """All but the space, the network and the arrays that a design's figures come from.

    `model` is the network's file, by its name. Samples of the split `score_on`, in an order that `seed` draws, are what
    `metric` judges; without one it is the usual one for what is wanted of them. `codes`, one of `CODES`, says how a
    search chooses those of weights; designs on its front are made as `options` say in any case.
    """

    model: str
    options: Options = field(default_factory=Options)
    target: Target = field(default_factory=Target)
    rules: Config | None = None
    metric: str = ""
    score_on: str = "validation"
    codes: str = AHEAD
    seed: int = 0

    def settings(self) -> dict[str, Any]:
        """The same as JSON."""
        held = {entry.name: getattr(self, entry.name) for entry in fields(self)}
        rules = None if self.rules is None else asdict(self.rules)
        target = {name: value for name, value in asdict(self.target).items() if name != "plan"}
        return held | {"options": asdict(self.options), "target": target, "rules": rules}

    @classmethod
    def of(cls, settings: Mapping[str, Any]) -> Setup:
        """The setup whose `settings` these are."""
        held = {entry.name: settings[entry.name] for entry in fields(cls)}
        options = Options(**{**held["options"], "transforms": tuple(held["options"]["transforms"])})
        rules = None if held["rules"] is None else _rules(held["rules"])
        return cls(**held | {"options": options, "target": Target(**held["target"]), "rules": rules})

    def net(self, source: Path) -> FloatNet | Start:
        """The network in a file, by the name that it came with; the start that it is, if it is quantised."""
        return network(source, self.model)

    def fixed(self, source: Path) -> Fixed:
        """The network in a file as it is, by the name that it came with."""
        return fixed(source).called(self.model)

    def maker(
        self,
        space: Space,
        net: FloatNet | Start,
        arrays: Arrays,
        folder: Path | None = None,
        trainer: Trainer | None = None,
    ) -> Maker:
        """What makes the designs of a space; they are trained on by `trainer`, or as `folder` has them."""
        calibration = calibrate(float_of(net), split_of(arrays, "calibration"))
        if isinstance(net, Start):
            calibration = replace(calibration, codes=net.weights, quantisers=net.acts)
        trained = folder is not None and (trainer is not None or (folder / TUNED).is_dir())
        tuning = Tuning(folder, calibration.net, calibration.data, trainer) if folder and trained else None
        return Maker(space, calibration, self.options, self.target, self.rules, tuning, self.codes)

    def scoring(self, net: Origin, arrays: Arrays, split: str = "") -> Scoring:
        """What scores them, on the samples of a split."""
        split = split or self.score_on
        names = split, LABELS[split]
        wanted = arrays.get(LABELS[split])
        return scoring(net, split_of(arrays, split), wanted, self.metric, seed=self.seed, names=names)

    def test(self, net: Origin, arrays: Arrays, metric: Metric) -> Scoring | None:
        """What scores them by the same metric on samples that no search has seen; None where there are none."""
        same = (LABELS["x"] in arrays) == (LABELS[self.score_on] in arrays)
        if self.score_on == "x" or "x" not in arrays or not same:
            return None
        names = "x", LABELS["x"]
        return scoring(net, split_of(arrays, "x"), arrays.get(names[1]), metric, seed=self.seed, names=names)

    def evaluation(self, maker: Maker, prices: Prices, objectives: Sequence[Objective], arrays: Arrays) -> Evaluation:
        """What makes records of them."""
        scored = self.scoring(maker.calibration.net, arrays)
        return Evaluation(maker, prices, scored, tuple(objectives))

    def folding(self, space: Space, net: Fixed, objectives: Sequence[Objective], arrays: Arrays) -> Folding:
        """What makes records of designs of a network that stays what it is."""
        return Folding(net, space, self.target, self.scoring(net, arrays), tuple(objectives))


def split_of(arrays: Arrays, name: str) -> list[Array]:
    """The samples of a split, an array for each input of the network."""
    found = [arrays[name]] if name in arrays else []
    while f"{name}_{len(found)}" in arrays:
        found.append(arrays[f"{name}_{len(found)}"])
    return found


def digests(arrays: Arrays) -> dict[str, str]:
    """What tells arrays from others, by their names."""
    return {name: _digest(array) for name, array in sorted(arrays.items())}


def data_of(arrays: Arrays) -> bytes:
    """The file that keeps them."""
    content = io.BytesIO()
    np.savez_compressed(content, allow_pickle=False, **arrays)
    return content.getvalue()


def _digest(array: Array) -> str:
    return sha256(f"{array.dtype.str} {array.shape} ".encode() + np.ascontiguousarray(array).tobytes()).hexdigest()


def _rules(held: Mapping[str, Any]) -> Config:
    rules = (Rule(rule["pattern"], tuple((name, value) for name, value in rule["options"])) for rule in held["rules"])
    return Config(tuple(rules), held["file"])
