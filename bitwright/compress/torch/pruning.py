# SPDX-License-Identifier: Apache-2.0
"""Pruning while a network trains: a schedule says when and how much, the gradients of the steps which weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from bitwright.compress.columns import views
from bitwright.compress.config import nearest_names
from bitwright.compress.prune.chances import ranked
from bitwright.compress.prune.criteria import CRITERIA
from bitwright.compress.prune.evidence import Evidence
from bitwright.compress.prune.granularity import Block, grains
from bitwright.compress.prune.pruner import check_scope, shares
from bitwright.compress.prune.rule import RULES
from bitwright.compress.prune.schedule import Schedule
from bitwright.compress.torch.executor import Executor, key_of
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
WHERE = "prune"
MEMORY = 0.9
"""What of the gradients seen so far is kept at each step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """How a network is pruned while it trains: keys of `CRITERIA` and `RULES`, when, how much, what together."""

    criterion: str
    schedule: Schedule
    block: Block
    scope: str
    rule: str

    def __post_init__(self) -> None:
        for what, name, names in (("criterion", self.criterion, CRITERIA), ("rule", self.rule, RULES)):
            if name not in names:
                hint = nearest_names(name, set(names))
                raise BitwrightError(f"there is no {what} '{name}'", where=WHERE, hint=hint)
        if CRITERIA[self.criterion].needs == "inputs":
            hint = "use pruned(net, data), and train what it gives; or another criterion"
            raise BitwrightError(f"'{self.criterion}' solves for weights, not while they train", where=WHERE, hint=hint)
        check_scope(self.scope, self.block)


@dataclass(frozen=True, slots=True)
class Seen:
    """What the steps showed of a weight's gradients; the curvature is that of their squares."""

    gradient: Array
    squares: Array

    @property
    def curvature(self) -> Array:
        """Their Fisher information, in place of the second derivative."""
        return self.squares

    @property
    def path(self) -> Array:
        """Their mean, in place of that on the way to zero."""
        return self.gradient

    @property
    def stretch(self) -> Array:
        """Their mean: one gradient is all that the steps have."""
        return self.gradient


