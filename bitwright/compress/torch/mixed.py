# SPDX-License-Identifier: Apache-2.0
"""A network all of whose weights and tensors are mixtures of their widths, and odds of these that are learnt."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from bitwright.compress.allocate.sensing import Sensing
from bitwright.compress.allocate.tables import TINY, Ledger, Request, Widths
from bitwright.compress.coded import ActQuant
from bitwright.compress.quantise import quantised_by
from bitwright.compress.torch.distil import kd
from bitwright.compress.torch.executor import Executor, Values, key_of
from bitwright.compress.torch.ste import round_ste, sign_ste

SAMPLES, BATCH = 256, 64
STEPS, RATE = 120, 0.1
"""Of learning, and how far a step moves the logarithm of an odd."""
FOLLOWED = 0.2
"""By which power of what is over its limit the weight of the cost grows, at each step."""
THOUSAND = 1000.0
"""Costs are in thousandths of their limit, so that they have logarithms above zero."""
Shares = Mapping[str, Tensor]
"""How much there is of each width of each weight and each tensor, by name; they add up to 1."""
Odds = Mapping[str, Mapping[int, float]]
"""The logarithm of how likely each width is, by name."""


class Mixed(Executor):
    """A float network that computes with sums of its widths, in `shares`; nothing of it is learnt.

    Of one width alone it computes as the network of this width does, but for what corrects its biases.
    """

    def __init__(self, sensing: Sensing) -> None:
        super().__init__(sensing.calibration.net)
        self.requires_grad_(False)
        self.shares: Shares = {}
        offered = sensing.offered
        every = sorted({bits for widths in offered.values() for bits in widths})
        states = {
            bits: quantised_by(sensing.choices.at(_widths(offered, bits)), sensing.calibration, sensing.options)
            for bits in every
        }
        self._whole = {
            name: torch.tensor(np.stack([sum(coded.value for coded in states[bits].weights[name]) for bits in widths]))
            for name, widths in ((name, offered.get(name, every[:1])) for name in sensing.choices.weights)
        }
        for name in sensing.choices.acts:
            self.acts[key_of(name)] = _Rounded([states[bits].acts[name] for bits in offered[name]])

    def weight(self, name: str) -> Tensor:
        """The sum of a weight's widths."""
        values = self._whole[name]
        return values[0] if len(values) == 1 else torch.tensordot(self.shares[name], values, dims=1)

    def _quantised(self, name: str, values: Values) -> tuple[Tensor, list[Tensor]]:
        made: Tensor = self.acts[key_of(name)](torch.as_tensor(values[name]), self.shares[name])
        return made, []


class _Rounded(nn.Module):
    """A tensor at several widths."""

    def __init__(self, acts: Sequence[ActQuant]) -> None:
        super().__init__()
        self.acts = [(act.type, torch.tensor(act.scale), torch.tensor(act.zero)) for act in acts]

    def forward(self, x: Tensor, shares: Tensor) -> Tensor:
        """Their sum."""
        parts = []
        for kind, scale, zero in self.acts:
            codes = sign_ste(x / scale) if kind.is_bipolar else round_ste(x / scale + zero).clamp(kind.lo, kind.hi)
            parts.append((codes - zero) * scale)
        made: Tensor = torch.tensordot(shares, torch.stack(parts), dims=1)
        return made


def expected(ledger: Ledger, kind: str, shares: Shares) -> Tensor:
    """What is to be expected of a kind by a table, where each width is drawn with its share."""
    total = torch.zeros(())
    for term in ledger.terms:
        array = np.zeros([len(ledger.widths[name]) for name in term.names], np.float32)
        for key, amounts in term.amounts.items():
            array[tuple(ledger.widths[n].index(b) for n, b in zip(term.names, key, strict=True))] = amounts.get(
                kind, 0.0
            )
        held = torch.tensor(array)
        for name in term.names:
            held = torch.tensordot(shares[name], held, dims=1)
        total = total + held
    return total


class Way(ABC):
    """How widths are mixed while their odds are learnt, and what error and cost make up together."""

    def shares(self, logits: Tensor, t: float, draw: torch.Generator) -> Tensor:
        """The mixture of widths in part `t` of the learning."""
        return logits.softmax(0)

    @abstractmethod
    def loss(self, error: Tensor, cost: Tensor, weight: float) -> Tensor:
        """Of a cost in shares of its limit, and of what weight it has by now, 1 at first."""


