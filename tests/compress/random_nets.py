# SPDX-License-Identifier: Apache-2.0
"""Float networks drawn at random: convolutions, residual sums, pools, functions, and dense layers at the end."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray

from tests.compress.nets import graph, node

Array = NDArray[Any]


class Draw:
    """One network of `seed`: `model()` is its file, `samples()` what it can be calibrated on."""

    def __init__(self, seed: int) -> None:
        self.rng = np.random.default_rng(seed)
        self.nodes: list[onnx.NodeProto] = []
        self.weights: dict[str, Array] = {}
        self.shape = (int(self.rng.integers(1, 4)), 6, 6)
        self.sample = self.shape
        self.order: dict[str, tuple[int, ...]] = {}  # weight of a dense layer behind an image -> shape of that image

    def model(self) -> onnx.ModelProto:
        """A convolution, two to four blocks, a convolution and two dense layers."""
        tensor = self._convolution("x")
        for _ in range(int(self.rng.integers(2, 5))):
            blocks = (self._convolution, self._depthwise, self._residual, self._pool, self._average)
            tensor = blocks[int(self.rng.integers(len(blocks)))](tensor)
        tensor = self._dense(self._activation(self._convolution(tensor)))
        self.nodes[-1].output[0] = "y"
        return graph(self.nodes, self.weights, sample=self.sample)

    def samples(self) -> Array:
        """Twenty samples."""
        return self.rng.normal(size=(20, *self.sample)).astype(np.float32)

    def _add(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(node(op, " ".join(inputs), name, **attributes))
        return name

    def _constant(self, *shape: int, spread: float = 1.0) -> str:
        name = f"c{len(self.weights)}"
        self.weights[name] = (self.rng.normal(size=shape) * spread).astype(np.float32)
        return name

    def _convolution(self, tensor: str, stride: int | None = None) -> str:
        channels, height, width = self.shape
        outputs, size = int(self.rng.integers(2, 6)), int(self.rng.integers(1, 4))
        stride = stride or int(self.rng.integers(1, 3))
        inputs = [tensor, self._constant(outputs, channels, size, size, spread=0.5)]
        if self.rng.random() < 0.7:
            inputs.append(self._constant(outputs))
        pads = [size // 2] * 4
        made = self._add("Conv", *inputs, kernel_shape=[size, size], strides=[stride, stride], pads=pads)
        self.shape = (
            outputs,
            (height + 2 * (size // 2) - size) // stride + 1,
            (width + 2 * (size // 2) - size) // stride + 1,
        )
        if self.rng.random() < 0.5:
            norm = [self._constant(outputs) for _ in range(3)]
            variance = self._constant(outputs)
            self.weights[variance] = np.abs(self.weights[variance]) + np.float32(0.1)
            made = self._add("BatchNormalization", made, *norm, variance)
        return self._activation(made) if self.rng.random() < 0.7 else made

    def _depthwise(self, tensor: str) -> str:
        channels, _, _ = self.shape
        kernel = self._constant(channels, 1, 3, 3, spread=0.5)
        made = self._add("Conv", tensor, kernel, self._constant(channels), group=channels, pads=[1, 1, 1, 1])
        return self._activation(made)

    def _residual(self, tensor: str) -> str:
        channels, _, _ = self.shape
        kernel = self._constant(channels, channels, 3, 3, spread=0.3)
        made = self._add("Conv", tensor, kernel, self._constant(channels), pads=[1, 1, 1, 1])
        return self._add("Relu", self._add("Add", made, tensor))

    def _activation(self, tensor: str) -> str:
        match int(self.rng.integers(4)):
            case 0:
                return self._add("LeakyRelu", tensor, alpha=0.125)
            case 1:
                low, high = f"c{len(self.weights)}", f"c{len(self.weights) + 1}"
                self.weights |= {low: np.zeros((), np.float32), high: np.asarray(6, np.float32)}
                return self._add("Clip", tensor, low, high)
            case _:
                return self._add("Relu", tensor)

    def _pool(self, tensor: str) -> str:
        channels, height, width = self.shape
        if min(height, width) < 2:
            return tensor
        self.shape = (channels, height // 2, width // 2)
        return self._add("MaxPool", self._activation(tensor), kernel_shape=[2, 2], strides=[2, 2])

    def _average(self, tensor: str) -> str:
        channels, height, width = self.shape
        if min(height, width) < 2:
            return tensor
        self.shape = (channels, height - 1, width - 1)
        return self._add("AveragePool", tensor, kernel_shape=[2, 2])

    def _dense(self, tensor: str) -> str:
        flat = self._add("Flatten", tensor)
        rows = int(np.prod(self.shape))
        weight = self._constant(3, rows, spread=0.2)
        self.order[weight] = self.shape
        made = self._add("Gemm", flat, weight, self._constant(3), transB=1)
        return self._add("MatMul", self._add("Relu", made), self._constant(3, 4))
