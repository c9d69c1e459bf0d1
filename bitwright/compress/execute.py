# SPDX-License-Identifier: Apache-2.0
"""A float network run in NumPy: the audit's operators, and `onnx.reference` for what these leave out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.operators import FLOAT, conv, gemm, matmul
from bitwright.compress.network import FloatNet
from bitwright.reading.constants import FAILURES, evaluator
from bitwright.reading.model import Node
from bitwright.reading.sizes import MAX_ELEMENTS, check_folded, check_size

Array = NDArray[Any]
CHUNK = 64
"""Samples per run where the network leaves the batch open; bounds the memory for intermediate tensors."""
HINT = "check that the model runs in another tool on the same data"
FAST: Mapping[str, Callable[..., Array]] = FLOAT | {
    "Conv": partial(conv, multiply=np.matmul),
    "Gemm": partial(gemm, multiply=np.matmul),
    "MatMul": partial(matmul, multiply=np.matmul),
}
"""As the audit computes them, but that sums of products are in the order of NumPy's matrix product, which is fast."""


def outputs_of(net: FloatNet, arrays: Sequence[Array]) -> list[Array]:
    """The outputs of `net` for one array per input, samples on axis 0."""
    chunks = [[tensors[name] for name in net.outputs] for tensors in run(net, arrays)]
    return [np.concatenate(parts)[: len(arrays[0])] for parts in zip(*chunks, strict=True)]


def run(net: FloatNet, arrays: Sequence[Array]) -> Iterator[dict[str, Array]]:
    """Every tensor of `net`, chunk by chunk; a fixed batch is filled up by starting over with the data."""
    functions = [_function(node, net.opset) for node in net.nodes]
    size, count = net.batch or CHUNK, len(arrays[0])
    for start in range(0, count, size):
        rows = np.arange(start, start + size) % count if net.batch else slice(start, start + size)
        values: dict[str, Array] = dict(net.constants)
        for entry, array in zip(net.inputs, arrays, strict=True):
            values[entry.name] = array[rows].astype(np.float32)
        for node, function in zip(net.nodes, functions, strict=True):
            results = _results(node, function, [values[name] if name else None for name in node.inputs], size)
            values |= {name: result for name, result in zip(node.outputs, results, strict=False) if name}
        yield values


def _function(node: Node, opset: int) -> Callable[[Sequence[Array | None]], Sequence[Array]]:
    if node.op not in FAST:
        return evaluator(node, opset)
    function = FAST[node.op]
    return lambda operands: [np.asarray(function(node.attributes, *operands))]


def _results(
    node: Node,
    function: Callable[[Sequence[Array | None]], Sequence[Array]],
    operands: Sequence[Array | None],
    samples: int,
) -> Sequence[Array]:
    """What `node` makes; its size is checked before memory is taken, and whatever goes wrong is its error."""
    given = [array for array in operands if array is not None]
    try:
        if node.op in FAST:
            _check_padded(node, given)
        else:
            check_folded(node, given, samples * MAX_ELEMENTS)
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # what overflows is not finite, and refused where it is calibrated
            return function(operands)
    except FAILURES as error:
        reason = f"{error}".partition("\n")[0][:200]
        raise node.error(f"cannot be run on the data: {reason}", HINT) from error
    except MemoryError as error:
        raise node.error("needs more memory than there is", "use a smaller network, or a larger machine") from error


def _check_padded(node: Node, operands: Sequence[Array]) -> None:
    """Refuse padding and kernels that make more of a sample than any activation may hold."""
    x, pads = operands[0], node.attributes.get("pads") or [0] * 2 * max(operands[0].ndim - 2, 0)
    sides = zip(x.shape[2:], pads, pads[len(pads) // 2 :], strict=False)
    spatial = [size + max(before, 0) + max(after, 0) for size, before, after in sides]
    channels = max(len(operands[1]), x.shape[1]) if node.op == "Conv" else prod(x.shape[1:2])
    check_size(node, (channels, *spatial))