class Pruning(nn.Module):
    """The masks of a network over the time of a training; all that they depend on is in its buffers."""

    asked: Tensor
    done: Tensor
    steps: Tensor

    def __init__(self, module: Executor, how: Asked) -> None:
        super().__init__()
        self.how = how
        self._views = {view.layer.weight: view for view in reversed(views(module.net).values())}
        self._grains = {name: grain for name, grain in grains(module.net, how.block).items() if _learns(module, name)}
        named = repr((how.criterion, how.schedule, how.block, how.scope, how.rule)).encode()
        self.register_buffer("asked", torch.frombuffer(bytearray(sha256(named).digest()), dtype=torch.uint8))
        self.register_buffer("done", torch.zeros((), dtype=torch.int64))
        self.register_buffer("steps", torch.zeros((), dtype=torch.int64))
        for place, name in enumerate(self._grains):
            for kind in ("gradient", "squares"):
                self.register_buffer(f"{kind}_{place}", torch.zeros_like(module.tensor(name).detach()))
            if RULES[how.rule].drawn:
                units = torch.zeros(self._grains[name].places.shape[:2], dtype=torch.float64)
                for kind in ("ranks", "chances"):
                    self.register_buffer(f"{kind}_{place}", units.clone())

    def masks(self, module: Executor) -> Mapping[str, Tensor]:
        """Those to begin with: what is pruned already is so."""
        whole = {name: torch.ones_like(module.tensor(name).detach()) for name in self._grains}
        return {key_of(name): module.masks.get(key_of(name), mask) for name, mask in whole.items()}

    def advance(self, module: Executor, t: float) -> None:
        """Renews the masks if it is time."""
        times = [time for time in self.how.schedule.times if time <= t + 1e-9]
        ready = CRITERIA[self.how.criterion].needs == "weights" or int(self.steps) > 0
        if len(times) > int(self.done) and ready:
            self.done.fill_(len(times))
            asked = self.how.schedule(1.0 if RULES[self.how.rule].drawn else times[-1])
            self._renew(module, asked, last=self._ended)
        if RULES[self.how.rule].drawn and not self._ended:
            self._draw(module)

    def observe(self, module: Executor) -> None:
        """Looks at the gradients of a step."""
        gradients = {place: module.tensor(name).grad for place, name in enumerate(self._grains)}
        for place, gradient in gradients.items():
            if gradient is not None:
                self.get_buffer(f"gradient_{place}").lerp_(gradient, 1 - MEMORY)
                self.get_buffer(f"squares_{place}").lerp_(gradient**2, 1 - MEMORY)
        self.steps += any(gradient is not None for gradient in gradients.values())

    def _renew(self, module: Executor, sparsity: float, *, last: bool) -> None:
        """Other masks, of this sparsity."""
        rule = RULES["feedback" if last and RULES[self.how.rule].dense else self.how.rule]
        scores = {name: self._score(module, place, name) for place, name in enumerate(self._grains)}
        parts = dict.fromkeys(scores, sparsity)
        if self.how.scope == "network":
            parts = shares(scores, {name: grain.places.shape[2] for name, grain in self._grains.items()}, sparsity)
        if RULES[self.how.rule].drawn:
            scores = {name: self._chanced(place, scores[name], parts[name]) for place, name in enumerate(self._grains)}
        for name, grain in self._grains.items() if last or not rule.drawn else ():
            mask = module.masks[key_of(name)]
            kept = mask.detach().numpy().reshape(-1)[grain.places].any(axis=2)
            left = grain.mask(rule.renew(grain, scores[name], kept, parts[name]), tuple(mask.shape))
            new = torch.from_numpy(left.astype(np.float32))
            mask.data.copy_(new if rule.dense else new * mask.data)

    @property
    def _ended(self) -> bool:
        """True when nothing is to come."""
        return int(self.done) == len(self.how.schedule.times)

    def _chanced(self, place: int, scores: Array, share: float) -> Array:
        """Changes the chances of a weight's units to be gone, and gives an order in which they would be missed."""
        ranks, chances = (self.get_buffer(f"{kind}_{place}") for kind in ("ranks", "chances"))
        ranks += (torch.from_numpy(ranked(scores)) - ranks) / self.done
        grain = list(self._grains.values())[place]
        found = RULES[self.how.rule].renew(grain, ranks.numpy(), chances.numpy(), share)
        chances.copy_(torch.from_numpy(found))
        return np.asarray(ranks.numpy() - len(ranks.T) * found)

    def _draw(self, module: Executor) -> None:
        """Masks by the chances of units."""
        for place, (name, grain) in enumerate(self._grains.items()):
            chances = self.get_buffer(f"chances_{place}").numpy()
            kept = np.random.default_rng((int(self.steps), place)).random(chances.shape) >= chances
            mask = module.masks[key_of(name)]
            mask.data.copy_(torch.from_numpy(grain.mask(kept, tuple(mask.shape)).astype(np.float32)))

    def _score(self, module: Executor, place: int, name: str) -> Array:
        """Of the units of a weight, which is what it would be without a mask where it is trained on."""
        weight = module.tensor(name) if RULES[self.how.rule].dense else module.weight(name)
        seen = Seen(*(self.get_buffer(f"{kind}_{place}").numpy() for kind in ("gradient", "squares")))
        view = self._views[name]
        where = f"{module.net.file}: layer '{view.layer.name}'"
        return CRITERIA[self.how.criterion].score(
            Evidence(view, weight.detach().numpy(), where, learnt=seen, net=module.net), self._grains[name]
        )


def _learns(module: Executor, name: str) -> bool:
    return key_of(name) in module.constants and module.tensor(name).requires_grad
