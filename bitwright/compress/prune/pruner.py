# SPDX-License-Identifier: Apache-2.0
"""One round of pruning, layer by layer: what is scored, what goes, and what the rest makes good."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.acts import FloatSide, walk
from bitwright.compress.columns import View, views
from bitwright.compress.correct import bias
from bitwright.compress.network import FloatNet
from bitwright.compress.prune.criteria import Criterion
from bitwright.compress.prune.evidence import Evidence, Slopes
from bitwright.compress.prune.granularity import Block, Grain
from bitwright.compress.prune.least import least_squares
from bitwright.compress.round.gptq import matched
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
SCOPES = ("layer", "network")
"""What a sparsity is the share of: each layer, or all of them together."""


@dataclass(frozen=True, eq=False)
class Scene:
    """What a round looks at: the network so far, the units of its weights, and what is known from data.

    `side` is what the layers of the network made at first, on `arrays`; `slopes` how the loss moves with a weight.
    """

    net: FloatNet
    units: Mapping[str, Grain]
    criterion: Criterion
    arrays: Sequence[Array] = ()
    side: FloatSide | None = None
    slopes: Callable[[str], Slopes] | None = None

    def walk(self, visitor: Pruner | Scorer) -> None:
        """Shows each layer to the visitor, with what it reads if there are data."""
        if self.side is None:
            for view in views(self.net).values():
                visitor.weight(view, ())
            return
        with np.errstate(all="ignore"):
            walk(self.net, [array[: self.side.samples] for array in self.arrays], visitor)

    def evidence(self, view: View, inputs: Sequence[Array]) -> Evidence:
        """What there is to know of a layer."""
        where = f"{self.net.file}: layer '{view.layer.name}'"
        least = None if self.side is None else least_squares(self.net, self.side, view, inputs)
        slopes = None if self.slopes is None else self.slopes(view.layer.weight)
        return Evidence(view, view.weight, where, least, slopes, self.net)

    def score(self, evidence: Evidence) -> Array:
        """Of each unit of a layer."""
        return self.criterion.score(evidence, self.units[evidence.view.layer.weight])


class Scorer:
    """Scores every layer, and leaves it as it is."""

    def __init__(self, scene: Scene) -> None:
        self.scores: dict[str, Array] = {}
        self._scene = scene
        scene.walk(self)

    def weight(self, view: View, inputs: Sequence[Array]) -> Array:
        """The weight as it is."""
        name = view.layer.weight
        if name in self._scene.units and name not in self.scores:
            self.scores[name] = self._scene.score(self._scene.evidence(view, inputs))
        return view.weight

    def shift(self, view: View, mean: Array) -> Array | None:
        """Nothing."""
        return None


class Pruner:
    """Takes a share of the units of each weight; `shifts` is what then is to be added to the layers' biases."""

    def __init__(self, scene: Scene, shares: Mapping[str, float]) -> None:
        self.shifts: dict[str, Array] = {}
        self._weights: dict[str, Array] = {}
        self._scene, self._shares = scene, shares
        scene.walk(self)
        self.net = scene.net.replace(**self._weights)

    def weight(self, view: View, inputs: Sequence[Array]) -> Array:
        """What is left of a layer's weight, in least squares if there are data."""
        name = view.layer.weight
        if name in self._shares and name not in self._weights:
            evidence = self._scene.evidence(view, inputs)
            grain = self._scene.units[name]
            kept = self._scene.criterion.stays(evidence, grain, self._scene.score(evidence), self._shares[name])
            self._weights[name] = _left(evidence, grain.mask(kept, view.weight.shape))
        return self._weights.get(name, view.weight)

    def shift(self, view: View, mean: Array) -> Array | None:
        """What keeps the means of the layer's channels."""
        assert self._scene.side is not None
        self.shifts[view.layer.name] = bias(self._scene.side.means[view.layer.name], mean)
        return self.shifts[view.layer.name]


def _left(evidence: Evidence, mask: Array) -> Array:
    """What is left of a weight."""
    if evidence.least is None:
        return evidence.weight * mask
    rows = matched(replace(evidence.least, mask=evidence.view.rows(mask)))
    return evidence.view.array(rows.astype(np.float32))


def shares(scores: Mapping[str, Array], sizes: Mapping[str, int], sparsity: float) -> dict[str, float]:
    """What share of each layer's units goes so that those of the smallest scores go, whatever their layer.

    `sizes` are the numbers of a unit: scores are compared by the number.
    """
    each = {name: np.sort(score.reshape(-1)) / sizes[name] for name, score in scores.items()}
    weights = np.concatenate([np.full(len(each[name]), sizes[name]) for name in each])
    layer = np.concatenate([np.full(len(found), place) for place, found in enumerate(each.values())])
    order = np.argsort(np.concatenate(list(each.values())), kind="stable")
    before = np.cumsum(weights[order]) - weights[order] / 2
    gone = layer[order][before < sparsity * weights.sum()]
    return {name: float((gone == place).sum() / len(each[name])) for place, name in enumerate(each)}


def check_scope(scope: str, block: Block) -> None:
    """Refuse a scope that there is not, or that a block cannot have."""
    if scope not in SCOPES:
        raise BitwrightError(f"there is no scope '{scope}'", where="prune", hint=f"choose {' or '.join(SCOPES)}")
    if scope == "network" and isinstance(block, str):
        hint = "n of m neighbours are as many in every layer: leave scope out"
        raise BitwrightError(f"scope 'network' beside block '{block}'", where="prune", hint=hint)
