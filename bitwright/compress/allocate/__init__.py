# SPDX-License-Identifier: Apache-2.0
"""Widths by budget: ledgers of error and of price over the widths of weights and tensors, and who chooses by them."""

from collections.abc import Callable, Iterator

from bitwright.compress.allocate.exact import cheapest
from bitwright.compress.allocate.sensing import Sensing
from bitwright.compress.allocate.tables import Allocator, Answer, Impossible, Ledger, Request, Term, Widths, excess
from bitwright.compress.family import Family

ALLOCATORS: Family[Allocator] = Family(__name__, "ALLOCATORS")
"""What chooses the widths, by name."""
SENSITIVITIES: Family[Callable[[Sensing], Iterator[Term]]] = Family(__name__, "SENSITIVITIES")
"""What finds the error that widths bring, by name."""
ALLOCATOR, SENSITIVITY = "ilp", "one-by-one"
"""The defaults; the second is asked for what another leaves out."""

__all__ = [
    "ALLOCATOR",
    "ALLOCATORS",
    "SENSITIVITIES",
    "SENSITIVITY",
    "Allocator",
    "Answer",
    "Impossible",
    "Ledger",
    "Request",
    "Term",
    "Widths",
    "cheapest",
    "excess",
]
