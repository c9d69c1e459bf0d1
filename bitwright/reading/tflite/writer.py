# SPDX-License-Identifier: Apache-2.0
"""The nodes that say in ONNX what a TFLite operator does: dequantise, compute on reals, activate, quantise."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from bitwright.ir.errors import BitwrightError
from bitwright.reading.model import Array, Node
from bitwright.reading.tflite.file import Operator, Quantisation, Tensor
from bitwright.reading.tflite.schema import ACTIVATIONS

TO_FIRST, TO_LAST = [0, 3, 1, 2], [0, 2, 3, 1]
"""Axes that put the channels of an image first, and last."""
AGAIN = "convert the model again"


class Writer:
    """Collects the nodes and constants of a model; every method that adds a node returns the tensor it makes."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.nodes: list[Node] = []
        self.constants: dict[str, Array] = {}
        self._real: dict[str, str] = {}
        self._taken: set[str] = set()

    def reserve(self, names: Sequence[str]) -> None:
        """Names that no tensor of ours may take."""
        self._taken.update(names)

    def _fresh(self, name: str) -> str:
        fresh, count = name, 1
        while fresh in self._taken:
            count += 1
            fresh = f"{name}_{count}"
        self._taken.add(fresh)
        return fresh

    def constant(self, value: Any, name: str = "constant", dtype: Any = None) -> str:
        """A constant of our own."""
        fresh = self._fresh(name)
        self.constants[fresh] = np.asarray(value, dtype=dtype)
        return fresh

    def node(self, op: str, inputs: Sequence[str], name: str, *, written: str = "", **attributes: Any) -> str:
        """A node with one output, called after it."""
        made = self._fresh(name)
        self.nodes.append(Node(made, op, "", tuple(inputs), (made,), attributes, self.file, written))
        return made

    def codes(self, tensor: Tensor) -> str:
        """A tensor as it is."""
        if tensor.value is not None and tensor.name not in self.constants:
            self.constants[tensor.name] = tensor.value
        return tensor.name

    def real(self, tensor: Tensor, value: Array | None = None, axis: int | None = None) -> str:
        """The real values of a tensor; of a constant also re-laid to `value`, with its channels along `axis`."""
        held = tensor.quantisation
        name = self.codes(tensor) if value is None else self.constant(value, f"{tensor.name}/laid out")
        if held is None:
            return self._floats(tensor, name)
        if value is None and tensor.name in self._real:
            return self._real[tensor.name]
        along = held.axis if axis is None else axis
        made = self.node(
            "DequantizeLinear", (name, *self._quantiser(tensor, held)), f"{tensor.name}/dequantize", axis=along
        )
        if value is None:
            self._real[tensor.name] = made
        return made

    def _floats(self, tensor: Tensor, name: str) -> str:
        if tensor.dtype == "float16" and tensor.value is not None:
            return self.constant(self.constants[name].astype(np.float32), f"{tensor.name}/float32")
        return name

    def _quantiser(self, tensor: Tensor, held: Quantisation) -> tuple[str, str]:
        single = held.scale.size == 1
        dtype = "int8" if tensor.dtype == "int4" else tensor.dtype
        zero = held.zero.astype(dtype)
        if not np.array_equal(zero, held.zero):
            raise self.error(tensor.name, "QUANTIZE", f"has a zero point beyond {dtype}", AGAIN)
        scale = held.scale.reshape(()) if single else held.scale
        return (
            self.constant(scale, f"{tensor.name}/scale"),
            self.constant(zero.reshape(()) if single else zero, f"{tensor.name}/zero"),
        )

    def finish(self, value: str, tensor: Tensor, activation: str = "NONE") -> None:
        """The real `value`, activated, becomes `tensor`: codes where it is quantised."""
        value = self._activated(value, tensor, activation)
        if tensor.quantisation is not None:
            inputs = (value, *self._quantiser(tensor, tensor.quantisation))
            value = self.node("QuantizeLinear", inputs, f"{tensor.name}/quantize", axis=tensor.quantisation.axis)
        self.become(value, tensor)

    def become(self, value: str, tensor: Tensor) -> None:
        """The node that makes `value` makes `tensor`; it is the last one."""
        last = self.nodes[-1] if self.nodes else None
        if last is not None and last.outputs == (value,):
            self.nodes[-1] = replace(last, outputs=(tensor.name,))
        else:
            name = self._fresh(f"{tensor.name}/same")
            self.nodes.append(Node(name, "Identity", "", (value,), (tensor.name,), {}, self.file))

    def entered(self, data: Tensor, made: Tensor) -> str:
        """What an operator reads that only moves: codes, where those of both its ends mean the same."""
        return self.codes(data) if same(data, made) else self.real(data)

    def left(self, value: str, data: Tensor, made: Tensor) -> None:
        """The end of an operator that only moves `data`: `value` becomes `made`."""
        if same(data, made):
            self.become(value, made)
        else:
            self.finish(value, made)

    def _activated(self, value: str, tensor: Tensor, activation: str) -> str:
        name = f"{tensor.name}/{activation.lower()}"
        match activation:
            case "RELU":
                return self.node("Relu", (value,), name)
            case "RELU6" | "RELU_N1_TO_1" | "RELU_0_TO_1":
                low = -1.0 if activation == "RELU_N1_TO_1" else 0.0
                high = 6.0 if activation == "RELU6" else 1.0
                bounds = (self.constant(bound, name, np.float32) for bound in (low, high))
                return self.node("Clip", (value, *bounds), name)
            case "TANH":
                return self.node("Tanh", (value,), name)
            case "NONE":
                return value
        raise self.error(tensor.name, activation, "is an activation that is not read", "use ReLU, ReLU6 or none")

    def first(self, value: str, name: str) -> str:
        """An image with its channels first."""
        return self.node("Transpose", (value,), f"{name}/channels first", perm=TO_FIRST)

    def last(self, value: str, name: str) -> str:
        """An image with its channels last."""
        return self.node("Transpose", (value,), f"{name}/channels last", perm=TO_LAST)

    def error(self, name: str, op: str, what: str, hint: str) -> BitwrightError:
        """The error that an operator cannot be taken."""
        return Node(name, op, "", (), (), {}, self.file).error(what, hint)