class Drawn(Way):
    """Mixtures with the noise of Gumbel, ever colder; the product of the error and a power of the cost's logarithm."""

    power, hot, cold = 0.9, 5.0, 0.2

    def shares(self, logits: Tensor, t: float, draw: torch.Generator) -> Tensor:
        """Near one width when the learning ends."""
        u = torch.rand(logits.shape, generator=draw).clamp(1e-6, 1 - 1e-6)
        noisy = logits.log_softmax(0) - (-u.log()).log()
        return torch.softmax(noisy / (self.hot * (self.cold / self.hot) ** t), 0)

    def loss(self, error: Tensor, cost: Tensor, weight: float) -> Tensor:
        """The logarithm of the product, which is least where that is."""
        of_cost: Tensor = (THOUSAND * cost).clamp_min(2).log().log()
        made: Tensor = error.clamp_min(TINY).log() + self.power * weight * of_cost
        return made


class Summed(Way):
    """Mixtures as likely as the widths are; the sum of the error and the cost."""

    def loss(self, error: Tensor, cost: Tensor, weight: float) -> Tensor:
        """The sum, in which cost is at first as large as the error."""
        made: Tensor = error / error.detach().clamp_min(TINY) + weight * cost
        return made


def learnt(request: Request, way: Way) -> Odds:
    """Odds of widths by gradients: of the network's error on samples, and of what the table says that widths cost.

    The weight of the cost grows while what is expected of it is over its limit, and shrinks while it is not; where the
    error is limited it is the error that is held against its limit.
    """
    assert request.sensing is not None, "it learns"
    sensing, ledger, draw = request.sensing, request.ledger, torch.Generator().manual_seed(0)
    module = Mixed(sensing).eval()
    task = _Task(module, sensing)
    logits = {name: torch.zeros(len(few), requires_grad=True) for name, few in ledger.widths.items()}
    optimiser, weight = torch.optim.Adam(list(logits.values()), RATE), 1.0
    for step in range(STEPS):
        with torch.enable_grad():
            module.shares = {name: way.shares(each, step / STEPS, draw) for name, each in logits.items()}
            error, cost = task.error(draw), _cost(request, {name: each.softmax(0) for name, each in logits.items()})
            loss = way.loss(error, cost, weight)
            optimiser.zero_grad()
            torch.autograd.backward(loss)
        optimiser.step()
        over = cost.item() if request.error not in request.limits else request.most / max(error.item(), TINY)
        weight = min(max(weight * over**FOLLOWED, 1e-3), 1e3)
    return {
        name: dict(zip(few, logits[name].detach().log_softmax(0).tolist(), strict=True))
        for name, few in ledger.widths.items()
    }


def _cost(request: Request, shares: Shares) -> Tensor:
    """What is expected of what is limited most, in shares of its limit; or of what shall be least, of the widest."""
    ledger = request.ledger
    if request.least != request.error:
        widest = {name: max(few) for name, few in ledger.widths.items()}
        return expected(ledger, request.least, shares) / ledger.predict(widest)[request.least]
    limits = {kind: most for kind, most in request.limits.items() if kind != request.error}
    return torch.stack([expected(ledger, kind, shares) / max(most, TINY) for kind, most in limits.items()]).max()


class _Task:
    """The error of the mixture on samples, of the kind that is measured."""

    def __init__(self, module: Mixed, sensing: Sensing) -> None:
        self._module, self._kind = module, sensing.kind
        self._inputs = [torch.from_numpy(np.ascontiguousarray(array[:SAMPLES])) for array in sensing.arrays]
        with torch.no_grad():
            self._wanted = Executor(module.net).eval().logits(*self._inputs)
        self._labels = None if sensing.labels is None else torch.tensor(sensing.labels[:SAMPLES].astype(np.int64))

    def error(self, draw: torch.Generator) -> Tensor:
        """That of a batch that is drawn."""
        picked = torch.randperm(len(self._wanted), generator=draw)[:BATCH]
        outputs, wanted = self._module.logits(*(x[picked] for x in self._inputs)), self._wanted[picked]
        if self._kind == "kl":
            return kd(outputs, wanted, 1.0)
        if self._labels is not None and self._kind == "loss":
            return functional.cross_entropy(outputs, self._labels[picked])
        signal = (self._wanted - self._wanted.mean(0)).square().mean().clamp_min(TINY)
        return (outputs - wanted).square().mean() / signal


def _widths(offered: Mapping[str, tuple[int, ...]], bits: int) -> Widths:
    """The nearest to a width that each can have."""
    return {name: min(few, key=lambda width: (abs(width - bits), width)) for name, few in offered.items()}
