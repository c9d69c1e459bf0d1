# SPDX-License-Identifier: Apache-2.0
"""Forty recipes that mix the families, dealt from the registries like cards: a new method gets into one by itself.

Each family is a deck, each place for one of its methods takes the next card, and a deck that is used up is begun again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, fields
from functools import cache, partial
from itertools import cycle
from typing import Any

import numpy as np
import torch
import yaml
from torch import nn

from bitwright.compress import CRITERIA, trainable
from bitwright.compress.torch import BITS
from bitwright.compress.torch.zoo import NETS, conv
from bitwright.methods import NAMED, registries
from bitwright.recipe import STEPS

COUNT = 40
ALONE = ("straight-through", "xnor")
"""Methods that a recipe has by leaving their option out, and those of activations that take no bits."""
WHOLE = ("shufflenet",)
"""Networks of products of groups, which get no fewer channels."""
PRODUCTS = ("small", "resnet", "googlenet", "squeezenet")
"""Those whose layers are large enough for products of smaller ones to be less work, whatever the method."""
GIVEN = {"epochs": 1, "first": 5}
"""What other steps are given, where they have an option of that name."""
OWN = ("factor", "gates", "lottery", "reestimate")
"""Steps with places of their own."""


@dataclass(frozen=True, slots=True)
class Mixed:
    """A recipe, the network that it is for, and what of the registries is in it."""

    name: str
    net: str
    steps: list[dict[str, Any]]
    named: frozenset[tuple[str, str]]

    def text(self) -> str:
        """The recipe as its file."""
        return str(yaml.safe_dump(self.steps, sort_keys=False))


def small() -> nn.Module:
    """Two convolutions and a dense layer."""
    layers = [conv(1, 6, 3), nn.MaxPool2d(2), conv(6, 8, 3), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(32, 10))


def dense() -> nn.Module:
    """Three dense layers."""
    sizes = [
        layer for ins, outs in ((64, 16), (16, 12)) for layer in (nn.Linear(ins, outs), nn.BatchNorm1d(outs), nn.ReLU())
    ]
    return nn.Sequential(nn.Flatten(), *sizes, nn.Linear(12, 10))


SHAPES: Mapping[str, Callable[[], nn.Module]] = {
    "small": small,
    "dense": dense,
    **{name: partial(make, 10, 0.5, 1) for name, make in NETS.items()},
}
"""What recipes are followed on: all take an image of 8 by 8, and give ten scores."""


def network(name: str, x: np.ndarray[Any, Any], seed: int) -> Any:
    """A float network whose normalisations have seen samples."""
    torch.manual_seed(seed)
    module = SHAPES[name]()
    with torch.no_grad():
        for _ in range(3):
            module(torch.from_numpy(x))
    return trainable(module.eval(), torch.from_numpy(x[:1]), norms=True).float_net()


class Decks:
    """The methods of each family, one after the other, over and over."""

    def __init__(self) -> None:
        decks = entries()
        decks["step"] = [name for name in decks["step"] if name not in OWN]
        self.decks = {family: cycle(names) for family, names in decks.items()}
        self.dealt: set[tuple[str, str]] = set()

    def __call__(self, family: str) -> str:
        """The next of a family."""
        return self.put(family, next(self.decks[family]))

    def put(self, family: str, name: str) -> str:
        """One of a family, by its name."""
        self.dealt.add((family, name))
        return name


def entries() -> dict[str, list[str]]:
    """The methods that recipes can name, by family: those whose option is that of a step; and the networks."""
    return {
        family: [name for name, method in registry.items() if method is not None and name != "straight-through"]
        for family, registry in registries().items()
        if " step " in NAMED[family] or family == "zoo"
    }


@cache
def has_zero(weights: str) -> bool:
    """Whether each code of a quantiser of weights has one for zero: others take no network that is pruned."""
    x = np.random.default_rng(0).normal(size=(8, 1, 8, 8)).astype(np.float32)
    module = trainable(network("dense", x, 0), weights=weights, activations=4, calibration=x)
    return all(0 in kind for layer in module.net.layers for kind in module.quantiser(layer.weight).types)


def spelt(name: str, bits: int) -> str:
    """A quantiser with its bits, if it has any."""
    return name if name in BITS or name in ALONE else f"{name}:{bits}"


def recipes() -> Iterator[Mixed]:
    """All of them."""
    decks = Decks()
    shapes = cycle(SHAPES)
    for number in range(COUNT):
        decks.dealt = set()
        net = next(shapes)
        if net in NETS:
            decks.put("zoo", net)
        weights = spelt(decks("weights"), 3 + number % 3) if number % 5 < 3 else None
        sparse = weights is None or has_zero(weights)
        steps = [] if net in WHOLE else list(smaller(decks, number, products=sparse and net in PRODUCTS))
        steps += trained(decks, number, weights, sparse=sparse) if weights else rounded(decks, number, net)
        yield Mixed(f"{number}-{net}", net, steps, frozenset(decks.dealt))


def trained(decks: Decks, number: int, weights: str, *, sparse: bool) -> Iterator[dict[str, Any]]:
    """An end with integers that are trained."""
    if number % 4 == 1 and sparse:
        yield drawn(decks)
    options: dict[str, Any] = {
        "epochs": 1,
        "weights": weights,
        "activations": spelt(decks("activations"), 3 + number % 3),
    }
    options["scale"] = ("free", "po2")[number % 2]
    options["aids"] = [decks("aids")]
    if sparse and number % 3 == 1:
        options["prune"] = {"sparsity": 0.4, "rule": decks("rule"), "schedule": decks("schedule")}
    if number % 2:
        options |= {"distil": decks("distil"), "share": 0.5}
    if number % 3 == 2:
        options["gradient"] = decks("gradient")
    yield {"train": options}


def rounded(decks: Decks, number: int, net: str) -> Iterator[dict[str, Any]]:
    """An end with integers that are rounded."""
    yield {decks.put("step", "reestimate"): {}}
    yield pruned(decks, number)
    project = decks("projection")
    project += f":{4 if project == 'codes' else 0.5}"
    yield {"train": {"epochs": 1, "distil": decks("distil"), "aids": [decks("aids")], "project": project}}
    options: dict[str, Any] = {"weights": 2 + number % 5, "activations": 3 + number % 4}
    options |= {option: decks(option) for option in ("range", "rounding")}
    if number % 4:
        options["correct"] = decks("correct")
    if number % 2:
        options |= {"exact": "po2"}
    else:
        options |= {"zero": decks("zero"), "transforms": [decks("transforms")]}
    if number % 4 < 2:
        options |= {"share": 6, "sharing": decks("sharing")}
    if number % 3:
        options |= {"budget": {"weight_bits": 2 * weights_of(net)}, "allocator": decks("allocator")}
    else:
        step = decks("step")
        kind: Any = STEPS[step]
        yield {step: {field.name: GIVEN[field.name] for field in fields(kind) if field.name in GIVEN}}
        if kind.ends is True:
            return
    yield {"quantise": options}


@cache
def weights_of(net: str) -> int:
    """How many weights a network has."""
    made = network(net, np.zeros((2, 1, 8, 8), np.float32), 0)
    return sum(int(made.constants[layer.weight].size) for layer in made.layers)


def smaller(decks: Decks, number: int, *, products: bool) -> Iterator[dict[str, Any]]:
    """Fewer channels, products of smaller layers, or neither."""
    if number % 2:
        yield {"shrink": {"criterion": decks("channels"), "macs": 0.8}}
    if number % 3 == 0:
        decks.put("step", "gates")
        yield {"gates": {"learner": decks("learner"), "constraint": decks("constraint"), "macs": 0.8, "epochs": 1}}
    if number % 4 != 1 and products:
        yield {decks.put("step", "factor"): {"method": decks("factor"), "share": 0.9}}


def drawn(decks: Decks) -> dict[str, Any]:
    """A ticket."""
    options = {"rounds": 1, "epochs": 1, "sparsity": 0.3, "rewind": decks("rewind")}
    return {decks.put("step", "lottery"): options}


def pruned(decks: Decks, number: int) -> dict[str, Any]:
    """Zeros: single ones, or what units skip of the plan."""
    options: dict[str, Any] = {"criterion": decks("criterion"), "sparsity": 0.5, "schedule": decks("schedule")}
    if number % 3 == 0 and CRITERIA[options["criterion"]].needs == "weights":
        options["block"] = "plan"
    return {"prune": options}
