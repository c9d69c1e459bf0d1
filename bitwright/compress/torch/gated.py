# SPDX-License-Identifier: Apache-2.0
"""Networks with a gate on each channel, which is learnt: what closes can go."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from bitwright.compress.family import Family
from bitwright.compress.network import FloatNet
from bitwright.compress.prune.facts import filters
from bitwright.compress.prune.responses import places
from bitwright.compress.torch.executor import Executor, key_of
from bitwright.compress.torch.fit import given, labelled
from bitwright.compress.torch.multiplied import Multiplied
from bitwright.ir.errors import BitwrightError

Array = NDArray[Any]
RATE = 0.05
"""Of gates, at each step."""
WEIGHTS = 2e-3
"""Of weights, in parts of the root mean square of each."""
CONSTRAINT = "square"
"""What draws gates to the budget, where nothing else is named."""
BATCH = 64


class Objective(Protocol):
    """What is learnt in place of labels."""

    def __init__(self, module: Gated) -> None:
        """That of a module."""

    def __call__(self, outputs: Tensor, inputs: Sequence[Tensor], labels: Tensor) -> Tensor:
        """The loss of a batch."""


class Gate(nn.Module, ABC):
    """A gate for each channel of a group, from the norms of the weights that make them, whose mean is 1."""

    frozen: ClassVar[bool] = False
    """True if the weights stay as they are while it learns."""
    alone: ClassVar[bool] = False
    """True if it takes its steps itself, when it settles."""
    objective: ClassVar[type[Objective] | None] = None
    """What is learnt in place of labels, if it is something else."""

    def __init__(self, norms: Tensor) -> None:
        super().__init__()
        self.place = nn.Parameter(torch.zeros_like(norms))

    @abstractmethod
    def opened(self, t: float, draw: torch.Generator | None) -> Tensor:
        """How far each is open, 0 to 1, when part `t` of the training is over; drawn while it trains.

        Or a matrix: what is read in place of each channel, as a row of how much of every channel.
        """

    @abstractmethod
    def open(self, t: float) -> Tensor:
        """How far each is expected to be open, with gradients."""

    def stays(self) -> Tensor:
        """Which would stay if the training ended now."""
        return self.open(1.0) > 0.5

    def score(self) -> Tensor:
        """By what the channels are ranked at the end."""
        return self.open(1.0)

    def penalty(self) -> Tensor:
        """What is added to the loss."""
        return torch.zeros(())

    def settle(self, rate: float) -> None:
        """Hears that a step was taken."""


class Learner(Protocol):
    """An entry of `LEARNERS`."""

    frozen: bool
    alone: bool
    objective: type[Objective] | None

    def __call__(self, norms: Tensor) -> Gate:
        """Gates for channels of such norms."""


class Constraint(Protocol):
    """An entry of `CONSTRAINTS`."""

    def __call__(self, module: Gated, macs: float, t: float) -> Tensor:
        """What is added to the loss so that a share of the multiply-accumulates is left when the training is over."""


LEARNERS: Family[Learner] = Family("bitwright.compress.torch", "LEARNERS")
"""Gates by name."""
CONSTRAINTS: Family[Constraint] = Family("bitwright.compress.torch", "CONSTRAINTS")
"""What draws them to a budget, by name."""


class Gated(Executor):
    """A network whose weights read each channel times its gate."""

    def __init__(self, net: FloatNet, learner: Learner) -> None:
        super().__init__(net)
        self.time, self.draw = 0.0, None if learner.frozen else torch.Generator().manual_seed(0)
        self._reads: dict[str, list[tuple[int, int, Tensor]]] = {}
        self.groups = [group for group in net.groups if not group.fixed and list(places(group, "reads"))]
        for place, group in enumerate(self.groups):
            for name, axis, channels in places(group, "reads"):
                self._reads.setdefault(name, []).append((place, axis, torch.tensor(channels)))
        norms = [np.linalg.norm(filters(net, group), axis=1) for group in self.groups]
        tensors = [torch.tensor(each / max(each.mean(), 1e-12), dtype=torch.float32) for each in norms]
        self.gates = nn.ModuleList([learner(tensor) for tensor in tensors])
        self.multiplied = Multiplied(net)

    def weight(self, name: str) -> Tensor:
        """A layer's weight, what it reads of a channel times its gate."""
        made = super().weight(name)
        for gate, axis, channels in self._reads.get(name, []):
            held = self.gate(gate).opened(self.time, self.draw if self.training else None)
            made = _mixed(made, held, axis, channels) if held.ndim > 1 else _scaled(made, held, axis, channels)
        return made

    def gate(self, place: int) -> Gate:
        """That of a group."""
        found = self.gates[place]
        assert isinstance(found, Gate)
        return found

    def share(self) -> Tensor:
        """How much of all gates is open, as expected."""
        return torch.cat([self.gate(place).open(self.time) for place in range(len(self.gates))]).mean()

    def opens(self) -> list[Tensor]:
        """How far each channel of each group of the network is expected to be open."""
        return self._all([self.gate(place).open(self.time) for place in range(len(self.gates))])

    def stays(self) -> list[Tensor]:
        """1 for each channel that would stay if the training ended now, 0 for others."""
        return self._all([self.gate(place).stays().to(torch.float32) for place in range(len(self.gates))])

    def macs(self, opens: Sequence[Tensor]) -> Tensor:
        """The share of the multiply-accumulates that is left of channels so far open."""
        return self.multiplied.macs(opens) / self.multiplied.whole

    def penalty(self) -> Tensor:
        """What the gates add to the loss."""
        return torch.stack([self.gate(place).penalty() for place in range(len(self.gates))]).sum()

    def settle(self) -> None:
        """Tells the gates that a step was taken."""
        for place in range(len(self.gates)):
            self.gate(place).settle(RATE)

    def scores(self) -> dict[int, Array]:
        """How far each gate is open at the end, by the first channel of its group."""
        with torch.no_grad():
            held = [self.gate(place).score().numpy().astype(np.float64) for place in range(len(self.gates))]
        return {group.first: found for group, found in zip(self.groups, held, strict=True)}

    def _all(self, held: Sequence[Tensor]) -> list[Tensor]:
        """What gates say of their groups, and ones for the groups that have none."""
        found = {group.first: each for group, each in zip(self.groups, held, strict=True)}
        return [found.get(group.first, torch.ones(group.size)) for group in self.net.groups]

    def float_net(self) -> FloatNet:
        """The network with the gates, as they are at the end, in its weights."""
        self.eval()
        self.time = 1.0
        with torch.no_grad():
            weights = {name: self.weight(name).numpy().copy() for name in self._reads}
            names = [name for name in self.net.constants if key_of(name) in self.constants and name not in weights]
            others = {name: self.tensor(name).numpy().copy() for name in names}
        return self.net.replace(**weights, **others)


