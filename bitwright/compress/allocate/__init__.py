# SPDX-License-Identifier: Apache-2.0
"""Widths by budget: tables of error and of price over the widths of weights and tensors, and who chooses by them."""

from bitwright.compress.allocate.exact import exact
from bitwright.compress.allocate.greedy import greedy
from bitwright.compress.allocate.tables import Allocator, Answer, Impossible, Ledger, Term, Widths

ALLOCATORS: dict[str, Allocator] = {"ilp": exact, "greedy": greedy}
"""What chooses the widths of a table by itself, by the name it has on the command line."""

__all__ = ["ALLOCATORS", "Allocator", "Answer", "Impossible", "Ledger", "Term", "Widths"]
