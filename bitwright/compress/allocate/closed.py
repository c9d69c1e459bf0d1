# SPDX-License-Identifier: Apache-2.0
"""Widths in closed form, from how the errors of weights and tensors compare when all have the same bits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from math import log2

import numpy as np
from numpy.typing import NDArray

from bitwright.compress.allocate.tables import TINY, Answer, Ledger, Request, excess

Floats = NDArray[np.float64]
STEP = 1 / 8
"""Between the mean widths that are tried."""


def water_filling(request: Request) -> Answer | None:
    """Widths at which all err alike: the mean and half the logarithm by which an error is above the geometric mean.

    Banner, Nahshan, Soudry: "Post training 4-bit quantization of convolutional networks for rapid-deployment", NeurIPS
    2019, arXiv 1810.05723; R102. It is best for a quota of bits, where each bit less errs four times as much; of all
    means the best that keeps the limits is taken.
    """
    return _best(request, bits_for)


def level_quota(request: Request) -> Answer | None:
    """Widths whose numbers of codes go with the two thirds power of the range: best for a quota of codes.

    Banner, Nahshan, Soudry: "Post training 4-bit quantization of convolutional networks for rapid-deployment", NeurIPS
    2019, arXiv 1810.05723; R102. As the paper has it; `water-filling` is for a quota of bits. Of all means the best
    that keeps the limits is taken.
    """
    return _best(request, levels_for)


def bits_for(ranges: Floats, mean: float) -> Floats:
    """Bits of this mean at which the squared errors of these ranges, their squares over 4^bits, are equal."""
    return np.asarray(mean + np.log2(ranges) - np.log2(ranges).mean())


def levels_for(ranges: Floats, mean: float) -> Floats:
    """Bits whose codes are 2^mean in the mean, and least in the sum of squared errors."""
    share = ranges ** (2 / 3)
    return np.asarray(np.log2(len(ranges) * 2.0**mean * share / share.sum()))


def _best(request: Request, closed: Callable[[Floats, float], Floats]) -> Answer | None:
    """The widths of a mean that keep the limits and have least of what is asked for."""
    ledger, found = request.ledger, list[tuple[float, float, Mapping[str, int]]]()
    names, ranges = list(ledger.widths), _ranges(request)
    highest = max((max(offered) for offered in ledger.widths.values()), default=0)
    for mean in np.arange(0, 2 * highest + STEP, STEP):
        wanted = closed(ranges, float(mean))
        widths = {
            name: min(ledger.widths[name], key=lambda bits, near=near: (abs(bits - near), bits))  # type: ignore[misc]
            for name, near in zip(names, wanted, strict=True)
        }
        figures = ledger.predict(widths)
        if excess(figures, request.limits) == 0:
            found.append((figures[request.least], float(mean), widths))
    if not found:
        return None
    least, mean, chosen = min(found, key=lambda each: each[:2])
    return Answer(chosen, {"status": "nothing is proved", "objective": least, "mean": mean})


def _ranges(request: Request) -> Floats:
    """The size of what each width rounds: the mean over widths of the root of its error times 2^bits."""
    kind = request.error or request.least
    return np.array([_range(request.ledger, name, kind) for name in request.ledger.widths])


def _range(ledger: Ledger, name: str, kind: str) -> float:
    errors = [
        log2(max(amounts.get(kind, 0.0), TINY)) / 2 + bits
        for term in ledger.terms
        if term.names == (name,)
        for (bits,), amounts in term.amounts.items()
        if amounts.get(kind, 0.0) > TINY
    ]
    return float(2.0 ** np.mean(errors)) if errors else TINY


ALLOCATORS = {"water-filling": water_filling, "level-quota": level_quota}
