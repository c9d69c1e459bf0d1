# SPDX-License-Identifier: Apache-2.0
"""QDQ models in the shapes of MobileNet v2 and of a small v3 that reads lines of text; random int8 weights.

Both are made of inverted bottlenecks: a pointwise convolution to more channels, a depthwise one, a pointwise one back,
and a sum around them. Those of v3 weigh their channels by what is in them (squeeze and excite).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
from resnet import Writer

Function = Callable[[str], str]

V2 = ((1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2), (6, 320, 1, 1))
"""(expansion, channels, blocks, stride of the first) of each stage."""

LINES = (
    (3, 8, 8, True, False, (2, 1)),
    (3, 32, 8, False, False, (2, 1)),
    (3, 32, 8, False, False, (1, 1)),
    (5, 40, 16, True, True, (2, 1)),
    *((5, 88, 16, True, True, (1, 1)),) * 2,
    (5, 48, 16, True, True, (1, 1)),
    (5, 56, 16, True, True, (1, 1)),
    (5, 104, 32, True, True, (2, 1)),
    *((5, 200, 32, True, True, (1, 1)),) * 2,
)
"""(kernel, channels within, channels, squeeze and excite, hard swish, strides) of each block."""


class Bottlenecks(Writer):
    """What inverted bottlenecks are made of."""

    def relu6(self, x: str) -> str:
        return self.quantised(self.node("Clip", x, self.constant(np.float32(0)), self.constant(np.float32(6))))

    def swish(self, x: str) -> str:
        """x * clip(x + 3, 0, 6) / 6, as exporters for old runtimes write it."""
        x = self.quantised(x)
        gate = self.node("HardSigmoid", x, alpha=1 / 6, beta=0.5)
        return self.quantised(self.node("Mul", x, self.quantised(gate)))

    def weighed(self, x: str, channels: int) -> str:
        """`x`, each of its channels times a number between 0 and 1 that all of them decide."""
        y = self.quantised(self.node("GlobalAveragePool", x))
        y = self.activated(self.conv(y, channels, channels // 4, 1))
        y = self.quantised(self.conv(y, channels // 4, channels, 1))
        y = self.quantised(self.node("HardSigmoid", y, alpha=0.2, beta=0.5))
        return self.quantised(self.node("Mul", x, y))

    def bottleneck(
        self,
        x: str,
        shape: tuple[int, int, int],
        activation: Function,
        kernel: int = 3,
        strides: tuple[int, int] = (1, 1),
        weighed: bool = False,
    ) -> str:
        """A block of (channels of `x`, channels within, channels that leave)."""
        inputs, within, channels = shape
        y = activation(self.conv(x, inputs, within, 1)) if within != inputs else x
        y = activation(self.conv(y, within, within, kernel, strides, groups=within))
        y = self.quantised(self.conv(self.weighed(y, within) if weighed else y, within, channels, 1))
        return self.quantised(self.node("Add", x, y)) if (inputs, strides) == (channels, (1, 1)) else y


def mobilenet_v2(path: Path, size: int = 96) -> int:
    """Write MobileNet v2 for pictures of `size` x `size` pixels; returns how many weights it has."""
    net, inputs = Bottlenecks(), 32
    x = net.relu6(net.conv(net.quantised("image"), 3, inputs, 3, 2))
    for expansion, channels, blocks, stride in V2:
        for index in range(blocks):
            strides = (1, 1) if index else (stride, stride)
            x = net.bottleneck(x, (inputs, inputs * expansion, channels), net.relu6, strides=strides)
            inputs = channels
    x = net.relu6(net.conv(x, inputs, 1280, 1))
    return net.save(path, net.classes(x, 1280, 1000), (3, size, size), 1000)


def lines_classifier(path: Path) -> int:
    """Write a classifier of lines of text, 3 x 48 x 192 pixels; returns how many weights it has."""
    net, inputs = Bottlenecks(), 8
    x = net.swish(net.conv(net.quantised("image"), 3, inputs, 3, 2))
    for kernel, within, channels, weighed, swish, strides in LINES:
        activation = net.swish if swish else net.activated
        x = net.bottleneck(x, (inputs, within, channels), activation, kernel, strides, weighed)
        inputs = channels
    x = net.swish(net.conv(x, inputs, 200, 1))
    x = net.node("MaxPool", x, kernel_shape=[2, 2], strides=[2, 2])
    return net.save(path, net.classes(x, 200, 2), (3, 48, 192), 2)
