# SPDX-License-Identifier: Apache-2.0
"""A quantised ONNX model as a PyTorch module: `torch.fake_quantize_per_tensor_affine` at every activation quantiser.

A quantised activation travels as its real value, so that what stands between a quantiser and its dequantiser works on
it as it is; weights and biases are dequantised from their integers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import torch
import torch.nn.functional as F
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor

FOUR_BITS = {TensorProto.INT4: (-8, 7), TensorProto.UINT4: (0, 15)}
Attributes = dict[str, Any]


class QuantisedModule(torch.nn.Module):
    """The nodes of an ONNX model, one after the other."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.graph = onnx.load(path).graph
        tensors = {t.name: t for t in self.graph.initializer} | {
            node.output[0]: helper.get_attribute_value(node.attribute[0])
            for node in self.graph.node
            if node.op_type == "Constant"
        }
        self.constants = {name: torch.from_numpy(_numbers(t)) for name, t in tensors.items()}
        self.limits = {name: _limits(t) for name, t in tensors.items()}

    def forward(self, x: Tensor) -> Tensor:
        values: dict[str, Tensor] = {"": torch.zeros(0), self.graph.input[0].name: x}
        for node in self.graph.node:
            if node.op_type == "Constant":
                continue
            attributes = {a.name: helper.get_attribute_value(a) for a in node.attribute}
            operands = [self.constants.get(name, values.get(name)) for name in node.input]
            values[node.output[0]] = self._run(node, attributes, operands)
        return values[self.graph.output[0].name]

    def _run(self, node: onnx.NodeProto, a: Attributes, x: Sequence[Any]) -> Tensor:
        match node.op_type:
            case "QuantizeLinear":
                return self._fake(x[0], x[1], x[2], node.input[2])
            case "DequantizeLinear":
                known = node.input[0] in self.constants
                return _real(x[0], x[1], x[2] if len(x) > 2 else None, a.get("axis", 1)) if known else x[0]
            case "QLinearConv":
                bias = x[8] * (x[1] * x[4]) if len(x) > 8 else None
                return self._fake(_conv(a, x[0], _real(x[3], x[4], x[5], 0), bias), x[6], x[7], node.input[7])
            case "QGemm":
                made = F.linear(x[0], _real(x[3], x[4], x[5], 0), x[6] * (x[1] * x[4]))
                return self._fake(made, x[7], x[8], node.input[8])
            case "QLinearAdd":
                return self._fake(x[0] + x[3], x[6], x[7], node.input[7])
            case "QLinearConcat":
                return self._fake(torch.cat(list(x[2::3]), a["axis"]), x[0], x[1], node.input[1])
            case "QLinearLeakyRelu" | "QLinearGlobalAveragePool":
                made = OPERATORS[node.op_type.removeprefix("QLinear")](a, x[0])
                return self._fake(made, x[3], x[4], node.input[4])
        return OPERATORS[node.op_type](a, *x)

    def _fake(self, x: Tensor, scale: Tensor, zero: Tensor, name: str) -> Tensor:
        low, high = self.limits[name]
        return torch.fake_quantize_per_tensor_affine(x, float(scale), int(zero), low, high)


def _numbers(tensor: onnx.TensorProto) -> NDArray[Any]:
    array = numpy_helper.to_array(tensor)
    return np.array(array, dtype=np.int8 if tensor.data_type in FOUR_BITS else array.dtype)


def _limits(tensor: onnx.TensorProto) -> tuple[int, int]:
    kind = numpy_helper.to_array(tensor).dtype
    if tensor.data_type in FOUR_BITS or kind.kind not in "iu":
        return FOUR_BITS.get(tensor.data_type, (0, 0))
    return int(np.iinfo(kind).min), int(np.iinfo(kind).max)


def _real(q: Tensor, scale: Tensor, zero: Tensor | None, axis: int) -> Tensor:
    shape = [-1 if i == axis else 1 for i in range(q.ndim)] if scale.numel() > 1 else [1] * q.ndim
    zeros = torch.zeros(1) if zero is None else zero.float()
    return (q.float() - zeros.reshape(shape if zeros.numel() > 1 else [1] * q.ndim)) * scale.reshape(shape)


def _padding(a: Attributes) -> tuple[int, ...]:
    pads = a.get("pads", [0])
    half = len(pads) // 2
    assert pads[:half] == pads[half:]
    return tuple(pads[:half])


def _conv(a: Attributes, x: Tensor, w: Tensor, bias: Tensor | None = None) -> Tensor:
    convolve = F.conv1d if w.ndim == 3 else F.conv2d
    return convolve(x, w, bias, tuple(a["strides"]), _padding(a), tuple(a["dilations"]), a.get("group", 1))


OPERATORS: dict[str, Callable[..., Tensor]] = {
    "Add": lambda a, x, y: x + y,
    "Clip": lambda a, x, low, high: torch.clamp(x, float(low), float(high)),
    "Concat": lambda a, *x: torch.cat(x, a["axis"]),
    "Conv": _conv,
    "ConvTranspose": lambda a, x, w, b=None: F.conv_transpose2d(x, w, b, tuple(a["strides"]), _padding(a)),
    "Flatten": lambda a, x: x.flatten(1),
    "Gather": lambda a, x, index: x[index],  # along axis 0
    "Gemm": lambda a, x, w, b: F.linear(x, w if a["transB"] else w.T, b),
    "GlobalAveragePool": lambda a, x: F.adaptive_avg_pool2d(x, 1),
    "LeakyRelu": lambda a, x: F.leaky_relu(x, a["alpha"]),
    "MaxPool": lambda a, x: F.max_pool2d(x, tuple(a["kernel_shape"]), tuple(a["strides"]), _padding(a)),
    "Mul": lambda a, x, y: x * y,
    "ReduceMean": lambda a, x, axes: x.mean(tuple(axes.tolist()), keepdim=bool(a["keepdims"])),
    "Relu": lambda a, x: F.relu(x),
    "Reshape": lambda a, x, shape: x.reshape(shape.tolist()),
    "Resize": lambda a, x, _, scales: F.interpolate(x, scale_factor=scales[2:].tolist(), mode="nearest"),
    "Sigmoid": lambda a, x: torch.sigmoid(x),
}
