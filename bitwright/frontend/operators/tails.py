# SPDX-License-Identifier: Apache-2.0
"""Products with float weights at the end of a network, which stay on the host: a classifier that nobody quantised."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from bitwright.frontend.builder import Builder
from bitwright.frontend.layouts import FIT, broadcasts
from bitwright.frontend.results import NO_QUANTISER, to_host
from bitwright.frontend.values import Const, Host, Tensor, Value
from bitwright.ir import host_ops
from bitwright.ir.errors import BitwrightError
from bitwright.ir.host_ops import Constant
from bitwright.reading.model import Node

ON_HOST = frozenset(
    "Add ArgMax Clip Div Dropout Flatten Gemm Identity LogSoftmax MatMul Mul Relu Reshape Sigmoid Softmax Squeeze Sub "
    "Tanh TopK Transpose Unsqueeze".split()
)
"""Operators that the host computes behind the last quantiser."""


def ends(builder: Builder, node: Node) -> bool:
    """True if only operators follow that the host computes."""
    readers = [reader for name in node.outputs if name for reader in builder.readers(name)]
    return all(reader.op in ON_HOST and ends(builder, reader) for reader in readers)


def or_on_host(builder: Builder, node: Node, operands: Sequence[Value | None], on_chip: Callable[[], Any]) -> Any:
    """What `on_chip` makes of a node; or the host, of a product with float weights that integers cannot hold."""
    if node.op not in ("Gemm", "MatMul"):
        return on_chip()
    try:
        return builder.tried(on_chip)
    except BitwrightError:
        host = _left(builder, node, operands)
        if host is None:
            raise
        return host


def _left(builder: Builder, node: Node, values: Sequence[Value | None]) -> Host | None:
    value, matrix, bias, *_ = (*values, None)
    if not isinstance(matrix, Const) or matrix.codes is not None or not isinstance(bias, Const | None):
        return None
    if node.op == "Gemm" and not _is_plain(node):
        return None
    turned = node.attributes.get("transB", 0)
    return product(builder, node, value, Const(matrix.array.T) if turned else matrix, bias)


def product(builder: Builder, node: Node, value: Value | None, matrix: Const, bias: Const | None) -> Host | None:
    """The product with a matrix of (inputs, outputs), and a bias; None where integers are asked for."""
    if matrix.array.ndim != 2 or not ends(builder, node):
        return None
    host = _host(builder, node, value)
    if host is None or len(host.shape) < 2 or host.shape[-1] != matrix.array.shape[0]:
        return None
    shape = (*host.shape[:-1], matrix.array.shape[1])
    if bias is not None and not broadcasts(bias.array.shape, shape):
        raise node.error(f"combines shapes {shape} and {bias.array.shape}", FIT)
    steps: list[host_ops.HostOp] = [host_ops.Product(Constant(matrix.array.astype(np.float32)))]
    if bias is not None:
        steps.append(host_ops.Add(Constant(bias.array.astype(np.float32))))
    name = host.name
    for does in steps:
        name = builder.host_step("output", does, (name,), node=(node.name, node.op), reason=NO_QUANTISER)
    return Host(name, shape, "output")


def _host(builder: Builder, node: Node, value: Value | None) -> Host | None:
    """The operand on the host; None if it is none that can be there."""
    if isinstance(value, Tensor) and not value.pools:
        return to_host(builder, value, node)
    return value if isinstance(value, Host) and value.side == "output" else None


def _is_plain(node: Node) -> bool:
    """True for a Gemm that is a product and a sum, and no more."""
    scales = {float(node.attributes.get(name, 1.0)) for name in ("alpha", "beta")}
    return scales == {1.0} and not node.attributes.get("transA", 0)
