# SPDX-License-Identifier: Apache-2.0
"""Weights whose sums fit an accumulator, whatever the inputs: the width is a promise, not a result."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor

from bitwright.compress.grid import source_of
from bitwright.compress.network import FloatNet
from bitwright.compress.sites import Edge
from bitwright.compress.torch.ste import SMALLEST, through
from bitwright.ir.types import IntType, integer

SLACK = 1e-6
"""By which sums of fractions may be off, and fractions that differ by less are equal."""


def bounded(codes: Tensor, weight: Tensor, reads: IntType, bits: int) -> Tensor:
    """Codes (rows, terms), those of rows whose sums with codes of `reads` may leave `bits` bits made smaller.

    A2Q (Colbert, Pappalardo, Petri-Koenig: "A2Q: accumulator-aware quantization with guaranteed overflow avoidance",
    ICCV 2023, arXiv 2308.13504) bounds the sum of sizes of a row; as in A2Q+ (arXiv 2401.10432), what may be added and
    what may be taken away count by themselves. A row is multiplied by the largest factor at which its sums fit. The
    paper rounds towards zero; here each side keeps all that its whole sum has room for: what was nearest to the next
    code, of equals the largest weight.
    """
    room, exact = integer(bits, signed=True), codes.detach().double()
    above, below = exact.clamp(min=0), (-exact).clamp(min=0)
    plus, minus = above.sum(1, keepdim=True), below.sum(1, keepdim=True)
    high, low = plus * reads.hi - minus * reads.lo, plus * reads.lo - minus * reads.hi
    factor = torch.minimum(room.hi / high.clamp_min(1), room.lo / low.clamp_max(-1)).clamp_max(1)
    if bool((factor == 1).all()):
        return codes
    near = weight.detach().double().abs()
    near = near / near.amax().clamp_min(SMALLEST)
    fit = _fitting(above, near, factor) - _fitting(below, near, factor)
    return torch.where(factor < 1, through(codes * factor.to(codes.dtype), fit.to(codes.dtype)), codes)


def _fitting(sizes: Tensor, near: Tensor, factor: Tensor) -> Tensor:
    """Whole parts of sizes times a factor, whose sum is that of the product: the largest remainders are rounded up."""
    wanted = sizes * factor
    whole = wanted.floor()
    spare = (wanted.sum(1, keepdim=True) + SLACK).floor() - whole.sum(1, keepdim=True)
    parts = torch.where(sizes > 0, wanted - whole, -1.0).mul(1 / SLACK).round() + near / 2
    ranks = parts.argsort(dim=1, descending=True).argsort(dim=1)
    return whole + (ranks < spare)


def read_by(net: FloatNet, types: Mapping[Edge, IntType]) -> dict[str, IntType]:
    """The codes that come to the layers of each weight: those of a quantiser, by its edges, or of an input."""
    makers = {name: node for node in net.nodes for name in node.outputs}
    kinds = [np.iinfo(entry.dtype) for entry in net.inputs if entry.dtype.kind in "iu"]
    entered = [IntType(int(kind.min), int(kind.max)) for kind in kinds] or [integer(1, signed=False)]
    found: dict[str, IntType] = {}
    for layer in net.layers:
        source = source_of(makers, types, Edge(layer.name, 0))
        come = [types[source]] if source is not None else entered
        for kind in come:
            found[layer.weight] = found[layer.weight] | kind if layer.weight in found else kind
    return found
