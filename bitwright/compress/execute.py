# SPDX-License-Identifier: Apache-2.0
"""A float network run in NumPy: the audit's operators, and `onnx.reference` for what these leave out."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from math import prod
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bitwright.audit.operators import FLOAT, conv, conv_transpose, gemm, matmul
from bitwright.audit.replay import function_of
from bitwright.compress.network import FloatNet
from bitwright.ir.errors import BitwrightError
from bitwright.reading.constants import FAILURES
from bitwright.reading.model import Node
from bitwright.reading.sizes import GROWING, MAX_ELEMENTS, check_folded, check_size

Array = NDArray[Any]
CHUNK = 64
"""Samples per run at most, whatever batch the network was exported for."""
MEMORY = 1 << 30
"""Bytes that all tensors of a run may take, about."""
Step = tuple[Node, Callable[[Sequence[Array | None]], Sequence[Array]]]
"""A node, and what computes its outputs from its operands."""
HINT = "check that the model runs in another tool on the same data"


def shape_of(attributes: Mapping[str, Any], given: Sequence[int], shape: Array) -> list[int]:
    """Another shape of each sample: the number of samples that an export wrote in front does not count."""
    kept = not attributes.get("allowzero", 0)
    wanted = [given[i] if d == 0 and kept and i < len(given) else d for i, d in enumerate(shape.reshape(-1).tolist())]
    if wanted and wanted[0] > 0 and given[0] and _is_of_samples(wanted[1:], prod(given) // given[0]):
        wanted[0] = given[0]
    return wanted


def _reshape(attributes: Mapping[str, Any], x: Array, shape: Array) -> Array:
    return x.reshape(shape_of(attributes, x.shape, shape))


def _is_of_samples(wanted: Sequence[int], size: int) -> bool:
    """True if a shape can be that of one sample of a size."""
    rest = prod(d for d in wanted if d != -1)
    return rest == size or (-1 in wanted and rest > 0 and size % rest == 0)


def squeezed_axes(attributes: Mapping[str, Any], given: Sequence[int], axes: Array | None = None) -> tuple[int, ...]:
    """The axes of length 1 that are left out; all but the samples', where none are named."""
    named = attributes.get("axes") if axes is None else axes.reshape(-1).tolist()
    return tuple(named or (i for i, size in enumerate(given) if size == 1 and i))


def _squeeze(attributes: Mapping[str, Any], x: Array, axes: Array | None = None) -> Array:
    return np.squeeze(x, squeezed_axes(attributes, x.shape, axes))


FAST: Mapping[str, Callable[..., Array]] = FLOAT | {
    "Conv": partial(conv, multiply=np.matmul),
    "ConvTranspose": partial(conv_transpose, multiply=np.matmul),
    "Gemm": partial(gemm, multiply=np.matmul),
    "MatMul": partial(matmul, multiply=np.matmul),
    "Reshape": _reshape,
    "Squeeze": _squeeze,
}
"""As the audit computes them, but that sums of products are in the order of NumPy's matrix product, which is fast."""


def outputs_of(net: FloatNet, arrays: Sequence[Array]) -> list[Array]:
    """The outputs of `net` for one array per input, samples on axis 0."""
    chunks = [[tensors[name] for name in net.outputs] for tensors in run(net, arrays)]
    return [np.concatenate(parts) for parts in zip(*chunks, strict=True)]


def run(net: FloatNet, arrays: Sequence[Array]) -> Iterator[dict[str, Array]]:
    """Every tensor of `net`, chunk by chunk; sample by sample where the network holds the size of its batch."""
    steps, size = prepared(net, arrays)
    for start in range(0, len(arrays[0]), size):
        yield _values(net, steps, [array[start : start + size] for array in arrays])


def prepared(net: FloatNet, arrays: Sequence[Array]) -> tuple[list[Step], int]:
    """The nodes with what computes them, and how many samples they take at once."""
    steps = []
    for node in net.nodes:
        with _explained(node):
            steps.append((node, function_of(node, net.opset, FAST)))
    return steps, _together(net, steps, arrays)


def _together(net: FloatNet, steps: Sequence[Step], arrays: Sequence[Array]) -> int:
    """As many samples as fit, if two at once give two of each output; else one."""
    if len(arrays[0]) < 2:
        return 1
    try:
        values = _values(net, steps, [array[:2] for array in arrays])
    except BitwrightError:
        return 1
    made = sum(array.nbytes for name, array in values.items() if name not in net.constants)
    fit = max(1, min(CHUNK, 2 * MEMORY // max(made, 1)))
    return fit if all(values[name].shape[:1] == (2,) for name in net.outputs) else 1


def _values(net: FloatNet, steps: Sequence[Step], arrays: Sequence[Array]) -> dict[str, Array]:
    """Every tensor of `net` for some samples."""
    values: dict[str, Array] = dict(net.constants) | inputs_of(net, arrays)
    for step in steps:
        values |= results(step, [values[name] if name else None for name in step[0].inputs], len(arrays[0]))
    return values


def inputs_of(net: FloatNet, arrays: Sequence[Array]) -> dict[str, Array]:
    """The inputs of `net`, as it computes with them."""
    kinds = [np.float32 if entry.dtype.kind == "f" else entry.dtype for entry in net.inputs]
    given = zip(net.inputs, arrays, kinds, strict=True)
    return {entry.name: array.astype(kind, copy=False) for entry, array, kind in given}


def results(step: Step, operands: Sequence[Array | None], samples: int) -> dict[str, Array]:
    """What a node makes of its operands, which hold so many samples."""
    node, function = step
    with _explained(node):
        _check_result(node, operands, samples)
        made = function(operands)
    return {name: result for name, result in zip(node.outputs, made, strict=False) if name}


@contextmanager
def _explained(node: Node) -> Iterator[None]:
    """Whatever goes wrong inside is the error of `node`."""
    try:
        with warnings.catch_warnings(), np.errstate(all="ignore"):
            warnings.simplefilter("ignore")  # what overflows is not finite, and refused where it is calibrated
            yield
    except FAILURES as error:
        reason = f"{error}".partition("\n")[0][:200]
        raise node.error(f"cannot be run on the data: {reason}", HINT) from error
    except MemoryError as error:
        raise node.error("needs more memory than there is", "use a smaller network, or a larger machine") from error


def _check_result(node: Node, operands: Sequence[Array | None], samples: int) -> None:
    """Refuse a node that makes more than any activation may hold, before memory is taken."""
    given = [array for array in operands if array is not None]
    if node.op in FAST and node.op not in GROWING:
        _check_window(node, given)
    else:
        check_folded(node, given, samples * MAX_ELEMENTS)


def _check_window(node: Node, operands: Sequence[Array]) -> None:
    """Refuse a window of another rank than the image's, and one that makes a field larger than any activation."""
    x, attributes = operands[0], node.attributes
    rank = max(x.ndim - 2, 0)
    lengths = {"kernel_shape": rank, "strides": rank, "dilations": rank, "pads": 2 * rank}
    for name, length in lengths.items():
        if len(attributes.get(name) or [0] * length) != length or (node.op == "Conv" and operands[1].ndim != x.ndim):
            raise node.error(f"has a window that does not fit a tensor of rank {x.ndim}", "export the model again")
    pads = attributes.get("pads") or [0] * 2 * rank
    sides = zip(x.shape[2:], pads, pads[rank:], strict=False)
    spatial = [size + max(before, 0) + max(after, 0) for size, before, after in sides]
    channels = max(len(operands[1]), x.shape[1]) if node.op == "Conv" else prod(x.shape[1:2])
    check_size(node, (channels, *spatial))
