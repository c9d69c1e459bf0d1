# SPDX-License-Identifier: Apache-2.0
"""Widths by budget: ledgers of error and of price over the widths of weights and tensors, and who chooses by them."""

from collections.abc import Callable, Iterator

from bitwright.compress.allocate.error import Sensing, one_by_one
from bitwright.compress.allocate.exact import cheapest, integer_program
from bitwright.compress.allocate.greedy import greedy
from bitwright.compress.allocate.hessian import hessian_trace
from bitwright.compress.allocate.netadapt import netadapt
from bitwright.compress.allocate.tables import Allocator, Answer, Impossible, Ledger, Request, Term, Widths, excess

ALLOCATORS: dict[str, Allocator] = {"ilp": integer_program, "greedy": greedy, "netadapt": netadapt}
"""What chooses the widths, by name, the default first."""
SENSITIVITIES: dict[str, Callable[[Sensing], Iterator[Term]]] = {
    "one-by-one": one_by_one,
    "hessian-trace": hessian_trace,
}
"""What finds the error that widths bring, by name, the default first, which is asked for what another leaves out."""
ALLOCATOR, SENSITIVITY = (next(iter(registry)) for registry in (ALLOCATORS, SENSITIVITIES))

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