def learnt(
    net: FloatNet,
    data: tuple[Sequence[Array], Array],
    learner: Learner,
    macs: float,
    epochs: int,
    constraint: Constraint | None = None,
) -> Gated:
    """Trains gates, and the weights beside them, until what is open leaves a share of the multiply-accumulates."""
    module = _gated(net, learner)
    inputs, labels = given(net, (list(data[0]), data[1]))
    assert labels is not None
    told = None if learner.objective is None else learner.objective(module)
    optimiser, order = torch.optim.Adam(_rates(module, learner)), torch.Generator().manual_seed(0)
    mixed = [torch.randperm(len(labels), generator=order) for _ in range(epochs)]
    batches = [each[start : start + BATCH] for each in mixed for start in range(0, len(labels), BATCH)]
    drawn = CONSTRAINTS[CONSTRAINT] if constraint is None else constraint
    module.train()
    for step, picked in enumerate(batches):
        module.time = step / len(batches)
        with torch.enable_grad():
            batch = [x[picked] for x in inputs]
            outputs, _ = module.tapped(*batch)
            missed = drawn(module, macs, module.time)
            said = labelled(outputs, labels[picked]) if told is None else told(outputs, batch, labels[picked])
            loss = said + missed + module.penalty()
            optimiser.zero_grad()
            torch.autograd.backward(loss)
        optimiser.step()
        module.settle()
    return module.eval()


def _gated(net: FloatNet, learner: Learner) -> Gated:
    module = Gated(net, learner)
    if not len(module.gates):
        hint = "gates stand between two layers with weights"
        raise BitwrightError("has no channels that can go", where=net.file, hint=hint)
    return module


def _rates(module: Gated, learner: Learner) -> list[dict[str, Any]]:
    """What is learnt, and how fast."""
    tensors = [] if learner.frozen else [tensor for tensor in module.constants.values() if tensor.requires_grad]
    sizes = [float(tensor.detach().square().mean().sqrt()) for tensor in tensors]
    held = [{"params": [tensor], "lr": WEIGHTS * size} for tensor, size in zip(tensors, sizes, strict=True) if size]
    return [{"params": [] if learner.alone else list(module.gates.parameters()), "lr": RATE}, *held]


def _scaled(weight: Tensor, held: Tensor, axis: int, channels: Tensor) -> Tensor:
    """A weight, what it reads of a channel times a number."""
    shape = [1] * weight.ndim
    shape[axis] = -1
    return weight * torch.cat([held, torch.ones(1)])[channels].reshape(shape)


def _mixed(weight: Tensor, held: Tensor, axis: int, channels: Tensor) -> Tensor:
    """A weight that reads in place of each channel what a matrix makes of all, each of the channel's places apart."""
    same = channels[:, None] == channels
    slots = (same & (torch.arange(len(channels))[:, None] > torch.arange(len(channels)))).sum(dim=1)
    none = (channels < 0).diag().to(held.dtype)
    alike = (slots[:, None] == slots) & (channels >= 0) & (channels >= 0)[:, None]
    whole = held[channels][:, channels] * alike + none
    return (weight.movedim(axis, -1) @ whole).movedim(-1, axis)


def uniform(like: Tensor, draw: torch.Generator) -> Tensor:
    """Numbers between 0 and 1, neither of them."""
    return torch.rand(like.shape, generator=draw).clamp(1e-6, 1 - 1e-6)


def softplus_step(x: Tensor) -> Tensor:
    """1 above zero, else 0; the gradient is that of the soft plus."""
    soft = functional.softplus(x)
    return soft + ((x > 0).to(x.dtype) - soft).detach()
