# SPDX-License-Identifier: Apache-2.0
"""What is added to the loss, by name: each is made of the module that is trained, and may remember what it saw."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn import functional

from bitwright.compress.family import Family
from bitwright.compress.prune.responses import places
from bitwright.compress.torch.distil import kd
from bitwright.compress.torch.executor import Executor, key_of
from bitwright.compress.torch.fit import labelled
from bitwright.compress.torch.projections import to_zeros

Taps = Mapping[str, Tensor]
Aid = Callable[[Tensor, Tensor, Tensor | None, Taps], Tensor]
Factory = Callable[[Executor], Aid]
AIDS: Family[Factory] = Family("bitwright.compress.torch", "HELP")
"""Aids by the name that a recipe has for them."""
BITS = 4
"""Of the codes to which `msqe` draws the weights of a module without quantisers."""
EVERY = 16
"""Steps after which multipliers and snapshots are taken anew."""
EPSILON, STEPS = 0.05, 3
"""How far an attack moves inputs, in parts of their largest size, and in how many steps."""
BINS, SOFT = 16, 0.02
"""Of a histogram of activations, and the width of what counts to a bin, in parts of their range."""


class Logits(nn.Module):
    """A network whose call gives its logits."""

    def __init__(self, inner: Executor) -> None:
        super().__init__()
        self.inner = inner

    def forward(self, *inputs: Tensor) -> Tensor:
        """The logits."""
        return self.inner.logits(*inputs)


def group_lasso(module: Executor, ratio: float = 0.2) -> Aid:
    """The norms of all that makes and reads each channel, at first a fifth of the loss with it.

    PruneTrain (Lym, Choukse, Zangeneh, Wen, Sanghavi, Erez: "PruneTrain: fast neural network training by dynamic sparse
    model reconfiguration", SC 2019, arXiv 1901.09290; R088). What it brings to zero goes by `norm`. Needs labels.
    """
    strength: list[float] = []

    def aid(outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Taps) -> Tensor:
        norms = channel_norms(module)
        if not strength and y is not None:
            loss = float(labelled(outputs, y).detach())
            strength.append(ratio / (1 - ratio) * loss / float(norms.sum().detach()))
        return norms.sum() * (strength[0] if strength else 0.0)

    return aid


def channel_norms(module: Executor) -> Tensor:
    """The norm of the weights that make or read each channel that could go."""
    found = []
    for group in module.net.groups:
        if not group.fixed:
            squares = torch.zeros(group.size + 1)
            for role in ("makes", "reads"):
                for name, axis, channels in places(group, role):
                    rows = module.tensor(name).movedim(axis, 0).reshape(len(channels), -1).square().sum(dim=1)
                    squares = squares.index_add(0, torch.tensor(channels % (group.size + 1)), rows)
            found.append((squares[: group.size] + 1e-12).sqrt())
    return torch.cat(found) if found else torch.zeros(1)


def multipliers(module: Executor, share: float = 0.5, rho: float = 1e-2) -> Aid:
    """The distance of weights from the nearest with half of them zero, with multipliers that grow until they are.

    Zhang, Ye, Zhang, Tang, Wen, Fardad, Wang: "A systematic DNN weight pruning framework using alternating direction
    method of multipliers", ECCV 2018, arXiv 1804.03294; R081. Every so many steps the nearest and what is missing are
    taken anew; prune by `magnitude` behind it.
    """
    weights = {layer.weight: module.tensor(layer.weight) for layer in module.net.layers}
    goals = {name: to_zeros(weight.detach(), share) for name, weight in weights.items()}
    duals = {name: torch.zeros_like(weight) for name, weight in weights.items()}
    calls = 0

    def aid(outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Taps) -> Tensor:
        nonlocal calls
        calls += 1
        if calls % EVERY == 0:
            for name, weight in weights.items():
                goals[name] = to_zeros(weight.detach() + duals[name], share)
                duals[name] = duals[name] + weight.detach() - goals[name]
        parts = [(weight - goals[name] + duals[name]).square().sum() for name, weight in weights.items()]
        return torch.stack(parts).sum() * (rho / 2)

    return aid


def msqe(module: Executor, weight: float = 0.05) -> Aid:
    """The logarithm of the mean square of what quantising changes: its weight is what is best at each time.

    Choi, El-Khamy, Lee: "Learning sparse low-precision neural networks with learnable regularization", IEEE Access
    2020, arXiv 1809.00095; R149. Of a module without quantisers the codes are of four bits.
    """

    def aid(outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Taps) -> Tensor:
        return weight * torch.log(quantising_error(module) + 1e-12)

    return aid


def quantising_error(module: Executor) -> Tensor:
    """The mean over layers of the mean square of what quantising changes, in parts of that of the weight."""
    parts = []
    for layer in module.net.layers:
        held = module.tensor(layer.weight)
        rows = held.movedim(layer.axis, 0).flatten(1)
        if key_of(layer.weight) in module.weights:
            value = module.quantiser(layer.weight)(rows)
        else:
            step = rows.detach().abs().amax(dim=1, keepdim=True).clamp_min(1e-12) / (2 ** (BITS - 1) - 1)
            value = (rows / step).round() * step
        parts.append((rows - value.detach()).square().mean() / rows.detach().square().mean().clamp_min(1e-12))
    return torch.stack(parts).mean()


def partial_decay(module: Executor, share: float = 0.5, weight: float = 1e-2) -> Aid:
    """The squares of the smaller half of each layer's weights: the larger ones are left alone.

    Choi, El-Khamy, Lee: "Learning sparse low-precision neural networks with learnable regularization", IEEE Access
    2020, arXiv 1809.00095; R149. What it brings to zero goes by `magnitude`.
    """

    def aid(outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Taps) -> Tensor:
        held = [module.tensor(layer.weight) for layer in module.net.layers]
        small = [each * (to_zeros(each.detach(), share) == 0) for each in held]
        return weight * torch.stack([each.square().sum() for each in small]).sum()

    return aid


def auxiliary(module: Executor, weight: float = 0.5) -> Aid:
    """The loss of the network without quantisers, whose weights are the same: gradients without straight lines.

    Zhuang, Liu, Tan, Shen, Reid: "Training quantized neural networks with a full-precision auxiliary module", CVPR
    2020, arXiv 1903.11236; R148. Nothing of it is in the network that is saved. Needs labels.
    """
    plain = Logits(Executor(module.net).eval())

    def aid(outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Taps) -> Tensor:
        held = {f"inner.constants.{name}": tensor for name, tensor in module.constants.items()}
        made = functional_call(plain, held, inputs_of(module, taps))
        return torch.zeros(()) if y is None else weight * labelled(made, y)

    return aid


def inputs_of(module: Executor, taps: Taps) -> tuple[Tensor, ...]:
    """What the module read."""
    return tuple(taps[entry.name] for entry in module.net.inputs)


def adversarial(module: Executor, weight: float = 0.5) -> Aid:
    """The loss of inputs that were moved a little so that it grows, and how much that moves what layers make.

    Madaan, Shin, Hwang: "Adversarial neural pruning with latent vulnerability suppression", ICML 2020, arXiv
    1908.04355; R152. By projected gradient descent; a network pruned before keeps its zeros and learns to hold against
    it, as a winning ticket does (Wang, Zhang, Xu: "Boosting ticket", arXiv 2002.12520; R097). Needs labels.
    """

    def aid(outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Taps) -> Tensor:
        if y is None:
            return torch.zeros(())
        moved = attacked(module, inputs_of(module, taps), y)
        made, others = module.tapped(*moved)
        names = [layer.name for layer in module.net.layers]
        apart = torch.stack([(taps[name] - others[name]).abs().mean() for name in names]).mean()
        return weight * (labelled(made, y) + apart)

    return aid


def attacked(module: Executor, inputs: tuple[Tensor, ...], y: Tensor) -> tuple[Tensor, ...]:
    """Inputs within `EPSILON` of these at which the loss is larger."""
    reach = [EPSILON * float(x.detach().abs().max()) for x in inputs]
    moved = [x.detach().clone() for x in inputs]
    for _ in range(STEPS):
        held = [x.clone().requires_grad_() for x in moved]
        with torch.enable_grad():
            slopes = torch.autograd.grad(labelled(module.logits(*held), y), held)
        for place, (x, first, slope, most) in enumerate(zip(held, inputs, slopes, reach, strict=True)):
            step = x.detach() + 2 * most / STEPS * slope.sign()
            moved[place] = first.detach() + (step - first.detach()).clamp(-most, most)
    return tuple(moved)


def snapshot(module: Executor, weight: float = 0.5, temperature: float = 2.0) -> Aid:
    """How far the outputs are from those of the module as it was some steps ago, softened.

    Yang, Xie, Su, Yuille: "Snapshot distillation: teacher-student optimization in one generation", CVPR 2019, arXiv
    1812.00123; R154. The teacher is taken anew every so many steps.
    """
    held = [copy.deepcopy(module).eval()]
    calls = 0

    def aid(outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Taps) -> Tensor:
        nonlocal calls
        calls += 1
        if calls % EVERY == 0:
            held[0].load_state_dict(module.state_dict())
        with torch.no_grad():
            wanted = held[0].logits(*inputs_of(module, taps))
        return weight * kd(outputs, wanted, temperature)

    return aid


def generated(module: Executor, generator: Callable[[Taps], tuple[Tensor, ...]] | None = None) -> Aid:
    """How far outputs are from the float network's on inputs that a generator makes, or on samples with noise.

    Liu, Fusi, Mackey: "Teacher-student compression with generative adversarial networks", arXiv 1812.02271; R155, R156.
    Any function makes inputs; the samples of a batch with noise are a mixture of normal distributions.
    """
    first = Executor(module.net).eval()

    def aid(outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Taps) -> Tensor:
        held = inputs_of(module, taps)
        noisy = tuple(x + 0.1 * x.std() * torch.randn_like(x) for x in held)
        made = noisy if generator is None else generator(taps)
        with torch.no_grad():
            wanted = first.logits(*made)
        return 0.5 * kd(module.logits(*made), wanted, 2.0)

    return aid


def attention(module: Executor, weight: float = 0.5) -> Aid:
    """How far the places where layers are active are from those of the float network: maps of squares, of unit norm.

    Zagoruyko, Komodakis: "Paying more attention to attention: improving the performance of convolutional neural
    networks via attention transfer", ICLR 2017, arXiv 1612.03928.
    """
    first = Executor(module.net).eval()
    names = [layer.name for layer in module.net.layers][:-1]

    def aid(outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Taps) -> Tensor:
        with torch.no_grad():
            _, wanted = first.tapped(*inputs_of(module, taps))
        parts = [(_map(taps[name]) - _map(wanted[name])).square().sum(dim=1).mean() for name in names]
        return weight * torch.stack(parts).sum() if parts else torch.zeros(())

    return aid


def _map(x: Tensor) -> Tensor:
    """The mean square over channels at each place, or each square of a row, of unit norm."""
    held = x.square().mean(dim=1).flatten(1) if x.ndim > 2 else x.square()
    return functional.normalize(held, dim=1)


def entropy(module: Executor, weight: float = 0.02) -> Aid:
    """The entropy of what layers read, of a soft histogram: activations that are alike take few bits.

    Baskin, Chmiel, Zheltonozhskii, Banner, Bronstein, Mendelson: "CAT: compression-aware training for bandwidth
    reduction", JMLR 2021, arXiv 1909.11481; R045. They are not coded between layers here; fewer values do with less.
    """
    names = [site.tensor for site in module.net.sites]

    def aid(outputs: Tensor, teacher: Tensor, y: Tensor | None, taps: Taps) -> Tensor:
        return weight * torch.stack([soft_entropy(taps[name].flatten()[::7], SOFT) for name in names]).sum()

    return aid


def soft_entropy(values: Tensor, width: float) -> Tensor:
    """In nats, of a histogram between the ends of the values, where each counts to the bins around it."""
    low, high = values.detach().min(), values.detach().max()
    place = (values - low) / (high - low).clamp_min(1e-12)
    middles = (torch.arange(BINS) + 0.5) / BINS
    share = torch.softmax(-((place[:, None] - middles).square()) / width**2, dim=1).mean(dim=0)
    return -(share * share.clamp_min(1e-12).log()).sum()


HELP: dict[str, Factory] = {
    "group-lasso": group_lasso,
    "multipliers": multipliers,
    "msqe": msqe,
    "partial-decay": partial_decay,
    "auxiliary": auxiliary,
    "adversarial": adversarial,
    "snapshot": snapshot,
    "generated": generated,
    "attention": attention,
    "entropy": entropy,
}
