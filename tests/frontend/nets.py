# SPDX-License-Identifier: Apache-2.0
"""Small ONNX models node by node, and the comparison of what bitwright makes of them with the oracle."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from numpy.typing import ArrayLike, NDArray
from onnx import TensorProto, helper, numpy_helper

from bitwright.frontend.inputs import InputType
from bitwright.frontend.lowering import load_onnx
from bitwright.ir.graph import Graph
from bitwright.ir.layers import Layer
from bitwright.ir.verify import verify
from bitwright.sim import whole
from bitwright.sim.engines import ENGINES, REFERENCE
from tests.frontend.oracle import replay

Array = NDArray[Any]
QONNX = "qonnx.custom_op.general"


class Net:
    """A model under construction; every method returns the name of the tensor it makes."""

    def __init__(self, *shape: int, kind: int = TensorProto.FLOAT, batch: int | str = "N", opset: int = 13) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}
        self.opset = opset
        self.inputs = [helper.make_tensor_value_info("x", kind, [batch, *shape])]
        self.x = "x"

    def const(self, value: ArrayLike, dtype: Any = np.float32) -> str:
        name = f"c{len(self.constants)}"
        self.constants[name] = np.array(value, dtype=dtype)
        return name

    def add(self, op: str, *inputs: str, domain: str = "", outputs: int = 1, **attributes: Any) -> str:
        name = f"{op.lower()}{len(self.nodes)}"
        made = [f"{name}.{i}" for i in range(outputs)] if outputs > 1 else [f"{name}.out"]
        self.nodes.append(helper.make_node(op, list(inputs), made, name=name, domain=domain, **attributes))
        return made[0]

    def quant(
        self,
        x: str,
        scale: ArrayLike,
        zero: ArrayLike = 0.0,
        bits: ArrayLike = 8.0,
        *,
        signed: int = 1,
        narrow: int = 0,
        mode: str = "ROUND",
        op: str = "Quant",
        domain: str = QONNX,
    ) -> str:
        constants = (self.const(scale), self.const(zero), self.const(bits))
        return self.add(op, x, *constants, domain=domain, signed=signed, narrow=narrow, rounding_mode=mode)

    def weights(self, array: ArrayLike, scale: ArrayLike = 1.0, bits: float = 8.0) -> str:
        return self.quant(self.const(array), scale, bits=bits)

    def quantize(self, x: str, scale: ArrayLike, zero: ArrayLike = 0, dtype: Any = np.uint8, **attributes: Any) -> str:
        return self.add("QuantizeLinear", x, self.const(scale), self.const(zero, dtype), **attributes)

    def dequantize(
        self, q: str, scale: ArrayLike, zero: ArrayLike = 0, dtype: Any = np.uint8, **attributes: Any
    ) -> str:
        return self.add("DequantizeLinear", q, self.const(scale), self.const(zero, dtype), **attributes)

    def qdq(self, x: str, scale: ArrayLike, zero: ArrayLike = 0, dtype: Any = np.uint8) -> str:
        return self.dequantize(self.quantize(x, scale, zero, dtype), scale, zero, dtype)

    def proto(self, *outputs: str) -> onnx.ModelProto:
        """The model; without `outputs` its output is the last node's."""
        names = outputs or (self.nodes[-1].output[0],)
        graph = helper.make_graph(
            self.nodes,
            "net",
            self.inputs,
            [helper.make_value_info(name, onnx.TypeProto()) for name in names],
            [numpy_helper.from_array(array, name) for name, array in self.constants.items()],
        )
        opsets = [helper.make_opsetid("", self.opset), helper.make_opsetid(QONNX, 1)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def without_form() -> Net:
    """A dense layer and a quantiser of twelve bits that no hardware form within 120 bits equals."""
    net = Net(4)
    weights = net.weights([[30001, 1], [17, -30003], [5, 9], [1, -32000]], bits=16.0)
    y = net.add("MatMul", net.quant(net.x, 2.0**-14, bits=16.0), weights)
    net.quant(net.add("Add", y, net.const(1 / 3)), 57.0, bits=12.0, mode="UP")
    return net


def outputs_of(graph: Graph, *arrays: Array) -> list[Array]:
    """The model's outputs by the reference engine."""
    feeds = dict(zip(graph.entry.inputs, arrays, strict=True))
    return whole.outputs(graph, feeds, ENGINES[REFERENCE].build(graph, None))


def agree(
    net: Net, *arrays: Array, outputs: tuple[str, ...] = (), types: dict[str, str] | None = None, exact: bool = True
) -> Graph:
    """Load `net` and compare every output with the oracle's: equal, or (real-valued) within float32 rounding."""
    proto = net.proto(*outputs)
    given = {name: InputType.parse(text, where=name) for name, text in (types or {}).items()}
    graph = verify(load_onnx(proto, inputs=given))
    ours = outputs_of(graph, *arrays)
    wanted = replay(proto, {info.name: array for info, array in zip(net.inputs, arrays, strict=True)})
    assert len(ours) == len(wanted)
    for mine, other in zip(ours, wanted, strict=True):
        assert mine.shape == other.shape
        if exact:
            np.testing.assert_array_equal(mine, other.astype(mine.dtype))
        else:
            np.testing.assert_allclose(mine, other, rtol=1e-6, atol=1e-6 * np.abs(other).max())
    return graph


def ops(graph: Graph) -> list[str]:
    return [layer.op for layer in graph.layers]


def only(graph: Graph, kind: type[Layer]) -> Any:
    """The one layer of a kind."""
    (layer,) = [layer for layer in graph.layers if isinstance(layer, kind)]
    return layer


def grid(count: int, *shape: int, step: float = 0.25, span: float = 40.0, seed: int = 0) -> Array:
    """Random multiples of `step` within +-span: with power-of-two scales they meet every tie."""
    rng = np.random.default_rng(seed)
    return (rng.integers(-int(span / step), int(span / step) + 1, (count, *shape)) * step).astype(np.float32)
