# SPDX-License-Identifier: Apache-2.0
"""Small networks of the shapes of well-known ones, to try things on: (classes, width, channels in) -> a module."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import torch
from torch import Tensor, nn

Net = Callable[[int, float, int], nn.Module]


def wide(channels: int, width: float, multiple: int = 4) -> int:
    """So many channels times a width, a multiple of a few."""
    return max(multiple, round(channels * width / multiple) * multiple)


def conv(ins: int, outs: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> nn.Sequential:
    """A convolution that keeps its places, a normalisation, a Relu."""
    layer = nn.Conv2d(ins, outs, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(outs), nn.ReLU())


def ended(*parts: nn.Module, channels: int, classes: int) -> nn.Sequential:
    """Parts, then the mean over places and a dense layer."""
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, classes))


class Residual(nn.Module):
    """Two convolutions beside what comes in, or a product of it at each place."""

    def __init__(self, ins: int, outs: int, stride: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            conv(ins, outs, 3, stride), nn.Conv2d(outs, outs, 3, padding=1, bias=False), nn.BatchNorm2d(outs)
        )
        self.beside: nn.Module = nn.Identity()
        if stride > 1 or ins != outs:
            self.beside = nn.Sequential(nn.Conv2d(ins, outs, 1, stride, bias=False), nn.BatchNorm2d(outs))

    def forward(self, x: Tensor) -> Tensor:
        """The sum behind a Relu."""
        return torch.relu(self.inner(x) + self.beside(x))


class Branches(nn.Module):
    """Several ways side by side, joined by their channels, behind what comes before all."""

    def __init__(self, before: nn.Module, *ways: nn.Module) -> None:
        super().__init__()
        self.before, self.ways = before, nn.ModuleList(ways)

    def forward(self, x: Tensor) -> Tensor:
        """The channels of all ways."""
        held = self.before(x)
        return torch.cat([way(held) for way in self.ways], dim=1)


class Shuffled(nn.Module):
    """Products of groups of channels, a shuffle, a depthwise convolution, products again, and what comes in."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.first = conv(channels, channels, groups=groups)
        self.deep = nn.Sequential(
            nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False), nn.BatchNorm2d(channels)
        )
        self.last = nn.Sequential(nn.Conv2d(channels, channels, 1, groups=groups, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """The sum behind a Relu."""
        count, channels, high, across = x.shape
        held = self.first(x).reshape(count, self.groups, channels // self.groups, high, across)
        held = held.transpose(1, 2).reshape(count, channels, high, across)
        return torch.relu(self.last(self.deep(held)) + x)


def mobilenet(classes: int = 10, width: float = 1.0, channels: int = 1) -> nn.Module:
    """Depthwise convolutions and products at each place, in turn.

    Howard, Zhu, Chen, Kalenichenko, Wang, Weyand, Andreetto, Adam: "MobileNets: efficient convolutional neural networks
    for mobile vision applications", arXiv 1704.04861; R171.
    """
    sizes = [wide(each, width) for each in (8, 16, 32, 32)]
    parts = [conv(channels, sizes[0], 3)]
    for ins, outs, stride in zip(sizes, sizes[1:], (1, 2, 1), strict=False):
        parts += [conv(ins, ins, 3, stride, groups=ins), conv(ins, outs)]
    return ended(*parts, channels=sizes[-1], classes=classes)


def resnet(classes: int = 10, width: float = 1.0, channels: int = 1) -> nn.Module:
    """Residual blocks of two convolutions, twice half as many places.

    He, Zhang, Ren, Sun: "Deep residual learning for image recognition", CVPR 2016, arXiv 1512.03385; R172.
    """
    sizes = [wide(each, width) for each in (8, 8, 16)]
    blocks = [Residual(ins, outs, stride) for ins, outs, stride in zip(sizes, sizes[1:], (1, 2), strict=False)]
    return ended(conv(channels, sizes[0], 3), *blocks, channels=sizes[-1], classes=classes)


def googlenet(classes: int = 10, width: float = 1.0, channels: int = 1) -> nn.Module:
    """Branches of windows of one, three and five places and of a maximum, joined.

    Szegedy, Liu, Jia, Sermanet, Reed, Anguelov, Erhan, Vanhoucke, Rabinovich: "Going deeper with convolutions", CVPR
    2015, arXiv 1409.4842; R173.
    """
    stem, few = wide(8, width), wide(4, width)
    ways = (
        conv(stem, few),
        nn.Sequential(conv(stem, few), conv(few, 2 * few, 3)),
        nn.Sequential(conv(stem, few), conv(few, few, 5)),
        nn.Sequential(nn.MaxPool2d(3, 1, 1), conv(stem, few)),
    )
    parts = (conv(channels, stem, 3), nn.MaxPool2d(2), Branches(nn.Identity(), *ways))
    return ended(*parts, channels=5 * few, classes=classes)


def squeezenet(classes: int = 10, width: float = 1.0, channels: int = 1) -> nn.Module:
    """Fire modules: few channels, and windows of one and of three places of these, joined.

    Iandola, Han, Moskewicz, Ashraf, Dally, Keutzer: "SqueezeNet: AlexNet-level accuracy with 50x fewer parameters",
    arXiv 1602.07360; R174.
    """
    stem, few, many = wide(8, width), wide(4, width), wide(8, width)
    fires = [Branches(conv(ins, few), conv(few, many), conv(few, many, 3)) for ins in (stem, 2 * many)]
    parts = (conv(channels, stem, 3), nn.MaxPool2d(2), *fires)
    return ended(*parts, channels=2 * many, classes=classes)


def shufflenet(classes: int = 10, width: float = 1.0, channels: int = 1) -> nn.Module:
    """Products of groups, a shuffle of channels, depthwise convolutions, beside what comes in.

    Zhang, Zhou, Lin, Sun: "ShuffleNet: an extremely efficient convolutional neural network for mobile devices", CVPR
    2018, arXiv 1707.01083; R175.
    """
    stem = wide(16, width)
    parts = (conv(channels, stem, 3), nn.MaxPool2d(2), Shuffled(stem, 4), Shuffled(stem, 2))
    return ended(*parts, channels=stem, classes=classes)


NETS: Mapping[str, Net] = {
    "mobilenet": mobilenet,
    "resnet": resnet,
    "googlenet": googlenet,
    "squeezenet": squeezenet,
    "shufflenet": shufflenet,
}
"""By name."""
