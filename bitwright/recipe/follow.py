# SPDX-License-Identifier: Apache-2.0
"""Taking the steps of a recipe one after the other, those that are done already from where they are kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright._version import __version__
from bitwright.compress import FloatNet
from bitwright.ir.stages import begins
from bitwright.recipe.kept import Kept
from bitwright.recipe.read import name_of
from bitwright.recipe.step import Material, Result, Step


@dataclass(frozen=True, slots=True)
class Done:
    """A step that was taken: its name, what it left of the layers' weights, and whether it had been done before.

    `accuracy` is that of the float network that it made, where it made one and that was asked for.
    """

    step: str
    weights: int
    zeros: int
    accuracy: float | None
    kept: bool


@dataclass(frozen=True, slots=True)
class Followed:
    """A network after a recipe, and its steps."""

    result: Result
    steps: tuple[Done, ...]


def follow(
    steps: Sequence[Step],
    net: FloatNet,
    material: Material,
    kept: Kept,
    accuracy: Callable[[FloatNet], float | None] = lambda net: None,
) -> Followed:
    """The network after all steps; every step but the last is kept as soon as it is done, and not done again.

    What is kept is known by the network, the samples, the steps up to there and the version of bitwright.
    """
    done: list[Done] = []
    said, material = [__version__, net.digest, material.digest], replace(material, first=net)
    for number, step in enumerate(steps, 1):
        name = name_of(step)
        said.append(f"{name} {step}")
        key = f"{number}-{name}-{sha256(repr(said).encode()).hexdigest()[:16]}"
        begins(f"step {number} of {len(steps)}: {name}")
        before = None if step.ends else kept.get(key, net)
        made = before or step.run(net, material, partial(kept.checkpoint, key))
        if isinstance(made, Result):
            codes = [np.sum([abs(coded.codes) for coded in bases], axis=0) for bases in made.state.weights.values()]
            return Followed(made, (*done, _done(name, codes, None, kept=False)))
        if before is None:
            kept.put(key, made)
            kept.checkpoint(key).unlink(missing_ok=True)
        net = made
        weights = {layer.weight: net.constants[layer.weight] for layer in net.layers}
        done.append(_done(name, weights.values(), accuracy(net), kept=before is not None))
    raise AssertionError("a recipe ends with a step that quantises")


def _done(name: str, weights: Iterable[NDArray[Any]], accuracy: float | None, *, kept: bool) -> Done:
    counted = [(weight.size, int(np.count_nonzero(weight))) for weight in weights]
    size = sum(all_ for all_, _ in counted)
    return Done(name, size, size - sum(left for _, left in counted), accuracy, kept)
