# SPDX-License-Identifier: Apache-2.0
"""A PyTorch module as a graph, in one call."""

from __future__ import annotations

from typing import Any

from bitwright import api
from bitwright.ir.graph import Graph
from bitwright.reading.exporting import exported


def from_torch(module: Any, example: Any) -> Graph:
    """The graph of a `torch.nn.Module` in evaluation mode; `example` is one input tensor, or a tuple of them.

    What `torch.fake_quantize_per_tensor_affine` and its sibling for channels do, so too inside a `FakeQuantize` module,
    is taken as PyTorch computes it, ties included. What a value of the example decided is a warning, by its line.
    Raises BitwrightError; a float module is quantised first, by `bitwright.quantize(module, data, example=example)`.
    """
    return api.load(exported(module, example, "from_torch"), rounding="torch")
