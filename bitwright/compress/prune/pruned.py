# SPDX-License-Identifier: Apache-2.0
"""A float network with zeros in place of the weights that it misses least."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from bitwright.compress.acts import float_side
from bitwright.compress.calibrate import Calibration, check_arrays
from bitwright.compress.config import nearest_names
from bitwright.compress.correct import with_biases
from bitwright.compress.network import FloatNet, float_net
from bitwright.compress.prune.criteria import CRITERIA
from bitwright.compress.prune.evidence import Slopes
from bitwright.compress.prune.granularity import Block, grains, n_of_m
from bitwright.compress.prune.pruner import Pruner, Scene, Scorer, check_scope, shares
from bitwright.compress.prune.schedule import Schedule
from bitwright.compress.prune.schedules import one_of
from bitwright.compress.qat import need_torch
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
Data = NDArray[Any] | Sequence[NDArray[Any]] | Calibration | None


def pruned(
    model: str | Path | bytes | onnx.ModelProto | FloatNet,
    data: Data = None,
    *,
    criterion: str,
    sparsity: float | None = None,
    block: Block = None,
    schedule: Schedule | None = None,
    scope: str = "layer",
    labels: NDArray[Any] | None = None,
    order: Sequence[str] | None = None,
) -> FloatNet:
    """The float network with a share of its weights set to zero, those that a criterion misses least.

    `criterion` is a key of `CRITERIA`; `sparsity` the share of zeros, or a `schedule` for several rounds, each of which
    looks at the network that the one before left. The share is that of every layer, or of the whole network with
    `scope="network"`. `block` has what goes together: single weights, "2:4", (rows, columns), or `plan.blocks()`; n of
    m needs no sparsity. With `data`, samples of the network's inputs, layer by layer the weights that are left make
    good what is missing, and biases keep the means. `labels` of the samples are for criteria that look at the loss.
    Of an `order` of weights, by name, each is pruned in the network that those before it left, and all are solved for
    once more at last; else all go, from the inputs on.
    """
    net = float_net(model)
    steps = _steps(criterion, sparsity, block, schedule)
    check_scope(scope, block)
    arrays = _arrays(net, data)
    side = None if arrays is None else float_side(net, arrays)
    scene = Scene(net, grains(net, block), CRITERIA[criterion], arrays or (), side)
    shifts: Mapping[str, Array] = {}
    for share in steps:
        scene = replace(scene, slopes=_slopes(scene, labels))
        for part in _parts(_shares(scene, share, scope), order):
            pruner = Pruner(scene, part)
            scene, shifts = replace(scene, net=pruner.net), pruner.shifts
    return with_biases(scene.net, shifts)


def _parts(found: Mapping[str, float], order: Sequence[str] | None) -> list[Mapping[str, float]]:
    """The shares of the weights that are pruned at once; at last all, which then solve for what the others became."""
    if order is None:
        return [found]
    ordered = {name: found[name] for name in order if name in found}
    return [*({name: share} for name, share in ordered.items()), ordered]


def _slopes(scene: Scene, labels: NDArray[Any] | None) -> Callable[[str], Slopes] | None:
    """How the loss of the network so far moves, if there are labels and the criterion asks."""
    if scene.criterion.needs != "loss" or labels is None or scene.side is None:
        return None
    need_torch("prune")
    from bitwright.compress.torch.losses import Losses

    return Losses(scene.net, (list(scene.arrays), labels)).of


def _shares(scene: Scene, sparsity: float, scope: str) -> dict[str, float]:
    """What share of each layer's units goes."""
    if scope == "layer":
        return dict.fromkeys(scene.units, sparsity)
    sizes = {name: grain.places.shape[2] for name, grain in scene.units.items()}
    return shares(Scorer(scene).scores, sizes, sparsity)


def zeros(net: FloatNet) -> dict[str, float]:
    """The share of zeros in the weight of each layer, by the weight's name."""
    return {layer.weight: float(np.mean(net.constants[layer.weight] == 0)) for layer in net.layers}


def _steps(criterion: str, sparsity: float | None, block: Block, schedule: Schedule | None) -> list[float]:
    """The sparsity after each round."""
    if criterion not in CRITERIA:
        raise BitwrightError(
            f"there is no criterion '{criterion}'", where="prune", hint=nearest_names(criterion, set(CRITERIA))
        )
    if isinstance(block, str) and sparsity is None and schedule is None:
        n, m = n_of_m(block)
        sparsity = 1 - n / m
    made = one_of(sparsity, schedule)
    return [made(time) for time in made.times]


def _arrays(net: FloatNet, data: Data) -> Sequence[Array] | None:
    if data is None or isinstance(data, Calibration):
        return None if data is None else data.data
    arrays: Sequence[Any] = data if isinstance(data, list | tuple) else [data]
    check_arrays(net.inputs, arrays, "data")
    return arrays
