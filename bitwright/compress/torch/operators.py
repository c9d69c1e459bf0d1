# SPDX-License-Identifier: Apache-2.0
"""The operators of a float network in PyTorch: all that the importer takes, as `compress.execute` runs them.

Each takes the node's attributes and its operands: tensors of float32, and arrays for what no data changes. What only
moves values is found by moving their places once, so that it is one function for all ways to move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import prod
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from onnx import helper
from torch import Tensor
from torch.nn import functional

from bitwright.audit.operators import reduced_axes
from bitwright.compress.execute import shape_of, squeezed_axes
from bitwright.compress.torch.places import MOVED, moved, resize
from bitwright.compress.torch.windows import WINDOWS
from bitwright.reading.model import Node

Array = NDArray[Any]
Operand = Tensor | Array | None
Attributes = Mapping[str, Any]
SIXTH, FIFTH, HUNDREDTH = (float(np.float32(number)) for number in (1 / 6, 0.2, 0.01))
"""Of HardSwish, HardSigmoid and LeakyRelu, where a node names none: as a file would hold them."""
ALPHA, GAMMA = 1.67326319217681884765625, 1.05070102214813232421875
"""Of Selu, where a node names none."""
Apply = Callable[[Sequence[Operand]], Sequence[Tensor]]
"""From the operands of a node to its outputs."""


def function_of(node: Node, opset: int) -> Apply:
    """What computes a node of which an operand is data."""
    if node.op in MOVED or (node.op in ("Resize", "Upsample") and node.attributes.get("mode", "nearest") == "nearest"):
        return moved(node, opset)
    function = OPERATORS.get(node.op)
    if function is None:
        raise node.error("cannot be trained yet", f"supported: {', '.join(sorted({*OPERATORS, *MOVED}))}")
    return lambda operands: _listed(function(node.attributes, *operands))


def _listed(made: Tensor | Sequence[Tensor]) -> Sequence[Tensor]:
    return [made] if isinstance(made, Tensor) else made


def _tensor(operand: Operand) -> Tensor:
    return operand if isinstance(operand, Tensor) else torch.as_tensor(operand, dtype=torch.float32)


def _one(function: Callable[[Tensor], Tensor]) -> Callable[..., Tensor]:
    """A function of one operand that has no attributes."""
    return lambda attributes, x: function(x)


def _two(function: Callable[[Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
    """A function of any number of operands, taken two and two."""

    def apply(attributes: Attributes, first: Operand, *others: Operand) -> Tensor:
        made = _tensor(first)
        for other in others:
            made = function(made, _tensor(other))
        return made

    return apply


def _clip(attributes: Attributes, x: Tensor, low: Operand = None, high: Operand = None) -> Tensor:
    given = (attributes.get("min") if low is None else low, attributes.get("max") if high is None else high)
    lowest, highest = (None if bound is None else torch.as_tensor(bound, dtype=x.dtype) for bound in given)
    made = x if lowest is None else x.maximum(lowest)
    return made if highest is None else made.minimum(highest)


def _gelu(attributes: Attributes, x: Tensor) -> Tensor:
    return functional.gelu(x, approximate=str(attributes.get("approximate", "none")))


def _selu(attributes: Attributes, x: Tensor) -> Tensor:
    alpha, gamma = float(attributes.get("alpha", ALPHA)), float(attributes.get("gamma", GAMMA))
    return gamma * (x.clamp(min=0) + alpha * torch.expm1(x.clamp(max=0)))


def _hard_sigmoid(attributes: Attributes, x: Tensor) -> Tensor:
    return (x * float(attributes.get("alpha", FIFTH)) + float(attributes.get("beta", 0.5))).clamp(0, 1)


def _thresholded(attributes: Attributes, x: Tensor) -> Tensor:
    return torch.where(x > attributes.get("alpha", 1.0), x, 0.0)


def _prelu(attributes: Attributes, x: Tensor, slope: Operand) -> Tensor:
    return x.clamp(min=0) + _tensor(slope) * x.clamp(max=0)


def _cast(attributes: Attributes, x: Tensor) -> Tensor:
    kind = helper.tensor_dtype_to_np_dtype(int(attributes["to"])).kind
    return (x != 0).float() if kind == "b" else x.trunc() if kind in "iu" else x


def _gemm(attributes: Attributes, a: Tensor, b: Tensor, c: Operand = None) -> Tensor:
    made = (a.T if attributes.get("transA", 0) else a) @ (b.T if attributes.get("transB", 0) else b)
    made = made * float(attributes.get("alpha", 1.0))
    return made if c is None else made + _tensor(c) * float(attributes.get("beta", 1.0))


def _matmul(attributes: Attributes, a: Operand, b: Operand) -> Tensor:
    return _tensor(a) @ _tensor(b)


def _reduced(function: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Callable[..., Tensor]:
    """A reduction over the axes that its attribute, or its second operand, names."""

    def apply(attributes: Attributes, x: Tensor, axes: Array | None = None) -> Tensor:
        over = reduced_axes(attributes, x.ndim, axes)
        return function(x, over, bool(attributes.get("keepdims", 1))) if over else x

    return apply


def _mean(x: Tensor, axes: tuple[int, ...], keep: bool) -> Tensor:
    """The sum over the number, in this order, as hardware has it."""
    return x.sum(axes, keep) / prod(x.shape[axis] for axis in axes)


def _spatial(function: Callable[[Tensor, tuple[int, ...], bool], Tensor]) -> Callable[..., Tensor]:
    return lambda attributes, x: function(x, tuple(range(2, x.ndim)), True)


def _softmax(function: Callable[..., Tensor]) -> Callable[..., Tensor]:
    return lambda attributes, x: function(x, dim=int(attributes.get("axis", -1)))


def _argmax(attributes: Attributes, x: Tensor) -> Tensor:
    axis, last = int(attributes.get("axis", 0)), bool(attributes.get("select_last_index", 0))
    found = (x.flip(axis) if last else x).argmax(axis, keepdim=bool(attributes.get("keepdims", 1)))
    return x.shape[axis] - 1 - found if last else found


def _topk(attributes: Attributes, x: Tensor, k: Array | None = None) -> tuple[Tensor, Tensor]:
    axis, largest = int(attributes.get("axis", -1)), bool(attributes.get("largest", 1))
    count = int(attributes["k"] if k is None else np.asarray(k).reshape(-1)[0])
    order = x.argsort(dim=axis, descending=largest, stable=True).narrow(axis, 0, count)
    return x.gather(axis, order), order


def _reshape(attributes: Attributes, x: Tensor, shape: Array | None = None) -> Tensor:
    given = attributes["shape"] if shape is None else shape
    return x.reshape(shape_of(attributes, x.shape, np.asarray(given)))


def _flatten(attributes: Attributes, x: Tensor) -> Tensor:
    return x.reshape(prod(x.shape[: range(x.ndim + 1)[int(attributes.get("axis", 1))]]), -1)


def _squeeze(attributes: Attributes, x: Tensor, axes: Array | None = None) -> Tensor:
    return x.squeeze(squeezed_axes(attributes, x.shape, axes))


def _unsqueeze(attributes: Attributes, x: Tensor, axes: Array | None = None) -> Tensor:
    given = [int(axis) for axis in (attributes["axes"] if axes is None else axes.reshape(-1))]
    for axis in sorted(axis % (x.ndim + len(given)) for axis in given):
        x = x.unsqueeze(axis)
    return x


def _transpose(attributes: Attributes, x: Tensor) -> Tensor:
    return x.permute(tuple(attributes.get("perm") or range(x.ndim)[::-1]))


def _concat(attributes: Attributes, *operands: Operand) -> Tensor:
    return torch.cat([_tensor(operand) for operand in operands], int(attributes.get("axis", 1)))


ONE: Mapping[str, Callable[[Tensor], Tensor]] = {
    "Abs": torch.abs,
    "Ceil": torch.ceil,
    "Erf": torch.erf,
    "Exp": torch.exp,
    "Floor": torch.floor,
    "HardSwish": lambda x: x * (x * SIXTH + 0.5).clamp(0, 1),
    "Identity": lambda x: x,
    "Log": torch.log,
    "Mish": functional.mish,
    "Neg": torch.neg,
    "Reciprocal": torch.reciprocal,
    "Relu": torch.relu,
    "Round": torch.round,
    "Sigmoid": torch.sigmoid,
    "Sign": torch.sign,
    "Softplus": functional.softplus,
    "Softsign": functional.softsign,
    "Sqrt": torch.sqrt,
    "Tanh": torch.tanh,
}
"""Functions of one operand without attributes."""
TWO: Mapping[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Add": torch.add,
    "Div": torch.div,
    "Max": torch.maximum,
    "Min": torch.minimum,
    "Mul": torch.mul,
    "Pow": torch.pow,
    "Sub": torch.sub,
}
"""Functions of two operands, or of more, taken two and two."""
OPERATORS: Mapping[str, Callable[..., Tensor | Sequence[Tensor]]] = {
    **WINDOWS,
    **{name: _one(function) for name, function in ONE.items()},
    **{name: _two(function) for name, function in TWO.items()},
    "ArgMax": _argmax,
    "Cast": _cast,
    "Celu": lambda attributes, x: functional.celu(x, attributes.get("alpha", 1.0)),
    "Clip": _clip,
    "Concat": _concat,
    "Elu": lambda attributes, x: functional.elu(x, attributes.get("alpha", 1.0)),
    "Flatten": _flatten,
    "Gelu": _gelu,
    "Gemm": _gemm,
    "GlobalAveragePool": _spatial(_mean),
    "GlobalMaxPool": _spatial(lambda x, axes, keep: x.amax(axes, keep)),
    "HardSigmoid": _hard_sigmoid,
    "LeakyRelu": lambda attributes, x: functional.leaky_relu(x, attributes.get("alpha", HUNDREDTH)),
    "LogSoftmax": _softmax(functional.log_softmax),
    "MatMul": _matmul,
    "PRelu": _prelu,
    "ReduceMax": _reduced(lambda x, axes, keep: x.amax(axes, keep)),
    "ReduceMean": _reduced(_mean),
    "ReduceMin": _reduced(lambda x, axes, keep: x.amin(axes, keep)),
    "ReduceSum": _reduced(lambda x, axes, keep: x.sum(axes, keep)),
    "Reshape": _reshape,
    "Resize": resize,
    "Selu": _selu,
    "Softmax": _softmax(functional.softmax),
    "Squeeze": _squeeze,
    "ThresholdedRelu": _thresholded,
    "TopK": _topk,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
    "Upsample": resize,
}
"""By the operator: `(attributes, *operands)` to one tensor or several. BatchNormalization and Dropout, which differ
while training, are the executor's; those of `MOVED` are in no table."""
