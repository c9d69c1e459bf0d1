# SPDX-License-Identifier: Apache-2.0
"""Writes the trained networks as ONNX, node by node; the quantised one with QONNX `Quant` nodes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
from fakequant import QuantConv2d, Quantiser, QuantLinear
from network import FloatNetwork, QuantNetwork
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

QONNX = "qonnx.custom_op.general"


@dataclass
class Writer:
    """Nodes and initialisers in the order they are added; every method returns the name of the tensor it makes."""

    nodes: list[onnx.NodeProto] = field(default_factory=list)
    initialisers: list[onnx.TensorProto] = field(default_factory=list)

    def constant(self, name: str, value: Tensor | np.ndarray | float) -> str:
        """A float32 initialiser."""
        array = value.detach().numpy() if isinstance(value, Tensor) else value
        self.initialisers.append(numpy_helper.from_array(np.asarray(array, dtype=np.float32), name))
        return name

    def node(self, op: str, name: str, inputs: list[str], domain: str = "", **attributes: object) -> str:
        """One node with one output, both called `name`."""
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, domain=domain, **attributes))
        return name

    def quant(self, name: str, x: str, q: Quantiser) -> str:
        """`Quant` of tensor `x`, rounding half to even."""
        parameters = [self.constant(f"{name}.{part}", value) for part, value in _parameters(q)]
        options = {"signed": int(q.signed), "narrow": int(q.narrow), "rounding_mode": "ROUND"}
        return self.node("Quant", name, [x, *parameters], domain=QONNX, **options)

    def weight(self, name: str, layer: nn.Conv2d | nn.Linear) -> str:
        """The layer's float weights (pruned ones are zero), then their quantiser if it has one."""
        mask = layer.mask if isinstance(layer, QuantConv2d) else 1
        stored = self.constant(f"{name}.weight", layer.weight * mask)
        if isinstance(layer, QuantConv2d | QuantLinear):
            return self.quant(f"{name}.weight_quant", stored, layer.quantiser)
        return stored

    def conv(self, name: str, x: str, layer: nn.Conv2d) -> str:
        """A convolution without bias."""
        pads = [int(side) for side in layer.padding] * 2
        return self.node("Conv", name, [x, self.weight(name, layer)], kernel_shape=layer.kernel_size, pads=pads)

    def norm(self, name: str, x: str, layer: nn.BatchNorm2d) -> str:
        """Batch normalisation with the running statistics."""
        parts = {"weight": layer.weight, "bias": layer.bias, "mean": layer.running_mean, "var": layer.running_var}
        inputs = [x, *(self.constant(f"{name}.{part}", value) for part, value in parts.items() if value is not None)]
        return self.node("BatchNormalization", name, inputs, epsilon=layer.eps)

    def dense(self, name: str, x: str, layer: nn.Linear) -> str:
        """The product with the transposed weights, plus bias."""
        inputs = [x, self.weight(name, layer), self.constant(f"{name}.bias", layer.bias)]
        return self.node("Gemm", name, inputs, transB=1)

    def pool(self, name: str, x: str) -> str:
        """The maximum of every 2 x 2 window."""
        return self.node("MaxPool", name, [x], kernel_shape=[2, 2], strides=[2, 2])


def export(network: FloatNetwork | QuantNetwork, name: str) -> onnx.ModelProto:
    """The network as an ONNX model with input `image` (N, 1, 8, 8) and output `scores` (N, 10)."""
    write = Writer()

    def quant(number: int, x: str) -> str:
        return write.quant(f"quant{number}", x, getattr(network, f"quant{number}")) if quantised else x

    quantised = isinstance(network, QuantNetwork)
    x = quant(0, "image")
    for number in (1, 2):
        x = write.conv(f"conv{number}", x, getattr(network, f"conv{number}"))
        x = write.norm(f"norm{number}", x, getattr(network, f"norm{number}"))
        x = quant(number, write.node("Relu", f"relu{number}", [x]))
        x = write.pool(f"pool{number}", x)
    x = write.dense("dense1", write.node("Flatten", "flatten", [x]), network.dense1)
    x = quant(3, write.node("Relu", "relu3", [x]))
    x = quant(4, write.dense("dense2", x, network.dense2))
    write.nodes[-1].output[0] = "scores"
    graph = helper.make_graph(
        write.nodes,
        name,
        [helper.make_tensor_value_info("image", TensorProto.FLOAT, ["N", 1, 8, 8])],
        [helper.make_tensor_value_info("scores", TensorProto.FLOAT, ["N", 10])],
        write.initialisers,
    )
    opsets = [helper.make_opsetid("", 17), *([helper.make_opsetid(QONNX, 1)] if quantised else [])]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8, producer_name="bitwright examples/digits")
    onnx.checker.check_model(model)
    return model


def _parameters(q: Quantiser) -> list[tuple[str, Tensor | float]]:
    return [("scale", q.scale), ("zero", 0.0), ("bits", float(q.bits))]
