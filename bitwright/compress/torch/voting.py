# SPDX-License-Identifier: Apache-2.0
"""Networks of few bits that are trained one after the other, and vote."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from bitwright.compress.calibrate import calibrate
from bitwright.compress.network import FloatNet
from bitwright.compress.torch.fit import fit
from bitwright.compress.torch.making import trainable
from bitwright.compress.torch.quantiser import Quantiser
from bitwright.compress.torch.trainable import Trainable
from bitwright.compress.training import Training
from bitwright.compress.vote import joined, member

Array = NDArray[Any]
BITS = "lsq:8"
"""Of what all read, and of what is summed."""
LEAST = 1e-3
"""Of the share of samples that a voter has wrong, and of what one counts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Voters:
    """How many networks there are, of which quantisers, and whether each is drawn what those before it have wrong."""

    nets: int = 5
    weights: str | int
    activations: str | int
    scale: str = "free"
    boost: bool = True


def voted(net: FloatNet, data: tuple[Sequence[Array], Array], voters: Voters, training: Training) -> Trainable:
    """The network of all voters, as it was trained.

    Each is trained on samples that are drawn with replacement. With `boost` it goes on from the one before, more often
    on what that had wrong, and counts the more, the more it has right (SAMME); else all begin alike and count the same.
    """
    inputs, labels = data
    draw, count = np.random.default_rng(training.seed), len(labels)
    chances, start, made, shares = np.full(count, 1 / count), net, list[Trainable](), list[float]()
    for _ in range(voters.nets):
        picked = draw.choice(count, count, p=chances)
        module = _voter(start, inputs, voters)
        fit(module, ([x[picked] for x in inputs], labels[picked]), training)
        with torch.no_grad():
            logits = module.logits(*map(torch.from_numpy, inputs)).numpy()
        made.append(module)
        if voters.boost:
            share, chances = boosted(chances, logits.argmax(axis=1) != labels, logits.shape[1])
            start = module.float_net()
        shares.append(share if voters.boost else 1.0)
    return _together(made, [share / sum(shares) for share in shares], inputs, voters)


def boosted(chances: Array, wrong: Array, classes: int) -> tuple[float, Array]:
    """What a voter counts, and how often samples are drawn for the next one."""
    error = float(np.clip(chances[wrong].sum(), LEAST, 1 - LEAST))
    share = max(float(np.log((1 - error) / error) + np.log(classes - 1)), LEAST)
    after = chances * np.exp(share * wrong)
    return share, after / after.sum()


def _voter(net: FloatNet, inputs: Sequence[Array], voters: Voters) -> Trainable:
    """One that reads the input as all do."""
    found = calibrate(net, inputs)
    given: dict[str, Any] = {"config": None, "accumulator": None, "norms": False, "dropout": False, "example": None}
    given |= {"scale": voters.scale, "calibration": found}
    made, plain = (
        trainable(net, weights=voters.weights, activations=activations, **given)
        for activations in (voters.activations, BITS)
    )
    acts = {site.tensor: made.quantiser(site.tensor) for site in net.sites}
    for name in {entry.name for entry in net.inputs} & acts.keys():
        acts[name] = plain.quantiser(name).requires_grad_(False)
    weights = {layer.weight: made.quantiser(layer.weight) for layer in net.layers}
    return Trainable(made.net, weights=weights, acts=acts, po2=made.po2)


def _together(made: Sequence[Trainable], shares: Sequence[float], inputs: Sequence[Array], voters: Voters) -> Trainable:
    """The voters side by side, with the quantisers that they were trained with, and others for what is summed."""
    net = joined([module.float_net() for module in made], shares)
    given: dict[str, Any] = {"config": None, "accumulator": None, "norms": False, "dropout": False, "example": None}
    whole = trainable(
        net, weights=BITS, activations=BITS, scale=voters.scale, calibration=calibrate(net, inputs), **given
    )
    weights, acts = _named(whole, "weights"), _named(whole, "acts")
    for place, module in enumerate(made):
        named = member(place)
        weights |= {named(layer.weight): module.quantiser(layer.weight) for layer in module.net.layers}
        for site in module.net.sites:
            name = site.tensor if site.tensor in acts else named(site.tensor)
            acts[name] = module.quantiser(site.tensor)
    return Trainable(whole.net, weights=weights, acts=acts, po2=whole.po2).eval()


def _named(module: Trainable, kind: str) -> dict[str, Quantiser]:
    names = {
        "weights": [layer.weight for layer in module.net.layers],
        "acts": [site.tensor for site in module.net.sites],
    }
    return {name: module.quantiser(name) for name in names[kind]}
