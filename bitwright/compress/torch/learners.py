# SPDX-License-Identifier: Apache-2.0
"""Gates on channels that training opens and closes."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn

from bitwright.compress.torch.gated import Gate, softplus_step, uniform

STRETCH = (-0.1, 1.1)
"""The interval that a concrete gate is stretched to before it is cut to 0 and 1."""
BETA = 2 / 3
"""Its temperature."""
SHARPEST = 30.0
"""What a sigmoid is multiplied by in the end, from 1 on."""
APART = 0.05
"""Of the variance of gates over their mean, by which they part."""
PRIOR = 1.0
"""The standard deviation of factors before training."""
FAINT = 0.02
"""Of the penalty on the magnitudes of factors."""


class HardConcrete(Gate):
    """Gates that are drawn from a stretched sigmoid and cut to 0 and 1, so that many are exactly one of these.

    Louizos, Welling, Kingma: "Learning sparse neural networks through L0 regularization", ICLR 2018, arXiv 1712.01312;
    R079. Needs labels and PyTorch.
    """

    def __init__(self, norms: Tensor) -> None:
        super().__init__(norms)
        self.place = nn.Parameter(torch.full_like(norms, 2.0) + (norms - 1))

    def opened(self, t: float, draw: torch.Generator | None) -> Tensor:
        """Drawn, or the mean of the logits."""
        low, high = STRETCH
        noise = torch.zeros(())
        if draw is not None:
            u = uniform(self.place, draw)
            noise = u.log() - (1 - u).log()
        cold = BETA if draw is not None else 1.0
        return (torch.sigmoid((noise + self.place) / cold) * (high - low) + low).clamp(0, 1)

    def open(self, t: float) -> Tensor:
        """The probability that it is not 0."""
        return torch.sigmoid(self.place - BETA * math.log(-STRETCH[0] / STRETCH[1]))


class Sharpened(Gate):
    """Sigmoids that become steeper and steeper until they are codes of 0 and 1.

    AutoPruner (Luo, Wu: "AutoPruner: an end-to-end trainable filter pruning method for efficient deep model inference",
    Pattern Recognition 2020, arXiv 1805.08941; R083), here the same for every input. Needs labels and PyTorch.
    """

    def __init__(self, norms: Tensor) -> None:
        super().__init__(norms)
        self.place = nn.Parameter(norms - 0.5)

    def opened(self, t: float, draw: torch.Generator | None) -> Tensor:
        """The sigmoid as steep as it is by then."""
        return torch.sigmoid(self.place * SHARPEST**t)

    def open(self, t: float) -> Tensor:
        """The same."""
        return self.opened(t, None)

    def score(self) -> Tensor:
        """What the gate is a function of: gates that are shut are not all alike."""
        return self.place


class Threshold(Gate):
    """Sigmoids of how far a channel's norm is above a threshold, which is learnt for its group.

    Manessi, Rozza, Bianco, Napoletano, Schettini: "Automated pruning for deep neural network compression", ICPR 2018,
    arXiv 1712.01721; R084. Steeper and steeper, it ends as a threshold on norms. Needs labels and PyTorch.
    """

    norms: Tensor

    def __init__(self, norms: Tensor) -> None:
        super().__init__(norms)
        self.register_buffer("norms", norms.clone())
        self.place = nn.Parameter(torch.full((1,), 0.3))

    def opened(self, t: float, draw: torch.Generator | None) -> Tensor:
        """By then."""
        return torch.sigmoid((self.norms - self.place) * 5 * SHARPEST**t)

    def open(self, t: float) -> Tensor:
        """The same."""
        return self.opened(t, None)

    def score(self) -> Tensor:
        """What the gate is a function of: gates that are shut are not all alike."""
        return self.norms - self.place


class Stepped(Gate):
    """Steps at zero of numbers that are trained apart from weights, with the gradient of a soft plus, and back again.

    AutoPrune (Xiao, Wang, Rajasekaran: "AutoPrune: automatic network pruning by regularizing auxiliary parameters",
    NeurIPS 2019; R085). Needs labels and PyTorch.
    """

    def __init__(self, norms: Tensor) -> None:
        super().__init__(norms)
        self.place = nn.Parameter(norms - 0.5)

    def opened(self, t: float, draw: torch.Generator | None) -> Tensor:
        """0 or 1."""
        return softplus_step(self.place)

    def open(self, t: float) -> Tensor:
        """The same."""
        return softplus_step(self.place)

    def score(self) -> Tensor:
        """What the gate is a function of: gates that are shut are not all alike."""
        return self.place


class HardSigmoid(Gate):
    """Numbers cut to 0 and 1, which part by a penalty on their mean over their variance.

    MaskConvNet (Anonymous: "MaskConvNet: training efficient ConvNets from scratch via budget-constrained filter
    pruning", ICLR 2020 submission; R086). Needs labels and PyTorch.
    """

    def __init__(self, norms: Tensor) -> None:
        super().__init__(norms)
        self.place = nn.Parameter((0.8 + 0.2 * (norms - 1)).clamp(0.2, 0.99))

    def opened(self, t: float, draw: torch.Generator | None) -> Tensor:
        """Cut, with the gradient of the number, so that a gate can come back."""
        return self.place + (self.place.clamp(0, 1) - self.place).detach()

    def open(self, t: float) -> Tensor:
        """The same."""
        return self.opened(t, None)

    def penalty(self) -> Tensor:
        """Less, the more they are apart."""
        held = self.place.clamp(0, 1)
        return -APART * held.var(unbiased=False) / held.mean().clamp_min(1e-3)


class Frozen(HardSigmoid):
    """Numbers cut to 0 and 1 of a network whose weights stay as they are, be they random: widths are what is learnt.

    Wang, Xu, Xu, Wu, Hu: "Pruning from scratch", AAAI 2020, arXiv 1909.12579; R092. Train what is left from scratch.
    Needs labels and PyTorch.
    """

    frozen: ClassVar[bool] = True


class Gaussian(Gate):
    """Factors drawn around a mean that is learnt, with a learnt spread: what is near zero and certain of it closes.

    Zhao, Ni, Zhang, Zhang, Tian: "Variational convolutional neural network pruning", CVPR 2019; R087. The divergence
    from a prior around zero is part of the loss. Needs labels and PyTorch.
    """

    def __init__(self, norms: Tensor) -> None:
        super().__init__(norms)
        self.place = nn.Parameter(0.8 + 0.2 * norms)
        self.spread = nn.Parameter(torch.full_like(norms, -3.0))

    def opened(self, t: float, draw: torch.Generator | None) -> Tensor:
        """Drawn, or the mean."""
        if draw is None:
            return self.place
        return self.place + torch.randn(self.place.shape, generator=draw) * self.spread.exp()

    def open(self, t: float) -> Tensor:
        """Its size, up to 1."""
        return 1 - torch.exp(-2 * self.place.square())

    def penalty(self) -> Tensor:
        """A little of the divergence."""
        return 1e-3 * self.divergence().sum()

    def divergence(self) -> Tensor:
        """That of each factor's distribution from the prior, in nats."""
        variance = (2 * self.spread).exp() / PRIOR**2
        return 0.5 * (variance + self.place.square() / PRIOR**2 - 1 - variance.log())


class Gumbel(Gate):
    """Gates that are drawn open or closed, with the gradient of a sigmoid with the same noise.

    Chen, Zhu, Li, Zhao: "Self-adaptive network pruning", ICONIP 2019, arXiv 1910.08906; R096. The paper's gates heed
    their input; these are the same for every one, for hardware does not choose at run time. Needs labels and PyTorch.
    """

    def __init__(self, norms: Tensor) -> None:
        super().__init__(norms)
        self.place = nn.Parameter(1.0 + norms)

    def opened(self, t: float, draw: torch.Generator | None) -> Tensor:
        """0 or 1."""
        noise = torch.zeros(())
        if draw is not None:
            u = uniform(self.place, draw)
            noise = u.log() - (1 - u).log()
        soft = torch.sigmoid(self.place + noise)
        return soft + ((soft > 0.5).to(soft.dtype) - soft).detach()

    def open(self, t: float) -> Tensor:
        """The probability."""
        return torch.sigmoid(self.place)


class Dropped(Gate):
    """Factors with noise in proportion, whose variance is learnt: what is all noise goes.

    Zhou, Zhang, Wang, Tian: "Accelerate CNN via recursive Bayesian pruning", ICCV 2019, arXiv 1812.00353; R094. The
    prior is that of Molchanov, Ashukha and Vetrov. Needs labels and PyTorch.
    """

    def __init__(self, norms: Tensor) -> None:
        super().__init__(norms)
        self.place = nn.Parameter(-3.0 - norms)  # the logarithm of the variance

    def opened(self, t: float, draw: torch.Generator | None) -> Tensor:
        """One, with the noise while it trains."""
        if draw is None:
            return (self.place < 0).to(self.place.dtype)
        return 1 + torch.randn(self.place.shape, generator=draw) * (0.5 * self.place).exp()

    def open(self, t: float) -> Tensor:
        """The signal's part of signal and noise."""
        return torch.sigmoid(-self.place)

    def penalty(self) -> Tensor:
        """A little of the divergence from the log-uniform prior."""
        return 1e-3 * self.divergence().sum()

    def divergence(self) -> Tensor:
        """That of a factor's distribution from the log-uniform prior, but for a constant: a fit good to 0.01."""
        fit = 0.63576 * torch.sigmoid(1.87320 + 1.48695 * self.place)
        return 0.63576 - fit + 0.5 * torch.log1p(torch.exp(-self.place))


class Shrinking(Gate):
    """Factors from which the same is taken towards zero after each step: those that the loss does not hold end there.

    Ye, Lu, Lin, Wang: "Rethinking the smaller-norm-less-informative assumption in channel pruning of convolution
    layers", ICLR 2018, arXiv 1802.00124; R078. It is iterative shrinkage and thresholding. Needs labels and PyTorch.
    """

    def __init__(self, norms: Tensor) -> None:
        super().__init__(norms)
        self.place = nn.Parameter(0.8 + 0.2 * norms)

    def opened(self, t: float, draw: torch.Generator | None) -> Tensor:
        """The factor."""
        return self.place

    def open(self, t: float) -> Tensor:
        """Its size, up to 1."""
        return 1 - torch.exp(-2 * self.place.square())

    def settle(self, rate: float) -> None:
        """Takes a step towards zero."""
        with torch.no_grad():
            self.place.copy_(shrink(self.place, rate * FAINT))


def shrink(x: Tensor, by: float) -> Tensor:
    """What is nearest to x beside `by` times its size."""
    return x.sign() * (x.abs() - by).clamp_min(0)


LEARNERS = {
    "hard-concrete": HardConcrete,
    "sharpened": Sharpened,
    "threshold": Threshold,
    "step": Stepped,
    "hard-sigmoid": HardSigmoid,
    "frozen": Frozen,
    "gaussian": Gaussian,
    "gumbel": Gumbel,
    "noise": Dropped,
    "ista": Shrinking,
}
