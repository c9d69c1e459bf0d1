# SPDX-License-Identifier: Apache-2.0
"""Widths whose odds are learnt by gradients, in a network that is a mixture of all of them at once."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

from bitwright.compress.allocate.exact import integer_program
from bitwright.compress.allocate.tables import Amounts, Answer, Ledger, Request, Term, Widths, excess
from bitwright.compress.qat import need_torch

if TYPE_CHECKING:
    from bitwright.compress.torch.mixed import Odds, Way

UNLIKELY = "surprise"
"""What a ledger of odds has amounts of: the logarithm of how unlikely a width is."""
DRAWN, MEASURED = 64, 6
"""Designs that are drawn, and of those within the limits the likeliest, which are measured."""
FLAT = 0.25
"""The power of odds by which is drawn: those that are learnt to the end are nearly certain."""
CHEAPER = 8
"""Limits of what shall be least that are tried, where the error is limited."""


def dnas(request: Request) -> Answer | None:
    """Widths by a stochastic network of all of them: drawn with Gumbel's noise, ever colder, by odds that are learnt.

    The error times a power of the logarithm of the expected cost is what they learn (Wu, Wang, Zhang, Tian, Vajda,
    Keutzer: "Mixed precision quantization of ConvNets via differentiable neural architecture search", 2018, arXiv
    1812.00090; R117). The power follows the limit, and weights stay as they are, for codes are chosen behind it. Of the
    likeliest designs within the limits the best as measured is the answer. Needs PyTorch.
    """
    need_torch("allocate by gates")
    from bitwright.compress.torch.mixed import Drawn

    return _best(request, Drawn())


def darc(request: Request) -> Answer | None:
    """Widths by the sum of all of them, each by its share, with a cost on shares beside the error; the largest stays.

    Singh, Khetan, Karnin: "DARC: differentiable architecture compression", 2019, arXiv 1905.08170; R119. What a layer
    can become is its widths; the cost's weight follows the limit. Needs PyTorch.
    """
    need_torch("allocate by gates")
    from bitwright.compress.torch.mixed import Summed

    return _best(request, Summed())


def _best(request: Request, way: Way) -> Answer | None:
    """The best as measured of the likeliest designs within the limits."""
    ledger, least = request.ledger, request.least
    if integer_program(request) is None:
        return None
    odds = _odds(request, way)
    designs = list(_likely(ledger, odds, request.limits) if least == request.error else _ever_cheaper(request, odds))
    assert request.errs is not None, "it measures"
    rated = [(request.errs(each), ledger.predict(each), each) for each in designs]
    within = [each for each in rated if each[0] <= request.most] or rated
    _, figures, best = min(within, key=lambda each: each[0] if least == request.error else each[1][least])
    told = {"status": "nothing is proved", "objective": figures[least], "measured": len(rated)}
    return Answer(best, told)


def _odds(request: Request, way: Way) -> Odds:
    """What was learnt at the first request of a search: others know some of its widths, or move its limits."""
    from bitwright.compress.torch.mixed import learnt

    if UNLIKELY not in request.learnt:
        request.learnt[UNLIKELY] = learnt(request, way)
    found: Odds = request.learnt[UNLIKELY]
    return found


def _likely(ledger: Ledger, odds: Odds, limits: Amounts) -> Iterator[Widths]:
    """The likeliest design within the limits, and the likeliest others of those that are drawn."""
    best = _likeliest(ledger, odds, limits)
    assert best is not None, "there are some"
    yield best
    rng, found = np.random.default_rng(0), dict[tuple[int, ...], float]()
    for _ in range(DRAWN):
        drawn = {name: _drawn(few, [odds[name][bits] for bits in few], rng) for name, few in ledger.widths.items()}
        if drawn != best and excess(ledger.predict(drawn), limits) == 0:
            found[tuple(drawn.values())] = sum(odds[name][bits] for name, bits in drawn.items())
    for key in sorted(found, key=lambda key: (-found[key], key))[:MEASURED]:
        yield dict(zip(ledger.widths, key, strict=True))


def _drawn(widths: tuple[int, ...], odds: list[float], rng: np.random.Generator) -> int:
    shares = np.exp((np.array(odds) - max(odds)) * FLAT)
    return int(rng.choice(widths, p=shares / shares.sum()))


def _likeliest(ledger: Ledger, odds: Odds, limits: Amounts) -> Widths | None:
    """The likeliest design within the limits, by an integer program."""
    unlikely = [
        Term((name,), {(bits,): {UNLIKELY: -odds[name][bits]} for bits in few}) for name, few in ledger.widths.items()
    ]
    held = Ledger(ledger.weights, ledger.tensors, (*ledger.terms, *unlikely))
    answer = integer_program(Request(ledger=held, least=UNLIKELY, limits=limits))
    return None if answer is None else answer.widths


def _ever_cheaper(request: Request, odds: Odds) -> Iterator[Widths]:
    """The likeliest designs within the limits and ever less of what shall be least."""
    ledger, kind = request.ledger, request.least
    low, high = (ledger.predict({n: end(few) for n, few in ledger.widths.items()})[kind] for end in (min, max))
    for most in np.linspace(high, low, CHEAPER, endpoint=False).tolist():
        likely = _likeliest(ledger, odds, {**request.limits, kind: most})
        if likely is None:
            return
        yield likely


ALLOCATORS = {"dnas": dnas, "darc": darc}
