# SPDX-License-Identifier: Apache-2.0
"""One width for all weights and one for all tensors, each halved in on."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite

from bitwright.compress.allocate.tables import Answer, Request, Widths, excess


def trim(request: Request) -> Answer | None:
    """One width for all weights, then one for all tensors, each the least by halving that keeps the limit of the error.

    Ristretto (Gysel, Pimentel, Motamedi, Ghiasi: "Ristretto: a framework for empirical study of resource-efficient
    inference in convolutional neural networks", TNNLS 2018; R006). Where no error is limited, the
    widest that keep the limits of the cost are taken, tensors first as wide as weights.
    """
    ledger, limits = request.ledger, request.limits
    within = {kind: most for kind, most in limits.items() if kind == request.error} or dict(limits)

    def keeps(widths: Widths) -> bool:
        fine = excess(ledger.predict(widths), within) == 0
        return fine and (request.errs is None or request.errs(widths) <= request.most)

    wide = max((bits for offered in ledger.widths.values() for bits in offered), default=0)
    if request.error in limits or isfinite(request.most):
        weights = halved(1, wide, lambda bits: keeps(ledger.uniform(bits, wide)))
        tensors = halved(1, wide, lambda bits: keeps(ledger.uniform(weights, bits)))
    else:
        weights = wide + 1 - halved(1, wide, lambda less: keeps(ledger.uniform(wide + 1 - less, wide + 1 - less)))
        tensors = weights
    widths = ledger.uniform(weights, tensors)
    figures = ledger.predict(widths)
    if excess(figures, limits) > 0 or not keeps(widths):
        return None
    certificate = {"status": "nothing is proved", "objective": figures[request.least]}
    return Answer(widths, {**certificate, "weights": weights, "activations": tensors})


def halved(low: int, high: int, fine: Callable[[int], bool]) -> int:
    """The least number for which something holds that holds for all above it; `high` where it holds for none."""
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fine(middle) else (middle + 1, high)
    return low


ALLOCATORS = {"trim": trim}