def activation(operator: Operator, number: int) -> str:
    """The fused activation, which is this field of the operator's options."""
    code = option(operator, number, "b")
    return ACTIVATIONS[code] if 0 <= code < len(ACTIVATIONS) else f"number {code}"


def option(operator: Operator, number: int, kind: str, default: Any = 0) -> Any:
    """A number among an operator's options."""
    return operator.options.number(number, kind, default) if operator.options is not None else default


def same(one: Tensor, other: Tensor) -> bool:
    """True if the codes of two tensors mean the same."""
    a, b = one.quantisation, other.quantisation
    if a is None or b is None or one.dtype != other.dtype:
        return a is b and one.dtype == other.dtype
    return a.scale.size == 1 and np.array_equal(a.scale, b.scale) and np.array_equal(a.zero, b.zero)


def operand(writer: Writer, operator: Operator, index: int) -> Tensor:
    """An operand that must be there."""
    tensor = operator.inputs[index] if index < len(operator.inputs) else None
    if tensor is None:
        raise writer.error(operator.outputs[0].name, operator.name, f"lacks operand {index}", AGAIN)
    return tensor


def integers(writer: Writer, operator: Operator, index: int) -> Array:
    """A constant operand of integers."""
    tensor = operand(writer, operator, index)
    if tensor.value is None or tensor.value.dtype.kind not in "iu":
        what = f"has an operand {index} that is no constant of integers"
        raise writer.error(operator.outputs[0].name, operator.name, what, "convert the model with fixed sizes")
    return tensor.value.astype(np.int64)
