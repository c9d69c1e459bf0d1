# SPDX-License-Identifier: Apache-2.0
"""A QDQ model in the shape of ResNet-50: 25.5 million int8 weights per channel, residual additions; random numbers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

STAGES = ((64, 3, 1), (128, 4, 2), (256, 6, 2), (512, 3, 2))
"""(channels of the 3 x 3 convolutions, blocks, stride of the first) of each stage."""
CLASSES = 1000


class Writer:
    """Nodes and initialisers of the model so far; every method returns the name of a real-valued tensor."""

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.tensors: list[onnx.TensorProto] = []
        self.rng = np.random.default_rng(0)

    def constant(self, array: NDArray[Any]) -> str:
        name = f"constant_{len(self.tensors)}"
        self.tensors.append(numpy_helper.from_array(array, name))
        return name

    def node(self, op: str, *inputs: str, **attributes: Any) -> str:
        name = f"{op}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, list(inputs), [f"{name}_out"], name=name, **attributes))
        return f"{name}_out"

    def quantised(self, x: str) -> str:
        """`x` in signed bytes of a random scale, and back."""
        scale = self.constant(np.float32(self.rng.uniform(0.01, 0.1)))
        zero = self.constant(np.int8(self.rng.integers(-20, 20)))
        return self.node("DequantizeLinear", self.node("QuantizeLinear", x, scale, zero), scale, zero)

    def weights(self, *shape: int) -> tuple[str, str]:
        """Weights with a scale for each output, and their bias."""
        scale = self.rng.uniform(0.0005, 0.002, shape[0]).astype(np.float32)
        zero = self.constant(np.zeros(shape[0], dtype=np.int8))
        array = self.rng.integers(-127, 128, shape, dtype=np.int8)
        matrix = self.node("DequantizeLinear", self.constant(array), self.constant(scale), zero, axis=0)
        return matrix, self.constant(self.rng.normal(scale=0.1, size=shape[0]).astype(np.float32))

    def conv(
        self, x: str, channels: int, outputs: int, kernel: int, strides: int | tuple[int, int] = 1, *, groups: int = 1
    ) -> str:
        steps = [strides] * 2 if isinstance(strides, int) else list(strides)
        shape = {"kernel_shape": [kernel] * 2, "strides": steps, "pads": [kernel // 2] * 4, "group": groups}
        return self.node("Conv", x, *self.weights(outputs, channels // groups, kernel, kernel), **shape)

    def activated(self, x: str) -> str:
        return self.quantised(self.node("Relu", x))

    def block(self, x: str, inputs: int, channels: int, stride: int) -> str:
        y = self.activated(self.conv(x, inputs, channels, 1))
        y = self.activated(self.conv(y, channels, channels, 3, stride))
        y = self.quantised(self.conv(y, channels, 4 * channels, 1))
        if inputs != 4 * channels:
            x = self.quantised(self.conv(x, inputs, 4 * channels, 1, stride))
        return self.activated(self.node("Add", x, y))

    def classes(self, x: str, channels: int, classes: int) -> str:
        """The mean of every channel, and a number for each class from them."""
        x = self.node("Flatten", self.quantised(self.node("GlobalAveragePool", x)), axis=1)
        return self.quantised(self.node("Gemm", x, *self.weights(classes, channels), transB=1))

    def save(self, path: Path, x: str, image: tuple[int, int, int], classes: int) -> int:
        """Write the model from an image to `x`; returns how many weights it has."""
        ends = [helper.make_tensor_value_info("image", TensorProto.FLOAT, [1, *image])]
        outputs = [helper.make_tensor_value_info(x, TensorProto.FLOAT, [1, classes])]
        graph = helper.make_graph(self.nodes, path.stem, ends, outputs, self.tensors)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)], ir_version=8), path)
        return sum(int(np.prod(tensor.dims)) for tensor in self.tensors if tensor.data_type == TensorProto.INT8)


def write(path: Path) -> int:
    """Write the model to `path`; returns how many weights it has."""
    net = Writer()
    x = net.activated(net.conv(net.quantised("image"), 3, 64, 7, 2))
    x, inputs = net.node("MaxPool", x, kernel_shape=[3, 3], strides=[2, 2], pads=[1, 1, 1, 1]), 64
    for channels, blocks, stride in STAGES:
        for index in range(blocks):
            x = net.block(x, inputs, channels, 1 if index else stride)
            inputs = 4 * channels
    return net.save(path, net.classes(x, inputs, CLASSES), (3, 224, 224), CLASSES)
