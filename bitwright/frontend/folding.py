# SPDX-License-Identifier: Apache-2.0
"""Constant folding: a node whose inputs are all plain constants is computed once."""

from __future__ import annotations

from collections.abc import Sequence

from bitwright.frontend.values import Const, Value
from bitwright.reading.constants import FOLDED, compute
from bitwright.reading.model import Node
from bitwright.reading.schema import STANDARD

KEEP_CODES = {"Transpose", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Clip", "Relu", "Identity", "Cast", "Dropout"}
"""Operators with a handler that keeps the integers behind a quantised constant."""


def foldable(node: Node, values: Sequence[Value | None]) -> bool:
    """True if `node` is arithmetic on constants that loses nothing when it is computed in floating point."""
    if (
        node.op not in FOLDED
        or values[:1] == [None]
        or not all(value is None or isinstance(value, Const) for value in values)
    ):
        return False
    coded = any(isinstance(value, Const) and value.codes is not None for value in values)
    return node.domain in STANDARD and not (coded and node.op in KEEP_CODES)


def fold(node: Node, values: Sequence[Value | None], opset: int) -> list[Const]:
    """The outputs of a node of constants."""
    return [Const(array) for array in compute(node, [v.array if isinstance(v, Const) else None for v in values], opset)]
