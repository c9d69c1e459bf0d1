# SPDX-License-Identifier: Apache-2.0
"""The forms in which hardware can compute a requantiser: those proved equal to its meaning."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bitwright.exact.forms import INT64_BITS, Form, Lookup, MultiplyShift, Thresholds
from bitwright.exact.lines import multiply_shifts
from bitwright.exact.proof import PRODUCT_BITS, proved
from bitwright.exact.steps import MAX_STEPS, Steps, spans, steps
from bitwright.ir.errors import BitwrightError
from bitwright.ir.layers import Requantise, Rounding
from bitwright.ir.weights import Ints, Weights

MAX_THRESHOLDS = 1023
"""Steps per channel that are still searched: 10-bit codes."""
LINES = (Rounding.FLOOR, Rounding.CEIL, Rounding.HALF_UP, Rounding.HALF_DOWN, Rounding.HALF_EVEN)
"""Roundings that are the same on both sides of zero."""
MAX_TABLE = 1 << 12
"""Entries of a table in place of arithmetic."""


def forms(layer: Requantise, lo: Ints, hi: Ints) -> tuple[Form, ...]:
    """Every form that equals `layer` in every channel c for every integer lo[c]..hi[c]; `planning` has their price.

    Products beyond int64 are used only where there is nothing shorter.

    BitwrightError names the layer if there is none.
    """
    found = steps(layer, lo, hi)
    proofs = [form for form in candidates(layer, found) if proved(form, found)]
    if not proofs:
        raise BitwrightError(
            f"no multiply-add-shift within {PRODUCT_BITS} bits equals its {int(found.count.max()) + 1} codes",
            where=f"layer '{layer.name}'",
            hint=f"quantise its output to at most {MAX_THRESHOLDS + 1} codes",
        )
    narrow = [form for form in proofs if not isinstance(form, MultiplyShift) or form.product.bits <= INT64_BITS]
    return tuple(narrow or proofs)


def refusal(layer: Requantise, lo: Ints, hi: Ints) -> BitwrightError | None:
    """Why `layer` has no form, found without the search where theorem 3 of `docs/exactness.md` says that it has one."""
    codes = spans(layer, lo, hi)
    wide = 2 * int((hi - lo).max()).bit_length() + int(codes.max()).bit_length() + 2
    line = layer.rounding in LINES and not layer.slope and wide <= PRODUCT_BITS
    few = int(codes.max()) <= MAX_THRESHOLDS or line
    if few and int(codes.max()) * len(codes) <= MAX_STEPS:
        return None
    try:
        forms(layer, lo, hi)
    except BitwrightError as error:
        return error
    return None


def candidates(layer: Requantise, found: Steps) -> Iterator[Form]:
    """Forms that should be equal to `layer`, whose steps are `found`; none is proved yet."""
    yield from multiply_shifts(layer, found)
    if found.t.shape[1] <= MAX_THRESHOLDS:
        yield thresholds(layer, found)
    if table := lookup(found):
        yield table


def thresholds(layer: Requantise, found: Steps) -> Thresholds:
    """The steps themselves; one over several codes, as of a sign that is not bipolar, stands once for each of them."""
    step = found.step if layer.type.is_bipolar else 1
    return Thresholds(
        kind="thresholds",
        t=Weights(np.repeat(found.t, found.step // step, axis=1)),
        falling=Weights(found.falling.astype(np.int64)),
        first=Weights(found.first),
        step=step,
    )


def lookup(found: Steps) -> Lookup | None:
    """One table for all channels, if they agree wherever their intervals meet and the whole is short."""
    low, high = int(found.lo.min()), int(found.hi.max())
    if high - low >= MAX_TABLE:
        return None
    widest = int((found.hi - found.lo).argmax())
    a = np.arange(low, high + 1)[:, None]
    channel = found.take(np.array([widest]))
    return Lookup(kind="table", lo=low, entries=Weights(channel.apply(np.clip(a, channel.lo, channel.hi))[:, 0]))
