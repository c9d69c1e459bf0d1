# SPDX-License-Identifier: Apache-2.0
"""A float network drawn at random, node by node, in any opset: images, signals, sequences and features."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

Array = NDArray[Any]
LAYOUTS = ("image", "signal", "sequence", "features", "channels last")


@dataclass(frozen=True)
class At:
    """A tensor of the network, and the shape of one sample of it."""

    name: str
    shape: tuple[int, ...]


class Draw:
    """The network of a seed while it is written; `opset` and `layout` are drawn unless they are given."""

    def __init__(self, seed: int, *, layout: str = "", opsets: tuple[int, int] = (7, 22)) -> None:
        self.rng = np.random.default_rng(seed)
        self.opset = int(self.rng.integers(opsets[0], opsets[1] + 1))
        self.layout = layout or str(self.rng.choice(LAYOUTS))
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, Array] = {}
        self.inputs: list[tuple[str, tuple[int, ...], Any]] = []
        self.outputs: list[str] = []
        self.batch: int | str = "N"
        self.samples = 24

    # Pieces

    def pick(self, *choices: Any) -> Any:
        """One of some things."""
        return choices[int(self.rng.integers(len(choices)))]

    def some(self, low: int, high: int) -> int:
        """A number from `low` to `high`, both of them."""
        return int(self.rng.integers(low, high + 1))

    def input(self, shape: tuple[int, ...] | None = None, kind: Any = np.float32) -> At:
        """One more input, of the layout's usual shape unless one is given."""
        name = f"x{len(self.inputs)}"
        self.inputs.append((name, shape or self.usual(), kind))
        return At(name, self.inputs[-1][1])

    def usual(self) -> tuple[int, ...]:
        """A small sample in the layout."""
        channels, size = self.some(2, 4), self.some(5, 8)
        return {
            "image": (channels, size, size),
            "signal": (channels, size + 4),
            "sequence": (size, channels + 3),
            "features": (channels + 6,),
            "channels last": (size, size, channels),
        }[self.layout]

    def normal(self, *shape: int, spread: float = 1.0) -> Array:
        """Draws of a normal distribution."""
        return np.asarray(self.rng.normal(size=shape) * spread, dtype=np.float32)

    def weight(self, *shape: int) -> Array:
        """Weights that keep the spread of what they are multiplied with; the terms of a sum lie behind axis 0."""
        return self.normal(*shape, spread=float(1 / np.sqrt(max(np.prod(shape[1:]), 1))))

    def const(self, array: Any, kind: Any = None) -> str:
        """A constant: an initialiser, or the value of a node."""
        name = f"c{len(self.constants)}_{len(self.nodes)}"
        value = np.asarray(array, dtype=kind)
        if self.rng.random() < 0.3:
            tensor = numpy_helper.from_array(value, name)
            self.nodes.append(helper.make_node("Constant", [], [name], name=f"Constant_{name}", value=tensor))
        else:
            self.constants[name] = value
        return name

    def whole(self, *numbers: int) -> str:
        """A constant list of whole numbers."""
        return self.const(numbers, np.int64)

    def add(self, op: str, *inputs: str, name: str = "", **attributes: Any) -> str:
        """A node of one output; its name is that of its output unless one is given."""
        made = f"{op.lower()}_{len(self.nodes)}"
        self.nodes.append(helper.make_node(op, inputs, [made], name=name or f"{op}_{len(self.nodes)}", **attributes))
        return made

    def axes(self, op: str, x: str, axes: list[int], since: int, **attributes: Any) -> str:
        """A node whose axes are an attribute below the opset `since`, and an operand from there on."""
        if self.opset < since:
            return self.add(op, x, axes=axes, **attributes)
        return self.add(op, x, self.whole(*axes), **attributes)

    # Layers

    def layer(self, x: At, outputs: int = 0) -> At:
        """A layer with weights, as its layout has them."""
        outputs = outputs or self.some(3, 6)
        match self.layout if len(x.shape) > 1 else "features":
            case "image" | "signal":
                return self.convolution(x, outputs)
            case "channels last":
                last = len(x.shape)
                first = At(self.add("Transpose", x.name, perm=[0, last, *range(1, last)]), (x.shape[-1], *x.shape[:-1]))
                made = self.convolution(first, outputs)
                name = self.add("Transpose", made.name, perm=[0, *range(2, last + 1), 1])
                return At(name, (*made.shape[1:], made.shape[0]))
            case "sequence":
                return self.product(x, outputs)
            case _:
                return self.dense(x, outputs)

    def convolution(self, x: At, outputs: int) -> At:
        """A convolution that keeps the size, or a transposed one that doubles it."""
        channels, *sizes = x.shape
        if len(sizes) == 2 and self.rng.random() < 0.15:
            kernel = np.moveaxis(self.weight(outputs, channels, 2, 2), 0, 1).copy()
            name = self.add(
                "ConvTranspose", x.name, self.const(kernel), self.const(self.normal(outputs)), strides=[2, 2]
            )
            return At(name, (outputs, *(2 * size for size in sizes)))
        size = self.pick(1, 3)
        depthwise = self.rng.random() < 0.2
        kernel = (
            self.weight(channels, 1, *(size,) * len(sizes))
            if depthwise
            else self.weight(outputs, channels, *(size,) * len(sizes))
        )
        bias = [self.const(self.normal(len(kernel), spread=0.3))] if self.rng.random() < 0.7 else []
        attributes: dict[str, Any] = {"pads": [size // 2] * 2 * len(sizes)}
        if self.rng.random() < 0.2:
            attributes = {"auto_pad": "SAME_UPPER"}
        if depthwise:
            attributes["group"] = channels
        if self.rng.random() < 0.5:
            attributes["kernel_shape"] = [size] * len(sizes)
        return At(self.add("Conv", x.name, self.const(kernel), *bias, **attributes), (len(kernel), *sizes))

    def product(self, x: At, outputs: int) -> At:
        """A matrix product over the last axis, and a bias on either side."""
        made = self.add("MatMul", x.name, self.const(self.weight(outputs, x.shape[-1]).T.copy()))
        pair = [made, self.const(self.normal(outputs, spread=0.3))]
        return At(self.add("Add", *(pair if self.rng.random() < 0.7 else pair[::-1])), (*x.shape[:-1], outputs))

    def dense(self, x: At, outputs: int) -> At:
        """A dense layer in one of its spellings."""
        matrix = self.weight(outputs, x.shape[-1])
        match self.some(0, 2):
            case 0:
                bias = self.const(self.normal(outputs, spread=0.3))
                name = self.add("Gemm", x.name, self.const(matrix), bias, transB=1)
            case 1:
                name = self.add(
                    "Gemm", x.name, self.const(matrix.T.copy()), self.const(self.normal(outputs, spread=0.3))
                )
            case _:
                return self.product(x, outputs)
        return At(name, (outputs,))

    def bend(self, x: At) -> At:
        """A nonlinear function."""
        match self.some(0, 6):
            case 0:
                name = self.add("LeakyRelu", x.name, alpha=0.125)
            case 1:
                name = self.clip(x.name, 0, 6)
            case 2:
                name = self.add(self.pick("Sigmoid", "Tanh"), x.name)
            case 3:
                name = self.add("Mul", x.name, self.add("Sigmoid", x.name))
            case _:
                name = self.add("Relu", x.name)
        return At(name, x.shape)

    def clip(self, x: str, low: float, high: float) -> str:
        """A clip between two numbers."""
        if self.opset < 11:
            return self.add("Clip", x, min=float(low), max=float(high))
        return self.add("Clip", x, self.const(low, np.float32), self.const(high, np.float32))

    def norm(self, x: At, axis: int = 0) -> At:
        """A batch normalisation of the channels, its statistics far from the batch's."""
        channels = x.shape[axis]
        numbers = (
            self.rng.uniform(0.5, 1.5, channels),
            self.rng.normal(size=channels) * 0.3,
            self.rng.normal(size=channels),
            self.rng.choice([0.1, 0.5, 2, 9], channels),
        )
        attributes = {"spatial": 1} if self.opset < 9 and self.rng.random() < 0.5 else {}
        constants = [self.const(each, np.float32) for each in numbers]
        return At(self.add("BatchNormalization", x.name, *constants, epsilon=1e-3, **attributes), x.shape)

    def flat(self, x: At) -> At:
        """One row of features of each sample."""
        if len(x.shape) == 1:
            return x
        size = int(np.prod(x.shape))
        if self.layout in ("image", "signal") and self.rng.random() < 0.5:
            pooled = self.add("GlobalAveragePool", x.name)
            return At(self.add("Flatten", pooled), x.shape[:1])
        if self.rng.random() < 0.5:
            return At(self.add("Reshape", x.name, self.whole(-1, size)), (size,))
        return At(self.add("Flatten", x.name), (size,))

    def end(self, x: At) -> None:
        """A last dense layer, or nothing, and the network's output."""
        if self.rng.random() < 0.8:
            x = self.dense(self.flat(x), self.some(3, 5))
        self.outputs.append(x.name)

    # The whole

    def model(self) -> onnx.ModelProto:
        """The file, checked."""
        ends = [helper.make_tensor_value_info(name, 1, None) for name in self.outputs]
        entries = [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(np.dtype(kind)), [self.batch, *shape])
            for name, shape, kind in self.inputs
        ]
        held = [numpy_helper.from_array(array, name) for name, array in self.constants.items()]
        graph = helper.make_graph(self.nodes, "drawn", entries, ends, held)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=8)

    def data(self) -> list[Array]:
        """As many samples of each input."""
        return [self._drawn((self.samples, *shape), np.dtype(kind)) for _, shape, kind in self.inputs]

    def _drawn(self, shape: tuple[int, ...], kind: np.dtype[Any]) -> Array:
        if kind.kind == "f":
            return self.normal(*shape)
        if kind.kind == "b":
            return np.asarray(self.rng.random(shape) < 0.5)
        info = np.iinfo(kind)
        return self.rng.integers(max(info.min, -1000), min(info.max, 1000), shape, endpoint=True).astype(kind)
